//! What `keywright describe` says, in the shape of its JSON.

#[cfg(test)]
mod tests;

use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use super::next::next;
use crate::api::token::TokenStatus;
use crate::cli::record::Record;
use crate::cli::standing::{State, brake, standing};

/// One resource. The fields are documented in `docs/command-line.md` and do not change.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    pub(super) time: String,
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) namespace: Option<String>,
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) created_at: Option<String>,
    pub(super) state: State,
    pub(super) needs_attention: bool,
    pub(super) reason: String,
    pub(super) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) provider: Option<Provider>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) organization: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) application_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) secret: Option<String>,
    /// Whether it was written.
    pub(super) secret_written: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) token: Option<Token>,
    /// What its own account is held back by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) login_pause: Option<LoginPause>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) requests: Vec<Request>,
    pub(super) conditions: Vec<Stage>,
    /// The oldest first.
    pub(super) events: Vec<Happened>,
    /// Why there are no events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) events_not_read: Option<String>,
    /// What happens next: sentences.
    pub(super) next: Vec<String>,
}

/// The provider that a resource uses.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Provider {
    pub(super) kind: &'static str,
    pub(super) name: String,
    /// Absent where it does not exist, or this user may not read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) state: Option<State>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) login_pause: Option<LoginPause>,
}

/// The brake on logins, while it is on.
#[derive(Debug, Serialize)]
pub(super) struct LoginPause {
    pub(super) reason: String,
    pub(super) until: String,
    pub(super) message: String,
}

/// What is known of the published token.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Token {
    pub(super) issued_at: String,
    pub(super) refresh_at: String,
    pub(super) expires_at: String,
    pub(super) token_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scope: Option<String>,
}

/// Something that is asked for by annotation.
#[derive(Debug, Serialize)]
pub(super) struct Request {
    /// `refresh` or `revoke`.
    pub(super) what: &'static str,
    /// Value of the annotation.
    pub(super) value: String,
    /// Whether it is done.
    pub(super) fulfilled: bool,
}

/// A condition.
#[derive(Debug, Serialize)]
pub(super) struct Stage {
    #[serde(rename = "type")]
    pub(super) type_: String,
    pub(super) status: String,
    pub(super) reason: String,
    pub(super) message: String,
    /// Since when it has that status.
    pub(super) since: String,
}

/// An event.
#[derive(Debug, Serialize)]
pub(super) struct Happened {
    /// When it happened last.
    pub(super) time: String,
    #[serde(rename = "type")]
    pub(super) type_: String,
    pub(super) reason: String,
    pub(super) message: String,
    /// How often.
    pub(super) count: i32,
}

/// The events, or why they are not known.
#[derive(Debug)]
pub(super) enum History {
    Known(Vec<Event>),
    Unknown(String),
}

impl Report {
    /// A resource at a time, with its provider and its events where they could be read.
    pub(super) fn new(record: &Record, provider: Option<&Record>, history: History, now: Timestamp) -> Self {
        let stands = standing(record, now);
        let (events, events_not_read) = match history {
            History::Known(events) => (happened(events), None),
            History::Unknown(why) => (Vec::new(), Some(why)),
        };
        Self {
            time: at(now),
            kind: record.kind.as_str(),
            namespace: record.namespace.clone(),
            name: record.name.clone(),
            created_at: record.created.map(at),
            needs_attention: stands.state.needs_attention(),
            state: stands.state,
            reason: stands.reason,
            message: stands.message,
            provider: record.spec.provider_ref.as_ref().map(|reference| Provider {
                kind: reference.kind.as_str(),
                name: reference.name.clone(),
                state: provider.map(|provider| standing(provider, now).state),
                login_pause: provider.and_then(|provider| login_pause(provider, now)),
            }),
            account: record.status.account.clone(),
            organization: record
                .status
                .organization
                .as_ref()
                .map(|of| format!("{} ({})", of.name, of.id)),
            application_id: record.status.application_id.clone(),
            client_id: record.status.client_id.clone(),
            secret: record.secret().map(str::to_owned),
            secret_written: record.status.secret.is_some(),
            token: record.status.token.as_ref().map(token),
            login_pause: login_pause(record, now),
            requests: requests(record),
            conditions: record.status.conditions.iter().map(stage).collect(),
            events,
            events_not_read,
            next: next(record, provider, now),
        }
    }
}

fn at(time: Timestamp) -> String {
    format!("{time:.0}")
}

fn token(token: &TokenStatus) -> Token {
    Token {
        issued_at: at(token.issued_at.0),
        refresh_at: at(token.refresh_at.0),
        expires_at: at(token.expires_at.0),
        token_type: token.token_type.clone(),
        scope: token.scope.clone(),
    }
}

fn login_pause(record: &Record, now: Timestamp) -> Option<LoginPause> {
    brake(record, now).map(|brake| LoginPause {
        reason: brake.reason.clone(),
        until: at(brake.until.0),
        message: brake.message.clone(),
    })
}

fn requests(record: &Record) -> Vec<Request> {
    let done = record.status.fulfilled_requests.clone().unwrap_or_default();
    let request = |what, asked: &Option<String>, done: &Option<String>| {
        asked.as_ref().map(|value| Request {
            what,
            value: value.clone(),
            fulfilled: asked == done,
        })
    };
    [
        request("refresh", &record.requests.refresh, &done.refresh),
        request("revoke", &record.requests.revoke, &done.revoke),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn stage(condition: &Condition) -> Stage {
    Stage {
        type_: condition.type_.clone(),
        status: condition.status.clone(),
        reason: condition.reason.clone(),
        message: condition.message.clone(),
        since: at(condition.last_transition_time.0),
    }
}

fn happened(events: Vec<Event>) -> Vec<Happened> {
    let mut timed: Vec<_> = events
        .into_iter()
        .map(|event| (last_seen(&event), event))
        .collect();
    timed.sort_by_key(|(time, _)| *time);
    timed
        .into_iter()
        .map(|(time, event)| Happened {
            time: time.map(at).unwrap_or_default(),
            type_: event.type_.unwrap_or_default(),
            reason: event.reason.unwrap_or_default(),
            message: event.note.unwrap_or_default(),
            count: event
                .series
                .map(|series| series.count)
                .or(event.deprecated_count)
                .unwrap_or(1),
        })
        .collect()
}

fn last_seen(event: &Event) -> Option<Timestamp> {
    let counted = event.series.as_ref().map(|series| series.last_observed_time.0);
    let first = event.event_time.as_ref().map(|time| time.0);
    counted
        .or(first)
        .or_else(|| event.deprecated_last_timestamp.as_ref().map(|time| time.0))
        .or_else(|| event.metadata.creation_timestamp.as_ref().map(|time| time.0))
}
