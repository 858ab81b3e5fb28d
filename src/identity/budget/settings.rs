//! How gently a provider is called.

use std::time::Duration;

/// The budget of one provider. Figures that make no sense are brought to the nearest that does; the custom resource
/// refuses them before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BudgetSettings {
    /// Calls per second in the long run, from 0.01 to 1000.
    pub requests_per_second: f64,
    /// Calls that may be made at once after a rest, at least 1.
    pub burst: u32,
    /// Calls that may be under way at the same time, at least 1.
    pub concurrency: u32,
    /// Calls that may wait, at least 1. One more sends the least urgent of them away.
    pub queue_limit: usize,
    /// How long a call may wait for its turn. One that would have to wait longer is sent away at once.
    pub max_wait: Duration,
    /// Calls in a row without an answer, or with an answer 5xx, after which no more are made for a while. At least 1.
    pub breaker_failures: u32,
}

impl Default for BudgetSettings {
    /// Figures for a commercial identity API. Five calls per second are 300 a minute: half of what Didit documents for
    /// reads and all of what it documents for writes (contract section 9.3); ten more fit in such a window at most once,
    /// and few calls are writes. Four at a time keep that rate with answers that take 800 ms, and are not noticed by
    /// any server. What can be served within the longest wait, half a minute, is 150 calls, and more need not queue.
    fn default() -> Self {
        Self {
            requests_per_second: 5.0,
            burst: 10,
            concurrency: 4,
            queue_limit: 200,
            max_wait: Duration::from_secs(30),
            breaker_failures: 5,
        }
    }
}

impl BudgetSettings {
    pub(super) fn sane(self) -> Self {
        let rate = self.requests_per_second;
        let rate = if rate.is_nan() {
            Self::default().requests_per_second
        } else {
            rate.clamp(0.01, 1000.0)
        };
        Self {
            requests_per_second: rate,
            burst: self.burst.max(1),
            concurrency: self.concurrency.max(1),
            queue_limit: self.queue_limit.max(1),
            max_wait: self.max_wait,
            breaker_failures: self.breaker_failures.max(1),
        }
    }
}
