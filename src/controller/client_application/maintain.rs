//! How an application and its Secret are kept as the spec wants them.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::plan::{Halt, Next, Policy, later};
use super::state::{Observed, SecretContent, SecretView, Step, UsableProvider};
use super::trouble::halt;
use super::{desired, findings, token};
use crate::api::client_application::{ClientApplicationStatus, KEY_ACCEPTED, PROVISIONED};
use crate::api::conditions::{self, Truth};
use crate::credential::schedule::spread;
use crate::identity::Application;

/// Keep the application and the Secret as the spec wants them.
pub(super) fn maintain(
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
    if let Some(wanted) = observed
        .spec
        .adopt
        .as_ref()
        .and_then(|adoption| adoption.application_id.as_ref())
        .filter(|wanted| *wanted != id)
    {
        let message = format!(
            "spec.adopt.applicationId names {wanted}, but this resource already has application {id}. Create another ClientApplication to adopt it",
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
        Some(earlier)
            if earlier.name != observed.spec.secret.name
                && !observed.learned.retired
                && token::left_behind(observed, now).is_none() =>
        {
            Next::Do(Step::RetireSecret(earlier.name.clone()))
        }
        _ => match observed.strays.first() {
            Some(stray) => Next::Do(Step::RetireStray(stray.clone())),
            None => Next::Done,
        },
    }
}

/// What there is to do about the access token, where the Secret holds the credentials of its client, in whatever form.
pub(super) fn token_step(observed: &Observed, policy: &Policy, now: Timestamp) -> Option<Step> {
    if !observed.secret.is_valid() || observed.learned.token.unreadable {
        return None;
    }
    if observed.learned.token.obtained.is_some() || token::is_unwanted(observed) {
        return Some(Step::RewriteSecret);
    }
    token::needed(observed, policy, now).map(Step::ObtainToken)
}

/// What has to be settled about the record before it can be relied on.
pub(super) fn correction(observed: &Observed, application: &Application, policy: &Policy) -> Option<Next> {
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
pub(super) fn holds_credentials(
    observed: &Observed,
    provider: &UsableProvider,
    application: &Application,
) -> bool {
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
pub(super) fn must_read(
    observed: &Observed,
    provider: &UsableProvider,
    policy: &Policy,
    now: Timestamp,
) -> bool {
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

pub(super) fn holds(status: &ClientApplicationStatus, type_: &str) -> bool {
    conditions::find(&status.conditions, type_).is_some_and(|condition| condition.status == "True")
}

/// How long the record may go unread: until the next comparison, or until a key that is not known to work is
/// due to be tried again. Other wakes in between, such as that of our own write of the Secret, try nothing.
pub(super) fn until_check(
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
