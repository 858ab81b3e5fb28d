//! Does one step and brings back what it has shown.

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::runtime::events::EventType;
use kube::{Api, Resource};
use secrecy::{ExposeSecret, SecretString};

use super::AccessTokens;
use super::companion::Companion;
use super::observe::Pass;
use super::plan::promise;
use super::state::{Evidence, Step};
use crate::api::AccessToken;
use crate::api::client_application::PublishedSecret;
use crate::api::names::REVOKE_FINALIZER;
use crate::api::token::TokenStatus;
use crate::controller::ReconcileError;
use crate::controller::owned_secret::{self, SecretView};
use crate::controller::secret_writer::{self, Written};
use crate::controller::token::client::LoadedClient;
use crate::controller::token::findings::Trouble;
use crate::controller::token::need::{self, Why};
use crate::controller::token::service::{Ask, Obtained};
use crate::credential::secret_content::{Content, Layout, Member};
use crate::identity::token::{TokenApi, TokenKind};
use crate::kube_ext::finalizer;

impl AccessTokens {
    /// Does one step.
    pub(super) async fn perform(&self, step: Step, pass: &mut Pass) -> Result<Evidence, ReconcileError> {
        match step {
            Step::AddFinalizer => self.add_finalizer(pass).await,
            Step::Obtain { why } => self.obtain(pass, why).await,
            Step::WriteSecret => self.write_secret(pass).await,
            Step::RevokeReplaced => self.revoke_replaced(pass).await,
            Step::RevokePublished => self.revoke_published(pass).await,
            Step::RetireSecret(earlier) => self.retire(pass, &earlier).await,
            Step::RemoveFinalizer { left_behind } => self.remove_finalizer(pass, left_behind.as_deref()).await,
        }
    }

    fn resources(&self, pass: &Pass) -> Api<AccessToken> {
        Api::namespaced(self.client.clone(), &pass.owner.namespace)
    }

    fn secrets(&self, pass: &Pass) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &pass.owner.namespace)
    }

    async fn add_finalizer(&self, pass: &mut Pass) -> Result<Evidence, ReconcileError> {
        let marked = finalizer::add(&self.resources(pass), pass.object.as_ref(), REVOKE_FINALIZER).await;
        pass.object = marked
            .map_err(ReconcileError::kube("adding the finalizer"))?
            .into();
        Ok(Evidence::FinalizerAdded)
    }

    async fn remove_finalizer(
        &self,
        pass: &mut Pass,
        left_behind: Option<&str>,
    ) -> Result<Evidence, ReconcileError> {
        if let Some(left_behind) = left_behind {
            tracing::warn!("deletion ends: {left_behind}");
            let about = pass.object.object_ref(&());
            self.events
                .publish(&about, EventType::Warning, "TokenLeftBehind", "Revoke", left_behind)
                .await;
        }
        finalizer::remove(&self.resources(pass), pass.object.as_ref(), REVOKE_FINALIZER)
            .await
            .map_err(ReconcileError::kube("removing the finalizer"))?;
        Ok(Evidence::FinalizerRemoved)
    }

    /// The client as it stands now, and the server for it.
    async fn connect(
        &self,
        pass: &Pass,
    ) -> Result<Result<(LoadedClient, std::sync::Arc<dyn TokenApi>), Trouble>, ReconcileError> {
        let Some(tokens) = &pass.tokens else {
            return Ok(Err(Trouble::passing(
                "ProviderPending",
                "the identity provider is not ready".to_owned(),
            )));
        };
        let loaded = match self.load_client(&pass.object, tokens).await? {
            Ok(loaded) => loaded,
            Err(trouble) => return Ok(Err(trouble)),
        };
        let settings = &pass.observed.spec.token;
        Ok(match tokens.api_for(&loaded) {
            Ok(api) => Ok((loaded, api)),
            Err(error) => Err(Trouble::of(&error.into(), settings)),
        })
    }

    async fn obtain(&self, pass: &Pass, why: Why) -> Result<Evidence, ReconcileError> {
        let (client, api) = match self.connect(pass).await? {
            Ok(connected) => connected,
            Err(trouble) => return Ok(Evidence::Failed(trouble)),
        };
        let observed = &pass.observed;
        let settings = &observed.spec.token;
        let request_digest = need::request_digest(&client.client_id, settings);
        let shared = observed.provider.shares_tokens() && client.credentials.is_some();
        let key = if shared {
            format!("{:?}/{}/{request_digest}", pass.provider_key, client.fingerprint)
        } else {
            observed.resource.uid.clone()
        };
        let companion = Companion::new(self.secrets(pass), &pass.owner);
        // What is taken out is not used a second time, whatever becomes of this call and of this process.
        let refresh_token = match observed.published() {
            Some(_) if !shared && !why.needs_new() => companion.take_refresh_token(&request_digest).await?,
            _ => None,
        };
        let now = Timestamp::now();
        let ask = Ask {
            key: &key,
            uid: &observed.resource.uid,
            api: api.as_ref(),
            settings,
            request_digest: &request_digest,
            promise: promise(observed, &self.policy),
            why,
            urgency: need::urgency(observed.published(), now),
            refresh_token: refresh_token.as_ref(),
        };
        let got = match self.tokens.obtain(&ask).await {
            Ok(got) => got,
            Err(trouble) => return Ok(Evidence::Failed(trouble)),
        };
        if let Some(next) = got.refresh_token.as_ref().filter(|_| !shared) {
            companion.keep_refresh_token(next, &request_digest).await?;
        }
        if got.asked {
            tracing::info!(
                client = client.client_id,
                expires = %got.obtained.status.expires_at.0,
                "a token was issued"
            );
            if let Some(published) = observed.published() {
                let left = published.expires_at.0.duration_since(now).as_secs_f64();
                self.metrics.token_refreshed("access_token", left);
            }
        }
        Ok(Evidence::Obtained {
            obtained: Box::new(got.obtained),
            why,
        })
    }

    async fn write_secret(&self, pass: &Pass) -> Result<Evidence, ReconcileError> {
        let observed = &pass.observed;
        let template = &observed.spec.secret;
        let secrets = self.secrets(pass);
        let layout = pass.layout();
        let live = secrets
            .get_opt(&template.name)
            .await
            .map_err(ReconcileError::kube("reading the Secret"))?
            .filter(|live| owned_secret::is_ours(live, &pass.owner));
        let data = live.and_then(|live| live.data).unwrap_or_default();
        let held = layout.read_back(&data, Member::AccessToken);
        let obtained = match (&observed.learned.obtained, &held, observed.published()) {
            (Some(obtained), _, _) => obtained.clone(),
            (None, Some(held), Some(status)) => Obtained {
                access_token: held.clone(),
                status: status.clone(),
            },
            _ => return Ok(Evidence::TokenLost),
        };
        let replaced = held.filter(|held| !same(held, &obtained.access_token));
        let previous = replaced
            .clone()
            .or_else(|| layout.read_back(&data, Member::PreviousAccessToken))
            .filter(|_| template.previous_access_token == Some(true));
        if let Some(replaced) = &replaced
            && observed.learned.why == Some(Why::RevocationRequested)
        {
            // Else nobody would know it any more if this process ended between the write and the revocation.
            Companion::new(secrets.clone(), &pass.owner)
                .keep_for_revocation(replaced)
                .await?;
        }
        let content = content(&obtained, previous);
        let wanted = owned_secret::build(
            &pass.owner,
            template,
            &content,
            &layout,
            Some(&obtained.status),
        );
        let ours = match &observed.secret {
            SecretView::Ours { published, .. } => Some(published.uid.as_str()),
            SecretView::Absent | SecretView::Foreign { .. } => None,
        };
        let shown = [&obtained.access_token];
        Ok(match secret_writer::apply(&secrets, wanted, ours, &pass.owner, &shown).await? {
            Written::Done(written) => {
                self.metrics.secret_written("access_token");
                tracing::info!(secret = template.name, "wrote a Secret");
                Evidence::SecretWritten {
                    published: owned_secret::published(&written, &owned_secret::form(template, &layout), ""),
                    token: Box::new(obtained.status),
                    replaced,
                }
            }
            Written::Foreign { owner } => Evidence::SecretForeign { owner },
            Written::Refused { message } => Evidence::SecretRefused { message },
        })
    }

    async fn revoke_replaced(&self, pass: &Pass) -> Result<Evidence, ReconcileError> {
        let companion = Companion::new(self.secrets(pass), &pass.owner);
        let tokens = companion.for_revocation().await?;
        let outcome = self.revoke(pass, &tokens).await?;
        match outcome {
            Ok(()) => {
                companion.revoked().await?;
                Ok(Evidence::Revoked(Ok(())))
            }
            Err(trouble) if trouble.passes => Ok(Evidence::Failed(trouble)),
            Err(trouble) => {
                self.tell_not_revoked(pass, &trouble).await;
                companion.revoked().await?;
                Ok(Evidence::Revoked(Err(trouble.message)))
            }
        }
    }

    async fn revoke_published(&self, pass: &Pass) -> Result<Evidence, ReconcileError> {
        if pass.observed.provider.shares_tokens() {
            return Ok(Evidence::Revoked(Err(
                "the provider shares tokens, so that other resources may use it".to_owned(),
            )));
        }
        let live = self
            .secrets(pass)
            .get_opt(&pass.observed.spec.secret.name)
            .await
            .map_err(ReconcileError::kube("reading the Secret"))?
            .filter(|live| owned_secret::is_ours(live, &pass.owner));
        let data = live.and_then(|live| live.data).unwrap_or_default();
        let companion = Companion::new(self.secrets(pass), &pass.owner);
        let mut tokens = companion.for_revocation().await?;
        tokens.extend(pass.layout().read_back(&data, Member::AccessToken));
        Ok(match self.revoke(pass, &tokens).await? {
            Ok(()) => Evidence::Revoked(Ok(())),
            Err(trouble) if trouble.passes => Evidence::Failed(trouble),
            Err(trouble) => Evidence::Revoked(Err(trouble.message)),
        })
    }

    async fn revoke(
        &self,
        pass: &Pass,
        tokens: &[SecretString],
    ) -> Result<Result<(), Trouble>, ReconcileError> {
        if pass.observed.provider.shares_tokens() {
            return Ok(Err(Trouble::to_mend(
                "TokenShared",
                "the provider shares tokens, so the replaced one was not revoked: other resources may use it".to_owned(),
            )));
        }
        let (_, api) = match self.connect(pass).await? {
            Ok(connected) => connected,
            Err(trouble) => return Ok(Err(trouble)),
        };
        for token in tokens {
            if let Err(error) = api.revoke(token, TokenKind::Access).await {
                return Ok(Err(Trouble::of(&error, &pass.observed.spec.token)));
            }
            tracing::info!("a token was revoked");
        }
        Ok(Ok(()))
    }

    async fn tell_not_revoked(&self, pass: &Pass, trouble: &Trouble) {
        let message = format!("the replaced token was not revoked: {}", trouble.message);
        tracing::warn!("{message}");
        let about = pass.object.object_ref(&());
        self.events
            .publish(&about, EventType::Warning, "TokenNotRevoked", "Revoke", &message)
            .await;
    }

    async fn retire(&self, pass: &Pass, earlier: &PublishedSecret) -> Result<Evidence, ReconcileError> {
        secret_writer::retire(&self.secrets(pass), &earlier.name, &pass.owner).await?;
        Ok(Evidence::SecretRetired)
    }
}

impl Pass {
    /// How the Secret's content is laid out.
    pub(super) fn layout(&self) -> Layout {
        Layout::for_template(
            &self.observed.spec.secret,
            self.tokens.as_ref().map(|tokens| tokens.flavour).unwrap_or_default(),
        )
    }
}

fn content(obtained: &Obtained, previous: Option<SecretString>) -> Content {
    let TokenStatus {
        token_type,
        expires_at,
        scope,
        ..
    } = &obtained.status;
    Content::default()
        .with_token(
            &obtained.access_token,
            token_type,
            expires_at.0,
            scope.as_deref(),
        )
        .with_previous(previous)
}

fn same(one: &SecretString, other: &SecretString) -> bool {
    one.expose_secret() == other.expose_secret()
}
