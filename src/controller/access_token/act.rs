//! Does one step and brings back what it has shown.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::runtime::events::EventType;
use kube::{Api, Resource};
use secrecy::SecretString;

use super::AccessTokens;
use super::companion::Companion;
use super::findings::not_revoked_yet;
use super::observe::Pass;
use super::plan::promise;
use super::replaced;
use super::state::{Evidence, Step};
use crate::api::AccessToken;
use crate::api::names::REVOKE_FINALIZER;
use crate::controller::ReconcileError;
use crate::controller::owned_secret::{self, SecretView};
use crate::controller::registry::Tokens;
use crate::controller::secret_writer::{self, Written};
use crate::controller::token::client::LoadedClient;
use crate::controller::token::findings::Trouble;
use crate::controller::token::held::Held;
use crate::controller::token::need::{self, Why};
use crate::controller::token::service::Ask;
use crate::credential::secret_content::{Content, Layout, Member, Vocabulary};
use crate::identity::token::{TokenApi, TokenKind};
use crate::kube_ext::finalizer;

/// A client, and the server as that client sees it.
struct Connected {
    tokens: Arc<Tokens>,
    client: LoadedClient,
    api: Arc<dyn TokenApi>,
}

impl AccessTokens {
    /// Does one step.
    pub(super) async fn perform(&self, step: Step, pass: &mut Pass) -> Result<Evidence, ReconcileError> {
        match step {
            Step::AddFinalizer => self.add_finalizer(pass).await,
            Step::Obtain { why } => self.obtain(pass, why).await,
            Step::WriteSecret => self.write_secret(pass).await,
            Step::RevokeReplaced => self.revoke_replaced(pass).await,
            Step::RevokePublished => self.revoke_published(pass).await,
            Step::RetireSecret(name) => {
                secret_writer::retire(&self.secrets(pass), &name, &pass.owner, owned_secret::is_ours).await?;
                Ok(Evidence::SecretRetired)
            }
            Step::RetireStray(name) => {
                let secrets = self.secrets(pass);
                secret_writer::retire(&secrets, &name, &pass.owner, owned_secret::is_written_by_us).await?;
                Ok(Evidence::StrayRetired(name))
            }
            Step::RemoveFinalizer { left_behind } => {
                self.remove_finalizer(pass, left_behind.as_deref()).await
            }
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
                .publish(
                    &about,
                    EventType::Warning,
                    "TokenLeftBehind",
                    "Revoke",
                    left_behind,
                )
                .await;
        }
        finalizer::remove(&self.resources(pass), pass.object.as_ref(), REVOKE_FINALIZER)
            .await
            .map_err(ReconcileError::kube("removing the finalizer"))?;
        Ok(Evidence::FinalizerRemoved)
    }

    /// The client as it stands now, and the server for it.
    async fn connect(&self, pass: &mut Pass) -> Result<Result<Connected, Trouble>, ReconcileError> {
        let Some(tokens) = pass.tokens.clone() else {
            return Ok(Err(Trouble::passing(
                "ProviderPending",
                "the identity provider is not ready".to_owned(),
            )));
        };
        let client = match self.load_client(&pass.object, &tokens).await? {
            Ok(client) => client,
            Err(trouble) => return Ok(Err(trouble)),
        };
        // Newer credentials than were observed may be read here. A pause is about those that were used.
        pass.asked.client = Some(client.fingerprint.clone());
        Ok(match tokens.api_for(client.credentials.as_ref()) {
            Ok(api) => Ok(Connected { tokens, client, api }),
            Err(error) => Err(Trouble::of(&error.into(), &pass.observed.spec.token)),
        })
    }

    async fn obtain(&self, pass: &mut Pass, why: Why) -> Result<Evidence, ReconcileError> {
        let Connected { tokens, client, api } = match self.connect(pass).await? {
            Ok(connected) => connected,
            Err(trouble) => return Ok(Evidence::Failed(trouble)),
        };
        let observed = &pass.observed;
        let settings = &observed.spec.token;
        let request_digest = need::request_digest_at(&tokens.server_digest, &client.client_id, settings);
        let shared = tokens.shares(&client);
        let companion = Companion::new(self.secrets(pass), &pass.owner);
        if why == Why::RevocationRequested && self.is_replaced(pass, &companion).await? {
            return Ok(Evidence::AlreadyReplaced);
        }
        // What is taken out is not used a second time, whatever becomes of this call and of this process.
        let refresh_token = match observed.published() {
            Some(_) if !shared && !why.needs_new() => companion.take_refresh_token(&request_digest).await?,
            _ => None,
        };
        let now = Timestamp::now();
        let ask = Ask {
            key: &tokens.key(
                &pass.provider_key,
                &client,
                &request_digest,
                &observed.resource.uid,
            ),
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

    /// Whether an earlier pass has published another token already, and only its revocation is left.
    async fn is_replaced(&self, pass: &Pass, companion: &Companion<'_>) -> Result<bool, ReconcileError> {
        let to_revoke = companion.for_revocation().await?;
        let held = self.held(pass).await?.value(Member::AccessToken);
        let fulfilled = pass.observed.status.fulfilled_requests.as_ref();
        Ok(replaced::is_replaced(fulfilled, &to_revoke, held.as_ref()))
    }

    async fn write_secret(&self, pass: &Pass) -> Result<Evidence, ReconcileError> {
        let observed = &pass.observed;
        let template = &observed.spec.secret;
        let secrets = self.secrets(pass);
        let held = self.held(pass).await?;
        let obtained = match (&observed.learned.obtained, observed.published()) {
            (Some(obtained), _) => Some(obtained.clone()),
            (None, Some(published)) => held.token(published),
            (None, None) => None,
        };
        let Some(obtained) = obtained else {
            return Ok(Evidence::TokenLost);
        };
        // In a Secret that was edited, or in that of an earlier name, it is found by what the status says of it.
        let recorded = observed.published().or(observed.status.token.as_ref());
        let replaced = held.replaced_by(&obtained, recorded);
        if let Some(replaced) = &replaced
            && observed.learned.why == Some(Why::RevocationRequested)
        {
            // Else nobody would know it any more if this process ended between the write and the revocation.
            Companion::new(secrets.clone(), &pass.owner)
                .keep_for_revocation(replaced)
                .await?;
        }
        let previous = held.previous(&obtained, recorded, template);
        let content = obtained.add_to(Content::default(), previous);
        let layout = pass.layout();
        let wanted =
            match owned_secret::build(&pass.owner, template, &content, &layout, Some(&obtained.status)) {
                Ok(wanted) => wanted,
                Err(error) => {
                    return Ok(Evidence::SecretRefused {
                        message: error.to_string(),
                    });
                }
            };
        let ours = match &observed.secret {
            SecretView::Ours { published, .. } => Some(published.uid.as_str()),
            SecretView::Absent | SecretView::Foreign { .. } => None,
        };
        let shown = [&obtained.access_token];
        Ok(
            match secret_writer::apply(&secrets, wanted, ours, &pass.owner, &shown).await? {
                Written::Done(written) => {
                    self.metrics.secret_written("access_token");
                    tracing::info!(secret = template.name, "wrote a Secret");
                    let recorded = observed.status.secret.as_ref();
                    if let Some(restored) = owned_secret::restored(&template.name, &observed.secret, recorded)
                    {
                        let about = pass.object.object_ref(&());
                        owned_secret::tell_restored(&self.events, &about, &restored).await;
                    }
                    Evidence::SecretWritten {
                        published: owned_secret::published(&written, template, ""),
                        token: Box::new(obtained.status),
                    }
                }
                Written::Foreign { owner } => Evidence::SecretForeign { owner },
                Written::Refused { message } => Evidence::SecretRefused { message },
            },
        )
    }

    async fn revoke_replaced(&self, pass: &mut Pass) -> Result<Evidence, ReconcileError> {
        let owner = pass.owner.clone();
        let companion = Companion::new(self.secrets(pass), &owner);
        let tokens = access(companion.for_revocation().await?);
        let outcome = match replaced::lost(
            tokens.len(),
            pass.observed.status.token.as_ref(),
            Timestamp::now(),
        ) {
            Some(lost) => Err(lost),
            None => self.revoke(pass, &tokens).await?,
        };
        match outcome {
            Ok(()) => {
                companion.revoked().await?;
                Ok(Evidence::Revoked(Ok(())))
            }
            Err(trouble) if trouble.passes => Ok(Evidence::Failed(not_revoked_yet(&trouble))),
            Err(trouble) => {
                self.tell_not_revoked(pass, &trouble).await;
                companion.revoked().await?;
                Ok(Evidence::Revoked(Err(trouble.message)))
            }
        }
    }

    async fn revoke_published(&self, pass: &mut Pass) -> Result<Evidence, ReconcileError> {
        let companion = Companion::new(self.secrets(pass), &pass.owner);
        let held = self.held(pass).await?;
        let published = pass.observed.published().and_then(|token| held.token(token));
        let mut tokens = access(companion.for_revocation().await?);
        tokens.extend(access(published.map(|published| published.access_token)));
        tokens.extend(access(held.value(Member::PreviousAccessToken)));
        // Whoever had the refresh token could get another.
        tokens.extend(
            companion
                .refresh_token()
                .await?
                .map(|token| (token, TokenKind::Refresh)),
        );
        Ok(match self.revoke(pass, &tokens).await? {
            Ok(()) => Evidence::Revoked(Ok(())),
            Err(trouble) if trouble.passes => Evidence::Failed(trouble),
            Err(trouble) => Evidence::Revoked(Err(trouble.message)),
        })
    }

    /// What the Secret holds now, where it is ours. Until one of a new name is written, that is the earlier one.
    async fn held(&self, pass: &Pass) -> Result<Held, ReconcileError> {
        let observed = &pass.observed;
        let name = match (&observed.secret, &observed.status.secret) {
            (SecretView::Absent, Some(earlier)) => &earlier.name,
            _ => &observed.spec.secret.name,
        };
        Held::read(&self.secrets(pass), name, &pass.owner, pass.layout()).await
    }

    async fn revoke(
        &self,
        pass: &mut Pass,
        tokens: &[(SecretString, TokenKind)],
    ) -> Result<Result<(), Trouble>, ReconcileError> {
        if tokens.is_empty() {
            return Ok(Ok(()));
        }
        let Connected {
            tokens: server,
            client,
            api,
        } = match self.connect(pass).await? {
            Ok(connected) => connected,
            Err(trouble) => return Ok(Err(trouble)),
        };
        if server.shares(&client) {
            return Ok(Err(Trouble::to_mend(
                "TokenShared",
                "tokens are shared here, and other resources may use the same one".to_owned(),
            )));
        }
        for (token, kind) in tokens {
            if let Err(error) = api.revoke(token, *kind).await {
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
}

fn access(tokens: impl IntoIterator<Item = SecretString>) -> Vec<(SecretString, TokenKind)> {
    let tokens = tokens.into_iter();
    tokens.map(|token| (token, TokenKind::Access)).collect()
}

impl Pass {
    /// How the Secret's content is laid out.
    fn layout(&self) -> Layout {
        let vocabulary = self
            .tokens
            .as_ref()
            .map_or(Vocabulary::OAuth2, |tokens| tokens.vocabulary);
        Layout::of(&self.observed.spec.secret, vocabulary)
    }
}
