//! Gathers what a decision rests on. In the ordinary case, a resource as it should be, this costs no call.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{Api, Resource, ResourceExt};

use super::state::{ClientView, Learned, Observed, ProviderView, Resource as Facts, UsableProvider};
use super::{AccessTokens, Asked};
use crate::api::AccessToken;
use crate::api::access_token::AccessTokenStatus;
use crate::api::client_application::PublishedSecret;
use crate::api::names::{REFRESH_REQUESTED_ANNOTATION, REVOKE_FINALIZER, REVOKE_REQUESTED_ANNOTATION};
use crate::api::token::FulfilledRequests;
use crate::controller::ReconcileError;
use crate::controller::index::Consumer;
use crate::controller::owned_secret::{self, Owner, SecretContent, SecretView};
use crate::controller::registry::{Granted, Lookup, ProviderKey, Tokens};
use crate::controller::token::client::{self, LoadedClient};
use crate::controller::token::findings::Trouble;

/// One pass over one resource.
pub(super) struct Pass {
    /// The resource as it was read.
    pub(super) object: Arc<AccessToken>,
    /// Whose Secret it is.
    pub(super) owner: Owner,
    /// The conditions that were recorded when the pass began.
    pub(super) conditions_before: Vec<Condition>,
    /// What decisions rest on.
    pub(super) observed: Observed,
    /// Where its provider gives out tokens, if it can be used.
    pub(super) tokens: Option<Tokens>,
    /// Which provider that is.
    pub(super) provider_key: ProviderKey,
}

impl AccessTokens {
    /// Everything about a resource, or nothing when it is gone.
    pub(super) async fn observe(&self, object: Arc<AccessToken>) -> Result<Option<Pass>, ReconcileError> {
        let Some(object) = self.recent(object).await? else {
            return Ok(None);
        };
        let owner = Owner::of(object.as_ref());
        let resource = facts(&object);
        let spec = object.spec.clone();
        let status = object.status.clone().unwrap_or_default();
        let provider_key = ProviderKey::of(&spec.provider_ref, &resource.namespace);
        let (provider, tokens) = self.provider(&provider_key, &resource.namespace);
        let secret = self.secret(&object, &owner, &status).await?;
        let rival = match resource.deletion {
            None => self.consumers.claim(
                &Consumer::token(&resource.namespace, &resource.name),
                &spec.secret.name,
                matches!(secret, SecretView::Ours { .. }),
            ),
            Some(_) => None,
        };
        let client = self.client(&object, &resource, tokens.as_ref()).await?;
        let stray = self.stray(&resource, &status, &spec.secret.name);
        let pause = self.pause(&resource);
        let observed = Observed {
            resource,
            spec,
            status,
            provider,
            client,
            secret,
            rival,
            stray,
            learned: Learned::default(),
            failure: None,
            pause,
        };
        Ok(Some(Pass {
            owner,
            conditions_before: observed.status.conditions.clone(),
            object,
            observed,
            tokens,
            provider_key,
        }))
    }

    /// The resource, read anew where the copy is older than our own last write.
    async fn recent(&self, object: Arc<AccessToken>) -> Result<Option<Arc<AccessToken>>, ReconcileError> {
        if object.meta().deletion_timestamp.is_none() && !self.written.is_outdated(object.as_ref()) {
            return Ok(Some(object));
        }
        let api: Api<AccessToken> =
            Api::namespaced(self.client.clone(), &object.namespace().unwrap_or_default());
        let live = api
            .get_opt(&object.name_any())
            .await
            .map_err(ReconcileError::kube("reading the AccessToken"))?;
        Ok(live.filter(|live| live.uid() == object.uid()).map(Arc::new))
    }

    fn provider(&self, key: &ProviderKey, namespace: &str) -> (ProviderView, Option<Tokens>) {
        match self.providers.lookup(key, namespace) {
            Lookup::Found {
                tokens: Some(tokens),
                granted,
                ..
            } => {
                let Granted {
                    account_tokens,
                    scopes,
                    ..
                } = granted;
                let usable = UsableProvider {
                    allowed_scopes: scopes,
                    allows_account_tokens: account_tokens,
                    has_account: tokens.account.is_some(),
                    shares_tokens: tokens.shared,
                };
                (ProviderView::Usable(usable), Some(tokens))
            }
            other => (super::super::registry::not_usable(key, namespace, other), None),
        }
    }

    /// The Secret that the spec names. It is read only when the watch does not show the very version that was
    /// recorded.
    async fn secret(
        &self,
        object: &AccessToken,
        owner: &Owner,
        status: &AccessTokenStatus,
    ) -> Result<SecretView, ReconcileError> {
        let template = &object.spec.secret;
        let recorded = status
            .secret
            .as_ref()
            .filter(|recorded| recorded.name == template.name);
        if let (Some(recorded), Some(token)) = (recorded, &status.token)
            && owned_secret::is_unchanged(&self.secrets, owner, template, recorded)
        {
            return Ok(SecretView::Ours {
                published: recorded.clone(),
                content: SecretContent::Current,
                token: Some(token.clone()),
            });
        }
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &owner.namespace);
        let live = api
            .get_opt(&template.name)
            .await
            .map_err(ReconcileError::kube("reading the Secret"))?;
        Ok(live.map_or(SecretView::Absent, |live| {
            owned_secret::view(&live, owner, template, recorded)
        }))
    }

    /// The client, from memory while nothing it rests on has changed.
    async fn client(
        &self,
        object: &AccessToken,
        resource: &Facts,
        tokens: Option<&Tokens>,
    ) -> Result<ClientView, ReconcileError> {
        let place = (resource.namespace.clone(), resource.name.clone());
        let Some(tokens) = tokens else {
            return Ok(match &object.status {
                Some(AccessTokenStatus {
                    client_id: Some(client_id),
                    ..
                }) => ClientView::Ready {
                    client_id: client_id.clone(),
                },
                _ => ClientView::NotReady(Trouble::passing(
                    "Waiting",
                    "the client is looked for once the identity provider can be used".to_owned(),
                )),
            });
        };
        let version = format!("{}/{}", resource.generation, tokens.version);
        let known = self.memory().get(&place).and_then(|memory| memory.client.clone());
        if let Some((of, known)) = known
            && of == version
            && matches!(known, ClientView::Ready { .. })
        {
            return Ok(known);
        }
        let view = match self.load_client(object, tokens).await? {
            Ok(loaded) => ClientView::Ready {
                client_id: loaded.client_id,
            },
            Err(trouble) => ClientView::NotReady(trouble),
        };
        self.memory().entry(place).or_default().client = Some((version, view.clone()));
        Ok(view)
    }

    /// Reads the client's credentials.
    pub(super) async fn load_client(
        &self,
        object: &AccessToken,
        tokens: &Tokens,
    ) -> Result<Result<LoadedClient, Trouble>, ReconcileError> {
        let namespace = object.namespace().unwrap_or_default();
        let place = client::Place {
            kube: &self.client,
            namespace: &namespace,
            provider: &object.spec.provider_ref,
            authentication: tokens.authentication.as_ref(),
            account: tokens.account.as_ref().map(|account| account.name.as_str()),
        };
        client::load(&place, &object.spec.client).await
    }

    /// A Secret that was written for this resource and is not the one that the spec names.
    fn stray(&self, resource: &Facts, status: &AccessTokenStatus, name: &str) -> Option<PublishedSecret> {
        let recorded = status.secret.clone().filter(|recorded| recorded.name != name);
        recorded.or_else(|| owned_secret::stray(&self.secrets, &resource.namespace, &resource.uid, name))
    }

    fn pause(&self, resource: &Facts) -> Option<super::state::Pause> {
        let place = (resource.namespace.clone(), resource.name.clone());
        let asked = Asked {
            generation: resource.generation,
            requests: resource.requests.clone(),
        };
        let memory = self.memory();
        let (about, pause) = memory.get(&place)?.pause.clone()?;
        (about == asked).then_some(pause)
    }
}

fn facts(object: &AccessToken) -> Facts {
    let annotation = |name: &str| {
        object
            .annotations()
            .get(name)
            .filter(|value| !value.is_empty())
            .cloned()
    };
    Facts {
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
        uid: object.uid().unwrap_or_default(),
        generation: object.meta().generation.unwrap_or_default(),
        deletion: object.meta().deletion_timestamp.as_ref().map(|time| time.0),
        has_finalizer: object
            .finalizers()
            .iter()
            .any(|present| present == REVOKE_FINALIZER),
        requests: FulfilledRequests {
            refresh: annotation(REFRESH_REQUESTED_ANNOTATION),
            revoke: annotation(REVOKE_REQUESTED_ANNOTATION),
        },
    }
}
