//! Logging in: passwords, the lockout, the second factor.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use totp_rs::Builder;

use super::{Account, Context, SessionTokens, World, address_key};
use crate::clock::later;
use crate::config::{ConsoleAccounts, LockoutScope};
use crate::secrets;

/// A login that waits for its second factor.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Challenge {
    email: String,
    expires_at: Timestamp,
}

/// How a login went on.
pub(crate) enum LoginOutcome {
    /// Done.
    Tokens(SessionTokens),
    /// A second factor is wanted (contract, 2.4).
    SecondFactor {
        temp_token: String,
        has_authenticator: bool,
        has_passkeys: bool,
    },
}

/// Why a login was refused.
pub(crate) enum LoginError {
    /// Wrong password, or no such account that could log in.
    Credentials,
    /// Too many failures.
    Locked { until: Timestamp },
}

impl World {
    /// Logs in with a password (contract, 2.4).
    pub(crate) fn login(
        &mut self,
        email: &str,
        password: &str,
        peer: IpAddr,
        context: &Context,
    ) -> Result<LoginOutcome, LoginError> {
        let key = address_key(email);
        let counted_by = lockout_keys(&key, peer, context);
        let locked = counted_by
            .iter()
            .filter_map(|by| self.lockouts.get(by)?.locked_until(context.now))
            .max();
        if let Some(until) = locked {
            return Err(LoginError::Locked { until });
        }
        let account = self
            .accounts
            .get(&key)
            .filter(|account| account.admits(password, context))
            .cloned();
        let Some(account) = account else {
            for by in counted_by {
                self.lockouts
                    .entry(by)
                    .or_default()
                    .fail(context.now, &context.times);
            }
            return Err(LoginError::Credentials);
        };
        if !context.switches.lockout_survives_success {
            self.lockouts.retain(|by, _| !counted_by.contains(by));
        }
        if account.totp_seed.is_none() && !account.has_passkeys {
            return Ok(LoginOutcome::Tokens(self.issue_session(&key, context)));
        }
        let temp_token = self.remember(format!("tmp-{}", secrets::secret()));
        let expires_at = later(context.now, context.times.second_factor_lifetime.get());
        self.challenges
            .retain(|_, challenge| challenge.expires_at > context.now);
        self.challenges.insert(
            temp_token.clone(),
            Challenge {
                email: key,
                expires_at,
            },
        );
        Ok(LoginOutcome::SecondFactor {
            temp_token,
            has_authenticator: account.totp_seed.is_some(),
            has_passkeys: account.has_passkeys,
        })
    }

    /// Completes a login with an authenticator code or a backup code. None when the temporary token or
    /// the code is not good; a wrong code leaves the temporary token usable.
    pub(crate) fn second_factor(
        &mut self,
        temp_token: &str,
        code: &str,
        context: &Context,
    ) -> Option<SessionTokens> {
        let challenge = self
            .challenges
            .get(temp_token)
            .filter(|found| found.expires_at > context.now)?;
        let email = challenge.email.clone();
        let account = self.accounts.get_mut(&email)?;
        if !account.shows(code, context.now) {
            let position = account.backup_codes.iter().position(|backup| backup == code)?;
            account.backup_codes.remove(position);
        }
        self.challenges.remove(temp_token);
        Some(self.issue_session(&email, context))
    }
}

impl Account {
    fn admits(&self, password: &str, context: &Context) -> bool {
        let refused = self.console && context.switches.console_accounts == ConsoleAccounts::Refused;
        self.verified && !refused && self.password.as_deref() == Some(password)
    }

    /// Whether this is the authenticator's code of this half minute or of a neighbouring one.
    fn shows(&self, code: &str, now: Timestamp) -> bool {
        let seed = self
            .totp_seed
            .as_deref()
            .and_then(|seed| totp_rs::Secret::try_from_base32(seed).ok());
        let (Some(seed), Ok(seconds)) = (seed, u64::try_from(now.as_second())) else {
            return false;
        };
        let authenticator = Builder::new().with_secret(seed).with_skew(1).build_noncompliant();
        authenticator.check(code, seconds).is_some()
    }
}

fn lockout_keys(email: &str, peer: IpAddr, context: &Context) -> Vec<String> {
    match context.switches.lockout_scope {
        LockoutScope::Email => vec![email.to_owned()],
        LockoutScope::Address => vec![peer.to_string()],
        LockoutScope::Both => vec![email.to_owned(), peer.to_string()],
    }
}
