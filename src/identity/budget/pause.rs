//! Not now: a provider that has asked to be left alone.

use std::time::Duration;

use tokio::time::Instant;

use super::MAX_PAUSE;
use super::rate::later;
use crate::credential::schedule::Backoff;

/// For answers that do not say how long. Didit's windows are a minute long (contract section 9.3), so a pause soon
/// reaches beyond one.
const UNTOLD: Backoff = Backoff {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(300),
};

/// A wait below this is as good as none: an answer `Retry-After: 0` must not make calls come in a loop.
const SHORTEST: Duration = Duration::from_secs(1);

/// The pause of a whole provider after an answer that said too many requests.
#[derive(Clone, Debug)]
pub(super) struct Pause {
    seed: String,
    until: Option<Instant>,
    /// When the last such answer came that counted.
    counted_at: Option<Instant>,
    /// How many in a row counted.
    count: u32,
}

impl Pause {
    pub(super) fn new(seed: String) -> Self {
        Self {
            seed,
            until: None,
            counted_at: None,
            count: 0,
        }
    }

    /// The end, while it lasts.
    pub(super) fn until(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| now < *until)
    }

    /// An answer to a call that was let through at `admitted` said too many requests. A pause is only ever
    /// lengthened. Answers to calls that were under way together count once.
    pub(super) fn throttled(
        &mut self,
        now: Instant,
        admitted: Instant,
        retry_after: Option<Duration>,
    ) -> Instant {
        if !self.before_the_last(admitted) {
            self.count = self.count.saturating_add(1);
            self.counted_at = Some(now);
        }
        let wait = retry_after.filter(|wait| *wait >= SHORTEST).map_or_else(
            || UNTOLD.pause(self.count, &self.seed),
            |wait| wait.min(MAX_PAUSE),
        );
        let until = later(now, wait);
        let until = self.until.map_or(until, |earlier| earlier.max(until));
        self.until = Some(until);
        until
    }

    /// A call that was let through at `admitted` was answered otherwise.
    pub(super) fn answered(&mut self, admitted: Instant) {
        if !self.before_the_last(admitted) {
            self.count = 0;
        }
    }

    fn before_the_last(&self, admitted: Instant) -> bool {
        self.counted_at.is_some_and(|counted| admitted <= counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pause() -> Pause {
        Pause::new("seed".to_owned())
    }

    #[test]
    fn what_the_answer_says_is_kept_up_to_an_hour() {
        let start = Instant::now();
        let length = |wait| pause().throttled(start, start, Some(wait)) - start;
        assert_eq!(length(7 * SECOND), 7 * SECOND);
        assert_eq!(length(3600 * SECOND), 3600 * SECOND);
        assert_eq!(length(Duration::MAX), 3600 * SECOND);
        assert!(length(Duration::ZERO) >= SECOND / 2);
    }

    #[test]
    fn a_pause_that_was_not_told_grows_and_starts_anew_after_an_answer() {
        let (mut pause, mut now) = (pause(), Instant::now());
        let mut lengths = Vec::new();
        for _ in 0..12 {
            let until = pause.throttled(now, now, None);
            lengths.push(until - now);
            now = until + Duration::from_millis(1);
        }
        assert!(lengths[0] >= SECOND / 2 && lengths[0] <= SECOND, "{lengths:?}");
        assert!(lengths[4] > 4 * lengths[0], "{lengths:?}");
        assert!(lengths.iter().all(|length| *length <= 300 * SECOND));
        pause.answered(now);
        assert!(pause.throttled(now, now, None) - now <= SECOND);
    }

    #[test]
    fn answers_to_calls_that_were_under_way_together_count_once() {
        let (mut pause, start) = (pause(), Instant::now());
        let now = start + SECOND;
        let first = pause.throttled(now, start, None);
        for _ in 0..10 {
            assert_eq!(pause.throttled(now, start, None), first);
        }
        // Nor does an older call that worked make the next pause short.
        pause.answered(start);
        assert_eq!(pause.count, 1);
    }

    #[test]
    fn a_pause_is_never_shortened() {
        let (mut pause, now) = (pause(), Instant::now());
        let until = pause.throttled(now, now, Some(60 * SECOND));
        assert_eq!(pause.throttled(now, now, Some(5 * SECOND)), until);
        assert_eq!(pause.until(until - SECOND), Some(until));
        assert_eq!(pause.until(until), None);
    }
}
