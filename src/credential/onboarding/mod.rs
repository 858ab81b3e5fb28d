//! From an e-mail address to a verified account: what to do next, decided from what is recorded.
//!
//! The state is NotRegistered, CodeSent or Verified. [`decide`] looks at what is [`Recorded`] and at what was found
//! ([`Facts`]) and names one [`Move`]; [`Recorded::begin`], [`Recorded::after`] and [`Recorded::after_login`] say what is
//! recorded next. Nothing else is needed, so a process may be killed at any instruction:
//!
//! - The password is stored before the first call, and each call is recorded before it is sent.
//! - A call that may have taken effect is looked at before another one is made: a code may have been mailed, so it is
//!   waited for; the account may be verified, so a login tells.
//! - No code is sent twice, and at most three are tried for one mail.
//! - Calls that count against the limit of the IP address wait for the [`HourlyBudget`] of all accounts.
//! - Mails that bring no code become rarer, then end: see [`Stop`].
//!
//! Section numbers are those of the contract of Didit's API.

mod budget;
mod decide;
mod recorded;
mod status;
mod stop;

#[cfg(test)]
mod decide_tests;
#[cfg(test)]
mod simulation;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::api::conditions::whole_seconds;

pub use budget::{Caller, HourlyBudget};
pub use decide::{Facts, Move, Password, Source, WaitReason, decide};
pub use recorded::{LoginOutcome, Outcome, Pending, Recorded, Sending, Stopped};
pub use stop::Stop;

/// How long a mailed code is relied on (sections 2.1 and 10.1).
pub const CODE_LIFETIME: SignedDuration = SignedDuration::from_mins(10);

/// How long a code is tried all the same: older pages of Didit say 15 minutes (section 10.1), and a try costs nothing that
/// is scarce.
const CODE_TRIED_FOR: SignedDuration = SignedDuration::from_mins(15);

/// Time between two mails to one address (section 2.2).
const COOLDOWN: SignedDuration = SignedDuration::from_secs(60);

/// A call whose process is gone may still arrive within this time.
const SETTLE_TIME: SignedDuration = SignedDuration::from_mins(2);

/// How long a mail is waited for before another one is asked for.
const MAIL_EXPECTED_WITHIN: SignedDuration = SignedDuration::from_mins(3);

/// No pause is longer, whoever asks for it.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(24);

/// Codes that are tried for one mail. Whether Didit counts wrong ones is not documented (section 2.3).
pub const MOST_TRIES: u32 = 3;

/// Mails in a row that bring no good code, until somebody asks for another.
const MOST_MAILS: u32 = 6;

/// `pause` after `now`, in whole seconds, rounded up: a status holds no finer time.
fn later(now: Timestamp, pause: SignedDuration) -> Timestamp {
    let whole = whole_seconds(now);
    let whole = if whole < now {
        plus(whole, SignedDuration::from_secs(1))
    } else {
        whole
    };
    plus(whole, pause)
}

fn plus(time: Timestamp, pause: SignedDuration) -> Timestamp {
    time.saturating_add(pause).unwrap_or(Timestamp::MAX)
}
