//! Accounts, and those that a test sets up.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    AccountError, ApplicationInput, Context, CreatedAccount, CreatedApplication, CreatedOrganization, Mode,
    NewAccount, Role, World, address_key,
};
use crate::config::PasswordChange;

/// An account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Account {
    /// The address as it was given.
    pub(crate) email: String,
    /// None for an account that only ever used social login.
    pub(crate) password: Option<String>,
    pub(crate) verified: bool,
    /// Made in the console.
    pub(crate) console: bool,
    /// Base32 seed of the authenticator.
    pub(crate) totp_seed: Option<String>,
    /// Unused backup codes.
    pub(crate) backup_codes: Vec<String>,
    pub(crate) has_passkeys: bool,
    pub(super) code: Option<Code>,
    pub(super) last_resend: Option<Timestamp>,
}

/// A code that was mailed and not yet used.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Code {
    pub(super) value: String,
    pub(super) sent_at: Timestamp,
    pub(super) wrong_guesses: u32,
}

impl World {
    /// Sets up a verified account.
    pub(crate) fn add_account(
        &mut self,
        new: NewAccount,
        context: &Context,
    ) -> Result<CreatedAccount, AccountError> {
        let key = address_key(&new.email);
        if !is_address(&key) {
            return Err(AccountError::Address(new.email));
        }
        if self.accounts.contains_key(&key) {
            return Err(AccountError::Exists(new.email));
        }
        if new
            .totp_seed
            .as_deref()
            .is_some_and(|seed| totp_rs::Secret::try_from_base32(seed).is_err())
        {
            return Err(AccountError::Seed);
        }
        let confidential = new.password.iter().chain(&new.totp_seed).chain(&new.backup_codes);
        self.secrets.extend(confidential.cloned());
        self.accounts.insert(key.clone(), Account::of(&new, true));
        let Some(names) = new.organizations else {
            return Ok(self.bootstrap(&key, context));
        };
        let organizations = names
            .into_iter()
            .map(|name| CreatedOrganization {
                uuid: self.join(&name, &key, new.role, context.now),
                name,
            })
            .collect();
        Ok(CreatedAccount {
            email: new.email,
            organizations,
            application: None,
        })
    }

    /// Changes an account's password.
    pub(crate) fn set_password(
        &mut self,
        email: &str,
        password: &str,
        context: &Context,
    ) -> Result<(), AccountError> {
        let key = address_key(email);
        let account = self
            .accounts
            .get_mut(&key)
            .ok_or_else(|| AccountError::Unknown(email.to_owned()))?;
        account.password = Some(password.to_owned());
        self.remember(password.to_owned());
        if context.switches.password_change == PasswordChange::RevokesTokens {
            self.tokens.retain(|_, token| token.subject != key);
        }
        Ok(())
    }

    /// The one-time organization and application of a new account (contract, 2.3).
    pub(super) fn bootstrap(&mut self, key: &str, context: &Context) -> CreatedAccount {
        let name = key.split('@').next().unwrap_or(key).to_owned();
        let organization = self.add_organization(&name, key, Role::Owner, context.now);
        let input = ApplicationInput {
            name: Some(name.clone()),
            ..ApplicationInput::default()
        };
        let uuid = self.add_application(organization, input, Mode::Live, context);
        let application = self
            .applications
            .get(&uuid)
            .map(|application| CreatedApplication {
                uuid,
                name: application.name.clone(),
                client_id: application.client_id.clone(),
            });
        CreatedAccount {
            email: key.to_owned(),
            organizations: vec![CreatedOrganization {
                uuid: organization,
                name,
            }],
            application,
        }
    }
}

impl Account {
    pub(super) fn of(new: &NewAccount, verified: bool) -> Self {
        Self {
            email: new.email.clone(),
            password: new.password.clone(),
            verified,
            console: new.console,
            totp_seed: new.totp_seed.clone(),
            backup_codes: new.backup_codes.clone(),
            has_passkeys: new.has_passkeys,
            code: None,
            last_resend: None,
        }
    }
}

/// Whether this reads like an e-mail address: something before the `@`, and a dotted domain after it.
pub(crate) fn is_address(email: &str) -> bool {
    let Some((local, domain)) = email.rsplit_once('@') else {
        return false;
    };
    let plain = |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || c == '@');
    plain(local) && plain(domain) && domain.contains('.') && domain.split('.').all(|label| !label.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for good in ["ops@corp.example.net", "a+b@x.io"] {
            assert!(is_address(good), "{good}");
        }
        for bad in [
            "",
            "ops",
            "@x.io",
            "ops@",
            "ops@x",
            "o ps@x.io",
            "a@b@x.io",
            "ops@x..io",
        ] {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
