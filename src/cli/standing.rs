//! How a resource stands: decided from its status and the time.

#[cfg(test)]
mod tests;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::output::Tone;
use super::record::Record;
use crate::api::client_application::SUSPENDED;
use crate::api::conditions::READY;
use crate::api::provider::BrakeStatus;
use crate::api::token::TOKEN_FRESH;

/// How late a refresh may be before that is worth a word, as in the metric `keywright_refreshes_overdue`.
const LATE: SignedDuration = SignedDuration::from_secs(60);

/// How a resource stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum State {
    /// It is as it should be.
    Ready,
    /// What is published can be relied on, and a stage is in trouble.
    Degraded,
    /// What is published can be relied on, and its refresh is more than a minute late.
    Overdue,
    /// The published token has expired.
    Expired,
    /// What is published, if anything, cannot be relied on.
    NotReady,
    /// The operator has not looked at it yet.
    Pending,
    /// `spec.suspend` is true.
    Suspended,
    /// It is being deleted.
    Deleting,
}

impl State {
    /// Its name in both forms of output.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Degraded => "Degraded",
            Self::Overdue => "Overdue",
            Self::Expired => "Expired",
            Self::NotReady => "NotReady",
            Self::Pending => "Pending",
            Self::Suspended => "Suspended",
            Self::Deleting => "Deleting",
        }
    }

    /// Whether somebody should look at it. What a person asked for, such as a suspension, is no trouble.
    pub(super) fn needs_attention(self) -> bool {
        !matches!(self, Self::Ready | Self::Suspended | Self::Deleting)
    }

    /// Its colour.
    pub(super) fn tone(self) -> Tone {
        match self {
            Self::Ready => Tone::Good,
            Self::Degraded | Self::Overdue | Self::Pending => Tone::Warning,
            Self::Expired | Self::NotReady => Tone::Bad,
            Self::Suspended | Self::Deleting => Tone::Faint,
        }
    }
}

/// How a resource stands, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) state: State,
    /// CamelCase, for programs.
    pub(super) reason: String,
    /// A sentence that says what to do, where something is to be done.
    pub(super) message: String,
}

/// How a resource stands at a time.
pub(super) fn standing(record: &Record, now: Timestamp) -> Standing {
    let token = record.status.token.as_ref();
    let with = |state, condition: Option<&Condition>| Standing {
        state,
        reason: condition.map_or_else(|| state.as_str().to_owned(), |condition| condition.reason.clone()),
        message: condition.map_or_else(String::new, |condition| condition.message.clone()),
    };
    if record.deletion.is_some() {
        return with(State::Deleting, record.condition(READY));
    }
    if record.is_suspended() {
        return with(
            State::Suspended,
            record.condition(SUSPENDED).or(record.condition(READY)),
        );
    }
    let ready = record.condition(READY).filter(|ready| ready.status != "Unknown");
    let Some(ready) = ready else {
        return Standing {
            message: "the operator has not looked at it yet".to_owned(),
            ..with(
                State::Pending,
                record.condition(READY).filter(|ready| !ready.reason.is_empty()),
            )
        };
    };
    let stage = |type_: &str| {
        record
            .condition(type_)
            .filter(|condition| condition.status == "False")
    };
    if token.is_some_and(|token| token.expires_at.0 <= now) {
        return with(State::Expired, stage(TOKEN_FRESH).or(Some(ready)));
    }
    if ready.status != "True" {
        return with(State::NotReady, Some(ready));
    }
    if let Some(token) = token.filter(|token| now.duration_since(token.refresh_at.0) > LATE) {
        let late = Standing {
            state: State::Overdue,
            reason: "RefreshOverdue".to_owned(),
            message: format!(
                "a refresh was due at {:.0}, and nothing says why it was not made",
                token.refresh_at.0
            ),
        };
        return stage(TOKEN_FRESH).map_or(late, |condition| with(State::Overdue, Some(condition)));
    }
    let trouble = record
        .status
        .conditions
        .iter()
        .find(|condition| condition.status == "False");
    match trouble {
        Some(trouble) => with(State::Degraded, Some(trouble)),
        None => with(State::Ready, Some(ready)),
    }
}

/// What is left of a credential, in the order in which somebody should look: the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Left {
    /// Nothing is published that can be relied on.
    Nothing,
    /// Until its token ends; negative when it has ended.
    Span(SignedDuration),
    /// It does not end by itself.
    Endless,
}

/// What is left of the credential of a resource at a time.
pub(super) fn left(record: &Record, now: Timestamp) -> Left {
    match &record.status.token {
        Some(token) => Left::Span(token.expires_at.0.duration_since(now)),
        None if !record.is_ready() || record.wants_token() => Left::Nothing,
        None => Left::Endless,
    }
}

/// Why and until when the account of a resource is not logged in, while that is so.
pub(super) fn brake(record: &Record, now: Timestamp) -> Option<&BrakeStatus> {
    let brake = record.status.login.as_ref()?.brake.as_ref()?;
    Some(brake).filter(|brake| brake.until.0 > now)
}
