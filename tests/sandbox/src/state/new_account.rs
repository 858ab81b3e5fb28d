//! Accounts that are set up directly, and what comes of it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Role;

/// An account to be set up directly, verified and ready to log in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewAccount {
    /// The e-mail address.
    pub email: String,
    /// The password, of any strength. Without one the account can only use social login.
    #[serde(default)]
    pub password: Option<String>,
    /// Base32 seed of an authenticator (RFC 6238: SHA-1, six digits, 30 seconds). Turns the second factor on.
    #[serde(default)]
    pub totp_seed: Option<String>,
    /// Backup codes that are accepted once each in place of an authenticator code.
    #[serde(default)]
    pub backup_codes: Vec<String>,
    /// Whether the account has passkeys, which demand a second factor too.
    #[serde(default)]
    pub has_passkeys: bool,
    /// Whether the account was made in the console.
    #[serde(default)]
    pub console: bool,
    /// Names of organizations to join; those that do not exist are created, without applications.
    /// Absent: one organization and one application, as verify-email makes them.
    #[serde(default)]
    pub organizations: Option<Vec<String>>,
    /// The role in each of them.
    #[serde(default)]
    pub role: Role,
}

impl NewAccount {
    /// An account with a password and what verify-email would have made.
    #[must_use]
    pub fn new(email: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            email: email.into(),
            password: Some(password.into()),
            ..Self::default()
        }
    }
}

/// What setting up an account made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatedAccount {
    /// The e-mail address.
    pub email: String,
    /// Its organizations.
    pub organizations: Vec<CreatedOrganization>,
    /// The default application, if one was made.
    pub application: Option<CreatedApplication>,
}

/// An organization of a new account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatedOrganization {
    /// Its id.
    pub uuid: Uuid,
    /// Its name.
    pub name: String,
}

/// The default application of a new account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatedApplication {
    /// Its id.
    pub uuid: Uuid,
    /// Its name.
    pub name: String,
    /// Its public client id.
    pub client_id: String,
}

/// Why an account could not be set up or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// The address is taken.
    #[error("an account with the e-mail address '{0}' exists already")]
    Exists(String),
    /// Nobody has the address.
    #[error("there is no account with the e-mail address '{0}'")]
    Unknown(String),
    /// The address is none.
    #[error("email: '{0}' is not an e-mail address")]
    Address(String),
    /// The authenticator seed is not base32.
    #[error("totp_seed: not a base32 string; write letters A-Z and digits 2-7")]
    Seed,
}
