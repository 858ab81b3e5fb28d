//! Gathers what a decision rests on. In the ordinary case, a resource as it should be, this costs no call.

use std::sync::{Arc, PoisonError};

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{Api, Resource, ResourceExt};

use super::ClientApplications;
use super::index::Place;
use super::secret;
use super::state::{
    Learned, Observed, ProviderView, Resource as Facts, SecretContent, SecretView, UsableProvider,
};
use crate::api::ClientApplication;
use crate::api::client_application::{ClientApplicationStatus, ProviderReference};
use crate::api::names::RELEASE_FINALIZER;
use crate::controller::ReconcileError;
use crate::controller::registry::{Availability, Connection, Lookup, ProviderKey};

/// One pass over one resource.
pub(super) struct Pass {
    /// The resource as it was read.
    pub(super) object: Arc<ClientApplication>,
    /// The conditions as they were told last: those that were recorded when the pass began, and what was told
    /// since.
    pub(super) told: Vec<Condition>,
    /// What decisions rest on.
    pub(super) observed: Observed,
    /// The provider, where it can be used.
    pub(super) connection: Option<Connection>,
}

impl ClientApplications {
    /// Everything about a resource, or nothing when it is gone.
    pub(super) async fn observe(
        &self,
        object: Arc<ClientApplication>,
        earlier_failures: u32,
    ) -> Result<Option<Pass>, ReconcileError> {
        let Some(object) = self.recent(object).await? else {
            return Ok(None);
        };
        let resource = self.facts(&object);
        let spec = object.spec.clone();
        let status = object.status.clone().unwrap_or_default();
        let (provider, connection) = self.provider(&spec.provider_ref, &resource.namespace);
        let secret = self.secret(&object, &resource, &status).await?;
        let holds = matches!(secret, SecretView::Ours { .. });
        let rival = match resource.deletion {
            None => self
                .applications
                .claim(&resource.namespace, &resource.name, &spec.secret.name, holds),
            Some(_) => None,
        };
        let strays = self.strays(&object, &resource, &status);
        let application_rival = self.application_rival(&object, &resource, &status);
        let observed = Observed {
            resource,
            spec,
            status,
            provider,
            secret,
            rival,
            application_rival,
            strays,
            learned: Learned::default(),
            failure: None,
            earlier_failures,
        };
        let told = observed.status.conditions.clone();
        Ok(Some(Pass {
            object,
            told,
            observed,
            connection,
        }))
    }

    /// Secrets that were written for this resource under names that nothing speaks of any more.
    fn strays(
        &self,
        object: &ClientApplication,
        resource: &Facts,
        status: &ClientApplicationStatus,
    ) -> Vec<String> {
        let recorded = status.secret.as_ref().map(|recorded| &recorded.name);
        self.secrets
            .written_for(&resource.uid)
            .into_iter()
            .filter(|(namespace, _)| *namespace == resource.namespace)
            .map(|(_, name)| name)
            .filter(|name| *name != object.spec.secret.name && Some(name) != recorded)
            .collect()
    }

    /// Who else has the application that the spec names. Settled here, since of two resources that look at an
    /// application nobody has marked yet, both would take it.
    fn application_rival(
        &self,
        object: &ClientApplication,
        resource: &Facts,
        status: &ClientApplicationStatus,
    ) -> Option<Place> {
        let wanted = object
            .spec
            .adopt
            .as_ref()
            .filter(|_| resource.deletion.is_none())?;
        let provider = ProviderKey::of(&object.spec.provider_ref, &resource.namespace);
        let place = (resource.namespace.clone(), resource.name.clone());
        let holds = status.application_id.as_ref() == Some(&wanted.application_id);
        self.applications
            .claim_application(&place, &provider, &wanted.application_id, holds)
    }

    /// The resource, read anew where an outdated copy could make something happen twice.
    async fn recent(
        &self,
        object: Arc<ClientApplication>,
    ) -> Result<Option<Arc<ClientApplication>>, ReconcileError> {
        let recorded = object
            .status
            .as_ref()
            .is_some_and(|status| status.application_id.is_some());
        if recorded && object.meta().deletion_timestamp.is_none() && !self.is_outdated(&object) {
            return Ok(Some(object));
        }
        let api: Api<ClientApplication> =
            Api::namespaced(self.client.clone(), &object.namespace().unwrap_or_default());
        let live = api
            .get_opt(&object.name_any())
            .await
            .map_err(ReconcileError::kube("reading the ClientApplication"))?;
        Ok(live.filter(|live| live.uid() == object.uid()).map(Arc::new))
    }

    fn is_outdated(&self, object: &ClientApplication) -> bool {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (object.namespace().unwrap_or_default(), object.name_any());
        let seen = object
            .resource_version()
            .and_then(|version| version.parse::<u64>().ok());
        match (written.get(&place).copied(), seen) {
            (Some(written), Some(seen)) => seen < written,
            (Some(_), None) => true,
            (None, _) => false,
        }
    }

    fn facts(&self, object: &ClientApplication) -> Facts {
        Facts {
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            uid: object.uid().unwrap_or_default(),
            generation: object.meta().generation.unwrap_or_default(),
            deletion: object.meta().deletion_timestamp.as_ref().map(|time| time.0),
            has_finalizer: object
                .finalizers()
                .iter()
                .any(|present| present == RELEASE_FINALIZER),
            cluster: self.cluster.clone(),
        }
    }

    fn provider(&self, reference: &ProviderReference, namespace: &str) -> (ProviderView, Option<Connection>) {
        match self
            .providers
            .lookup(&ProviderKey::of(reference, namespace), namespace)
        {
            Lookup::NotListed => (ProviderView::Pending, None),
            Lookup::Missing => (ProviderView::Missing, None),
            Lookup::NotAllowed => (ProviderView::NotAllowed, None),
            Lookup::TurnedOff => (ProviderView::TurnedOff, None),
            Lookup::Found {
                availability,
                allows_adoption,
            } => match availability {
                Availability::Pending => (ProviderView::Pending, None),
                Availability::NotReady { reason, message } => {
                    (ProviderView::NotReady { reason, message }, None)
                }
                Availability::Ready(connection) => {
                    let usable = UsableProvider {
                        organization_id: connection.account.organization.id.clone(),
                        api_url: connection.api.workload_endpoint().to_owned(),
                        allows_adoption,
                    };
                    (ProviderView::Ready(usable), Some(connection))
                }
            },
        }
    }

    /// The Secret that the spec names. It is read only when the watch does not show the very version that
    /// was recorded.
    async fn secret(
        &self,
        object: &ClientApplication,
        resource: &Facts,
        status: &ClientApplicationStatus,
    ) -> Result<SecretView, ReconcileError> {
        let name = &object.spec.secret.name;
        let indexed = self.secrets.get(&resource.namespace, name);
        let recorded = status.secret.as_ref().filter(|recorded| &recorded.name == name);
        if let (Some(indexed), Some(recorded)) = (&indexed, recorded)
            && indexed.owner_uid == resource.uid
            && indexed.uid == recorded.uid
            && indexed.resource_version == recorded.resource_version
            && recorded.form == secret::form(&object.spec.secret)
        {
            return Ok(SecretView::Ours {
                published: recorded.clone(),
                content: SecretContent::Current,
            });
        }
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &resource.namespace);
        let live = api
            .get_opt(name)
            .await
            .map_err(ReconcileError::kube("reading the Secret"))?;
        Ok(live.map_or(SecretView::Absent, |live| {
            secret::view(&live, resource, &object.spec.secret, recorded)
        }))
    }
}
