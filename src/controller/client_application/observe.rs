//! Gathers what a decision rests on. In the ordinary case, a resource as it should be, this costs no call.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{Api, Resource, ResourceExt};

use super::state::{
    Learned, Observed, ProviderView, Resource as Facts, SecretContent, SecretView, TokenView, UsableProvider,
};
use super::{ClientApplications, adoption};
use crate::api::ClientApplication;
use crate::api::client_application::{ClientApplicationSpec, ClientApplicationStatus};
use crate::api::names::RELEASE_FINALIZER;
use crate::controller::ReconcileError;
use crate::controller::index::Consumer;
use crate::controller::owned_secret::{self, Owner};
use crate::controller::registry::{Applications, Availability, Connection, Lookup, ProviderKey, Tokens};
use crate::controller::token::need::requests;
use crate::controller::token::pauses::Asked;

/// One pass over one resource.
pub(super) struct Pass {
    /// The resource as it was read.
    pub(super) object: Arc<ClientApplication>,
    /// The conditions as they were told last: those that were recorded when the pass began, and what was told
    /// since.
    pub(super) told: Vec<Condition>,
    /// What decisions rest on.
    pub(super) observed: Observed,
    /// Whose Secret it is.
    pub(super) owner: Owner,
    /// What a pause after a failure would be about.
    pub(super) asked: Asked,
    /// The identity API, where it can be used.
    pub(super) applications: Option<Applications>,
    /// Where tokens are given out, if they are.
    pub(super) tokens: Option<Arc<Tokens>>,
    /// The provider.
    pub(super) provider_key: ProviderKey,
}

/// What is found of a provider.
struct Found {
    view: ProviderView,
    applications: Option<Applications>,
    tokens: Option<Arc<Tokens>>,
    allowed_scopes: Option<Vec<String>>,
    revision: Option<u64>,
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
        let place = (resource.namespace.clone(), resource.name.clone());
        self.pauses.begin(&place);
        let mut spec = object.spec.clone();
        let status = object.status.clone().unwrap_or_default();
        let adoption_waits = adoption::resolve(&self.client, &mut spec, &status, &resource.namespace).await?;
        let owner = Owner::of(object.as_ref());
        let provider_key = ProviderKey::of(&spec.provider_ref, &resource.namespace);
        let found = self.provider(&provider_key, &resource);
        let secret = self.secret(&object, &owner, &status).await?;
        let holds = matches!(secret, SecretView::Ours { .. });
        let consumer = Consumer::application(&resource.namespace, &resource.name);
        let rival = match resource.deletion {
            None => self.consumers.claim(&consumer, &spec.secret.name, holds),
            Some(_) => None,
        };
        let strays = owned_secret::strays(&self.secrets, &owner, &spec.secret, status.secret.as_ref());
        let application_rival = self.application_rival(&spec, &resource, &status);
        let asked = Asked {
            generation: resource.generation,
            provider: found.revision,
            client: None,
            requests: requests(object.annotations()),
        };
        let token = TokenView {
            can_be_had: found.tokens.is_some(),
            allowed_scopes: found.allowed_scopes,
            pause: self.pauses.about(&place, &asked),
            requests: asked.requests.clone(),
        };
        let observed = Observed {
            resource,
            spec,
            status,
            provider: found.view,
            secret,
            rival: rival.map(|rival| rival.to_string()),
            application_rival,
            token,
            strays,
            learned: Learned {
                adoption_waits,
                ..Learned::default()
            },
            failure: None,
            earlier_failures,
        };
        let told = observed.status.conditions.clone();
        Ok(Some(Pass {
            object,
            told,
            observed,
            owner,
            asked,
            applications: found.applications,
            tokens: found.tokens,
            provider_key,
        }))
    }

    /// Who else has the application that the spec names. Settled here, since of two resources that look at an
    /// application nobody has marked yet, both would take it.
    fn application_rival(
        &self,
        spec: &ClientApplicationSpec,
        resource: &Facts,
        status: &ClientApplicationStatus,
    ) -> Option<Consumer> {
        let wanted = spec
            .adopt
            .as_ref()
            .and_then(|adoption| adoption.application_id.as_ref())
            .filter(|_| resource.deletion.is_none())?;
        let provider = ProviderKey::of(&spec.provider_ref, &resource.namespace);
        let consumer = Consumer::application(&resource.namespace, &resource.name);
        let holds = status.application_id.as_ref() == Some(wanted);
        self.consumers
            .claim_application(&consumer, &provider, wanted, holds)
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
        if recorded
            && object.meta().deletion_timestamp.is_none()
            && !self.written.is_outdated(object.as_ref())
        {
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

    fn provider(&self, key: &ProviderKey, resource: &Facts) -> Found {
        let nothing = |view| Found {
            view,
            applications: None,
            tokens: None,
            allowed_scopes: None,
            revision: None,
        };
        let looked_up = match resource.deletion {
            None => self.providers.lookup(key, &resource.namespace),
            Some(_) => self.providers.lookup_to_release(key, &resource.namespace),
        };
        let (availability, tokens, granted, revision) = match looked_up {
            Lookup::NotListed => return nothing(ProviderView::Pending),
            Lookup::Missing => return nothing(ProviderView::Missing),
            Lookup::NotAllowed => return nothing(ProviderView::NotAllowed),
            Lookup::TurnedOff => return nothing(ProviderView::TurnedOff),
            Lookup::Found {
                availability,
                tokens,
                granted,
                revision,
            } => (availability, tokens, granted, revision),
        };
        let (view, applications) = match availability {
            Availability::Pending => (ProviderView::Pending, None),
            Availability::NotReady { reason, message } => (ProviderView::NotReady { reason, message }, None),
            Availability::Ready(Connection::TokensOnly) => (ProviderView::TokensOnly, None),
            Availability::Ready(Connection::Applications(applications)) => {
                let usable = UsableProvider {
                    organization_id: applications.account.organization.id.clone(),
                    api_url: applications.api.workload_endpoint().to_owned(),
                    allows_adoption: granted.adoption,
                };
                (ProviderView::Ready(usable), Some(applications))
            }
        };
        Found {
            view,
            applications,
            tokens,
            allowed_scopes: granted.scopes,
            revision: Some(revision),
        }
    }

    /// The Secret that the spec names. It is read only when the watch does not show the very version that
    /// was recorded.
    async fn secret(
        &self,
        object: &ClientApplication,
        owner: &Owner,
        status: &ClientApplicationStatus,
    ) -> Result<SecretView, ReconcileError> {
        let template = &object.spec.secret;
        let recorded = status
            .secret
            .as_ref()
            .filter(|recorded| recorded.name == template.name);
        // Without a token on record the Secret may hold one that nobody wants any more: its annotation tells.
        if let Some(recorded) = recorded
            && owned_secret::is_unchanged(&self.secrets, owner, template, recorded)
            && status.token.is_some() == object.spec.access_token.is_some()
        {
            return Ok(SecretView::Ours {
                published: recorded.clone(),
                content: SecretContent::Current,
                token: status.token.clone().map(Box::new),
            });
        }
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &owner.namespace);
        let live = api
            .get_opt(&template.name)
            .await
            .map_err(ReconcileError::kube("reading the Secret"))?;
        let view = live.map_or(SecretView::Absent, |live| {
            owned_secret::view(&live, owner, template, recorded)
        });
        let readers = self.providers.readers(&owner.namespace, &template.name);
        Ok(view.read_by(&readers))
    }
}
