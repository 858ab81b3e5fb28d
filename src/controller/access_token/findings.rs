//! The conditions that are true of an `AccessToken`.

use k8s_openapi::jiff::Timestamp;

use super::state::{ClientView, Observed, ProviderView};
use crate::api::access_token::CLIENT_READY;
use crate::api::client_application::{PROVIDER_READY, SECRET_SYNCED, SUSPENDED};
use crate::api::conditions::{self, Finding, READY, Truth};
use crate::api::token::{TOKEN_FRESH, TokenStatus};
use crate::controller::owned_secret::{SecretContent, SecretView};
use crate::controller::token::findings::{Trouble, as_requested, fresh, lifetime};
use crate::controller::token::need::refresh_of;
use crate::controller::token::pauses::Pause;
use crate::credential::token::Promise;

/// All conditions. `halted` is what is in the way.
pub(super) fn all(
    observed: &Observed,
    promise: &Promise,
    halted: Option<&Finding>,
    now: Timestamp,
) -> Vec<Finding> {
    let said = |type_| halted.filter(|finding| finding.type_ == type_).cloned();
    let published = observed.published();
    let mut stages = vec![
        said(PROVIDER_READY).unwrap_or_else(|| provider(observed)),
        said(CLIENT_READY).unwrap_or_else(|| client(observed)),
        said(TOKEN_FRESH).unwrap_or_else(|| token(observed, promise, halted, now)),
        said(SECRET_SYNCED).unwrap_or_else(|| secret(observed)),
    ];
    if let Some(token) = published {
        stages.push(as_requested(token, &observed.spec.token));
        stages.push(lifetime(token, promise));
    }
    let ready = ready(observed, published, halted, &stages, now);
    std::iter::once(ready)
        .chain(stages)
        .chain(said(SUSPENDED))
        .collect()
}

/// Reason of trouble with the revocation of a token that is replaced already.
pub(super) const NOT_REVOKED_YET: &str = "NotRevokedYet";

/// The same trouble, where it keeps a replaced token from being revoked: it says nothing against the published one.
pub(super) fn not_revoked_yet(trouble: &Trouble) -> Trouble {
    Trouble {
        reason: NOT_REVOKED_YET,
        message: format!("the replaced token is not revoked yet: {}", trouble.message),
        ..trouble.clone()
    }
}

/// The finding about the token while trouble is waited out.
pub(super) fn of_pause(observed: &Observed, promise: &Promise, pause: &Pause, now: Timestamp) -> Finding {
    let Pause { trouble, until, .. } = pause;
    if let Some(token) = observed.published()
        && trouble.reason == NOT_REVOKED_YET
        && token.expires_at.0 > now
    {
        let fresh = fresh(token, &refresh_of(token, *promise, &observed.resource.uid));
        let message = format!(
            "{}; {}. Trying again at {until:.0}",
            fresh.message, trouble.message
        );
        return Finding { message, ..fresh };
    }
    trouble.finding(observed.published(), Some(*until), now)
}

/// What `spec.suspend` means while it is set.
pub(super) fn suspended() -> Finding {
    let message =
        "spec.suspend is true: the token is not refreshed, and nothing is written, until it is removed";
    Finding::new(SUSPENDED, Truth::True, "Suspended", message)
}

fn provider(observed: &Observed) -> Finding {
    match &observed.provider {
        ProviderView::Usable(_) => Finding::new(
            PROVIDER_READY,
            Truth::True,
            "Usable",
            "the identity provider can be used",
        ),
        _ => earlier(observed, PROVIDER_READY),
    }
}

fn client(observed: &Observed) -> Finding {
    match &observed.client {
        ClientView::Ready { client_id } => Finding::new(
            CLIENT_READY,
            Truth::True,
            "CredentialsFound",
            format!("the token is for client {client_id}"),
        ),
        ClientView::NotReady(_) => earlier(observed, CLIENT_READY),
    }
}

fn token(observed: &Observed, promise: &Promise, halted: Option<&Finding>, now: Timestamp) -> Finding {
    match (observed.published(), halted) {
        (Some(token), _) if token.expires_at.0 <= now => Finding::new(
            TOKEN_FRESH,
            Truth::False,
            "Expired",
            format!("the published token expired at {:.0}", token.expires_at.0),
        ),
        (Some(token), None) => fresh(token, &refresh_of(token, *promise, &observed.resource.uid)),
        // What is in the way elsewhere is in the way of a refresh only once one is due.
        (Some(token), Some(halted)) => {
            let refresh = refresh_of(token, *promise, &observed.resource.uid);
            if refresh.at > now {
                fresh(token, &refresh)
            } else {
                Finding::new(
                    TOKEN_FRESH,
                    Truth::False,
                    "RefreshOverdue",
                    format!(
                        "a refresh was due at {:.0}: {}. The published token is valid until {:.0}",
                        refresh.at, halted.message, token.expires_at.0
                    ),
                )
            }
        }
        (None, Some(_)) => Finding::new(TOKEN_FRESH, Truth::False, "Waiting", "no token is published"),
        (None, None) => earlier(observed, TOKEN_FRESH),
    }
}

fn secret(observed: &Observed) -> Finding {
    let name = &observed.spec.secret.name;
    match &observed.secret {
        SecretView::Ours { content, .. } => match content {
            SecretContent::Current => Finding::new(
                SECRET_SYNCED,
                Truth::True,
                "Written",
                format!("Secret {name} holds the token"),
            ),
            SecretContent::Outdated => Finding::new(
                SECRET_SYNCED,
                Truth::False,
                "SecretOutdated",
                format!(
                    "Secret {name} holds a token in an earlier form and will be written as the spec wants it now"
                ),
            ),
            SecretContent::Edited => Finding::new(
                SECRET_SYNCED,
                Truth::False,
                "SecretEdited",
                format!("Secret {name} was changed by somebody else and will be written again"),
            ),
        },
        SecretView::Absent => Finding::new(
            SECRET_SYNCED,
            Truth::False,
            "Waiting",
            format!("Secret {name} is written once there is a token"),
        ),
        SecretView::Foreign { owner } => Finding::new(
            SECRET_SYNCED,
            Truth::False,
            "SecretConflict",
            format!("Secret {name} belongs to {owner} and is not touched. Choose another spec.secret.name"),
        ),
    }
}

/// Ready is about what workloads read: it stays true while the published token is valid, even when a refresh has
/// begun to fail, which the condition of that stage says.
fn ready(
    observed: &Observed,
    published: Option<&TokenStatus>,
    halted: Option<&Finding>,
    stages: &[Finding],
    now: Timestamp,
) -> Finding {
    let not_ready = |finding: &Finding| {
        let truth = match finding.truth {
            Truth::Unknown => Truth::Unknown,
            _ => Truth::False,
        };
        Finding::new(READY, truth, finding.reason.clone(), finding.message.clone())
    };
    let name = &observed.spec.secret.name;
    match (published, halted) {
        (Some(token), _) if token.expires_at.0 > now => {
            let mut message = format!(
                "Secret {name} holds a token that is valid until {:.0}",
                token.expires_at.0
            );
            if let Some(trouble) = stages.iter().find(|finding| finding.truth != Truth::True) {
                message = format!(
                    "{message}; {} is {}: {}",
                    trouble.type_,
                    trouble.truth.as_str(),
                    trouble.reason
                );
            }
            Finding::new(READY, Truth::True, "Published", message)
        }
        (Some(token), halted) => {
            let why = halted
                .filter(|halted| halted.truth != Truth::True)
                .map_or_else(String::new, |halted| format!(": {}", halted.message));
            Finding::new(
                READY,
                Truth::False,
                "Expired",
                format!(
                    "the token in Secret {name} expired at {:.0}{why}",
                    token.expires_at.0
                ),
            )
        }
        (None, Some(halted)) => not_ready(halted),
        (None, None) => {
            let unfinished = stages.iter().find(|finding| finding.truth != Truth::True);
            unfinished.map_or_else(|| earlier(observed, READY), not_ready)
        }
    }
}

/// What was recorded, for a stage that this pass has nothing new to say about.
fn earlier(observed: &Observed, type_: &'static str) -> Finding {
    conditions::recorded(&observed.status.conditions, type_)
        .unwrap_or_else(|| Finding::new(type_, Truth::Unknown, "Pending", "not looked at yet"))
}
