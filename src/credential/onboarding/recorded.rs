//! What is known of a sign-up across restarts, and how it grows.

use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::budget::window_end;
use super::{COOLDOWN, LONGEST_PAUSE, MOST_TRIES, SETTLE_TIME, Stop, later, plus};
use crate::api::conditions::whole_seconds;
use crate::api::identity_account::{AccountState, CodeMailed, LoginNeeded, RegistrationCall};
use crate::credential::schedule::Backoff;

/// More codes are not remembered.
const MOST_SPENT: usize = 32;

/// Pauses after tries that did not reach the identity API.
const UNREACHED: Backoff = Backoff {
    first: Duration::from_secs(10),
    longest: Duration::from_secs(300),
};

/// The pause after 429 without `Retry-After`: after an hour every count of the last hour has begun anew.
const ASSUMED_PAUSE: SignedDuration = SignedDuration::from_hours(1);

/// The pause after a refusal that nobody documents.
const REFUSAL_PAUSE: SignedDuration = SignedDuration::from_hours(1);

/// How soon a login looks whether a lost answer was a good one.
const LOOK_AFTER: SignedDuration = SignedDuration::from_secs(5);

/// What is known of a sign-up. Times are in whole seconds. Never a code and never a password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// The address is verified.
    pub verified: bool,
    /// The last mail that was asked for.
    pub sending: Option<Sending>,
    /// A call that was begun and whose outcome is not recorded.
    pub pending: Option<Pending>,
    /// Mails that were asked for in a row.
    pub mails: u32,
    /// Marks of codes that are not tried again.
    pub spent: Vec<String>,
    /// When calls were begun that count against the limit of the IP address.
    pub calls: Vec<Timestamp>,
    /// The identity API asked for a pause of such calls.
    pub throttled_until: Option<Timestamp>,
    /// Nothing is tried before.
    pub retry_at: Option<Timestamp>,
    /// Tries in a row that did not reach the identity API.
    pub failures: u32,
    /// A login has to tell whether the account is verified.
    pub login_needed: Option<LoginNeeded>,
    /// Nothing is tried any more.
    pub stopped: Option<Stopped>,
    /// The last request by annotation that was fulfilled.
    pub fulfilled_request: Option<String>,
}

/// A mail with a code that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sending {
    /// When the call was begun.
    pub at: Timestamp,
    /// Whether it was mailed.
    pub mailed: CodeMailed,
    /// No other mail is asked for before.
    pub resend_after: Timestamp,
    /// Codes that were refused since.
    pub refused: u32,
    /// What it was asked for with: see [`super::Facts::inputs_version`]. `None` in records of earlier versions.
    pub inputs_version: Option<String>,
}

/// A call that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The call.
    pub call: RegistrationCall,
    /// When it was recorded.
    pub at: Timestamp,
    /// Mark of the code that is sent or, for another mail, of the one that it makes worthless.
    pub code: Option<String>,
    /// The request by annotation that it fulfils.
    pub request: Option<String>,
    /// What it is made with: see [`super::Facts::inputs_version`]. `None` in records of earlier versions.
    pub inputs_version: Option<String>,
}

/// Why nothing is tried any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// The reason.
    pub stop: Stop,
    /// What the identity API said, safe to show.
    pub message: String,
    /// What it was tried with: see [`super::Facts::inputs_version`].
    pub inputs_version: String,
}

/// What became of a call that was begun. Messages are safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Register or resend: a code was mailed.
    CodeMailed,
    /// Register or resend: the address has an account, or waits for a code with another password.
    AddressTaken,
    /// Register or resend: no address.
    InvalidEmail {
        /// What the identity API said.
        message: String,
    },
    /// Register or resend: the password does not keep the rules.
    WeakPassword {
        /// What the identity API said.
        message: String,
    },
    /// Register or resend: the mail could not be handed over. The account may be registered all the same.
    MailNotSent,
    /// Verify: the address is verified, and what came with it is in the account's Secret.
    Verified,
    /// Verify: the code is wrong, has expired or was used.
    CodeRefused,
    /// Too many calls (429).
    Throttled {
        /// The pause that the answer asked for.
        retry_after: Option<Duration>,
    },
    /// A refusal that nobody documents.
    Rejected,
    /// Nothing was sent.
    NotMade,
    /// It may have taken effect.
    Lost,
    /// The process that began it is gone: it may have been sent or not, and may still take effect.
    Abandoned,
}

/// What became of a login, and of reading organization and application after it. Messages are safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginOutcome {
    /// The account is verified, and what belongs to it is in its Secret.
    Recovered,
    /// The password was refused: so it is for an account that is not verified.
    Refused {
        /// What the identity API said.
        message: String,
    },
    /// The account has a second factor.
    SecondFactorRequired {
        /// What to do about it.
        message: String,
    },
    /// Nothing is known: no answer, a pause, or the brake on logins.
    Later {
        /// When to try again, where that is known.
        until: Option<Timestamp>,
    },
}

impl Recorded {
    /// The state that users see.
    #[must_use]
    pub fn state(&self) -> AccountState {
        if self.verified {
            AccountState::Verified
        } else if self.sending.is_some() {
            AccountState::CodeSent
        } else {
            AccountState::NotRegistered
        }
    }

    /// Whether a code would be tried now.
    #[must_use]
    pub fn takes_codes(&self, now: Timestamp) -> bool {
        self.pending.is_none()
            && !self.verified
            && self.login_needed.is_none()
            && self
                .sending
                .as_ref()
                .is_some_and(|sending| sending.takes_codes(now))
    }

    /// The same for a clock that shows `now`: the one that it was written by may have been ahead. What was done was done
    /// by now, and nothing waits for longer than it would have to if it had happened now.
    #[must_use]
    pub fn as_of(mut self, now: Timestamp) -> Self {
        let present = whole_seconds(now);
        let by_now = |time: &mut Timestamp| *time = (*time).min(present);
        let within = |time: &mut Timestamp, longest| *time = (*time).min(later(now, longest));
        if let Some(sending) = &mut self.sending {
            by_now(&mut sending.at);
            within(&mut sending.resend_after, SETTLE_TIME.saturating_add(COOLDOWN));
        }
        if let Some(pending) = &mut self.pending {
            by_now(&mut pending.at);
        }
        self.calls.iter_mut().for_each(by_now);
        for wait in [&mut self.throttled_until, &mut self.retry_at]
            .into_iter()
            .flatten()
        {
            within(wait, LONGEST_PAUSE);
        }
        self
    }

    /// Whether the identity API may know of the address and the password.
    #[must_use]
    pub fn is_begun(&self) -> bool {
        self.verified
            || self.pending.is_some()
            || self.sending.is_some()
            || self.mails > 0
            || !self.calls.is_empty()
            || self.login_needed.is_some()
            || self.stopped.is_some()
    }

    /// What is recorded before a call is sent. `code` is the mark of the code that is there, `request` the value of the
    /// annotation that asks for a code, `inputs_version` what the call is made with.
    #[must_use]
    pub fn begin(
        &self,
        call: RegistrationCall,
        code: Option<&str>,
        request: Option<&str>,
        inputs_version: &str,
        now: Timestamp,
    ) -> Self {
        let mut next = self.clone();
        let at = whole_seconds(now);
        let is_new = request != self.fulfilled_request.as_deref();
        let counts = call != RegistrationCall::VerifyEmail;
        next.pending = Some(Pending {
            call,
            at,
            code: code.map(str::to_owned),
            request: request.filter(|_| counts && is_new).map(str::to_owned),
            inputs_version: Some(inputs_version.to_owned()),
        });
        if counts {
            next.calls.retain(|call| window_end(*call) > now);
            next.calls.push(at);
        }
        next
    }

    /// What is recorded after the call that was begun. For [`Outcome::Verified`] the Secret has to be written first.
    #[must_use]
    pub fn after(&self, outcome: &Outcome, inputs_version: &str, now: Timestamp) -> Self {
        let Some(pending) = self.pending.clone() else {
            return self.clone();
        };
        let mut next = Self {
            pending: None,
            retry_at: None,
            failures: 0,
            ..self.clone()
        };
        match (outcome, pending.call) {
            (Outcome::NotMade, _) => next.not_made(&pending, self.failures, now),
            (Outcome::Throttled { retry_after }, call) => {
                let until = throttled_until(*retry_after, now);
                if call == RegistrationCall::VerifyEmail {
                    // It may be the right one, and its time may be left for another try.
                    let is_over = self
                        .sending
                        .as_ref()
                        .is_none_or(|sending| sending.lapses() <= until);
                    if is_over {
                        next.spend(pending.code);
                    }
                    next.retry_at = Some(until);
                } else {
                    next.throttled_until = Some(until);
                }
            }
            (_, RegistrationCall::VerifyEmail) => next.tried(pending, outcome, now),
            (_, RegistrationCall::Register | RegistrationCall::ResendOtp) => {
                next.requested(pending, outcome, inputs_version, now);
            }
        }
        next
    }

    /// What is recorded after a login that had to tell whether the account is verified. `request` is the value of the
    /// annotation that asks for a code.
    #[must_use]
    pub fn after_login(
        &self,
        outcome: &LoginOutcome,
        inputs_version: &str,
        request: Option<&str>,
        now: Timestamp,
    ) -> Self {
        let mut next = Self {
            retry_at: None,
            failures: 0,
            ..self.clone()
        };
        let mut stop = |stop, message: &String| {
            next.stop(stop, message.clone(), inputs_version);
            next.fulfilled_request = request.map(str::to_owned);
        };
        match outcome {
            LoginOutcome::Recovered => {
                next.verified = true;
                next.login_needed = None;
                next.stopped = None;
            }
            LoginOutcome::SecondFactorRequired { message } => stop(Stop::SecondFactorRequired, message),
            LoginOutcome::Refused { message } => match self.login_needed {
                // The code did not take effect, and it is not tried again: another mail has to come.
                Some(LoginNeeded::AnswerLost) => {
                    next.login_needed = None;
                    if let Some(sending) = &mut next.sending {
                        sending.refused = MOST_TRIES;
                    }
                }
                // Should the password change, registering tells more: the address may only wait for its code.
                Some(LoginNeeded::AddressTaken) => {
                    stop(Stop::AddressTaken, message);
                    next.login_needed = None;
                }
                None => stop(Stop::PasswordRefused, message),
            },
            LoginOutcome::Later { until } => {
                next.failures = self.failures.saturating_add(1);
                let pause = later(now, backoff(next.failures));
                next.retry_at =
                    Some(until.map_or(pause, |until| later(until, SignedDuration::ZERO).max(pause)));
            }
        }
        next
    }

    fn not_made(&mut self, pending: &Pending, failures: u32, now: Timestamp) {
        if pending.call != RegistrationCall::VerifyEmail
            && let Some(position) = self.calls.iter().rposition(|call| *call == pending.at)
        {
            self.calls.remove(position);
        }
        self.failures = failures.saturating_add(1);
        self.retry_at = Some(later(now, backoff(self.failures)));
    }

    fn requested(&mut self, pending: Pending, outcome: &Outcome, inputs_version: &str, now: Timestamp) {
        let was_for_others =
            |sending: &Sending| matches!(&pending.inputs_version, Some(version) if !sending.is_for(version));
        let has_other_inputs = self.sending.as_ref().is_some_and(was_for_others);
        let starts_anew = pending.request.is_some() || self.stopped.is_some() || has_other_inputs;
        if has_other_inputs {
            self.sending = None;
        }
        self.mails = if starts_anew {
            1
        } else {
            self.mails.saturating_add(1)
        };
        self.stopped = None;
        // A code of another password was asked for although its answer was lost: see `Facts::login`.
        self.login_needed = None;
        if pending.request.is_some() {
            self.fulfilled_request = pending.request;
        }
        self.spend(pending.code);
        let mut sent = |mailed, known_at: Timestamp| {
            self.sending = Some(Sending {
                at: pending.at,
                mailed,
                resend_after: later(known_at, COOLDOWN),
                refused: 0,
                inputs_version: pending.inputs_version.clone(),
            });
        };
        match outcome {
            Outcome::CodeMailed => sent(CodeMailed::Yes, now),
            Outcome::MailNotSent => sent(CodeMailed::No, now),
            Outcome::AddressTaken => self.login_needed = Some(LoginNeeded::AddressTaken),
            Outcome::InvalidEmail { message } => {
                self.stop(Stop::InvalidEmail, message.clone(), inputs_version);
            }
            Outcome::WeakPassword { message } => {
                self.stop(Stop::WeakPassword, message.clone(), inputs_version);
            }
            Outcome::Rejected => {
                // What refuses to resend may still register.
                let pause = match pending.call {
                    RegistrationCall::ResendOtp => COOLDOWN,
                    _ => REFUSAL_PAUSE,
                };
                self.sending = None;
                self.retry_at = Some(later(now, pause));
            }
            // It has arrived by then, if ever.
            Outcome::Abandoned => sent(CodeMailed::Unknown, plus(pending.at, SETTLE_TIME)),
            _ => sent(CodeMailed::Unknown, now),
        }
    }

    fn tried(&mut self, pending: Pending, outcome: &Outcome, now: Timestamp) {
        self.spend(pending.code);
        match outcome {
            Outcome::Verified => {
                self.verified = true;
                self.login_needed = None;
                self.stopped = None;
            }
            Outcome::CodeRefused | Outcome::Rejected => {
                if let Some(sending) = &mut self.sending {
                    sending.refused = sending.refused.saturating_add(1);
                }
            }
            _ => {
                self.login_needed = Some(LoginNeeded::AnswerLost);
                let settled = match outcome {
                    Outcome::Abandoned => plus(pending.at, SETTLE_TIME),
                    _ => now,
                };
                self.retry_at = Some(later(now, LOOK_AFTER).max(settled));
            }
        }
    }

    fn spend(&mut self, code: Option<String>) {
        let Some(code) = code else { return };
        if self.spent.contains(&code) {
            return;
        }
        if self.spent.len() >= MOST_SPENT {
            self.spent.remove(0);
        }
        self.spent.push(code);
    }

    fn stop(&mut self, stop: Stop, message: String, inputs_version: &str) {
        self.stopped = Some(Stopped {
            stop,
            message,
            inputs_version: inputs_version.to_owned(),
        });
    }
}

fn throttled_until(retry_after: Option<Duration>, now: Timestamp) -> Timestamp {
    let asked = retry_after.and_then(|wait| SignedDuration::try_from(wait).ok());
    later(now, asked.unwrap_or(ASSUMED_PAUSE).clamp(COOLDOWN, LONGEST_PAUSE))
}

fn backoff(failures: u32) -> SignedDuration {
    let pause = UNREACHED.pause(failures, "onboarding");
    SignedDuration::from_secs(i64::try_from(pause.as_secs()).unwrap_or(i64::MAX))
}
