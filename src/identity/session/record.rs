//! What has to be remembered of an account's logins, and when to stop trying: pure, without clock or I/O.

use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::identity::BrakeReason;

// Didit locks an account after 5 failed logins in a row for 15 minutes, after 10 for 1 hour and after 20 for
// 24 hours, and the lock keeps people out of the console too. Waiting an hour after the first refusal and
// twice as long after each further one makes the fifth attempt come after fifteen hours, the tenth after five
// days and the twentieth after two weeks: time to correct a password before anybody is locked out.
const FIRST_REFUSAL_BRAKE: SignedDuration = SignedDuration::from_hours(1);

// A login without an answer may have counted as a failed one. Three of them are affordable; then the same
// doubling applies, from a shorter start because the usual reason is an outage and not a wrong password.
const UNANSWERED_LIMIT: u32 = 3;
const FIRST_UNANSWERED_BRAKE: SignedDuration = SignedDuration::from_mins(15);

// A login that is answered with 429 may have counted as a failed one too (contract section 2.4). Two of them
// are affordable, since it may be nothing but a busy identity API; from the third on it is a refusal. Logins
// without an answer count with them, so that no mixture of both makes four attempts within a quarter of an hour.
const FIRST_THROTTLE_BRAKE: SignedDuration = SignedDuration::from_mins(1);
const THROTTLED_LIMIT: u32 = 3;

const LONGEST_BRAKE: SignedDuration = SignedDuration::from_hours(24);

/// The history of one account's logins that matters for the next one. It is kept by a [`LoginLedger`]
/// across restarts.
///
/// [`LoginLedger`]: super::LoginLedger
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoginRecord {
    /// Tells credentials apart: the record says nothing about others. Must not be derived from the password
    /// alone, since it is shown.
    pub credentials_version: String,
    /// These credentials have worked and have not been refused since.
    pub verified: bool,
    /// Logins that were begun since the last one that worked, and whose answer was not received.
    pub unanswered: u32,
    /// Refusals since the last login that worked.
    pub refusals: u32,
    /// Logins since the last one that worked which were answered with 429.
    pub throttled: u32,
    /// Until when no login may be made.
    pub brake: Option<Brake>,
}

/// Logins are stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brake {
    /// Why.
    pub reason: BrakeReason,
    /// When the credentials may be tried again.
    pub until: Timestamp,
    /// What happened, as a sentence without a final stop.
    pub message: String,
}

/// Whether a login may be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gate {
    /// It may.
    Open,
    /// It may not.
    Closed(Brake),
}

impl LoginRecord {
    /// The record to start with: the stored one where it is about these credentials, else a fresh one.
    #[must_use]
    pub fn for_credentials(stored: Option<Self>, credentials_version: &str) -> Self {
        stored
            .filter(|record| record.credentials_version == credentials_version)
            .unwrap_or_else(|| Self {
                credentials_version: credentials_version.to_owned(),
                ..Self::default()
            })
    }

    /// What two users of the same account remember together: the brake that holds longer, and the longer
    /// history of failures.
    #[must_use]
    pub fn joined(&self, other: &Self) -> Self {
        let other_brakes_longer = match (&self.brake, &other.brake) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(own), Some(others)) => others.until > own.until,
        };
        Self {
            credentials_version: self.credentials_version.clone(),
            verified: (self.verified || other.verified) && self.brake.is_none() && other.brake.is_none(),
            unanswered: self.unanswered.max(other.unanswered),
            refusals: self.refusals.max(other.refusals),
            throttled: self.throttled.max(other.throttled),
            brake: if other_brakes_longer {
                other.brake.clone()
            } else {
                self.brake.clone()
            },
        }
    }

    /// Whether a login may be made at `now`.
    #[must_use]
    pub fn gate(&self, now: Timestamp) -> Gate {
        match &self.brake {
            Some(brake) if now < brake.until => Gate::Closed(brake.clone()),
            _ => Gate::Open,
        }
    }

    /// A login is about to be made. To be stored before it is: should the process end before an answer is
    /// stored, this login counts as unanswered.
    #[must_use]
    pub fn begin(&self, now: Timestamp) -> Self {
        let unanswered = self.unanswered.saturating_add(1);
        let unjudged = unanswered.saturating_add(self.throttled);
        let over_limit = unjudged.checked_sub(UNANSWERED_LIMIT).filter(|_| !self.verified);
        let brake = over_limit.map(|excess| Brake {
            reason: BrakeReason::LoginUnanswered,
            until: after(now, doubled(FIRST_UNANSWERED_BRAKE, excess)),
            message: format!(
                "{unjudged} logins in a row ended without an answer, and each may have counted as a failed one"
            ),
        });
        Self {
            unanswered,
            brake,
            ..self.clone()
        }
    }

    /// The login that was begun worked.
    #[must_use]
    pub fn succeeded(&self) -> Self {
        Self {
            verified: true,
            unanswered: 0,
            refusals: 0,
            throttled: 0,
            brake: None,
            ..self.clone()
        }
    }

    /// The identity API refused e-mail and password.
    #[must_use]
    pub fn refused(&self, now: Timestamp, message: String) -> Self {
        self.judged_bad(now, BrakeReason::LoginRefused, message)
    }

    /// The identity API refused the second factor that was sent. Not as final as one that is missing: a code
    /// is also refused when it was used before or when a clock is off.
    #[must_use]
    pub fn code_refused(&self, now: Timestamp, message: String) -> Self {
        self.judged_bad(now, BrakeReason::SecondFactorRequired, message)
    }

    /// The identity API asks for a second factor that there is not.
    #[must_use]
    pub fn second_factor(&self, now: Timestamp, message: String) -> Self {
        let until = after(now, LONGEST_BRAKE);
        let brake = Some(Brake {
            reason: BrakeReason::SecondFactorRequired,
            until,
            message,
        });
        Self {
            verified: false,
            brake,
            ..self.answered()
        }
    }

    /// The login that was begun did not reach anything that judges credentials.
    #[must_use]
    pub fn not_sent(&self) -> Self {
        self.answered()
    }

    /// The login that was begun has no outcome that is known.
    #[must_use]
    pub fn lost(&self, message: &str) -> Self {
        let brake = self.brake.clone().map(|brake| {
            let message = format!("{}; the last one: {message}", brake.message);
            Brake { message, ..brake }
        });
        Self {
            brake,
            ..self.clone()
        }
    }

    /// The login that was begun was answered with 429. `retry_after` is the wait that the answer asked for;
    /// the brake never ends before it, and grows from one such answer to the next.
    #[must_use]
    pub fn throttled(&self, now: Timestamp, retry_after: Option<Duration>, message: String) -> Self {
        let answered = self.answered();
        let throttled = answered.throttled.saturating_add(1);
        // Credentials that have worked may have met any number of outages.
        let unanswered = if self.verified { 0 } else { answered.unanswered };
        let count = throttled.saturating_add(unanswered);
        let grown = match count.checked_sub(THROTTLED_LIMIT) {
            Some(excess) => doubled(FIRST_REFUSAL_BRAKE, self.refusals.saturating_add(excess)),
            None => doubled(FIRST_THROTTLE_BRAKE, count.saturating_sub(1)),
        };
        let asked = retry_after.map_or(SignedDuration::ZERO, |wait| {
            SignedDuration::try_from(wait).map_or(LONGEST_BRAKE, |wait| wait.min(LONGEST_BRAKE))
        });
        let brake = Some(Brake {
            reason: BrakeReason::LoginThrottled,
            until: after(now, grown.max(asked)),
            message,
        });
        Self {
            throttled,
            brake,
            ..answered
        }
    }

    fn judged_bad(&self, now: Timestamp, reason: BrakeReason, message: String) -> Self {
        let until = after(now, doubled(FIRST_REFUSAL_BRAKE, self.refusals));
        let brake = Some(Brake {
            reason,
            until,
            message,
        });
        Self {
            verified: false,
            refusals: self.refusals.saturating_add(1),
            brake,
            ..self.answered()
        }
    }

    /// The login that was begun is not an unanswered one. Those before it still are: forgetting them here
    /// would let answers and losses in turn add up to many attempts.
    fn answered(&self) -> Self {
        Self {
            unanswered: self.unanswered.saturating_sub(1),
            brake: None,
            ..self.clone()
        }
    }
}

/// The duration doubled `times` times, at most 24 hours.
fn doubled(first: SignedDuration, times: u32) -> SignedDuration {
    2_i32
        .checked_pow(times)
        .and_then(|factor| first.checked_mul(factor))
        .map_or(LONGEST_BRAKE, |duration| duration.min(LONGEST_BRAKE))
}

fn after(now: Timestamp, wait: SignedDuration) -> Timestamp {
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}
