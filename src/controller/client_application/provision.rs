//! How a `ClientApplication` comes by its application: it adopts one, or has one made, once.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use super::maintain::correction;
use super::plan::{Halt, Next, Policy, facts, later};
use super::state::{Candidates, Observed, Search, Step, UsableProvider};
use super::trouble::halt;
use super::{desired, findings};
use crate::api::client_application::{
    Adoption, ClientApplicationStatus, Origin, PROVISIONED, PendingCreation,
};
use crate::api::conditions::{Truth, whole_seconds};
use crate::controller::index::Consumer;
use crate::identity::Application;

/// Take the application that the spec names.
pub(super) fn adopt(
    observed: &Observed,
    provider: &UsableProvider,
    adoption: &Adoption,
    policy: &Policy,
) -> Next {
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
    if let Some(why) = &observed.learned.adoption_waits {
        return Next::Halt(halt(
            PROVISIONED,
            Truth::False,
            why.reason,
            why.message.clone(),
            policy.denied_pause,
        ));
    }
    let id = adoption.application_id.as_deref().unwrap_or_default();
    let field = match adoption.account_ref {
        Some(_) => "spec.adopt.accountRef",
        None => "spec.adopt.applicationId",
    };
    if let Some(Consumer { namespace, name, .. }) = &observed.application_rival {
        // Names of other namespaces are not for this one to know.
        let who = if *namespace == observed.resource.namespace {
            format!("ClientApplication {name}")
        } else {
            "a ClientApplication of another namespace".to_owned()
        };
        let message = format!(
            "{field}: application {id} is claimed by {who}. Delete that resource, or adopt another application in a new one"
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
            "{field}: the account sees no application {id} in its organization. Correct it in a new resource"
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
pub(super) fn create(
    observed: &Observed,
    provider: &UsableProvider,
    policy: &Policy,
    now: Timestamp,
) -> Next {
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

pub(super) fn record_intent(observed: &Observed, provider: &UsableProvider, now: Timestamp) -> Next {
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

/// The status once the application is known: recorded before anything else is done with it.
pub(super) fn provisioned(
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
