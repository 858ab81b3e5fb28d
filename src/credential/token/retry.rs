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

/// The next try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// When.
    pub at: Timestamp,
    /// Why not earlier.
    pub held_by: HeldBy,
    /// Whether the token that is published is still alive then.
    pub in_time: bool,
}

/// Why the next try does not come earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldBy {
    /// Nothing but the growing pause between tries.
    Backoff,
    /// The server asked for a pause that ends then.
    Server {
        /// The end of the pause.
        until: Timestamp,
    },
    /// Somebody has to mend something first.
    Refusal,
}

/// When to try again after `failures` failures in a row of the same kind (the first is 1), the last of them `now`.
///
/// Pauses double up to five minutes and are shortened by up to half by the UID and the count, so that resources that
/// failed together come back apart. No pause is longer than a quarter of what is left until the promise breaks or, once
/// it is broken, until the token ends, nor shorter than a second. A pause that the server asked for comes first, even
/// past the token's end. After a refusal the pause is ten to thirty minutes whatever is left: no earlier try could do
/// better, and some servers lock out who insists.
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
) -> Retry {
    let (at, held_by) = match failure {
        Failure::Refused => (later(now, REFUSED.pause(failures, uid)), HeldBy::Refusal),
        Failure::Passing { retry_after } => {
            let pause = passing_pause(failures, left(now, published), uid);
            let own = later(now, pause);
            let until = retry_after
                .map(|wait| later(now, wait))
                .filter(|until| *until > own);
            match until {
                None => (own, HeldBy::Backoff),
                Some(until) => {
                    let spread = spread_after(now, until, left(until, published), uid);
                    (later(until, spread), HeldBy::Server { until })
                }
            }
        }
    };
    Retry {
        at,
        held_by,
        in_time: published.is_some_and(|(_, expires_at)| at < expires_at),
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
    let longest = left.map_or(PASSING.longest, |left| PASSING.longest.min(left / TRIES));
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
