//! When a failed refresh is tried again.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::schedule::Refresh;
use crate::credential::schedule::{Backoff, fraction};

/// No pause is shorter.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// Pauses after failures that pass: the first and the longest.
const PASSING: Backoff = Backoff {
    first: Duration::from_secs(2),
    longest: Duration::from_secs(300),
};

/// The longest pause after a failure that passes while no token is good: somebody waits for one, and a server that is back
/// has to be noticed. How often a server that is down is tried for everybody is kept low by the provider's breaker.
const LONGEST_WITHOUT_TOKEN: Duration = Duration::from_secs(60);

/// Pauses after refusals: between ten and thirty minutes, as jitter takes up to half.
const REFUSED: Backoff = Backoff {
    first: Duration::from_secs(1200),
    longest: Duration::from_secs(1800),
};

/// At least this many tries fit in what is left, each in its share of it.
const TRIES: u32 = 4;

/// Those who waited for the same end of a pause come back within this time after it.
const LONGEST_SPREAD: Duration = Duration::from_secs(30);

/// Why a refresh failed, by what to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It passes: the server could not be reached or asked for a pause.
    Passing {
        /// The pause that the server asked for (`Retry-After`).
        retry_after: Option<Duration>,
    },
    /// Somebody has to mend something: credentials, scopes, or what the server gives out.
    Refused,
}

/// When to try again after `failures` failures in a row of the same kind (the first is 1), the last of them `now`.
///
/// Pauses double up to five minutes, or to one minute while no token is good, and are shortened by up to half by the UID
/// and the count, so that resources that failed together come back apart. No pause is longer than a quarter of what is
/// left until the promise breaks or, once it is broken, until the token ends, nor shorter than a second. A pause that the
/// server asked for comes first, even past the token's end. After a refusal the pause is ten to thirty minutes whatever is
/// left: no earlier try could do better, and some servers lock out who insists.
///
/// `published` is the refresh that failed and the end of the token that it would replace; `None` when nothing is
/// published.
#[must_use]
pub fn retry(
    failure: Failure,
    failures: u32,
    now: Timestamp,
    published: Option<(Refresh, Timestamp)>,
    uid: &str,
) -> Timestamp {
    match failure {
        Failure::Refused => later(now, REFUSED.pause(failures, uid)),
        Failure::Passing { retry_after } => {
            let pause = passing_pause(failures, left(now, published), uid);
            let own = later(now, pause);
            let until = retry_after
                .map(|wait| later(now, wait))
                .filter(|until| *until > own);
            match until {
                None => own,
                Some(until) => later(until, spread_after(now, until, left(until, published), uid)),
            }
        }
    }
}

/// What is left at `now` until the promise breaks or, after that, until the token ends. `None` when nothing is left.
fn left(now: Timestamp, published: Option<(Refresh, Timestamp)>) -> Option<Duration> {
    let (refresh, expires_at) = published?;
    [refresh.latest, expires_at]
        .into_iter()
        .find(|end| *end > now)
        .map(|end| end.duration_since(now).unsigned_abs())
}

fn passing_pause(failures: u32, left: Option<Duration>, uid: &str) -> Duration {
    let longest = left.map_or(LONGEST_WITHOUT_TOKEN, |left| PASSING.longest.min(left / TRIES));
    let pause = Backoff { longest, ..PASSING }.pause(failures, uid);
    pause.max(SHORTEST_PAUSE)
}

/// A little more than the server asked for, so that not everybody comes back at once.
fn spread_after(now: Timestamp, until: Timestamp, left: Option<Duration>, uid: &str) -> Duration {
    let waited = until.duration_since(now).unsigned_abs();
    let longest = LONGEST_SPREAD.min(waited / 10);
    let longest = left.map_or(longest, |left| longest.min(left / TRIES));
    longest.mul_f64(fraction(&format!("{uid}/retry-after")))
}

fn later(now: Timestamp, pause: Duration) -> Timestamp {
    now.saturating_add(pause).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;

    fn after(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    /// The promise breaks after `latest` seconds, and the token ends ten minutes later.
    fn published(latest: i64) -> Option<(Refresh, Timestamp)> {
        let refresh = Refresh {
            at: after(0),
            latest: after(latest),
            kept: true,
        };
        Some((refresh, after(latest + 600)))
    }

    fn pause(failure: Failure, failures: u32, published: Option<(Refresh, Timestamp)>) -> SignedDuration {
        retry(failure, failures, after(0), published, "uid").duration_since(after(0))
    }

    const AWAY: Failure = Failure::Passing { retry_after: None };

    #[test]
    fn pauses_grow_and_stay_within_a_quarter_of_what_is_left() {
        let seconds = |failures, published| pause(AWAY, failures, published).as_secs_f64();
        assert!((1.0..=2.0).contains(&seconds(1, None)));
        assert!((2.0..=4.0).contains(&seconds(2, None)));
        assert!((30.0..=60.0).contains(&seconds(20, None)));
        assert!((50.0..=100.0).contains(&seconds(20, published(400))));
        // The promise is broken: now the token's end counts.
        assert!((70.0..=150.0).contains(&seconds(20, published(-10))));
        assert!((1.0..=1.0).contains(&seconds(20, published(1))));
        assert!(
            (30.0..=60.0).contains(&seconds(20, published(-700))),
            "the token has ended, and a server that is back has to be noticed"
        );
    }

    #[test]
    fn a_pause_that_the_server_asked_for_is_kept() {
        let asked = |seconds| Failure::Passing {
            retry_after: Some(Duration::from_secs(seconds)),
        };
        let retry_of = |seconds| retry(asked(seconds), 1, after(0), published(60), "uid");

        let past_the_end = retry_of(900);
        assert!(past_the_end >= after(900) && past_the_end <= after(930));

        let in_time = retry_of(50);
        assert!(
            in_time >= after(50) && in_time <= after(53),
            "it comes before the promise breaks"
        );

        assert!(
            retry_of(0) >= after(1),
            "a server that asks for no pause gets one"
        );
    }

    #[test]
    fn a_refusal_is_not_hurried_by_an_end_that_is_near() {
        let refused = retry(Failure::Refused, 1, after(0), published(60), "uid");
        assert!(refused >= after(600) && refused <= after(1200));
    }

    proptest! {
        #[test]
        fn no_pause_is_a_hot_loop_or_without_end(
            failures in any::<u32>(),
            latest in -1000..100_000_i64,
            wait in prop::option::of(any::<u64>()),
            uid in any::<String>(),
        ) {
            let bounds = |failure, shortest, longest| {
                let at = retry(failure, failures, after(0), published(latest), &uid);
                after(shortest) <= at && at <= after(longest)
            };
            prop_assert!(bounds(AWAY, 1, 300));
            prop_assert!(bounds(Failure::Refused, 600, 1800));
            let asked = Failure::Passing { retry_after: wait.map(Duration::from_secs) };
            prop_assert!(retry(asked, failures, after(0), published(latest), &uid) >= after(1));
        }
    }
}
