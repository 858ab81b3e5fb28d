//! What to do next.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::budget::{Caller, HourlyBudget};
use super::recorded::{Recorded, Sending};
use super::{CODE_LIFETIME, CODE_TRIED_FOR, MAIL_EXPECTED_WITHIN, MOST_MAILS, MOST_TRIES, Stop, plus};
use crate::api::identity_account::{CodeMailed, LoginNeeded, RegistrationCall};

/// Pauses before the second mail, the third and so on, in hours: nobody may be there, and a mailbox is not to be filled.
const RENEWAL_PAUSES: [i64; 5] = [0, 1, 3, 6, 12];

/// What is known when something is decided.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What the status holds.
    pub recorded: &'a Recorded,
    /// Where the password is. A password that should be there and cannot be read is for the caller to report.
    pub password: Password,
    /// Whether the account's Secret holds what comes with a verified account.
    pub is_published: bool,
    /// Another value for another password and for another address of the identity API. It is shown in the status, so it
    /// is made from versions and not from the password.
    pub inputs_version: &'a str,
    /// Whether this very process recorded the call that is pending and has not sent it yet.
    pub is_own_intent: bool,
    /// Who brings the code.
    pub source: Source,
    /// Mark of the code that is there. See `OneTimeCode::mark`.
    pub code: Option<&'a str>,
    /// Value of the annotation that asks for a code.
    pub request: Option<&'a str>,
    /// The brake on logins ends then.
    pub login_braked_until: Option<Timestamp>,
    /// The calls of all accounts at this auth host.
    pub budget: &'a HourlyBudget,
}

/// Where the account's password is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Password {
    /// In a Secret of the user's, or in the account's Secret.
    Present,
    /// Keywright is to make it, and it is in no Secret.
    Absent,
}

/// Who brings the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A person, who may be away.
    Person,
    /// A mailbox, which should have the mail within minutes.
    Mailbox,
}

/// What to do next: one thing, then decide again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Make a password and store it in the account's Secret.
    StorePassword,
    /// Record [`Recorded::begin`]. Nothing may be sent if it cannot be recorded. No other account may decide between this
    /// decision and the record, since they share the budget.
    RecordIntent(RegistrationCall),
    /// Make the call that is pending, cut it off after the request timeout, and record [`Recorded::after`].
    Call(RegistrationCall),
    /// A call is pending that another process began: record [`Recorded::after`] with
    /// [`super::Outcome::Abandoned`].
    RecordAbandoned,
    /// Log in, read organization and application, write the Secret, and record [`Recorded::after_login`].
    RecoverByLogin,
    /// Likewise, since the address has an account: to see whether the password fits.
    LogIn,
    /// Look for a code, and decide again when there is one or at this time.
    WaitForCode {
        /// When something else is to be done.
        until: Timestamp,
    },
    /// Nothing can be done before this time, unless something changes.
    Wait {
        /// Until when.
        until: Timestamp,
        /// Why.
        reason: WaitReason,
    },
    /// The account is verified and its Secret is written.
    Settled,
    /// Nothing is done any more, until something changes.
    Stop(Stop),
}

/// Why something has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitReason {
    /// The identity API could not be reached, or a call that may have taken effect has to settle.
    Retry,
    /// The brake on logins is on.
    LoginBrake,
    /// The hourly limit of the IP address is used up, or the identity API asked for a pause.
    HourlyBudget,
    /// Another mail is asked for then; a code of the last one is no longer tried.
    Renewal,
}

/// What to do next, by what is recorded and found at `now`.
#[must_use]
pub fn decide(facts: &Facts<'_>, now: Timestamp) -> Move {
    let recorded = facts.recorded;
    if recorded.verified && facts.is_published {
        return Move::Settled;
    }
    if facts.password == Password::Absent {
        return if recorded.is_begun() {
            Move::Stop(Stop::PasswordLost)
        } else {
            Move::StorePassword
        };
    }
    if let Some(pending) = &recorded.pending {
        return if facts.is_own_intent {
            Move::Call(pending.call)
        } else {
            Move::RecordAbandoned
        };
    }
    if let Some(stopped) = recorded
        .stopped
        .as_ref()
        .filter(|stopped| !facts.starts_anew() && !facts.tries_again(stopped.stop, now))
    {
        return Move::Stop(stopped.stop);
    }
    if let Some(until) = recorded.retry_at.filter(|at| *at > now) {
        return Move::Wait {
            until,
            reason: WaitReason::Retry,
        };
    }
    if facts.has_other_inputs() {
        return facts.ask_with_other_inputs(now);
    }
    if recorded.verified || recorded.login_needed.is_some() {
        return facts.login(now);
    }
    if facts.has_good_code(now) {
        return Move::RecordIntent(RegistrationCall::VerifyEmail);
    }
    match &recorded.sending {
        None if facts.is_exhausted() => Move::Stop(Stop::RegistrationRefused),
        None => facts.within_budget(RegistrationCall::Register, now),
        Some(sending) => facts.after_mail(sending, now),
    }
}

impl Facts<'_> {
    /// Somebody asks for a code that was not asked for before.
    fn is_asked(&self) -> bool {
        self.request.is_some() && self.request != self.recorded.fulfilled_request.as_deref()
    }

    /// What was given up is taken up again.
    fn starts_anew(&self) -> bool {
        let stopped = self.recorded.stopped.as_ref();
        self.is_asked()
            || self.has_other_inputs()
            || stopped.is_some_and(|stopped| stopped.inputs_version != self.inputs_version)
    }

    /// The last mail was asked for with another password or at another address. Its code proves that password, so it is
    /// not tried, and no login with the present one tells what became of it.
    fn has_other_inputs(&self) -> bool {
        let sending = self.recorded.sending.as_ref();
        !self.recorded.verified
            && self.recorded.login_needed != Some(LoginNeeded::AddressTaken)
            && sending.is_some_and(|sending| !sending.is_for(self.inputs_version))
    }

    /// Registering tells whether the present password fits.
    fn ask_with_other_inputs(&self, now: Timestamp) -> Move {
        let cooldown = self.recorded.sending.as_ref().map(|sending| sending.resend_after);
        match cooldown.filter(|until| *until > now) {
            Some(until) => Move::Wait {
                until,
                reason: WaitReason::Renewal,
            },
            None => self.within_budget(RegistrationCall::Register, now),
        }
    }

    /// Nobody tells when a second factor is switched off, so a login is made whenever the brake has ended.
    fn tries_again(&self, stop: Stop, now: Timestamp) -> bool {
        stop == Stop::SecondFactorRequired && self.login_braked_until.is_none_or(|until| until <= now)
    }

    fn is_exhausted(&self) -> bool {
        self.recorded.mails >= MOST_MAILS && !self.starts_anew()
    }

    fn login(&self, now: Timestamp) -> Move {
        match self.login_braked_until.filter(|until| *until > now) {
            Some(until) => Move::Wait {
                until,
                reason: WaitReason::LoginBrake,
            },
            None if self.recorded.login_needed == Some(LoginNeeded::AddressTaken) => Move::LogIn,
            None => Move::RecoverByLogin,
        }
    }

    fn has_new_code(&self) -> bool {
        self.code
            .is_some_and(|code| !self.recorded.spent.iter().any(|spent| spent == code))
    }

    fn has_good_code(&self, now: Timestamp) -> bool {
        self.has_new_code()
            && self
                .recorded
                .sending
                .as_ref()
                .is_some_and(|sending| sending.takes_codes(now))
    }

    /// A mail was asked for, and there is no code to try.
    fn after_mail(&self, sending: &Sending, now: Timestamp) -> Move {
        let due = if self.is_exhausted() {
            let end = sending.gives_up_at(now);
            if now >= end {
                return Move::Stop(sending.gave_up());
            }
            end
        } else {
            self.next_mail(sending).max(sending.resend_after)
        };
        if now < due {
            return if sending.takes_codes(now) {
                Move::WaitForCode {
                    until: due.min(sending.codes_end()),
                }
            } else {
                Move::Wait {
                    until: due,
                    reason: WaitReason::Renewal,
                }
            };
        }
        let is_alive = sending.mailed == CodeMailed::Yes && now < sending.lapses();
        let call = if is_alive {
            RegistrationCall::ResendOtp
        } else {
            RegistrationCall::Register
        };
        self.within_budget(call, now)
    }

    /// When another mail is asked for.
    fn next_mail(&self, sending: &Sending) -> Timestamp {
        let is_used_up = sending.refused >= MOST_TRIES;
        // A code that comes too late tells that somebody is there.
        if self.starts_anew() || self.has_new_code() {
            return sending.resend_after;
        }
        let mails = self.recorded.mails;
        let base = if is_used_up {
            sending.resend_after
        } else if sending.mailed != CodeMailed::Yes || (self.source == Source::Mailbox && mails == 1) {
            plus(sending.at, MAIL_EXPECTED_WITHIN)
        } else {
            sending.lapses()
        };
        let position = usize::try_from(mails.saturating_sub(1)).unwrap_or(usize::MAX);
        let hours = RENEWAL_PAUSES.get(position).or(RENEWAL_PAUSES.last());
        plus(
            base,
            SignedDuration::from_hours(hours.copied().unwrap_or_default()),
        )
    }

    fn within_budget(&self, call: RegistrationCall, now: Timestamp) -> Move {
        let caller = if self.is_asked() {
            Caller::Person
        } else {
            Caller::Schedule
        };
        match self.budget.wait(caller, now) {
            None => Move::RecordIntent(call),
            Some(until) => Move::Wait {
                until,
                reason: WaitReason::HourlyBudget,
            },
        }
    }
}

impl Sending {
    /// When the code ends.
    #[must_use]
    pub fn lapses(&self) -> Timestamp {
        plus(self.at, CODE_LIFETIME)
    }

    /// Whether it was asked for with these inputs.
    pub(super) fn is_for(&self, inputs_version: &str) -> bool {
        self.inputs_version
            .as_deref()
            .is_none_or(|version| version == inputs_version)
    }

    fn codes_end(&self) -> Timestamp {
        plus(self.at, CODE_TRIED_FOR)
    }

    /// Whether a code is tried for this mail.
    pub(super) fn takes_codes(&self, now: Timestamp) -> bool {
        self.refused < MOST_TRIES && now < self.codes_end()
    }

    /// When no code is waited for any more after the last mail.
    fn gives_up_at(&self, now: Timestamp) -> Timestamp {
        if self.refused >= MOST_TRIES {
            now
        } else {
            self.codes_end()
        }
    }

    fn gave_up(&self) -> Stop {
        match self.mailed {
            _ if self.refused > 0 => Stop::CodesRefused,
            CodeMailed::Yes => Stop::CodeMissing,
            CodeMailed::No => Stop::MailNotSent,
            CodeMailed::Unknown => Stop::RegistrationRefused,
        }
    }
}
