//! The provider as a decision about a `ClientApplication` finds it.

use std::time::Duration;

use super::findings;
use super::plan::{Next, Policy};
use super::state::{Observed, ProviderView, UsableProvider};
use super::trouble::halt;
use crate::api::client_application::{PROVIDER_READY, ProviderKind};
use crate::api::conditions::Truth;

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
pub(super) fn elsewhere(observed: &Observed, usable: &UsableProvider) -> Option<String> {
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
