//! What `keywright status` says, in the shape of its JSON.

#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use crate::cli::Outcome;
use crate::cli::kind::Kind;
use crate::cli::record::Record;
use crate::cli::standing::{Left, State, brake, left, standing};

/// How everything stands. The fields are documented in `docs/command-line.md` and do not change.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// When.
    pub(super) time: String,
    /// The credentials, what is left of them ascending.
    pub(super) credentials: Vec<Credential>,
    /// The providers, by namespace and name.
    pub(super) providers: Vec<Provider>,
    /// How many of both need attention.
    pub(super) needs_attention: usize,
    /// What this user may not list, or the cluster does not know.
    pub(super) not_read: Vec<NotRead>,
}

/// A resource that writes credentials into a Secret.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Credential {
    pub(super) kind: &'static str,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) state: State,
    pub(super) needs_attention: bool,
    pub(super) reason: String,
    pub(super) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) provider: Option<Reference>,
    /// The Secret to mount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) secret: Option<String>,
    /// When the published token expires. RFC 3339, as all times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires_at: Option<String>,
    /// Until then; negative when it has expired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seconds_left: Option<i64>,
    /// When it is refreshed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refresh_at: Option<String>,
    #[serde(skip)]
    pub(super) left: Left,
    #[serde(skip)]
    pub(super) refresh: Option<Timestamp>,
}

/// An identity provider.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Provider {
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) namespace: Option<String>,
    pub(super) name: String,
    pub(super) state: State,
    pub(super) needs_attention: bool,
    pub(super) reason: String,
    pub(super) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) organization: Option<String>,
    /// Until when its account is not logged in, unless its Secret changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) login_paused_until: Option<String>,
    #[serde(skip)]
    pub(super) paused_until: Option<Timestamp>,
}

/// Another resource, of the same namespace where it is in one.
#[derive(Debug, Serialize)]
pub(super) struct Reference {
    pub(super) kind: &'static str,
    pub(super) name: String,
}

/// What this user may not list, or the cluster does not know.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NotRead {
    /// The resource, in the plural.
    pub(super) kind: &'static str,
    /// Whether these would have been among the credentials.
    pub(super) has_credentials: bool,
    /// What the API server said, or what to do.
    pub(super) message: String,
}

impl NotRead {
    /// A kind, and why.
    pub(super) fn new(kind: Kind, message: String) -> Self {
        Self {
            kind: kind.plural(),
            has_credentials: kind.has_credential(),
            message,
        }
    }
}

impl Report {
    /// How everything stands at a time.
    pub(super) fn new(records: &[Record], not_read: Vec<NotRead>, now: Timestamp) -> Self {
        let (credentials, providers): (Vec<_>, Vec<_>) =
            records.iter().partition(|record| record.kind.has_credential());
        let mut credentials: Vec<_> = credentials
            .into_iter()
            .map(|record| credential(record, now))
            .collect();
        credentials.sort_by(sooner);
        let mut providers: Vec<_> = providers
            .into_iter()
            .map(|record| provider(record, now))
            .collect();
        providers.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        let of_credentials = credentials
            .iter()
            .filter(|credential| credential.needs_attention)
            .count();
        let of_providers = providers
            .iter()
            .filter(|provider| provider.needs_attention)
            .count();
        Self {
            time: format!("{now:.0}"),
            credentials,
            providers,
            needs_attention: of_credentials + of_providers,
            not_read,
        }
    }

    /// The same for one namespace: of the shared providers only those that something in it uses.
    pub(super) fn of_namespace(mut records: Vec<Record>, mut not_read: Vec<NotRead>, now: Timestamp) -> Self {
        let shared = Kind::ClusterIdentityProvider;
        let used: BTreeSet<String> = records
            .iter()
            .filter_map(|record| record.spec.provider_ref.as_ref())
            .filter(|reference| Kind::from(reference.kind) == shared)
            .map(|reference| reference.name.clone())
            .collect();
        records.retain(|record| record.kind != shared || used.contains(&record.name));
        not_read.retain(|unread| unread.kind != shared.plural() || !used.is_empty());
        Self::new(&records, not_read, now)
    }

    /// What a script learns from the exit code. Who may not see shared providers may still see whether all is well.
    pub(super) fn outcome(&self) -> Outcome {
        if self.not_read.iter().any(|unread| unread.has_credentials) {
            Outcome::Incomplete
        } else if self.needs_attention > 0 {
            Outcome::NeedsAttention
        } else {
            Outcome::Good
        }
    }
}

fn sooner(a: &Credential, b: &Credential) -> Ordering {
    let place = |of: &Credential| (of.namespace.clone(), of.name.clone(), of.kind);
    // Of what is equally urgent, what needs attention comes first.
    let key = |of: &Credential| (of.left, !of.needs_attention);
    key(a).cmp(&key(b)).then_with(|| place(a).cmp(&place(b)))
}

fn credential(record: &Record, now: Timestamp) -> Credential {
    let stands = standing(record, now);
    let token = record.status.token.as_ref();
    let left = left(record, now);
    Credential {
        kind: record.kind.as_str(),
        namespace: record.namespace.clone().unwrap_or_default(),
        name: record.name.clone(),
        needs_attention: stands.state.needs_attention(),
        state: stands.state,
        reason: stands.reason,
        message: stands.message,
        provider: record.spec.provider_ref.as_ref().map(|reference| Reference {
            kind: reference.kind.as_str(),
            name: reference.name.clone(),
        }),
        secret: record.secret().map(str::to_owned),
        expires_at: token.map(|token| format!("{:.0}", token.expires_at.0)),
        seconds_left: match left {
            Left::Span(span) => Some(span.as_secs()),
            Left::Nothing | Left::Endless => None,
        },
        refresh_at: token.map(|token| format!("{:.0}", token.refresh_at.0)),
        left,
        refresh: token.map(|token| token.refresh_at.0),
    }
}

fn provider(record: &Record, now: Timestamp) -> Provider {
    let stands = standing(record, now);
    let paused_until = brake(record, now).map(|brake| brake.until.0);
    Provider {
        kind: record.kind.as_str(),
        namespace: record.namespace.clone(),
        name: record.name.clone(),
        needs_attention: stands.state.needs_attention(),
        state: stands.state,
        reason: stands.reason,
        message: stands.message,
        account: record.status.account.clone(),
        organization: record
            .status
            .organization
            .as_ref()
            .map(|organization| organization.name.clone()),
        login_paused_until: paused_until.map(|until| format!("{until:.0}")),
        paused_until,
    }
}
