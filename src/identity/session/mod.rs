//! One session per account: a login shared by everybody who acts as that account, and a brake on logins that
//! are refused.
//!
//! Guarantees:
//!
//! - At most one login of an account is under way, and callers that wait for it share its outcome.
//! - A login that was begun is finished and its outcome recorded, even if every caller stops waiting.
//! - No login is made that could not be recorded first, so a process that is killed again and again cannot
//!   lock an account.
//! - Credentials that were refused are not tried again before the brake ends or they change. An answer of 429
//!   brakes as well, since it can stand for a refusal.

mod flight;
mod record;
#[cfg(test)]
mod record_tests;
mod registry;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::jiff::Timestamp;
use secrecy::SecretString;
use tokio::time::Instant;

use flight::Core;
pub use flight::{AccountToken, Clock, OPERATION};
pub use record::{Brake, Gate, LoginRecord};
pub use registry::{SessionKey, SessionRegistry};

use super::CallError;
#[cfg(doc)]
use super::ErrorKind;
use super::budget::Permit;

/// A token younger than this is not thrown away for a 401 or 403: it was just issued, so the refusal is about
/// permissions, and many resources that are refused must not each cause a login.
const YOUNGEST_DISCARD: Duration = Duration::from_secs(5 * 60);

/// A token that met a 403 right after its login is replaced for another 403 only after this time: a permission
/// that was granted meanwhile may stand in a new token only.
const PERMISSION_DISCARD: Duration = Duration::from_secs(60 * 60);

/// Where the history of an account's logins is kept across restarts.
#[async_trait]
pub trait LoginLedger: Send + Sync {
    /// Stores the record, replacing the one before. Awaited before each login, and after its outcome.
    ///
    /// # Errors
    ///
    /// Why it could not be stored, in a sentence without secrets.
    async fn record(&self, record: &LoginRecord) -> Result<(), String>;
}

/// How an account logs in.
#[async_trait]
pub trait Login: Send + Sync {
    /// Waits for leave to log in. It is asked for before the login is recorded as begun, so that one which waits
    /// for its turn is not counted as unanswered, even if the process is killed meanwhile.
    ///
    /// # Errors
    ///
    /// Nothing was sent, and no login is recorded.
    async fn permit(&self) -> Result<Permit, CallError> {
        Ok(Permit::unlimited())
    }

    /// Logs in once. Must not repeat a login by itself. The permit is for its first call, and has to be given back
    /// before another is waited for.
    async fn login(&self, permit: Permit) -> Result<Tokens, LoginError>;
}

/// What a login yields.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// The access token.
    pub access_token: SecretString,
    /// How long it is valid, counted from when it was asked for.
    pub expires_in: Duration,
}

/// Why a login did not yield tokens.
#[derive(Clone, Debug)]
pub enum LoginError {
    /// The credentials were judged and refused.
    Refused {
        /// What the identity API said, as a sentence without a final stop.
        message: String,
    },
    /// The account asks for a second factor that there is not.
    SecondFactorRequired {
        /// What to do about it, as a sentence without a final stop.
        message: String,
    },
    /// The second factor that was sent was judged and refused.
    SecondFactorRefused {
        /// What the identity API said, as a sentence without a final stop.
        message: String,
    },
    /// The identity API answered 429. The account may be locked, and the credentials may have been judged and
    /// refused.
    Throttled {
        /// How long to wait, where the answer said so (`Retry-After`).
        retry_after: Option<Duration>,
        /// What the identity API said, as a sentence without a final stop.
        message: String,
    },
    /// The credentials were not judged, as far as is known.
    Call(CallError),
    /// A call of the login was kept back before anything of it was sent.
    HeldBack(CallError),
}

/// The login of one account, shared by everybody who acts as it.
pub struct Session {
    core: Arc<Core>,
}

impl Session {
    /// A session that has not logged in yet and continues the history in `record`. The ledger is written as
    /// long as somebody else holds it.
    #[must_use]
    pub fn new(login: Arc<dyn Login>, ledger: &Arc<dyn LoginLedger>, record: LoginRecord) -> Self {
        Self::with_clock(login, ledger, record, Arc::new(Timestamp::now))
    }

    /// The same with another clock.
    #[must_use]
    pub fn with_clock(
        login: Arc<dyn Login>,
        ledger: &Arc<dyn LoginLedger>,
        record: LoginRecord,
        clock: Clock,
    ) -> Self {
        Self {
            core: Arc::new(Core::new(login, ledger, record, clock)),
        }
    }

    /// The account's access token: the one in use, or that of a login which this call begins or joins. Has to
    /// be called in a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Braked`] when the credentials are or were refused or the login was answered with 429,
    /// `Throttled`, `Unavailable`, `Malformed` and the like as the login had it; never `Unknown`, which would be about the caller's own
    /// call.
    pub async fn token(&self) -> Result<AccountToken, CallError> {
        let flight = {
            let mut state = self.core.state();
            if let Some(token) = state
                .token
                .as_ref()
                .filter(|token| Instant::now() < token.use_until)
            {
                return Ok(token.clone());
            }
            match state.flight.clone() {
                Some(flight) => flight,
                None => self.core.depart(&mut state)?,
            }
        };
        flight.await
    }

    /// A token whose login is not older than `age`, or than a twentieth of the token's life where that is shorter: the
    /// one in use, or that of a login which this call begins or joins.
    ///
    /// # Errors
    ///
    /// As [`Session::token`].
    pub async fn recent_token(&self, age: Duration) -> Result<AccountToken, CallError> {
        let flight = {
            let mut state = self.core.state();
            let is_recent = |token: &&AccountToken| {
                token.obtained.elapsed() <= age.min(token.expires_in() / 20)
                    && Instant::now() < token.use_until
            };
            if let Some(token) = state.token.as_ref().filter(is_recent) {
                return Ok(token.clone());
            }
            // The one in use stays until there is another: it serves whoever does not need a recent one.
            match state.flight.clone() {
                Some(flight) => flight,
                None => self.core.depart(&mut state)?,
            }
        };
        flight.await
    }

    /// Another user of the account joins: its ledger is written too, as long as somebody else holds it, and a
    /// brake that it remembers holds for all.
    pub fn join(&self, ledger: &Arc<dyn LoginLedger>, remembered: &LoginRecord) {
        self.core.join(ledger, remembered);
    }

    /// Gives up a token that the identity API refused, and says whether trying again with [`Session::token`]
    /// makes sense: not when the token is only minutes old. `forbidden` tells a 403, which may be about a
    /// permission: once a young token met one, another is no reason to give it up within the hour.
    pub fn discard(&self, token: &AccountToken, forbidden: bool) -> bool {
        let mut state = self.core.state();
        let is_current = state
            .token
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(&current.secret, &token.secret));
        // Where it is not, somebody else has given it up already.
        if !is_current {
            return true;
        }
        if token.obtained.elapsed() < YOUNGEST_DISCARD {
            state.lacks_permission |= forbidden;
            return false;
        }
        if forbidden && state.lacks_permission && token.obtained.elapsed() < PERMISSION_DISCARD {
            return false;
        }
        state.token = None;
        true
    }

    /// Forgets what was refused before something happened that makes refusals worth nothing: the account was verified
    /// meanwhile. The ledgers forget it too.
    ///
    /// # Errors
    ///
    /// Why no ledger could forget it, in a sentence without secrets.
    pub async fn forget_refusals(&self) -> Result<(), String> {
        self.core.forget_refusals().await
    }

    /// The history of this account's logins as it is now.
    #[must_use]
    pub fn record(&self) -> LoginRecord {
        self.core.state().record.clone()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("record", &self.record())
            .finish_non_exhaustive()
    }
}
