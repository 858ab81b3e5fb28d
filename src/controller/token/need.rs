//! Whether a token is needed now, and why.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::hex;
use crate::api::names::{REFRESH_REQUESTED_ANNOTATION, REVOKE_REQUESTED_ANNOTATION};
use crate::api::token::{FulfilledRequests, TokenSettings, TokenStatus};
use crate::credential::token::{Promise, Recorded, Refresh, refresh};
use crate::identity::token::Urgency;
use crate::telemetry::metrics::TokenTimes;

/// What a resource wants of its token.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// UID of the resource, which spreads refreshes.
    pub uid: &'a str,
    /// The promise to workloads.
    pub promise: Promise,
    /// Digest of what the token is asked for with.
    pub request_digest: &'a str,
    /// What somebody asked for by annotation.
    pub requests: &'a FulfilledRequests,
    /// What of that was done before.
    pub fulfilled: Option<&'a FulfilledRequests>,
}

/// Whether a token is needed now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Need {
    /// The published one is good until this refresh.
    No(Refresh),
    /// One is needed now.
    Yes(Why),
}

/// Why a token is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// None is published: there never was one, or it was lost.
    NonePublished,
    /// The published one was asked for with something else.
    RequestChanged,
    /// The published one is due.
    Due,
    /// Somebody asked for a refresh by annotation.
    RefreshRequested,
    /// Somebody asked for a revocation by annotation: the published one is replaced, then revoked.
    RevocationRequested,
}

impl Why {
    /// Whether only a token will do that is issued from now on.
    #[must_use]
    pub fn needs_new(self) -> bool {
        matches!(self, Self::RefreshRequested | Self::RevocationRequested)
    }
}

/// Whether a resource needs a token now. `published` is what its Secret holds.
#[must_use]
pub fn need(wanted: &Wanted<'_>, published: Option<&TokenStatus>, now: Timestamp) -> Need {
    let none = FulfilledRequests::default();
    let done = wanted.fulfilled.unwrap_or(&none);
    let asked = wanted.requests;
    // What somebody asks for comes first: for any other reason a kept token would do, and that may be the very one that
    // is to go.
    if asked.revoke.is_some() && asked.revoke != done.revoke && asked.revoke != done.revoking {
        return Need::Yes(Why::RevocationRequested);
    }
    if asked.refresh.is_some() && asked.refresh != done.refresh {
        return Need::Yes(Why::RefreshRequested);
    }
    let Some(published) = published else {
        return Need::Yes(Why::NonePublished);
    };
    if published.request_digest != wanted.request_digest {
        return Need::Yes(Why::RequestChanged);
    }
    let due = refresh_of(published, wanted.promise, wanted.uid);
    if due.at <= now {
        Need::Yes(Why::Due)
    } else {
        Need::No(due)
    }
}

/// When a published token is refreshed. It follows from what is recorded, so that a restart changes nothing.
#[must_use]
pub fn refresh_of(published: &TokenStatus, promise: Promise, uid: &str) -> Refresh {
    refresh(&recorded(published), &promise, uid)
}

/// What the clock means for a published token, for metrics.
#[must_use]
pub fn times_of(published: &TokenStatus, promise: Promise, uid: &str) -> TokenTimes {
    let refresh = refresh_of(published, promise, uid);
    let expires_at = published.expires_at.0;
    TokenTimes {
        expires_at,
        refresh_at: refresh.at,
        deadline: refresh.deadline(expires_at),
    }
}

/// The facts about a token that its schedule follows from.
#[must_use]
pub fn recorded(token: &TokenStatus) -> Recorded {
    Recorded {
        issued_at: token.issued_at.0,
        expires_at: token.expires_at.0,
        allowance: std::time::Duration::from_secs(token.allowance_seconds.into()),
    }
}

/// What the annotations of a resource ask for.
#[must_use]
pub fn requests(annotations: &BTreeMap<String, String>) -> FulfilledRequests {
    let value = |name: &str| annotations.get(name).filter(|value| !value.is_empty()).cloned();
    FulfilledRequests {
        refresh: value(REFRESH_REQUESTED_ANNOTATION),
        revoke: value(REVOKE_REQUESTED_ANNOTATION),
        revoking: None,
    }
}

/// How urgent a request is beside others.
#[must_use]
pub fn urgency(published: Option<&TokenStatus>, now: Timestamp) -> Urgency {
    match published {
        Some(token) if token.expires_at.0 > now => Urgency::EndsAt(token.expires_at.0),
        _ => Urgency::NeverSynced,
    }
}

/// Digest of what a token is asked for with.
#[must_use]
pub fn request_digest(client_id: &str, settings: &TokenSettings) -> String {
    let mut parts = vec![client_id, settings.audience.as_deref().unwrap_or_default()];
    for (name, list) in [("scopes", &settings.scopes), ("resources", &settings.resources)] {
        parts.push(name);
        // In whatever order they stand, they ask for the same.
        let mut sorted: Vec<_> = list.iter().map(String::as_str).collect();
        sorted.sort_unstable();
        sorted.dedup();
        parts.extend(sorted);
    }
    digest(parts)
}

/// Digest of what a token is asked for with, and of the server that is asked: the token of another server is another.
/// `server_digest` is that of [`Tokens`](crate::controller::registry::Tokens).
#[must_use]
pub fn request_digest_at(server_digest: &str, client_id: &str, settings: &TokenSettings) -> String {
    digest([server_digest, &request_digest(client_id, settings)])
}

/// Digest of texts in this order, in hexadecimal digits.
#[must_use]
pub fn digest<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hex(&hasher.finalize())
}
