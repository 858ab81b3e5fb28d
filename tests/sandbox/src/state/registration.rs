//! Registration: from an address to a verified account (contract, 2.1 to 2.3).

use jiff::Timestamp;

use super::account::{Account, Code};
use super::{Context, CreatedAccount, Mail, NewAccount, World, address_key};
use crate::clock::later;
use crate::limits::Allowance;
use crate::secrets;

/// Success of a registration.
pub(crate) enum Registered {
    /// A new account.
    New,
    /// A pending one; a fresh code was mailed.
    Again,
}

/// Why a registration or a resend was refused.
pub(crate) enum RegisterError {
    /// The address has a verified account, or a pending one with another password.
    Taken,
    /// The mail could not be handed over.
    Undeliverable,
    /// Nothing waits for a code at this address.
    NothingPending,
    /// Too soon after the last resend.
    TooSoon { until: Timestamp },
}

/// The code is wrong, expired or used, or the address is unknown.
#[derive(Debug)]
pub(crate) struct VerifyError;

impl World {
    /// Counts a registration or resend of an IP address.
    pub(crate) fn count_registration(&mut self, address: &str, context: &Context) -> Allowance {
        let window = self.registrations.entry(address.to_owned()).or_default();
        window.take(
            context.now,
            context.bounds.registrations,
            context.times.registration_window.get(),
        )
    }

    /// Registers an account, or mails a new code to a pending one (contract, 2.1).
    pub(crate) fn register(
        &mut self,
        email: &str,
        password: &str,
        context: &Context,
    ) -> Result<Registered, RegisterError> {
        let key = address_key(email);
        let outcome = match self.accounts.get(&key) {
            None => Registered::New,
            Some(account) if !account.verified && account.password.as_deref() == Some(password) => {
                Registered::Again
            }
            Some(_) => return Err(RegisterError::Taken),
        };
        if undeliverable(&key) {
            return Err(RegisterError::Undeliverable);
        }
        if matches!(outcome, Registered::New) {
            let password = self.remember(password.to_owned());
            let account = NewAccount::new(email, password);
            self.accounts.insert(key.clone(), Account::of(&account, false));
        }
        self.mail_code(&key, context.now);
        Ok(outcome)
    }

    /// Mails a new code to a pending account (contract, 2.2).
    pub(crate) fn resend(
        &mut self,
        email: &str,
        password: Option<&str>,
        context: &Context,
    ) -> Result<(), RegisterError> {
        let key = address_key(email);
        let Some(account) = self.accounts.get_mut(&key).filter(|account| !account.verified) else {
            return Err(RegisterError::NothingPending);
        };
        if password.is_some_and(|password| account.password.as_deref() != Some(password)) {
            return Err(RegisterError::NothingPending);
        }
        let until = account
            .last_resend
            .map(|last| later(last, context.times.resend_interval.get()));
        if let Some(until) = until.filter(|until| *until > context.now) {
            return Err(RegisterError::TooSoon { until });
        }
        account.last_resend = Some(context.now);
        self.mail_code(&key, context.now);
        Ok(())
    }

    /// Verifies an account by its code; hands back its address and what was made for it (contract, 2.3).
    pub(crate) fn verify(
        &mut self,
        email: &str,
        code: &str,
        context: &Context,
    ) -> Result<(String, CreatedAccount), VerifyError> {
        let key = address_key(email);
        let account = self
            .accounts
            .get_mut(&key)
            .filter(|account| !account.verified)
            .ok_or(VerifyError)?;
        let sent = account.code.as_mut().ok_or(VerifyError)?;
        let alive = later(sent.sent_at, context.times.code_lifetime.get()) > context.now;
        let void = context
            .bounds
            .code_attempts
            .is_some_and(|most| sent.wrong_guesses >= most);
        if sent.value != code || !alive || void {
            sent.wrong_guesses = sent.wrong_guesses.saturating_add(1);
            return Err(VerifyError);
        }
        account.code = None;
        account.verified = true;
        let made = self.bootstrap(&key, context);
        Ok((key, made))
    }

    fn mail_code(&mut self, key: &str, now: Timestamp) {
        let value = self.remember(secrets::code());
        let Some(account) = self.accounts.get_mut(key) else {
            return;
        };
        account.code = Some(Code {
            value: value.clone(),
            sent_at: now,
            wrong_guesses: 0,
        });
        self.mails.push(Mail {
            to: account.email.clone(),
            subject: "Your verification code".to_owned(),
            code: value,
            sent_at: now,
        });
    }
}

/// Whether mail to this address fails at once: the reserved domains (contract, 2.1).
fn undeliverable(email: &str) -> bool {
    let domain = email.rsplit('@').next().unwrap_or_default();
    let last = domain.rsplit('.').next().unwrap_or_default();
    matches!(last, "test" | "example" | "invalid")
        || ["example.com", "example.org"]
            .iter()
            .any(|reserved| domain == *reserved || domain.ends_with(&format!(".{reserved}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_domains_get_no_mail() {
        for reserved in [
            "a@example.com",
            "a@sub.example.org",
            "a@b.test",
            "a@b.example",
            "a@b.invalid",
        ] {
            assert!(undeliverable(reserved), "{reserved}");
        }
        for open in ["a@corp.example.net", "a@myexample.com", "a@test.io"] {
            assert!(!undeliverable(open), "{open}");
        }
    }
}
