//! How often: the generic cell rate algorithm (ITU-T I.371, annex A), which needs no timer.

use std::time::Duration;

use tokio::time::Instant;

/// A rate with a burst. In any window of time, never more calls are let through than the burst and what the rate
/// allows in that window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    /// Time between two calls at the steady rate.
    interval: Duration,
    /// How far ahead of the steady rate calls may be: one interval for each call of the burst but the first.
    tolerance: Duration,
    /// When the next call would come if all had come at the steady rate. `None` before the first.
    arrival: Option<Instant>,
}

impl Rate {
    pub(super) fn new(per_second: f64, burst: u32) -> Self {
        let interval = interval(per_second);
        Self {
            interval,
            tolerance: interval.saturating_mul(burst.saturating_sub(1)),
            arrival: None,
        }
    }

    /// The soonest time, from `now` on, at which a call may be made that has `before` others before it.
    pub(super) fn ready(&self, now: Instant, before: u32) -> Instant {
        let Some(arrival) = self.arrival else {
            return later(
                now,
                self.interval
                    .saturating_mul(before)
                    .saturating_sub(self.tolerance),
            );
        };
        let nth = later(arrival.max(now), self.interval.saturating_mul(before));
        nth.checked_sub(self.tolerance)
            .map_or(now, |ready| ready.max(now))
    }

    /// A call is made. To be asked of [`Self::ready`] before.
    pub(super) fn take(&mut self, now: Instant) {
        let arrival = self.arrival.map_or(now, |arrival| arrival.max(now));
        self.arrival = Some(later(arrival, self.interval));
    }

    /// Takes the burst away: from `until` on, calls come at the steady rate, and what was saved up before is lost.
    pub(super) fn spend_burst(&mut self, until: Instant) {
        let spent = later(until, self.tolerance);
        self.arrival = Some(self.arrival.map_or(spent, |arrival| arrival.max(spent)));
    }

    /// The same rate with other figures. What was used of the old burst is used of the new one, and no more than all
    /// of it, so that a rate which is raised helps at once.
    pub(super) fn changed(&self, now: Instant, per_second: f64, burst: u32) -> Self {
        let new = Self::new(per_second, burst);
        let used = self.arrival.map(|arrival| arrival.saturating_duration_since(now));
        let arrival = used.map(|used| {
            let calls = used.as_secs_f64() / self.interval.as_secs_f64();
            let whole = new.tolerance.saturating_add(new.interval);
            let rescaled = Duration::try_from_secs_f64(new.interval.as_secs_f64() * calls).unwrap_or(whole);
            later(now, rescaled.min(whole))
        });
        Self { arrival, ..new }
    }
}

/// Rounded up to the nanosecond, so that the rate is never exceeded.
fn interval(per_second: f64) -> Duration {
    Duration::try_from_secs_f64(1.0 / per_second)
        .unwrap_or(Duration::MAX)
        .saturating_add(Duration::from_nanos(1))
}

/// The time after a wait; a wait that cannot be told is as good as none that ends, some thirty years.
pub(super) fn later(now: Instant, wait: Duration) -> Instant {
    const LONGEST: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
    now.checked_add(wait.min(LONGEST)).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    proptest! {
        #[test]
        fn no_window_sees_more_than_the_burst_and_the_rate(
            per_second in 0.1_f64..50.0,
            burst in 1_u32..20,
            gaps in prop::collection::vec(0_u64..2_000, 1..200),
        ) {
            let mut rate = Rate::new(per_second, burst);
            let mut now = Instant::now();
            let mut made = Vec::new();
            for gap in gaps {
                now += Duration::from_millis(gap);
                // As many as it gives at once.
                while rate.ready(now, 0) == now {
                    rate.take(now);
                    made.push(now);
                }
            }
            for (first, start) in made.iter().enumerate() {
                for (last, end) in made.iter().enumerate().skip(first) {
                    let window = end.duration_since(*start).as_secs_f64();
                    let allowed = window.mul_add(per_second, f64::from(burst));
                    prop_assert!((last - first + 1) as f64 <= allowed + 1e-6, "{} in {window} s", last - first + 1);
                }
            }
        }

        #[test]
        fn the_time_that_is_promised_is_the_time_that_comes(
            per_second in 0.1_f64..50.0,
            burst in 1_u32..20,
            used in 0_u32..30,
            before in 0_u32..30,
        ) {
            let now = Instant::now();
            let mut rate = Rate::new(per_second, burst);
            for _ in 0..used {
                rate.take(rate.ready(now, 0));
            }
            let promised = rate.ready(now, before);
            let mut clock = now;
            for _ in 0..before {
                clock = rate.ready(clock, 0);
                rate.take(clock);
            }
            prop_assert_eq!(rate.ready(clock, 0), promised);
        }
    }

    #[test]
    fn a_burst_comes_back_after_a_rest_and_not_larger_than_it_was() {
        let start = Instant::now();
        let mut rate = Rate::new(1.0, 3);
        let at_once = |rate: &mut Rate, now| {
            std::iter::from_fn(|| (rate.ready(now, 0) == now).then(|| rate.take(now))).count()
        };
        assert_eq!(at_once(&mut rate, start), 3);
        assert_eq!(at_once(&mut rate, start + SECOND + Duration::from_millis(1)), 1);
        assert_eq!(at_once(&mut rate, start + 3600 * SECOND), 3);
    }

    #[test]
    fn a_spent_burst_leaves_one_call_at_once_and_then_the_steady_rate() {
        let start = Instant::now();
        let mut rate = Rate::new(2.0, 10);
        rate.spend_burst(start + 5 * SECOND);
        assert_eq!(rate.ready(start, 0), start + 5 * SECOND);
        rate.take(start + 5 * SECOND);
        let next = rate.ready(start + 5 * SECOND, 0) - (start + 5 * SECOND);
        assert_eq!(next.as_millis(), 500);
    }

    #[test]
    fn a_rate_that_is_raised_helps_at_once() {
        let now = Instant::now();
        let mut slow = Rate::new(0.01, 10);
        for _ in 0..10 {
            slow.take(now);
        }
        assert!(slow.ready(now, 0) > now + 99 * SECOND);
        let fast = slow.changed(now, 10.0, 1);
        assert!(fast.ready(now, 0) <= now + Duration::from_millis(101));
    }

    #[test]
    fn figures_that_make_no_sense_do_not_panic() {
        let now = Instant::now();
        for per_second in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-300, f64::MIN_POSITIVE] {
            let mut rate = Rate::new(per_second, u32::MAX);
            rate.take(now);
            rate.spend_burst(now);
            let _ = rate.ready(now, u32::MAX);
            let _ = rate.changed(now, 1.0, 0).ready(now, 1);
        }
    }
}
