//! Counting calls in sliding windows, and failed logins.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::later;
use crate::config::Times;

/// Calls within a sliding window (contract, 2.1 and 9.3).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Window {
    calls: VecDeque<Timestamp>,
}

/// What a window says about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowance {
    /// Whether the call is within the limit.
    pub(crate) allowed: bool,
    /// The limit.
    pub(crate) limit: u32,
    /// Calls left after this one.
    pub(crate) remaining: u32,
    /// When the oldest counted call leaves the window.
    pub(crate) reset: Timestamp,
}

impl Window {
    /// Counts a call made `now`, unless `limit` calls already lie within `length`.
    pub(crate) fn take(&mut self, now: Timestamp, limit: u32, length: Duration) -> Allowance {
        while self.calls.front().is_some_and(|call| later(*call, length) <= now) {
            self.calls.pop_front();
        }
        let counted = u32::try_from(self.calls.len()).unwrap_or(u32::MAX);
        let allowed = counted < limit;
        if allowed {
            self.calls.push_back(now);
        }
        Allowance {
            allowed,
            limit,
            remaining: limit.saturating_sub(counted.saturating_add(u32::from(allowed))),
            reset: later(self.calls.front().copied().unwrap_or(now), length),
        }
    }
}

/// Calls by caller and class (contract, 9.3). Not kept across restarts: a window is short.
#[derive(Debug, Default)]
pub(crate) struct RateWindows {
    windows: HashMap<(String, &'static str), Window>,
}

/// From so many callers on, those whose window is empty are forgotten.
const CALLERS: usize = 10_000;

impl RateWindows {
    /// Counts a call, unless it is one too many.
    pub(crate) fn take(
        &mut self,
        caller: (String, &'static str),
        now: Timestamp,
        limit: u32,
        length: Duration,
    ) -> Allowance {
        if self.windows.len() >= CALLERS {
            self.windows
                .retain(|_, window| window.calls.back().is_some_and(|call| later(*call, length) > now));
        }
        self.windows.entry(caller).or_default().take(now, limit, length)
    }
}

/// Consecutive failed logins of one address, and the lock that follows (contract, 2.4).
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Lockout {
    failures: u32,
    locked_until: Option<Timestamp>,
}

impl Lockout {
    /// Until when this address is locked, if it is locked `now`.
    pub(crate) fn locked_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.locked_until.filter(|until| *until > now)
    }

    /// Counts a failure. The 5th locks, the 10th locks longer, the 20th and each after it longest.
    pub(crate) fn fail(&mut self, now: Timestamp, times: &Times) {
        self.failures = self.failures.saturating_add(1);
        let lock = match self.failures {
            5 => Some(times.first_lock),
            10 => Some(times.second_lock),
            20.. => Some(times.third_lock),
            _ => None,
        };
        if let Some(lock) = lock {
            self.locked_until = Some(later(now, lock.get()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn a_window_slides() {
        let minute = Duration::from_secs(60);
        let mut window = Window::default();
        assert!(window.take(at(0), 2, minute).allowed);
        assert_eq!(window.take(at(30), 2, minute).remaining, 0);
        let refused = window.take(at(59), 2, minute);
        assert!(!refused.allowed);
        assert_eq!(refused.reset, at(60));
        assert!(
            window.take(at(60), 2, minute).allowed,
            "the first call has left the window"
        );
        assert!(!window.take(at(61), 2, minute).allowed, "the second has not");
    }

    #[test]
    fn the_lockout_ladder() {
        let times = Times::default();
        let mut lockout = Lockout::default();
        let mut now = 0;
        for (failures, minutes) in [(5, 15), (5, 60), (10, 24 * 60), (1, 24 * 60)] {
            for failure in 0..failures {
                assert_eq!(
                    lockout.locked_until(at(now)),
                    None,
                    "before failure {failure} of {failures}"
                );
                lockout.fail(at(now), &times);
            }
            assert_eq!(lockout.locked_until(at(now)), Some(at(now + minutes * 60)));
            now += minutes * 60;
        }
    }
}
