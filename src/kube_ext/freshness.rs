//! Which watches have gone silent.
//!
//! A process can answer its liveness probe while a watch hangs for good. The Kubernetes client ends every
//! watch after 290 s and opens it again, so a watch that works gives a sign of life at least that often:
//! a successful answer to a list or watch request, noted by [`super::layer`].

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Silence after which a watch counts as stuck: two renewals of 290 s, and some slack.
pub const SILENCE_LIMIT: Duration = Duration::from_secs(600);

/// When each watched kind last showed a sign of life. Clones share their state.
///
/// A kind is named by the plural of its resource, as it stands in the request path: `secrets`. Where one
/// kind is watched in several namespaces, each of those watches counts as a sign of life.
#[derive(Clone, Debug, Default)]
pub struct Freshness {
    last_sign: Arc<Mutex<BTreeMap<String, Instant>>>,
}

impl Freshness {
    /// Starts to expect signs of life of `kind`, counted from `now`. Repeating it changes nothing.
    pub fn expect(&self, kind: &str, now: Instant) {
        self.lock().entry(kind.to_owned()).or_insert(now);
    }

    /// Stops to expect anything: this replica no longer watches.
    pub fn expect_nothing(&self) {
        self.lock().clear();
    }

    /// Notes a sign of life of `kind`. Kinds that are not expected are ignored.
    pub fn touched(&self, kind: &str, now: Instant) {
        if let Some(last) = self.lock().get_mut(kind) {
            *last = now.max(*last);
        }
    }

    /// The expected kinds that have been silent for longer than `limit`, by name.
    #[must_use]
    pub fn stale(&self, now: Instant, limit: Duration) -> Vec<Stale> {
        self.lock()
            .iter()
            .map(|(kind, last)| Stale {
                kind: kind.clone(),
                silent_for: now.saturating_duration_since(*last),
            })
            .filter(|stale| stale.silent_for > limit)
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Instant>> {
        // No code under the lock can leave the map half changed.
        self.last_sign.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A watched kind that has gone silent. Prints as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    /// Plural of the resource.
    pub kind: String,
    /// Time since its last sign of life.
    pub silent_for: Duration,
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the watch of {} has had no answer from the Kubernetes API for {} s",
            self.kind,
            self.silent_for.as_secs()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_renewed_watch_is_fresh_and_a_silent_one_is_stale() {
        let start = Instant::now();
        let freshness = Freshness::default();
        freshness.expect("secrets", start);
        freshness.expect("accesstokens", start);
        freshness.touched("secrets", start + s(290));
        freshness.touched("secrets", start + s(580));

        assert_eq!(freshness.stale(start + s(600), SILENCE_LIMIT), []);
        let stale = freshness.stale(start + s(601), SILENCE_LIMIT);
        assert_eq!(
            stale,
            [Stale {
                kind: "accesstokens".into(),
                silent_for: s(601)
            }]
        );
        assert_eq!(
            stale[0].to_string(),
            "the watch of accesstokens has had no answer from the Kubernetes API for 601 s"
        );
    }

    #[test]
    fn a_standby_expects_nothing() {
        let start = Instant::now();
        let freshness = Freshness::default();
        freshness.touched("secrets", start);
        assert_eq!(freshness.stale(start + s(86_400), SILENCE_LIMIT), []);
    }

    #[test]
    fn the_wait_of_a_new_leader_starts_when_it_begins_to_watch() {
        let start = Instant::now();
        let freshness = Freshness::default();
        freshness.expect("secrets", start);
        freshness.expect_nothing();
        freshness.expect("secrets", start + s(3600));
        assert_eq!(freshness.stale(start + s(4200), SILENCE_LIMIT), []);
        assert_eq!(freshness.stale(start + s(4201), SILENCE_LIMIT).len(), 1);
    }

    #[test]
    fn expecting_again_is_no_sign_of_life() {
        let start = Instant::now();
        let freshness = Freshness::default();
        freshness.expect("secrets", start);
        freshness.expect("secrets", start + s(500));
        assert_eq!(freshness.stale(start + s(601), SILENCE_LIMIT).len(), 1);
    }

    #[test]
    fn answers_noted_out_of_order_do_not_age_a_watch() {
        let start = Instant::now();
        let freshness = Freshness::default();
        freshness.expect("secrets", start);
        freshness.touched("secrets", start + s(300));
        freshness.touched("secrets", start + s(100));
        assert_eq!(freshness.stale(start + s(850), SILENCE_LIMIT), []);
    }
}
