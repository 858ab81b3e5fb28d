//! When a token is refreshed so that no pod ever reads one that has too little left.

use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::{at_second, seconds_up, told};
use crate::credential::schedule::fraction;

/// How long a changed Secret may take until pods see it in a mounted volume. The kubelet looks once per sync
/// period (a minute and up to half of it more) and its cache may be a minute old, and a busy node is slower.
pub const DEFAULT_PROPAGATION: Duration = Duration::from_secs(240);

/// What goes wrong with times of its own: a timer that fires late, a Secret that is written slowly, a `Date` in
/// whole seconds. In seconds.
const ALLOWANCE_FLOOR: i64 = 10;

/// The next answer may take this many times as long as the last one.
const LATENCY_FACTOR: u32 = 4;

/// A token is never refreshed before this part of its life has passed, whatever the promise: a larger margin
/// would turn one client into many.
const SHORTEST_PART: i64 = 10;

/// A token is never refreshed sooner than this many seconds after it was issued, however short its life.
const SHORTEST_PAUSE: i64 = 2;

/// A token is refreshed at least this part of its usable life before the last moment, as room for retries.
const ROOM_FOR_RETRIES: f64 = 0.05;

/// A token is refreshed at most this much more of its usable life before the last moment, by its UID.
const JITTER: f64 = 0.15;

/// What a pod may rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    /// A token that a pod reads lives at least this long from then on.
    pub minimum_remaining: Duration,
    /// How long a written Secret may take until every pod sees it.
    pub propagation: Duration,
}

impl Promise {
    /// A promise to pods that mount the Secret as a volume.
    #[must_use]
    pub fn new(minimum_remaining: Duration) -> Self {
        Self {
            minimum_remaining,
            propagation: DEFAULT_PROPAGATION,
        }
    }
}

/// All that has to be remembered of a token to plan its refresh, in whole seconds, so that it survives being
/// written to a status and read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// When its life began.
    pub issued_at: Timestamp,
    /// When its life ends.
    pub expires_at: Timestamp,
    /// What clocks and the way to the server may eat of its life.
    pub allowance: Duration,
}

impl Recorded {
    /// The record of a token, with an allowance for the difference of the clocks (`skew`: the server's minus ours),
    /// for a next answer that takes longer than the last (`latency`), and for a little unpunctuality.
    #[must_use]
    pub fn new(issued_at: Timestamp, expires_at: Timestamp, skew: SignedDuration, latency: Duration) -> Self {
        let clocks = seconds_up(skew.unsigned_abs());
        let way = seconds_up(latency.saturating_mul(LATENCY_FACTOR));
        let allowance = clocks.saturating_add(way).saturating_add(ALLOWANCE_FLOOR);
        Self {
            issued_at: at_second(issued_at.as_second()),
            expires_at: at_second(expires_at.as_second()),
            allowance: Duration::from_secs(allowance.unsigned_abs()),
        }
    }

    /// Seconds from issue to expiry; zero where the record makes no sense.
    fn life(&self) -> i64 {
        let life = self
            .expires_at
            .as_second()
            .saturating_sub(self.issued_at.as_second());
        life.max(0)
    }

    /// Seconds after issue before which it is not refreshed.
    fn floor(&self) -> i64 {
        let tenth = self.life().saturating_add(SHORTEST_PART - 1) / SHORTEST_PART;
        tenth.max(SHORTEST_PAUSE)
    }

    /// Seconds after issue at which its refresh must begin at the latest. Negative when it is too late from the start.
    fn usable(&self, promise: &Promise) -> i64 {
        let eaten = seconds_up(promise.minimum_remaining)
            .saturating_add(seconds_up(promise.propagation))
            .saturating_add(seconds_up(self.allowance));
        self.life().saturating_sub(eaten)
    }
}

/// When a token is refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// When: the status's `refreshAt`, in whole seconds.
    pub at: Timestamp,
    /// The last moment at which the refresh may begin and still keep the promise. Before `at` when `kept` is false.
    pub latest: Timestamp,
    /// Whether the promise is kept when the refresh succeeds by `latest`.
    pub kept: bool,
}

impl Refresh {
    /// When a refresh of a token that expires at `expires_at` is too late for what was promised: after `latest`, and
    /// half way from `at` to the expiry where the promise cannot be kept.
    #[must_use]
    pub fn deadline(&self, expires_at: Timestamp) -> Timestamp {
        if self.kept {
            return self.latest;
        }
        let left = expires_at.as_second().saturating_sub(self.at.as_second());
        at_second(self.at.as_second().saturating_add(left / 2))
    }
}

/// When the token of the resource with this UID is refreshed.
///
/// `latest` is the expiry minus all that eats the token's life. `at` is earlier: by a twentieth of the usable life as
/// room for retries, and by up to three twentieths more that follow from the UID, so that tokens that were issued
/// together do not come due together. A token whose promise leaves less than a tenth of its life, or less than two
/// seconds, is refreshed at about half its life instead, and the promise is not kept: see [`finding`].
///
/// The same arguments give the same answer: a restart, or another replica, changes nothing.
#[must_use]
pub fn refresh(recorded: &Recorded, promise: &Promise, uid: &str) -> Refresh {
    let usable = recorded.usable(promise);
    let floor = recorded.floor();
    let kept = usable >= floor;
    let whole = if kept { usable } else { recorded.life() / 2 };
    let part = if kept {
        JITTER.mul_add(fraction(&format!("{uid}/refresh")), ROOM_FOR_RETRIES)
    } else {
        ROOM_FOR_RETRIES * fraction(&format!("{uid}/refresh"))
    };
    let after = whole.saturating_sub(part_of(whole, part)).max(floor);
    let since_issue = |seconds| at_second(recorded.issued_at.as_second().saturating_add(seconds));
    Refresh {
        at: since_issue(after),
        latest: since_issue(usable),
        kept,
    }
}

/// A part of some seconds, rounded up. A life has fewer seconds than a float has integers.
fn part_of(seconds: i64, part: f64) -> i64 {
    (seconds as f64 * part).ceil() as i64
}

/// Why a promise cannot be kept, and what to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// A reason for a condition, in CamelCase.
    pub reason: &'static str,
    /// The numbers, and what to change.
    pub sentence: String,
}

/// What is wrong with the promise, or `None` when it can be kept.
#[must_use]
pub fn finding(recorded: &Recorded, promise: &Promise) -> Option<Finding> {
    let (usable, floor) = (recorded.usable(promise), recorded.floor());
    if usable >= floor {
        return None;
    }
    let needed_life = recorded
        .life()
        .saturating_sub(usable)
        .saturating_mul(SHORTEST_PART)
        / (SHORTEST_PART - 1);
    let minimum = seconds_up(promise.minimum_remaining);
    let possible = minimum.saturating_sub(floor.saturating_sub(usable));
    let advice = if possible >= 0 && minimum > 0 {
        format!(
            "lower minimumRemaining to {} or less, or let the server give tokens that live {} or more",
            told(possible),
            told(needed_life.saturating_add(SHORTEST_PAUSE))
        )
    } else {
        format!(
            "let the server give tokens that live {} or more",
            told(needed_life.saturating_add(SHORTEST_PAUSE))
        )
    };
    Some(Finding {
        reason: "LifetimeTooShort",
        sentence: format!(
            "the token lives {}; minimumRemaining takes {} of that, propagation to pods {}, clocks and network {}: \
             the token is refreshed at half its life, and pods may read one with less than minimumRemaining left; \
             {advice}",
            told(recorded.life()),
            told(minimum),
            told(seconds_up(promise.propagation)),
            told(seconds_up(recorded.allowance)),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_is_too_late_once_the_promise_is_broken_and_before_the_token_has_expired() {
        let issued = at_second(1_000_000);
        for (life, minimum, expected) in [
            // 3600 s minus a minute, four minutes for the kubelet, and ten seconds.
            (3600, 60, Some(3290)),
            // Nothing is left of the life: half way between the refresh at half its life and the expiry.
            (60, 600, None),
            (2, 0, None),
        ] {
            let expires = at_second(1_000_000 + life);
            let recorded = Recorded::new(issued, expires, SignedDuration::ZERO, Duration::ZERO);
            let refresh = refresh(&recorded, &Promise::new(Duration::from_secs(minimum)), "uid");
            let deadline = refresh.deadline(expires);
            assert!(
                refresh.at <= deadline && deadline <= expires,
                "{life} {refresh:?} {deadline}"
            );
            let after = deadline.as_second() - issued.as_second();
            assert_eq!(refresh.kept, expected.is_some());
            assert!(
                expected.is_none_or(|expected| expected == after),
                "{life}: {after}"
            );
        }
    }
}
