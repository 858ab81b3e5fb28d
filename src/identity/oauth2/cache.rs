//! Metadata that the clients of one authorization server share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::metadata::{Issuer, Metadata};
use crate::identity::CallError;
use crate::identity::http::HttpClient;

/// How long metadata is used before the server is asked again.
const FRESH_FOR: Duration = Duration::from_secs(3600);

/// How long after a refresh that failed the next one is tried.
const REFRESH_RETRY: Duration = Duration::from_secs(60);

/// The metadata of every authorization server in use, so that many clients of one server ask it once.
#[derive(Default)]
pub struct MetadataCache {
    entries: Mutex<HashMap<Key, Arc<Discovery>>>,
}

/// Who trusts other authorities may not get what these vouch for.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    issuer: String,
    ca_bundle: Option<[u8; 32]>,
}

impl MetadataCache {
    /// An empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn discovery(&self, issuer: Issuer, ca_bundle: Option<&[u8]>) -> Arc<Discovery> {
        let key = Key {
            issuer: issuer.name().to_owned(),
            ca_bundle: ca_bundle.map(|pem| Sha256::digest(pem).into()),
        };
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        // What nobody holds is kept as long as it is fresh: clients come and go with the reconciles.
        let now = Instant::now();
        entries.retain(|_, entry| Arc::strong_count(entry) > 1 || entry.is_fresh(now));
        Arc::clone(
            entries
                .entry(key)
                .or_insert_with(|| Arc::new(Discovery::new(issuer))),
        )
    }
}

/// The metadata of one authorization server.
pub(super) struct Discovery {
    issuer: Issuer,
    state: Mutex<State>,
    flight: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    known: Option<Known>,
    /// How many fetches have ended without metadata, and how the last one did.
    failures: u64,
    failure: Option<CallError>,
}

struct Known {
    metadata: Arc<Metadata>,
    refresh_at: Instant,
}

impl Discovery {
    fn new(issuer: Issuer) -> Self {
        Self {
            issuer,
            state: Mutex::default(),
            flight: tokio::sync::Mutex::default(),
        }
    }

    pub(super) fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The metadata, fetched with `http` where it is not known or has become old. Callers at the same time share one
    /// fetch, its failure too. A refresh that fails leaves what was known.
    pub(super) async fn metadata(&self, http: &HttpClient) -> Result<Arc<Metadata>, CallError> {
        let seen = {
            let state = self.state();
            match &state.known {
                Some(known) if Instant::now() < known.refresh_at => return Ok(Arc::clone(&known.metadata)),
                _ => state.failures,
            }
        };
        let _flight = match (self.known(), self.flight.try_lock()) {
            (_, Ok(flight)) => flight,
            // Somebody else refreshes; what is known is good enough until that is done.
            (Some(metadata), Err(_)) => return Ok(metadata),
            (None, Err(_)) => self.flight.lock().await,
        };
        if let Some(outcome) = self.outcome_since(seen) {
            return outcome;
        }
        let fetched = self.issuer.discover(http).await;
        self.settle(fetched)
    }

    /// What another caller's fetch came to since `seen` failures were counted.
    fn outcome_since(&self, seen: u64) -> Option<Result<Arc<Metadata>, CallError>> {
        let state = self.state();
        match (&state.known, &state.failure) {
            (Some(known), _) if Instant::now() < known.refresh_at => Some(Ok(Arc::clone(&known.metadata))),
            (None, Some(failure)) if state.failures != seen => Some(Err(failure.clone())),
            _ => None,
        }
    }

    fn settle(&self, fetched: Result<Metadata, CallError>) -> Result<Arc<Metadata>, CallError> {
        let mut state = self.state();
        let now = Instant::now();
        match (fetched, &mut state.known) {
            (Ok(metadata), known) => {
                let metadata = Arc::new(metadata);
                *known = Some(Known {
                    metadata: Arc::clone(&metadata),
                    refresh_at: now + FRESH_FOR,
                });
                Ok(metadata)
            }
            (Err(_), Some(known)) => {
                known.refresh_at = now + REFRESH_RETRY;
                Ok(Arc::clone(&known.metadata))
            }
            (Err(error), None) => {
                state.failures = state.failures.wrapping_add(1);
                state.failure = Some(error.clone());
                Err(error)
            }
        }
    }

    fn known(&self) -> Option<Arc<Metadata>> {
        self.state()
            .known
            .as_ref()
            .map(|known| Arc::clone(&known.metadata))
    }

    fn is_fresh(&self, now: Instant) -> bool {
        self.state()
            .known
            .as_ref()
            .is_some_and(|known| now < known.refresh_at)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
