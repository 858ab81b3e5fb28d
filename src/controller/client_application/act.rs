//! Does one step and brings back what it has shown.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::runtime::events::EventType;
use kube::{Api, Resource, ResourceExt};

use super::calls::{absent_as_none, create, find_marked};
use super::observe::Pass;
use super::state::{Evidence, Observed, SecretView, Step};
use super::{ClientApplications, desired, token};
use crate::api::ClientApplication;
use crate::api::client_application::ClientApplicationStatus;
use crate::api::names::RELEASE_FINALIZER;
use crate::api::token::TokenStatus;
use crate::controller::ReconcileError;
use crate::controller::owned_secret;
use crate::controller::secret_writer::{self, Written};
use crate::controller::token::client::LoadedClient;
use crate::controller::token::findings::Trouble;
use crate::controller::token::held::Held;
use crate::controller::token::need::{self, Why};
use crate::controller::token::promise;
use crate::controller::token::service::Ask;
use crate::credential::secret_content::application::ApplicationCredentials;
use crate::credential::secret_content::{self, Layout, Member, Vocabulary};
use crate::identity::oauth2::{ClientAuthentication, ClientCredentials};
use crate::identity::{Application, ApplicationMetadata, CallError, ErrorKind, IdentityApi};
use crate::kube_ext::finalizer;

/// The identity API's side of an outcome; the Kubernetes API's side is a [`ReconcileError`].
type Outcome = Result<Result<Evidence, CallError>, ReconcileError>;

impl ClientApplications {
    /// Does one step. `status` is the planned status, for the step that records it.
    pub(super) async fn perform(
        &self,
        step: Step,
        status: ClientApplicationStatus,
        pass: &mut Pass,
    ) -> Outcome {
        let api = pass
            .applications
            .as_ref()
            .map(|applications| Arc::clone(&applications.api));
        match (step, api) {
            (Step::AddFinalizer, _) => self.add_finalizer(pass).await,
            (Step::RecordStatus, _) => {
                self.record(pass, &status).await?;
                Ok(Ok(Evidence::StatusRecorded(Box::new(status))))
            }
            (Step::RetireSecret(name), _) => {
                secret_writer::retire(&self.secrets(pass), &name, &pass.owner, owned_secret::is_ours).await?;
                Ok(Ok(Evidence::SecretRetired))
            }
            (Step::RetireStray(name), _) => {
                let secrets = self.secrets(pass);
                secret_writer::retire(&secrets, &name, &pass.owner, owned_secret::is_written_by_us).await?;
                Ok(Ok(Evidence::StrayRetired(name)))
            }
            (Step::RemoveFinalizer { left_behind }, _) => {
                self.remove_finalizer(pass, left_behind.as_deref()).await
            }
            (Step::WriteSecret(application), Some(_)) => self.write_secret(pass, &application).await,
            (Step::RewriteSecret, _) => self.rewrite_secret(pass).await,
            (Step::ObtainToken(why), _) => Ok(Ok(self.obtain_token(pass, why).await?)),
            (Step::FindMarked(candidates), Some(api)) => {
                let began = Timestamp::now();
                let found = find_marked(api.as_ref(), &pass.observed.resource.mark(), &candidates).await;
                Ok(found.map(|found| Evidence::Searched { found, began }))
            }
            (Step::Create { metadata, deadline }, Some(api)) => Ok(create(api.as_ref(), &metadata, deadline)
                .await
                .map(|application| {
                    tracing::info!(application = application.id, "made an application");
                    Evidence::Created(application)
                })),
            (Step::Read(id), Some(api)) => {
                if let Err(error) = check_adopted(&pass.observed, &id, api.as_ref()) {
                    return Ok(Err(error));
                }
                Ok(absent_as_none(api.read_application(&id).await).map(Evidence::Read))
            }
            (Step::Update(id, changes), Some(api)) => {
                tracing::info!(
                    application = id,
                    "bringing an application in line with its resource"
                );
                let updated = absent_as_none(api.update_application(&id, &changes).await);
                if let Ok(Some(_)) = &updated {
                    self.tell_of_drift(pass, &changes).await;
                }
                Ok(updated.map(|record| record.map_or(Evidence::Read(None), Evidence::Updated)))
            }
            (Step::Release(id, changes), Some(api)) => {
                tracing::info!(application = id, "releasing an application");
                Ok(absent_as_none(api.update_application(&id, &changes).await).map(|_| Evidence::Released))
            }
            (Step::Probe(api_key), Some(api)) => Ok(Ok(Evidence::Probed(api.probe_key(&api_key).await))),
            (_, None) => Ok(Err(not_connected())),
        }
    }

    fn resources(&self, pass: &Pass) -> Api<ClientApplication> {
        Api::namespaced(self.client.clone(), &pass.observed.resource.namespace)
    }

    fn secrets(&self, pass: &Pass) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &pass.observed.resource.namespace)
    }

    async fn add_finalizer(&self, pass: &mut Pass) -> Outcome {
        let marked = finalizer::add(&self.resources(pass), pass.object.as_ref(), RELEASE_FINALIZER).await;
        pass.object = marked
            .map_err(ReconcileError::kube("adding the finalizer"))?
            .into();
        Ok(Ok(Evidence::FinalizerAdded))
    }

    async fn remove_finalizer(&self, pass: &Pass, left_behind: Option<&str>) -> Outcome {
        if let Some(left_behind) = left_behind {
            tracing::warn!("deletion ends: {left_behind}");
            let about = pass.object.object_ref(&());
            self.events
                .publish(
                    &about,
                    EventType::Warning,
                    "ApplicationLeftBehind",
                    "Release",
                    left_behind,
                )
                .await;
        }
        finalizer::remove(&self.resources(pass), pass.object.as_ref(), RELEASE_FINALIZER)
            .await
            .map_err(ReconcileError::kube("removing the finalizer"))?;
        Ok(Ok(Evidence::FinalizerRemoved))
    }

    /// Where the spec had been applied, what differed was changed by somebody else.
    async fn tell_of_drift(&self, pass: &Pass, changes: &ApplicationMetadata) {
        let observed = &pass.observed;
        if observed.status.applied_generation != Some(observed.resource.generation) {
            return;
        }
        let message = format!(
            "the application was changed at the identity API, and is as this resource says again: {}",
            desired::changed_fields(changes).join(", ")
        );
        tracing::info!("{message}");
        let about = pass.object.object_ref(&());
        self.events
            .publish(&about, EventType::Normal, "DriftCorrected", "Update", &message)
            .await;
    }

    /// Writes the Secret from the application's record, with the token that was obtained or that it holds.
    async fn write_secret(&self, pass: &Pass, application: &Application) -> Outcome {
        let Some(provider) = pass.observed.provider.usable() else {
            return Ok(Err(not_connected()));
        };
        let credentials = desired::credentials(provider, application);
        let held = self.held(pass).await?;
        self.publish(pass, &credentials, &held).await
    }

    /// Writes the Secret from what it holds, with the token that was obtained, or without one that nobody wants.
    async fn rewrite_secret(&self, pass: &Pass) -> Outcome {
        let held = self.held(pass).await?;
        match held_credentials(pass, &held) {
            Some(credentials) => self.publish(pass, &credentials, &held).await,
            None => Ok(Ok(Evidence::SecretUnreadable)),
        }
    }

    async fn publish(&self, pass: &Pass, credentials: &ApplicationCredentials, held: &Held) -> Outcome {
        let observed = &pass.observed;
        let template = &observed.spec.secret;
        let now = Timestamp::now();
        let (annotated, recognise) = (held.annotated(), |recorded: &TokenStatus| held.token(recorded));
        let token = token::to_write(observed, annotated, recognise, now);
        let mut content = credentials.content();
        let mut secrets = vec![&credentials.api_key];
        if let Some(token) = &token {
            let standing =
                token::standing(observed, annotated, recognise, now).map(|standing| standing.status);
            content = token.add_to(content, held.previous(token, standing.as_ref(), template));
            secrets.push(&token.access_token);
        }
        let status = token.as_ref().map(|token| &token.status);
        let layout = Layout::of(template, Vocabulary::Didit);
        let wanted = match owned_secret::build(&pass.owner, template, &content, &layout, status) {
            Ok(wanted) => wanted,
            Err(error) => {
                return Ok(Ok(Evidence::SecretRefused {
                    message: error.to_string(),
                }));
            }
        };
        let ours = match &observed.secret {
            SecretView::Ours { published, .. } => Some(published.uid.as_str()),
            SecretView::Absent | SecretView::Foreign { .. } => None,
        };
        let api = self.secrets(pass);
        let evidence = match secret_writer::apply(&api, wanted, ours, &pass.owner, &secrets).await? {
            Written::Done(written) => {
                self.metrics.secret_written("client_application");
                tracing::info!(secret = written.name_any(), "wrote a Secret");
                let recorded = observed.status.secret.as_ref();
                if let Some(restored) = owned_secret::restored(&template.name, &observed.secret, recorded) {
                    let about = pass.object.object_ref(&());
                    owned_secret::tell_restored(&self.events, &about, &restored).await;
                }
                Evidence::SecretWritten {
                    published: owned_secret::published(&written, template, &credentials.api_url),
                    token: status.cloned().map(Box::new),
                }
            }
            Written::Foreign { owner } => Evidence::SecretForeign { owner },
            Written::Refused { message } => Evidence::SecretRefused { message },
        };
        Ok(Ok(evidence))
    }

    /// What the Secret holds now, where it is ours. Before it is written under another name, the Secret of the earlier
    /// name holds the token.
    async fn held(&self, pass: &Pass) -> Result<Held, ReconcileError> {
        let observed = &pass.observed;
        let template = &observed.spec.secret;
        let name = match (&observed.secret, &observed.status.secret) {
            (SecretView::Absent, Some(earlier)) => &earlier.name,
            _ => &template.name,
        };
        let layout = Layout::of(template, Vocabulary::Didit);
        Held::read(&self.secrets(pass), name, &pass.owner, layout).await
    }

    async fn obtain_token(&self, pass: &Pass, why: Why) -> Result<Evidence, ReconcileError> {
        let observed = &pass.observed;
        let api_key = match &observed.learned.application {
            Some(application) => Some(application.api_key.clone()),
            // A token that cannot be written beside them is not asked for.
            None => held_credentials(pass, &self.held(pass).await?).map(|credentials| credentials.api_key),
        };
        let (Some(settings), Some(tokens), Some(client_id), Some(api_key)) = (
            &observed.spec.access_token,
            &pass.tokens,
            &observed.status.client_id,
            api_key,
        ) else {
            return Ok(Evidence::SecretUnreadable);
        };
        let client = LoadedClient::new(ClientCredentials {
            client_id: client_id.clone(),
            authentication: ClientAuthentication::SecretBasic(api_key),
        });
        let api = match tokens.api_for(client.credentials.as_ref()) {
            Ok(api) => api,
            Err(error) => return Ok(Evidence::TokenFailed(Trouble::of(&error.into(), settings))),
        };
        let request_digest = need::request_digest(client_id, settings);
        let published = token::published(observed);
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
            promise: promise(settings, &self.policy.token),
            why,
            urgency: need::urgency(published, now),
            refresh_token: None,
        };
        Ok(match self.tokens.obtain(&ask).await {
            Ok(got) => {
                if let Some(published) = published.filter(|_| got.asked) {
                    let left = published.expires_at.0.duration_since(now).as_secs_f64();
                    self.metrics.token_refreshed("client_application", left);
                }
                if let Some(replaced) = published.filter(|_| why == Why::RevocationRequested) {
                    self.tell_not_revoked(pass, replaced).await;
                }
                Evidence::TokenObtained(Box::new(got.obtained))
            }
            Err(trouble) => Evidence::TokenFailed(trouble),
        })
    }

    /// Somebody wants a token to be worthless, and only its end can make it that.
    async fn tell_not_revoked(&self, pass: &Pass, replaced: &TokenStatus) {
        let message = format!(
            "the replaced token was not revoked: the identity provider offers no revocation. It is valid until {:.0}",
            replaced.expires_at.0
        );
        tracing::warn!("{message}");
        let about = pass.object.object_ref(&());
        self.events
            .publish(&about, EventType::Warning, "TokenNotRevoked", "Revoke", &message)
            .await;
    }
}

/// The credentials that the Secret holds, where they are those that were written.
fn held_credentials(pass: &Pass, held: &Held) -> Option<ApplicationCredentials> {
    let SecretView::Ours { published, .. } = &pass.observed.secret else {
        return None;
    };
    let credentials = ApplicationCredentials {
        client_id: held.text(Member::ClientId)?,
        api_key: held.value(Member::ApiKey)?,
        application_id: held.text(Member::ApplicationId)?,
        organization_id: held.text(Member::OrganizationId)?,
        api_url: published.api_url.clone(),
    };
    // Somebody may have edited it since it was looked at.
    let digest = secret_content::application_digest(&pass.owner.uid, &credentials.content())?;
    (digest == published.application_digest).then_some(credentials)
}

fn not_connected() -> CallError {
    let message = "the identity provider is not ready".to_owned();
    CallError {
        operation: "connect",
        kind: ErrorKind::Unavailable,
        message,
    }
}

/// What a user has typed is looked at before it is sent anywhere.
fn check_adopted(observed: &Observed, id: &str, api: &dyn IdentityApi) -> Result<(), CallError> {
    let typed = observed
        .spec
        .adopt
        .as_ref()
        .is_some_and(|adoption| adoption.application_id.as_deref() == Some(id));
    if typed && observed.status.application_id.is_none() {
        api.check_application_id(id)
    } else {
        Ok(())
    }
}
