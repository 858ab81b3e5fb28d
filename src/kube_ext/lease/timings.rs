//! How long a lease lasts and how it is renewed.

use std::time::Duration;

/// The durations of the election. The defaults are client-go's: 15 s, 10 s, 2 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timings {
    lease_duration: Duration,
    renew_deadline: Duration,
    retry_period: Duration,
}

/// Durations that do not fit together. The message names the flag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTimings {
    /// The Lease keeps its duration in whole seconds.
    #[error("--lease-duration {0:?}: must be whole seconds, from 1 s to 1 h")]
    LeaseDuration(Duration),
    /// A leader must know that it lost the lease before another can take it.
    #[error("--lease-renew-deadline {0:?}: must be at most nine tenths of --lease-duration ({1:?})")]
    RenewDeadline(Duration, Duration),
    /// A renewal needs a second try.
    #[error(
        "--lease-retry-period {0:?}: must be at least 100 ms and at most half of --lease-renew-deadline ({1:?})"
    )]
    RetryPeriod(Duration, Duration),
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            lease_duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
        }
    }
}

impl Timings {
    /// `lease_duration`: how long the others wait for a silent leader. `renew_deadline`: how long a leader
    /// tries to renew before it steps down. `retry_period`: the pause between two tries.
    ///
    /// # Errors
    ///
    /// When the durations do not leave each other room.
    pub fn new(
        lease_duration: Duration,
        renew_deadline: Duration,
        retry_period: Duration,
    ) -> Result<Self, InvalidTimings> {
        if lease_duration.subsec_nanos() != 0 || !(1..=3600).contains(&lease_duration.as_secs()) {
            return Err(InvalidTimings::LeaseDuration(lease_duration));
        }
        if renew_deadline > lease_duration * 9 / 10 {
            return Err(InvalidTimings::RenewDeadline(renew_deadline, lease_duration));
        }
        if retry_period < Duration::from_millis(100) || retry_period > renew_deadline / 2 {
            return Err(InvalidTimings::RetryPeriod(retry_period, renew_deadline));
        }
        Ok(Self {
            lease_duration,
            renew_deadline,
            retry_period,
        })
    }

    /// How long the others wait for a silent leader.
    #[must_use]
    pub const fn lease_duration(&self) -> Duration {
        self.lease_duration
    }

    /// How long a leader tries to renew before it steps down.
    #[must_use]
    pub const fn renew_deadline(&self) -> Duration {
        self.renew_deadline
    }

    /// The pause between two tries.
    #[must_use]
    pub const fn retry_period(&self) -> Duration {
        self.retry_period
    }

    /// How long a holder may write: a little less than the others wait, since the two clocks need not run at
    /// quite the same rate.
    pub(super) fn write_window(&self) -> Duration {
        self.lease_duration - self.lease_duration / 40
    }

    /// How long one request may take: two fit before the renew deadline.
    pub(super) fn request_timeout(&self) -> Duration {
        self.renew_deadline / 2
    }

    /// The duration as the Lease keeps it.
    pub(super) fn lease_seconds(&self) -> i32 {
        i32::try_from(self.lease_duration.as_secs()).unwrap_or(i32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_defaults_are_valid() {
        let default = Timings::default();
        assert_eq!(Timings::new(s(15), s(10), s(2)), Ok(default));
        assert!(default.write_window() > default.renew_deadline());
        assert!(default.request_timeout() < default.renew_deadline());
    }

    #[test]
    fn durations_that_leave_no_room_name_their_flag() {
        for (duration, deadline, retry, flag) in [
            (s(0), s(0), s(0), "--lease-duration 0ns"),
            (
                Duration::from_millis(15_500),
                s(10),
                s(2),
                "--lease-duration 15.5s",
            ),
            (s(7200), s(10), s(2), "--lease-duration 7200s"),
            (s(15), s(15), s(2), "--lease-renew-deadline 15s"),
            (s(15), s(14), s(2), "--lease-renew-deadline 14s"),
            (s(15), s(10), s(6), "--lease-retry-period 6s"),
            (s(15), s(10), s(0), "--lease-retry-period 0ns"),
            (s(15), s(0), s(2), "--lease-retry-period 2s"),
        ] {
            let text = Timings::new(duration, deadline, retry).unwrap_err().to_string();
            assert!(text.starts_with(&format!("{flag}: must be ")), "{text}");
        }
    }
}
