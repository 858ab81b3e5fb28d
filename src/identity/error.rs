//! What a call to an identity API can come back with, typed by what to do next.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

/// A call to an identity API that did not do what was asked.
///
/// The message is safe to show: it is bounded in length, on one line, and every secret that the call
/// carried has been taken out of it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{operation}: {message}")]
pub struct CallError {
    /// The operation in the contract's words, for example `createApplication`.
    pub operation: &'static str,
    /// What to do next.
    pub kind: ErrorKind,
    /// What the identity API said, or what became of the connection.
    pub message: String,
}

/// How the message of a call begins, after the host, that was never sent.
pub(crate) const UNREACHABLE: &str = "could not be reached: ";

impl CallError {
    /// The server could not be connected to: no name, no connection, no TLS. Its address may be wrong.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        self.kind == ErrorKind::Unavailable && self.message.contains(UNREACHABLE)
    }
}

/// What the caller is to do about a [`CallError`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The thing asked for does not exist, or this account may not know that it does (HTTP 404).
    NotFound,
    /// The credential was refused, even after a fresh login (HTTP 401).
    Unauthorized,
    /// The credential was accepted and lacks the permission (HTTP 403 after a fresh login).
    Forbidden,
    /// Too many requests (HTTP 429).
    Throttled {
        /// How long to wait, where the answer said so (`Retry-After`, both forms).
        retry_after: Option<Duration>,
    },
    /// The request itself was refused and would be again: it must change first (other HTTP 4xx).
    Rejected,
    /// The request may have taken effect: look before repeating it. Only for calls that change something.
    Unknown,
    /// The identity API could not be reached or could not serve; nothing was changed.
    Unavailable,
    /// The answer could not be understood: not JSON, too large, a missing field, an unexpected redirect.
    Malformed,
    /// No call was made: these credentials were refused before, and trying again could lock the account.
    Braked {
        /// Why the brake is on.
        reason: BrakeReason,
        /// When the credentials are tried again if they do not change before.
        until: Timestamp,
    },
    /// What the call needs is wrong on our side: an address, a CA bundle, an unresolved organization.
    Misconfigured {
        /// CamelCase reason for the condition, for example `OrganizationAmbiguous`.
        reason: &'static str,
    },
}

/// Reason of [`ErrorKind::Misconfigured`] for an application's id that cannot be one.
pub const INVALID_APPLICATION_ID: &str = "InvalidApplicationId";

/// Why credentials are no longer tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrakeReason {
    /// The identity API refused e-mail and password.
    LoginRefused,
    /// The account asks for a second factor that Keywright was not given, or refused the one it made.
    SecondFactorRequired,
    /// Several logins in a row ended without an answer, so whether they counted as failures is unknown.
    LoginUnanswered,
    /// The identity API answered a login with 429: a locked account and a wrong password can look like this too.
    LoginThrottled,
}

impl BrakeReason {
    /// The reason as a CamelCase word, as conditions and `status.login` show it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LoginRefused => "LoginRefused",
            Self::SecondFactorRequired => "SecondFactorRequired",
            Self::LoginUnanswered => "LoginUnanswered",
            Self::LoginThrottled => "LoginThrottled",
        }
    }
}
