//! How long an access token lives, when it is refreshed, and when a failed refresh is tried again.
//!
//! What a server [`Said`] becomes a [`Lifetime`], of which the status records [`Recorded`]. From that and the
//! [`Promise`] follows the [`Refresh`], now and after every restart: nothing else is needed, so a restart mints
//! nothing, and another promise moves the refresh without a new token.
//!
//! The first token of a resource is asked for at once: somebody waits for it. Tokens that were first issued
//! together do not come due together all the same, since each is refreshed earlier than it must be by a part
//! that follows from its resource's UID.

pub mod lifetime;
pub mod retry;
pub mod schedule;

#[cfg(test)]
mod lifetime_tests;
#[cfg(test)]
mod simulation;

use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

pub use lifetime::{Lifetime, Remark, Said, lifetime};
pub use retry::{Failure, retry};
pub use schedule::{Finding, Promise, Recorded, Refresh, finding, refresh};

/// The time with this many seconds since 1970, or the closest that can be told.
fn at_second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(if second < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

/// Whole seconds, rounded up: a margin must not shrink by being recorded.
fn seconds_up(duration: Duration) -> i64 {
    let seconds = duration
        .as_secs()
        .saturating_add(u64::from(duration.subsec_nanos() > 0));
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

/// Seconds as a reader likes them: `1h 5m`.
fn told(seconds: i64) -> String {
    format!("{:#}", SignedDuration::from_secs(seconds))
}
