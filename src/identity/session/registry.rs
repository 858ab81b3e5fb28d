//! Finding the one session of an account.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use sha2::{Digest, Sha256};

use super::{LoginLedger, LoginRecord, Session};

/// What makes two users of an account share a session: the same place, the same account and the same way to
/// log in.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionKey {
    address: String,
    account: String,
    digest: [u8; 32],
}

impl SessionKey {
    /// `credentials` is everything else the login depends on. It is kept as a digest, in memory only.
    #[must_use]
    pub fn new(address: &str, account: &str, credentials: &[&[u8]]) -> Self {
        let mut digest = Sha256::new();
        for part in credentials {
            // With its length, so that what moves from one part to the next makes a difference.
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
        Self {
            address: address.to_owned(),
            account: account.to_owned(),
            digest: digest.finalize().into(),
        }
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionKey")
            .field("address", &self.address)
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

/// The sessions in use. A session lives as long as somebody holds it.
#[derive(Debug, Default)]
pub struct SessionRegistry {
    sessions: Mutex<HashMap<SessionKey, Weak<Session>>>,
}

impl SessionRegistry {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The session under this key, or the one that `open` makes. The login of whoever comes first serves
    /// everybody; `ledger` and what it remembers join a session that is there already.
    pub fn session(
        &self,
        key: SessionKey,
        ledger: &Arc<dyn LoginLedger>,
        remembered: &LoginRecord,
        open: impl FnOnce() -> Session,
    ) -> Arc<Session> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, session| session.strong_count() > 0);
        if let Some(session) = sessions.get(&key).and_then(Weak::upgrade) {
            session.join(ledger, remembered);
            return session;
        }
        let session = Arc::new(open());
        sessions.insert(key, Arc::downgrade(&session));
        session
    }
}
