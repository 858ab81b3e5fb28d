//! What to do about a `ClientApplication` that is being deleted.
//!
//! The application cannot be deleted at Didit (contract section 4.6), so it is released: Keywright's mark is
//! taken off and the rest stays. That is tried for a limited time only, so that a deletion never hangs.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::plan::{Halt, Next, Policy, later};
use super::provider::usable_provider;
use super::provision::{Settled, find_marked, settled, unconfirmed};
use super::state::{Observed, ProviderView, Search, Step};
use super::trouble::failed;
use super::{desired, findings};
use crate::identity::{ErrorKind, INVALID_APPLICATION_ID};

/// How long the deletion of a resource waits for a provider that is gone: the watches have to settle.
const GONE_GRACE: Duration = Duration::from_secs(10);

pub(super) fn next(observed: &Observed, policy: &Policy, now: Timestamp) -> Next {
    if !observed.resource.has_finalizer {
        return Next::Ended;
    }
    let Some(to_release) = application(observed) else {
        return end();
    };
    if observed.learned.released || observed.learned.gone || names_no_application(observed) {
        return end();
    }
    match in_the_way(observed, policy) {
        Some(_) if has_nothing(observed) => end(),
        Some(next) => within_the_limit(observed, next, &to_release, policy, now),
        None => release(observed, policy, now),
    }
}

/// What there is to release, in words: a known application, or one that may have been made.
fn application(observed: &Observed) -> Option<String> {
    let status = &observed.status;
    match (
        &status.application_id,
        &status.pending_creation,
        &observed.spec.adopt,
    ) {
        (Some(id), _, _) => Some(format!("application {id}")),
        (None, Some(pending), _) => Some(format!(
            "an application named {:?} that may have been made",
            pending.display_name
        )),
        // Its mark is written before it is recorded here.
        (None, None, Some(adoption)) => Some(match (&adoption.application_id, &adoption.account_ref) {
            (None, Some(account)) => format!("the application of IdentityAccount {}", account.name),
            (id, _) => format!("application {}", id.as_deref().unwrap_or_default()),
        }),
        (None, None, None) => None,
    }
}

/// The spec names what cannot be an application, so none was ever taken.
fn names_no_application(observed: &Observed) -> bool {
    let invalid = ErrorKind::Misconfigured {
        reason: INVALID_APPLICATION_ID,
    };
    observed.status.application_id.is_none()
        && observed
            .failure
            .as_ref()
            .is_some_and(|failure| failure.error.kind == invalid)
}

/// By what was seen last, nothing at the identity API carries this resource's mark: the application is gone, or it was
/// never taken.
fn has_nothing(observed: &Observed) -> bool {
    let status = &observed.status;
    findings::is_known_missing(observed, status) || findings::was_not_adopted(status)
}

fn in_the_way(observed: &Observed, policy: &Policy) -> Option<Next> {
    match &observed.failure {
        Some(failure) => Some(Next::Halt(failed(observed, failure, policy))),
        None => usable_provider(observed, policy).err().map(|next| *next),
    }
}

fn release(observed: &Observed, policy: &Policy, now: Timestamp) -> Next {
    let pending = observed.status.pending_creation.is_some();
    let adopted = observed
        .spec
        .adopt
        .as_ref()
        .and_then(|adoption| adoption.application_id.as_ref())
        .filter(|_| !pending);
    let id = match (
        observed.status.application_id.as_ref().or(adopted),
        &observed.learned.search,
    ) {
        (Some(id), _) | (None, Search::Mine(id)) => id,
        (None, Search::NotLooked) => return Next::Do(find_marked(observed)),
        (None, Search::Nothing | Search::Predecessor(_)) => {
            let Some(pending) = &observed.status.pending_creation else {
                return end();
            };
            return match settled(observed, pending, policy, now) {
                Settled::In(wait) => Next::Halt(unconfirmed(wait)),
                Settled::SinceTheSearch => Next::Do(find_marked(observed)),
                Settled::BeforeTheSearch => end(),
            };
        }
    };
    match &observed.learned.application {
        None => Next::Do(Step::Read(id.clone())),
        Some(application) => {
            let marked = application
                .metadata
                .description
                .as_deref()
                .and_then(crate::identity::mark::find);
            if marked.is_some_and(|mark| mark == observed.resource.mark()) {
                Next::Do(Step::Release(
                    id.clone(),
                    desired::without_mark(&application.metadata),
                ))
            } else {
                end()
            }
        }
    }
}

/// Waits as long as the limit allows, then ends and says what is left.
fn within_the_limit(
    observed: &Observed,
    next: Next,
    to_release: &str,
    policy: &Policy,
    now: Timestamp,
) -> Next {
    let Some(deletion) = observed.resource.deletion else {
        return next;
    };
    let limit = limit(observed, policy);
    let deadline = later(deletion, limit);
    let remaining = Duration::try_from(deadline.duration_since(now)).unwrap_or_default();
    if remaining.is_zero() {
        return Next::Do(Step::RemoveFinalizer {
            left_behind: Some(format!(
                "{to_release} was left at the identity API and may carry Keywright's mark: remove the line that begins with \
                 \"[keywright \" from its description. It could not be released within {} seconds: {}",
                limit.as_secs(),
                trouble(observed)
            )),
        });
    }
    match next {
        Next::Halt(Halt { mut finding, wake }) => {
            finding.message = format!(
                "{}. Deletion waits for this until {deadline:.0} at the latest",
                finding.message
            );
            let retry = policy.backoff.pause(
                observed.earlier_failures.saturating_add(1),
                &observed.resource.uid,
            );
            Next::Halt(Halt {
                finding,
                wake: Some(wake.unwrap_or(retry).min(retry).min(remaining)),
            })
        }
        Next::Wait(wait) => Next::Wait(wait.min(remaining)),
        other => other,
    }
}

/// A provider that is gone does not come back by itself, and in a namespace that is going away it cannot.
fn limit(observed: &Observed, policy: &Policy) -> Duration {
    match observed.provider {
        ProviderView::Missing => policy.release_timeout.min(GONE_GRACE),
        _ => policy.release_timeout,
    }
}

/// What kept the application from being released, without advice: the resource is gone by the time it is read.
fn trouble(observed: &Observed) -> String {
    if let Some(failure) = &observed.failure {
        return failure.error.to_string();
    }
    let reference = &observed.spec.provider_ref;
    let provider = format!("{} {}", reference.kind.as_str(), reference.name);
    match &observed.provider {
        ProviderView::Pending => format!("{provider} was not looked at"),
        ProviderView::Missing => format!("{provider} does not exist"),
        ProviderView::NotAllowed => {
            format!(
                "{provider} does not allow namespace {}",
                observed.resource.namespace
            )
        }
        ProviderView::TurnedOff => "this operator does not look after ClusterIdentityProviders".to_owned(),
        ProviderView::NotReady { reason, .. } => format!("{provider} is not ready ({reason})"),
        ProviderView::TokensOnly => format!("{provider} keeps no applications"),
        ProviderView::Ready(_) => format!("{provider} now uses another organization"),
    }
}

fn end() -> Next {
    Next::Do(Step::RemoveFinalizer { left_behind: None })
}
