//! What to do next about a `ClientApplication`, what is true of it, and when to look again.
//!
//! [`plan`] is pure: the same observation at the same time gives the same plan. It returns one step; the
//! step's evidence is taken in and `plan` is asked again, until there is nothing more to do. Every step may
//! be cut off at any moment: what follows then leads to the same end.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::maintain::{maintain, token_step, until_check};
use super::provider::usable_provider;
use super::provision::{adopt, create};
use super::state::{Observed, SecretContent, SecretView, Step, StepKind};
use super::trouble::{failed, may_have_happened};
use super::{ending, findings, token};
use crate::api::client_application::{ClientApplicationStatus, DeletionPolicy, PendingCreation};
use crate::api::conditions::{self, Finding, whole_seconds};
use crate::controller::owned_secret;
use crate::controller::token::TokenPolicy;
use crate::controller::token::pauses::Pause;
use crate::credential::schedule::Backoff;
use crate::identity::ErrorKind;

/// The operator's settings that decisions depend on.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// How often an application is compared with its resource when nothing calls for it sooner.
    pub drift_interval: Duration,
    /// How long a creation whose outcome is unknown may still take effect at the identity API. Counts from the
    /// recorded intent, so it is longer than `creation_deadline` by what the identity API may take on its own.
    pub creation_settle_time: Duration,
    /// How long after the recorded intent a creation is cut off, whatever it is waiting for.
    pub creation_deadline: Duration,
    /// How long a deletion waits for the identity API before the application is left as it is.
    pub release_timeout: Duration,
    /// Pauses after failures that pass by themselves.
    pub backoff: Backoff,
    /// Pause after a failure that somebody has to mend.
    pub denied_pause: Duration,
    /// What is about access tokens.
    pub token: TokenPolicy,
}

/// What [`plan`] decides.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The next step, or none when this pass has come to its end.
    pub step: Option<Step>,
    /// The status that is true now.
    pub status: ClientApplicationStatus,
    /// When to look again if nothing changes before.
    pub wake: Option<Duration>,
    /// Whether something is in the way.
    pub blocked: bool,
    /// Until when no token is asked for, because of a failure.
    pub token_pause: Option<Pause>,
}

/// The next move before it is turned into a [`Plan`].
pub(super) enum Next {
    /// Do this.
    Do(Step),
    /// Write this status, then go on.
    Record(Box<ClientApplicationStatus>),
    /// Something is in the way: say so and wait.
    Halt(Halt),
    /// Say nothing new and wait: what is in the way is not known yet.
    Wait(Duration),
    /// Everything is as it should be.
    Done,
    /// The resource no longer needs us.
    Ended,
}

/// What is in the way.
pub(super) struct Halt {
    pub(super) finding: Finding,
    pub(super) wake: Option<Duration>,
}

/// Decides what comes next. `now` is the time of the decision.
#[must_use]
pub fn plan(observed: &Observed, policy: &Policy, now: Timestamp) -> Plan {
    let next = if observed.resource.deletion.is_some() {
        ending::next(observed, policy, now)
    } else {
        next(observed, policy, now)
    };
    let plan = |step, status, wake, blocked| Plan {
        step,
        status,
        wake,
        blocked,
        token_pause: token::pause(observed, policy, now),
    };
    let conditions = |status, halted| with_conditions(status, observed, halted, policy, now);
    match next {
        Next::Wait(wake) => plan(None, observed.status.clone(), Some(wake), false),
        Next::Ended => plan(None, observed.status.clone(), None, false),
        Next::Do(step) => plan(Some(step), observed.status.clone(), None, false),
        Next::Record(status) => plan(Some(Step::RecordStatus), conditions(*status, None), None, false),
        Next::Halt(halt) => {
            let status = conditions(facts(observed, now), Some(&halt.finding));
            let wake = sooner(halt.wake, token::wake(observed, policy, now));
            plan(None, status, wake, true)
        }
        Next::Done => {
            let status = conditions(converged(observed, now), None);
            let check = until_check(&status, observed, policy, now);
            let wake = sooner(Some(check), token::wake(observed, policy, now));
            plan(None, status, wake, observed.learned.token.trouble.is_some())
        }
    }
}

fn sooner(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn next(observed: &Observed, policy: &Policy, now: Timestamp) -> Next {
    if observed.spec.suspend == Some(true) {
        return Next::Halt(Halt {
            finding: findings::suspended(),
            wake: None,
        });
    }
    if let Some(failure) = &observed.failure {
        let halted = Next::Halt(failed(observed, failure, policy));
        // What the account may not do, or cannot do now, is no reason to let the application's token end.
        return match failure.error.kind {
            ErrorKind::Throttled { .. } => halted,
            _ => token_step(observed, policy, now).map_or(halted, Next::Do),
        };
    }
    if let Some(halt) = claim_refused(observed, policy) {
        return Next::Halt(halt);
    }
    let provider = match usable_provider(observed, policy) {
        Ok(provider) => provider,
        // A token needs the application's own credentials only.
        Err(next) => return token_step(observed, policy, now).map_or(*next, Next::Do),
    };
    if !observed.resource.has_finalizer {
        return Next::Do(Step::AddFinalizer);
    }
    match (&observed.status.application_id, &observed.spec.adopt) {
        (Some(id), _) => maintain(observed, provider, id, policy, now),
        // What an earlier intent may have made comes before anything else, so that it is not forgotten.
        (None, Some(adoption)) if observed.status.pending_creation.is_none() => {
            adopt(observed, provider, adoption, policy)
        }
        (None, _) => create(observed, provider, policy, now),
    }
}

/// One owner per Secret, settled before the identity API is called.
fn claim_refused(observed: &Observed, policy: &Policy) -> Option<Halt> {
    let finding = owned_secret::claim_refused(
        &observed.spec.secret.name,
        &observed.secret,
        observed.rival.as_deref(),
        observed.learned.secret_refused.as_deref(),
    )?;
    Some(Halt {
        finding,
        wake: Some(policy.denied_pause),
    })
}

/// The recorded status with what this pass has established, conditions aside.
pub(super) fn facts(observed: &Observed, now: Timestamp) -> ClientApplicationStatus {
    let mut status = observed.status.clone();
    if let SecretView::Ours {
        published,
        content: SecretContent::Current,
        ..
    } = &observed.secret
    {
        // Until the Secret of an earlier name is removed, it must not be forgotten.
        let replaces_another = status
            .secret
            .as_ref()
            .is_some_and(|earlier| earlier.name != published.name);
        if !replaces_another || observed.learned.retired {
            status.secret = Some(published.clone());
        }
    }
    let creation = observed
        .failure
        .as_ref()
        .filter(|failure| failure.step == StepKind::Create);
    if let Some(creation) = creation {
        status.pending_creation = status
            .pending_creation
            .filter(|_| may_have_happened(creation))
            // Whoever gives up knows that the request may still be on its way now.
            .map(|pending| PendingCreation {
                recorded_time: Time(whole_seconds(now)),
                ..pending
            });
    }
    status
}

fn converged(observed: &Observed, now: Timestamp) -> ClientApplicationStatus {
    let mut status = facts(observed, now);
    if observed.learned.application.is_some() {
        status.last_checked_time = Some(Time(whole_seconds(now)));
    }
    ClientApplicationStatus {
        applied_generation: Some(observed.resource.generation),
        ..status
    }
}

fn with_conditions(
    status: ClientApplicationStatus,
    observed: &Observed,
    halted: Option<&Finding>,
    policy: &Policy,
    now: Timestamp,
) -> ClientApplicationStatus {
    let generation = Some(observed.resource.generation);
    let of_token = token::findings(observed, policy, now);
    let found = findings::all(observed, &status, halted, of_token, now);
    ClientApplicationStatus {
        conditions: conditions::merge(&status.conditions, &found, generation, now),
        observed_generation: generation,
        deletion_policy: Some(DeletionPolicy::Retain),
        token: token::status(observed, policy, now),
        fulfilled_requests: token::fulfilled(observed),
        ..status
    }
}

/// `time` plus `span`, at the end of time if need be.
pub(super) fn later(time: Timestamp, span: Duration) -> Timestamp {
    SignedDuration::try_from(span)
        .ok()
        .and_then(|span| time.checked_add(span).ok())
        .unwrap_or(Timestamp::MAX)
}
