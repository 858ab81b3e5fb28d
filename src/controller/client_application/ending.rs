//! What to do about a `ClientApplication` that is being deleted.
//!
//! The application cannot be deleted at Didit (contract section 4.6), so it is released: Keywright's mark is
//! taken off and the rest stays. That is tried for a limited time only, so that a deletion never hangs.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::desired;
use super::plan::{
    Halt, Next, Policy, Settled, failed, find_marked, later, settled, unconfirmed, usable_provider,
};
use super::state::{Observed, Search, Step};
use crate::identity::{ErrorKind, INVALID_APPLICATION_ID};

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
        (None, None, Some(adoption)) => Some(format!("application {}", adoption.application_id)),
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
        .map(|adoption| &adoption.application_id)
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
    let deadline = later(deletion, policy.release_timeout);
    let remaining = Duration::try_from(deadline.duration_since(now)).unwrap_or_default();
    match next {
        Next::Halt(halt) if remaining.is_zero() => Next::Do(Step::RemoveFinalizer {
            left_behind: Some(format!(
                "{to_release} was left at the identity API with Keywright's mark in its description, since it could not be released within {} seconds: {}",
                policy.release_timeout.as_secs(),
                halt.finding.message
            )),
        }),
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
        Next::Wait(_) if remaining.is_zero() => Next::Do(Step::RemoveFinalizer {
            left_behind: Some(format!(
                "{to_release} was left at the identity API with Keywright's mark in its description"
            )),
        }),
        Next::Wait(wait) => Next::Wait(wait.min(remaining)),
        other => other,
    }
}

fn end() -> Next {
    Next::Do(Step::RemoveFinalizer { left_behind: None })
}
