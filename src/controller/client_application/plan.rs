//! What to do next about a `ClientApplication`, what is true of it, and when to look again.
//!
//! [`plan`] is pure: the same observation at the same time gives the same plan. It returns one step; the
//! step's evidence is taken in and `plan` is asked again, until there is nothing more to do. Every step may
//! be cut off at any moment: what follows then leads to the same end.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::state::{
    Candidates, Failure, Observed, ProviderView, Search, SecretContent, SecretView, Step, StepKind,
    UsableProvider,
};
use super::{desired, ending, findings, token};
use crate::api::client_application::{
    ClientApplicationStatus, DeletionPolicy, KEY_ACCEPTED, Origin, PROVIDER_READY, PROVISIONED,
    PendingCreation, ProviderKind,
};
use crate::api::conditions::{self, Finding, Truth, whole_seconds};
use crate::controller::index::Consumer;
use crate::controller::owned_secret;
use crate::controller::token::TokenPolicy;
use crate::controller::token::pauses::Pause;
use crate::credential::schedule::{Backoff, spread, within};
use crate::identity::{Application, ErrorKind, INVALID_APPLICATION_ID};

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
            adopt(observed, provider, &adoption.application_id, policy)
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

/// The provider, or what keeps it from being used.
pub(super) fn usable_provider<'a>(
    observed: &'a Observed,
    policy: &Policy,
) -> Result<&'a UsableProvider, Box<Next>> {
    let reference = &observed.spec.provider_ref;
    let (kind, name) = (reference.kind.as_str(), &reference.name);
    let (reason, message) = match &observed.provider {
        ProviderView::Ready(usable) => {
            return match elsewhere(observed, usable) {
                Some(message) => Err(Box::new(Next::Halt(halt(
                    PROVIDER_READY,
                    Truth::False,
                    "OrganizationChanged",
                    message,
                    policy.denied_pause,
                )))),
                None => Ok(usable),
            };
        }
        // At a start this passes at once; what is recorded stays, unless there is nothing.
        ProviderView::Pending if observed.status.conditions.is_empty() => {
            let message = format!("{kind} {name} has not been looked at yet");
            let soon = Duration::from_secs(5);
            return Err(Box::new(Next::Halt(halt(
                PROVIDER_READY,
                Truth::Unknown,
                findings::PROVIDER_PENDING,
                message,
                soon,
            ))));
        }
        ProviderView::Pending => return Err(Box::new(Next::Wait(Duration::from_secs(5)))),
        ProviderView::TurnedOff => (
            "SharedProvidersTurnedOff".to_owned(),
            format!(
                "this operator does not look after ClusterIdentityProviders. Name an IdentityProvider instead of {name}"
            ),
        ),
        ProviderView::TokensOnly => (
            "ProvisioningNotSupported".to_owned(),
            format!(
                "{kind} {name} speaks OAuth 2.0, by which Keywright makes no client applications. Name a provider with spec.didit, \
                 or keep a token for an existing client by an AccessToken"
            ),
        ),
        ProviderView::Missing => (
            "ProviderNotFound".to_owned(),
            format!(
                "{kind} {name} does not exist. Create it, or create another ClientApplication that names the right one"
            ),
        ),
        ProviderView::NotAllowed => (
            "NamespaceNotAllowed".to_owned(),
            format!(
                "{kind} {name} does not allow namespace {}. Ask its administrator to add the namespace to spec.allowedNamespaces",
                observed.resource.namespace
            ),
        ),
        // Accounts and organizations of a shared provider are no business of the namespaces that use it.
        ProviderView::NotReady { reason, .. } if reference.kind == ProviderKind::ClusterIdentityProvider => (
            reason.clone(),
            format!(
                "ClusterIdentityProvider {name} is not ready ({reason}). Its status tells its administrator why"
            ),
        ),
        ProviderView::NotReady { reason, message } => {
            (reason.clone(), format!("{kind} {name} is not ready: {message}"))
        }
    };
    Err(Box::new(Next::Halt(halt(
        PROVIDER_READY,
        Truth::False,
        &reason,
        message,
        policy.denied_pause,
    ))))
}

/// Identifiers mean nothing in another organization: there, a healthy application would look like a lost one.
fn elsewhere(observed: &Observed, usable: &UsableProvider) -> Option<String> {
    let status = &observed.status;
    let (what, organization) = match (
        &status.application_id,
        &status.organization_id,
        &status.pending_creation,
    ) {
        (Some(id), Some(organization), _) => (format!("application {id}"), organization),
        (None, _, Some(pending)) => (
            "the application that is being made".to_owned(),
            &pending.organization_id,
        ),
        _ => return None,
    };
    (organization != &usable.organization_id).then(|| {
        format!(
            "{what} belongs to organization {organization}, and the provider now uses {}. Change the provider back, or create another ClientApplication",
            usable.organization_id
        )
    })
}

/// Take the application that the spec names.
fn adopt(observed: &Observed, provider: &UsableProvider, id: &str, policy: &Policy) -> Next {
    if !provider.allows_adoption {
        let name = &observed.spec.provider_ref.name;
        let message = format!(
            "ClusterIdentityProvider {name} does not allow spec.adopt. Ask its administrator to set spec.allowAdoption, or remove spec.adopt in a new resource"
        );
        return Next::Halt(halt(
            PROVISIONED,
            Truth::False,
            findings::ADOPTION_NOT_ALLOWED,
            message,
            policy.denied_pause,
        ));
    }
    if let Some(Consumer { namespace, name, .. }) = &observed.application_rival {
        // Names of other namespaces are not for this one to know.
        let who = if *namespace == observed.resource.namespace {
            format!("ClientApplication {name}")
        } else {
            "a ClientApplication of another namespace".to_owned()
        };
        let message = format!(
            "spec.adopt.applicationId: application {id} is claimed by {who}. Delete that resource, or adopt another application in a new one"
        );
        return Next::Halt(halt(
            PROVISIONED,
            Truth::False,
            findings::APPLICATION_CLAIMED,
            message,
            policy.denied_pause,
        ));
    }
    if observed.learned.gone {
        let message = format!(
            "spec.adopt.applicationId: the account sees no application {id} in its organization. Correct it in a new resource"
        );
        return Next::Halt(halt(
            PROVISIONED,
            Truth::False,
            findings::APPLICATION_NOT_FOUND,
            message,
            policy.denied_pause,
        ));
    }
    let Some(application) = &observed.learned.application else {
        return Next::Do(Step::Read(id.to_owned()));
    };
    match correction(observed, application, policy) {
        Some(next) => next,
        None => Next::Record(Box::new(provisioned(
            observed,
            provider,
            application,
            Origin::Adopted,
        ))),
    }
}

/// Make an application, unless one is found that an earlier, interrupted pass has made.
fn create(observed: &Observed, provider: &UsableProvider, policy: &Policy, now: Timestamp) -> Next {
    let pending = observed.status.pending_creation.as_ref();
    if let Some(application) = &observed.learned.application {
        return Next::Record(Box::new(provisioned(
            observed,
            provider,
            application,
            Origin::Created,
        )));
    }
    match &observed.learned.search {
        Search::NotLooked => Next::Do(find_marked(observed)),
        Search::Mine(id) => Next::Do(Step::Read(id.clone())),
        Search::Predecessor(id) => Next::Halt(halt(
            PROVISIONED,
            Truth::False,
            "ApplicationOfEarlierResource",
            format!(
                "application {id} was made for an earlier ClientApplication of this name and still carries its mark. \
                 Set spec.adopt.applicationId to {id} to take it, or remove the line that begins with \"[keywright \" \
                 from its description to have another one made"
            ),
            policy.denied_pause,
        )),
        Search::Nothing => match pending {
            Some(pending) if observed.learned.intent_recorded => {
                let deadline = later(pending.recorded_time.0, policy.creation_deadline);
                if later(now, policy.creation_deadline / 2) > deadline {
                    // Recording it took so long that hardly any time is left for the call.
                    return record_intent(observed, provider, now);
                }
                Next::Do(Step::Create {
                    metadata: desired::new_application(
                        &observed.resource,
                        &observed.spec,
                        &pending.display_name,
                    ),
                    deadline,
                })
            }
            Some(pending) => match settled(observed, pending, policy, now) {
                Settled::In(wait) => Next::Halt(unconfirmed(wait)),
                Settled::SinceTheSearch => Next::Do(find_marked(observed)),
                // Nothing came of the earlier intent, and now there is an application to take instead.
                Settled::BeforeTheSearch if observed.spec.adopt.is_some() => {
                    Next::Record(Box::new(ClientApplicationStatus {
                        pending_creation: None,
                        ..facts(observed, now)
                    }))
                }
                Settled::BeforeTheSearch => record_intent(observed, provider, now),
            },
            None => record_intent(observed, provider, now),
        },
    }
}

/// Looks for what an earlier pass may have made. While the outcome of a creation is not known that is worth a look
/// at every record.
pub(super) fn find_marked(observed: &Observed) -> Step {
    Step::FindMarked(match observed.status.pending_creation {
        Some(_) => Candidates::All,
        None => Candidates::Named(desired::display_name(&observed.resource, &observed.spec)),
    })
}

fn record_intent(observed: &Observed, provider: &UsableProvider, now: Timestamp) -> Next {
    Next::Record(Box::new(ClientApplicationStatus {
        pending_creation: Some(PendingCreation {
            // Anew, since the name may have been corrected meanwhile.
            display_name: desired::display_name(&observed.resource, &observed.spec),
            organization_id: provider.organization_id.clone(),
            recorded_time: Time(whole_seconds(now)),
        }),
        ..facts(observed, now)
    }))
}

/// When a creation of unknown outcome can no longer take effect, and whether the search has to be believed.
pub(super) enum Settled {
    /// After this time.
    In(Duration),
    /// By now; the search began before, and may have missed it.
    SinceTheSearch,
    /// Before the search began.
    BeforeTheSearch,
}

/// Whether a creation that was begun before this pass may still take effect. The intent is recorded again when
/// the call is given up, so that this counts from then; a process that was killed has said nothing.
pub(super) fn settled(
    observed: &Observed,
    pending: &PendingCreation,
    policy: &Policy,
    now: Timestamp,
) -> Settled {
    let settled = later(pending.recorded_time.0, policy.creation_settle_time);
    match Duration::try_from(settled.duration_since(now)) {
        Ok(wait) if !wait.is_zero() => Settled::In(wait),
        _ if observed.learned.search_began.is_some_and(|began| began < settled) => Settled::SinceTheSearch,
        _ => Settled::BeforeTheSearch,
    }
}

pub(super) fn unconfirmed(wait: Duration) -> Halt {
    let message = format!(
        "a creation was begun and its outcome is not known. Looking for the application again in {} seconds, before another is made",
        wait.as_secs().max(1)
    );
    halt(PROVISIONED, Truth::Unknown, "CreationUnconfirmed", message, wait)
}

/// Keep the application and the Secret as the spec wants them.
fn maintain(
    observed: &Observed,
    provider: &UsableProvider,
    id: &str,
    policy: &Policy,
    now: Timestamp,
) -> Next {
    if observed.learned.gone {
        return Next::Halt(Halt {
            finding: findings::application_missing(id),
            wake: Some(policy.denied_pause),
        });
    }
    if let Some(adoption) = observed
        .spec
        .adopt
        .as_ref()
        .filter(|adoption| adoption.application_id != id)
    {
        let message = format!(
            "spec.adopt.applicationId names {}, but this resource already has application {id}. Create another ClientApplication to adopt it",
            adoption.application_id
        );
        return Next::Halt(halt(
            PROVISIONED,
            Truth::False,
            "AlreadyProvisioned",
            message,
            policy.denied_pause,
        ));
    }
    match &observed.learned.application {
        None if must_read(observed, provider, policy, now) => return Next::Do(Step::Read(id.to_owned())),
        None => {}
        Some(application) => {
            if let Some(next) = correction(observed, application, policy) {
                return next;
            }
            if !holds_credentials(observed, provider, application) && !observed.learned.published {
                // Both go into one write, so that nobody mounts the one without the other.
                return Next::Do(match token::needed(observed, policy, now) {
                    Some(why) => Step::ObtainToken(why),
                    None => Step::WriteSecret(Box::new(application.clone())),
                });
            }
            if observed.learned.verdict.is_none() {
                return Next::Do(Step::Probe(application.api_key.clone()));
            }
        }
    }
    if let Some(step) = token_step(observed, policy, now) {
        return Next::Do(step);
    }
    match &observed.status.secret {
        Some(earlier) if earlier.name != observed.spec.secret.name && !observed.learned.retired => {
            Next::Do(Step::RetireSecret(earlier.name.clone()))
        }
        _ => match observed.strays.first() {
            Some(stray) => Next::Do(Step::RetireStray(stray.clone())),
            None => Next::Done,
        },
    }
}

/// What there is to do about the access token, where the Secret holds the credentials of its client.
fn token_step(observed: &Observed, policy: &Policy, now: Timestamp) -> Option<Step> {
    if !observed.secret.is_current() {
        return None;
    }
    if observed.learned.token.obtained.is_some() || token::is_unwanted(observed) {
        return Some(Step::RewriteSecret);
    }
    token::needed(observed, policy, now).map(Step::ObtainToken)
}

/// What has to be settled about the record before it can be relied on.
fn correction(observed: &Observed, application: &Application, policy: &Policy) -> Option<Next> {
    let (resource, spec, record) = (&observed.resource, &observed.spec, &application.metadata);
    if let Some(holder) =
        desired::other_holder(resource, record).filter(|holder| !holder.same_place(&resource.mark()))
    {
        // Names of other namespaces are not for this one to know.
        let who = if holder.cluster == resource.cluster && holder.namespace == resource.namespace {
            format!("ClientApplication {}", holder.name)
        } else {
            "a ClientApplication of another namespace or cluster".to_owned()
        };
        let message = format!(
            "application {} is held by {who}. Delete that resource, or, if it no longer exists, remove the line that \
             begins with \"[keywright \" from the application's description",
            application.id
        );
        return Some(Next::Halt(halt(
            PROVISIONED,
            Truth::False,
            "ApplicationHeld",
            message,
            policy.denied_pause,
        )));
    }
    if let Some(location) = desired::other_data_location(spec, record) {
        let message = format!(
            "spec.didit.dataLocation differs from the application's, which is {location} and cannot change. Create another ClientApplication"
        );
        return Some(Next::Halt(halt(
            PROVISIONED,
            Truth::False,
            "DataLocationDiffers",
            message,
            policy.denied_pause,
        )));
    }
    // Once a pass is enough: an identity API that spells a value its own way would be corrected for ever.
    let changes = desired::difference(resource, spec, record).filter(|_| !observed.learned.updated)?;
    Some(Next::Do(Step::Update(application.id.clone(), changes)))
}

/// Whether the Secret is as the spec wants it and holds what the record says now.
fn holds_credentials(observed: &Observed, provider: &UsableProvider, application: &Application) -> bool {
    let SecretView::Ours {
        published,
        content: SecretContent::Current,
        ..
    } = &observed.secret
    else {
        return false;
    };
    let wanted = desired::application_digest(&observed.resource, provider, application);
    wanted.as_ref() == Some(&published.application_digest)
}

/// Whether the record has to be read. When this is false, the resource costs no call at all.
fn must_read(observed: &Observed, provider: &UsableProvider, policy: &Policy, now: Timestamp) -> bool {
    let status = &observed.status;
    status.applied_generation != Some(observed.resource.generation)
        || !holds(status, PROVISIONED)
        || !matches!(
            &observed.secret,
            SecretView::Ours { published, content: SecretContent::Current, .. } if published.api_url == provider.api_url
        )
        // A process that was killed after it wrote another key has not tried it.
        || findings::has_new_key(observed)
        || until_check(status, observed, policy, now).is_zero()
}

fn holds(status: &ClientApplicationStatus, type_: &str) -> bool {
    conditions::find(&status.conditions, type_).is_some_and(|condition| condition.status == "True")
}

/// How long the record may go unread: until the next comparison, or until a key that is not known to work is
/// due to be tried again. Other wakes in between, such as that of our own write of the Secret, try nothing.
fn until_check(
    status: &ClientApplicationStatus,
    observed: &Observed,
    policy: &Policy,
    now: Timestamp,
) -> Duration {
    let Some(checked) = &status.last_checked_time else {
        return Duration::ZERO;
    };
    let comparison = spread(policy.drift_interval, &observed.resource.uid);
    let interval = if holds(status, KEY_ACCEPTED) {
        comparison
    } else {
        comparison.min(policy.denied_pause)
    };
    // A clock that was set back must not put the check off for longer than one interval.
    Duration::try_from(later(checked.0, interval).duration_since(now))
        .unwrap_or_default()
        .min(interval)
}

/// What a call that failed means for the conditions, and when to try again.
pub(super) fn failed(observed: &Observed, failure: &Failure, policy: &Policy) -> Halt {
    let error = &failure.error;
    let said = error.to_string();
    let reference = &observed.spec.provider_ref;
    let provider = format!("{} {}", reference.kind.as_str(), reference.name);
    let backoff = policy.backoff.pause(
        observed.earlier_failures.saturating_add(1),
        &observed.resource.uid,
    );
    match &error.kind {
        ErrorKind::Unavailable => halt(
            PROVIDER_READY,
            Truth::False,
            "Unavailable",
            format!("{said}. Trying again {}", within(backoff)),
            backoff,
        ),
        ErrorKind::Throttled { retry_after } => {
            let wake = retry_after.unwrap_or(backoff).max(backoff);
            let message = format!("{said}. Trying again in {} seconds", wake.as_secs());
            halt(PROVIDER_READY, Truth::False, "Throttled", message, wake)
        }
        // The provider looks for itself and says when its account is tried again.
        ErrorKind::Braked { reason, until } => {
            let message = format!(
                "{said}. The login is tried again at {until:.0} unless the account's Secret changes before"
            );
            halt(
                PROVIDER_READY,
                Truth::False,
                reason.as_str(),
                message,
                policy.denied_pause,
            )
        }
        ErrorKind::Misconfigured {
            reason: reason @ INVALID_APPLICATION_ID,
        } => {
            let message = match &observed.spec.adopt {
                Some(_) => format!(
                    "spec.adopt.applicationId: {}. It cannot change: delete this resource and create it again with the right id",
                    error.message
                ),
                None => said,
            };
            halt(PROVISIONED, Truth::False, reason, message, policy.denied_pause)
        }
        ErrorKind::Misconfigured { reason } => {
            halt(PROVIDER_READY, Truth::False, reason, said, policy.denied_pause)
        }
        ErrorKind::Unauthorized => halt(
            PROVIDER_READY,
            Truth::False,
            "Unauthorized",
            format!("{said}. Check the account of {provider} at the identity API"),
            policy.denied_pause,
        ),
        ErrorKind::Forbidden => halt(
            PROVISIONED,
            Truth::False,
            "Forbidden",
            format!("{said}. Check what the account of {provider} may do in its organization"),
            policy.denied_pause,
        ),
        ErrorKind::NotFound => halt(
            PROVISIONED,
            Truth::False,
            "NotFound",
            format!("{said}. Check the organization of {provider} and its spec.didit.authUrl"),
            policy.denied_pause,
        ),
        ErrorKind::Rejected => {
            let of_fixed = if observed
                .spec
                .didit
                .as_ref()
                .is_some_and(|didit| didit.data_location.is_some())
            {
                ", or, for a field that cannot change, create another ClientApplication"
            } else {
                ""
            };
            halt(
                PROVISIONED,
                Truth::False,
                "Rejected",
                format!(
                    "the identity API refused what the spec asks for: {said}. Correct the spec{of_fixed}"
                ),
                policy.denied_pause,
            )
        }
        ErrorKind::Unknown => halt(
            PROVISIONED,
            Truth::Unknown,
            "OutcomeUnknown",
            format!(
                "{said}. Looking for its outcome {}, before it is tried again",
                within(backoff)
            ),
            backoff,
        ),
        ErrorKind::Malformed => halt(
            PROVISIONED,
            Truth::Unknown,
            "UnexpectedAnswer",
            format!("{said}. Trying again {}", within(backoff)),
            backoff,
        ),
    }
}

fn halt(type_: &'static str, truth: Truth, reason: &str, message: String, wake: Duration) -> Halt {
    Halt {
        finding: Finding::new(type_, truth, reason, message),
        wake: Some(wake),
    }
}

/// The recorded status with what this pass has established, conditions aside.
fn facts(observed: &Observed, now: Timestamp) -> ClientApplicationStatus {
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

/// Whether a call that changes something may take effect all the same. Any other failure is a definite answer.
fn may_have_happened(failure: &Failure) -> bool {
    matches!(failure.error.kind, ErrorKind::Unknown | ErrorKind::Malformed)
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

/// The status once the application is known: recorded before anything else is done with it.
fn provisioned(
    observed: &Observed,
    provider: &UsableProvider,
    application: &Application,
    origin: Origin,
) -> ClientApplicationStatus {
    ClientApplicationStatus {
        application_id: Some(application.id.clone()),
        organization_id: Some(provider.organization_id.clone()),
        client_id: Some(application.client_id.clone()),
        origin: Some(origin),
        pending_creation: None,
        ..observed.status.clone()
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
        token: token::status(observed, policy),
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
