//! The sandbox's clock: the real time, moved forward by whoever tests.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// A clock that runs with real time and can be moved ahead of it. It never goes back.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    offset: Mutex<SignedDuration>,
}

impl Clock {
    /// A clock that is ahead of real time by `offset`.
    pub(crate) const fn ahead(offset: SignedDuration) -> Self {
        Self {
            offset: Mutex::new(offset),
        }
    }

    /// The sandbox's present.
    #[must_use]
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::now()
            .checked_add(self.offset())
            .unwrap_or(Timestamp::MAX)
    }

    /// Moves the clock forward; past the end of representable time it stays where it is.
    pub(crate) fn advance(&self, step: Duration) {
        let mut offset = self.offset.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(moved) = SignedDuration::try_from(step)
            .ok()
            .and_then(|step| offset.checked_add(step))
        {
            *offset = moved;
        }
    }

    /// How far the clock is ahead of real time.
    pub(crate) fn offset(&self) -> SignedDuration {
        *self.offset.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `now` plus `duration`, or the end of representable time.
pub(crate) fn later(now: Timestamp, duration: Duration) -> Timestamp {
    SignedDuration::try_from(duration)
        .ok()
        .and_then(|duration| now.checked_add(duration).ok())
        .unwrap_or(Timestamp::MAX)
}

/// Whole seconds from `now` until `then`, rounded up and at least one: what `Retry-After` says.
pub(crate) fn seconds_until(now: Timestamp, then: Timestamp) -> u64 {
    let millis = then.duration_since(now).as_millis();
    u64::try_from(millis).unwrap_or(0).div_ceil(1000).max(1)
}

/// A moment as the API writes it: ISO 8601 in UTC, whole seconds (contract, 4.4).
pub(crate) fn iso(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
