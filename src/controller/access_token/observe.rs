//! Gathers what a decision rests on. In the ordinary case, a resource as it should be, this costs no call.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{Api, Resource, ResourceExt};

use super::AccessTokens;
use super::clients::FoundClient;
use super::state::{ClientView, Learned, Observed, ProviderView, Resource as Facts, UsableProvider};
use crate::api::AccessToken;
use crate::api::access_token::AccessTokenStatus;
use crate::api::client_application::ProviderKind;
use crate::api::names::REVOKE_FINALIZER;
use crate::controller::ReconcileError;
use crate::controller::index::{Consumer, Place};
use crate::controller::owned_secret::{self, Owner, SecretContent, SecretView};
use crate::controller::registry::{Availability, Granted, Lookup, ProviderKey, Tokens};
use crate::controller::token::client::{self, LoadedClient};
use crate::controller::token::findings::Trouble;
use crate::controller::token::need::requests;
use crate::controller::token::pauses::Asked;

/// One pass over one resource.
pub(super) struct Pass {
    /// The resource as it was read.
    pub(super) object: Arc<AccessToken>,
    /// Whose Secret it is.
    pub(super) owner: Owner,
    /// The conditions as they were told last.
    pub(super) told: Vec<Condition>,
    /// What a pause after a failure would be about.
    pub(super) asked: Asked,
    /// What decisions rest on.
    pub(super) observed: Observed,
    /// Where its provider gives out tokens, if it can be used.
    pub(super) tokens: Option<Arc<Tokens>>,
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
        let place = (resource.namespace.clone(), resource.name.clone());
        self.pauses.begin(&place);
        let spec = object.spec.clone();
        let status = object.status.clone().unwrap_or_default();
        let provider_key = ProviderKey::of(&spec.provider_ref, &resource.namespace);
        let (provider, tokens, revision) = self.provider(&provider_key, &resource.namespace);
        let secret = self.secret(&object, &owner, &status).await?;
        let rival = match resource.deletion {
            None => self.consumers.claim(
                &Consumer::token(&resource.namespace, &resource.name),
                &spec.secret.name,
                matches!(secret, SecretView::Ours { .. }),
            ),
            Some(_) => None,
        };
        let client = self.client(&object, &place, tokens.as_deref()).await?;
        let strays = owned_secret::strays(&self.secrets, &owner, &spec.secret, status.secret.as_ref());
        let asked = Asked {
            generation: resource.generation,
            provider: revision,
            client: client.fingerprint,
            requests: resource.requests.clone(),
        };
        let pause = self.pauses.about(&place, &asked);
        let observed = Observed {
            resource,
            spec,
            status,
            provider,
            client: client.view,
            secret,
            rival: rival.map(|rival| rival.to_string()),
            strays,
            learned: Learned::default(),
            failure: None,
            pause,
        };
        Ok(Some(Pass {
            owner,
            told: observed.status.conditions.clone(),
            asked,
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

    fn provider(
        &self,
        key: &ProviderKey,
        namespace: &str,
    ) -> (ProviderView, Option<Arc<Tokens>>, Option<u64>) {
        match self.providers.lookup(key, namespace) {
            Lookup::Found {
                tokens: Some(tokens),
                granted,
                revision,
                ..
            } => {
                let Granted {
                    account_tokens,
                    scopes,
                    ..
                } = granted;
                let usable = UsableProvider {
                    server_digest: tokens.server_digest.clone(),
                    allowed_scopes: scopes,
                    allows_account_tokens: account_tokens,
                    has_account: tokens.account.is_some(),
                };
                (ProviderView::Usable(usable), Some(tokens), Some(revision))
            }
            other => (not_usable(key, namespace, &other), None, None),
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
                token: Some(Box::new(token.clone())),
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

    /// The client, from memory while nothing it rests on has changed.
    async fn client(
        &self,
        object: &AccessToken,
        place: &Place,
        tokens: Option<&Tokens>,
    ) -> Result<FoundClient, ReconcileError> {
        let Some(tokens) = tokens else {
            return Ok(without_credentials(match &object.status {
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
            }));
        };
        let generation = object.meta().generation.unwrap_or_default();
        let version = format!("{generation}/{}", tokens.version);
        if let Some(known) = self.clients.get_or_seek(place, &version) {
            return Ok(known);
        }
        let found = match self.load_client(object, tokens).await? {
            Ok(loaded) => FoundClient {
                view: ClientView::Ready {
                    client_id: loaded.client_id,
                },
                fingerprint: Some(loaded.fingerprint),
            },
            Err(trouble) => without_credentials(ClientView::NotReady(trouble)),
        };
        self.clients.found(place, version, &found);
        Ok(found)
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
}

/// A client whose credentials were not read.
fn without_credentials(view: ClientView) -> FoundClient {
    FoundClient {
        view,
        fingerprint: None,
    }
}

fn not_usable(key: &ProviderKey, namespace: &str, found: &Lookup) -> ProviderView {
    let (kind, name) = (key.kind.as_str(), &key.name);
    let (reason, message) = match found {
        Lookup::NotListed
        | Lookup::Found {
            availability: Availability::Pending,
            ..
        } => return ProviderView::Pending,
        Lookup::Missing => (
            "ProviderNotFound".to_owned(),
            format!(
                "{kind} {name} does not exist. Create it, or create another AccessToken that names the right one"
            ),
        ),
        Lookup::NotAllowed => (
            "NamespaceNotAllowed".to_owned(),
            format!(
                "{kind} {name} does not allow namespace {namespace}. Ask its administrator to add the namespace to spec.allowedNamespaces"
            ),
        ),
        Lookup::TurnedOff => (
            "SharedProvidersTurnedOff".to_owned(),
            format!(
                "this operator does not look after ClusterIdentityProviders. Name an IdentityProvider instead of {name}"
            ),
        ),
        Lookup::Found {
            availability: Availability::NotReady { reason, message },
            ..
        } => {
            // Accounts and addresses of a shared provider are no business of the namespaces that use it.
            let message = match key.kind {
                ProviderKind::ClusterIdentityProvider => {
                    format!("{kind} {name} is not ready ({reason}). Its status tells its administrator why")
                }
                ProviderKind::IdentityProvider => format!("{kind} {name} is not ready: {message}"),
            };
            (reason.clone(), message)
        }
        Lookup::Found {
            availability: Availability::Ready(_),
            ..
        } => (
            "ProviderPending".to_owned(),
            format!("{kind} {name} gives out no tokens yet"),
        ),
    };
    ProviderView::NotUsable { reason, message }
}

fn facts(object: &AccessToken) -> Facts {
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
        requests: requests(object.annotations()),
    }
}
