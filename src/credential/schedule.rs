//! When things are done again: backoff after failures, and spread for what repeats.

use std::time::Duration;

use sha2::{Digest, Sha256};

/// First and longest pause of an exponential backoff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Pause after the first failure, before jitter.
    pub first: Duration,
    /// No pause is longer.
    pub longest: Duration,
}

impl Backoff {
    /// The pause after `failures` failures in a row (the first is 1): it doubles with each, and lies
    /// between half of its full length and the whole, by `seed`, so that resources that failed together do
    /// not come back together.
    #[must_use]
    pub fn pause(self, failures: u32, seed: &str) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let full = self.first.saturating_mul(1 << doublings).min(self.longest);
        full.mul_f64(fraction(&format!("{seed}/{failures}")).mul_add(0.5, 0.5))
    }
}

/// `interval` shortened by up to a fifth, always by the same part for the same seed. What starts together
/// drifts apart, and a restart does not bring it together again.
#[must_use]
pub fn spread(interval: Duration, seed: &str) -> Duration {
    interval.mul_f64(fraction(seed).mul_add(-0.2, 1.0))
}

/// When something is done again that comes after `pause`, for a reader: "within 30 seconds". Coarse, so that the
/// sentence stays the same while pauses vary a little.
#[must_use]
pub fn within(pause: Duration) -> String {
    const STEPS: [(u64, &str); 7] = [
        (10, "10 seconds"),
        (30, "30 seconds"),
        (60, "a minute"),
        (2 * 60, "2 minutes"),
        (5 * 60, "5 minutes"),
        (15 * 60, "15 minutes"),
        (60 * 60, "an hour"),
    ];
    let step = STEPS
        .iter()
        .find(|(seconds, _)| pause <= Duration::from_secs(*seconds));
    match step {
        Some((_, words)) => format!("within {words}"),
        None => format!("within {} hours", pause.as_secs().div_ceil(60 * 60)),
    }
}

/// A number in `0.0..1.0` that is stable for a seed and evenly spread over seeds.
fn fraction(seed: &str) -> f64 {
    let digest = Sha256::digest(seed.as_bytes());
    let bits = digest
        .iter()
        .take(4)
        .fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte));
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BACKOFF: Backoff = Backoff {
        first: Duration::from_secs(1),
        longest: Duration::from_secs(300),
    };

    #[test]
    fn a_wait_is_said_coarsely_and_never_too_short() {
        for (seconds, words) in [
            (0, "within 10 seconds"),
            (10, "within 10 seconds"),
            (11, "within 30 seconds"),
            (60, "within a minute"),
            (61, "within 2 minutes"),
            (300, "within 5 minutes"),
            (3600, "within an hour"),
            (3601, "within 2 hours"),
        ] {
            assert_eq!(within(Duration::from_secs(seconds)), words);
        }
    }

    proptest! {
        #[test]
        fn a_pause_is_never_a_hot_loop_and_never_longer_than_the_longest(failures in any::<u32>(), seed in any::<String>()) {
            let pause = BACKOFF.pause(failures, &seed);
            prop_assert!(pause >= Duration::from_millis(500), "{pause:?}");
            prop_assert!(pause <= BACKOFF.longest);
        }

        #[test]
        fn a_spread_interval_is_stable_and_close_to_the_interval(seed in any::<String>()) {
            let hour = Duration::from_secs(3600);
            let spread_hour = spread(hour, &seed);
            prop_assert_eq!(spread_hour, spread(hour, &seed));
            prop_assert!(spread_hour <= hour && spread_hour >= Duration::from_secs(2880));
        }
    }

    #[test]
    fn resources_that_failed_together_come_back_apart() {
        let pauses: std::collections::BTreeSet<_> = (0..100)
            .map(|n| BACKOFF.pause(9, &format!("uid-{n}")).as_millis() / 1000)
            .collect();
        assert!(pauses.len() > 50, "only {} different seconds", pauses.len());
    }
}
