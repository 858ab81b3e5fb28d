//! Does one step and brings back what it has shown.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::runtime::events::EventType;
use kube::{Api, Resource, ResourceExt};
use serde_json::json;

use super::ClientApplications;
use super::calls::{absent_as_none, create, find_marked};
use super::desired;
use super::observe::Pass;
use super::refusal;
use super::secret;
use super::state::{Evidence, Observed, Resource as Facts, SecretView, Step};
use crate::api::ClientApplication;
use crate::api::client_application::ClientApplicationStatus;
use crate::api::names::{FIELD_MANAGER, RELEASE_FINALIZER};
use crate::controller::ReconcileError;
use crate::credential::secret_content::ApplicationCredentials;
use crate::identity::{Application, CallError, ErrorKind, IdentityApi};
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
            .connection
            .as_ref()
            .map(|connection| Arc::clone(&connection.api));
        match (step, api) {
            (Step::AddFinalizer, _) => self.add_finalizer(pass).await,
            (Step::RecordStatus, _) => {
                self.record(pass, &status).await?;
                Ok(Ok(Evidence::StatusRecorded(Box::new(status))))
            }
            (Step::RetireSecret(name), _) => {
                self.retire(pass, &name, secret::is_ours).await?;
                Ok(Ok(Evidence::SecretRetired))
            }
            (Step::RetireStray(name), _) => {
                self.retire(pass, &name, secret::is_written_by_us).await?;
                Ok(Ok(Evidence::StrayRetired(name)))
            }
            (Step::RemoveFinalizer { left_behind }, _) => {
                self.remove_finalizer(pass, left_behind.as_deref()).await
            }
            (Step::WriteSecret(application), Some(_)) => self.write_secret(pass, &application).await,
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

    async fn write_secret(&self, pass: &Pass, application: &Application) -> Outcome {
        let observed = &pass.observed;
        let Some(provider) = observed.provider.usable() else {
            return Ok(Err(not_connected()));
        };
        let credentials = desired::credentials(provider, application);
        let mut wanted = secret::build(&observed.resource, &observed.spec.secret, &credentials);
        let ours = match &observed.secret {
            SecretView::Ours { published, .. } => {
                // Another Secret of that name, made in the meantime, is refused by its UID.
                wanted.metadata.uid = Some(published.uid.clone());
                true
            }
            SecretView::Absent | SecretView::Foreign { .. } => false,
        };
        self.apply_secret(pass, &wanted, ours, &credentials).await
    }

    async fn apply_secret(
        &self,
        pass: &Pass,
        wanted: &Secret,
        ours: bool,
        credentials: &ApplicationCredentials,
    ) -> Outcome {
        let api = self.secrets(pass);
        let resource = &pass.observed.resource;
        if !ours {
            // The calls since the last look have taken their time.
            let live = api
                .get_opt(&wanted.name_any())
                .await
                .map_err(ReconcileError::kube("reading the Secret"))?;
            if let Some(live) = live.filter(|live| !secret::is_ours(live, resource)) {
                return Ok(Ok(Evidence::SecretForeign {
                    owner: secret::owner(&live, resource),
                }));
            }
        }
        let parameters = PatchParams {
            force: ours,
            ..PatchParams::apply(FIELD_MANAGER)
        };
        let written = match api
            .patch(&wanted.name_any(), &parameters, &Patch::Apply(wanted))
            .await
        {
            Ok(written) => written,
            Err(kube::Error::Api(answer)) if [400, 403, 413, 422].contains(&answer.code) => {
                let message = refusal::fit_to_show(&answer.message, &credentials.api_key);
                return Ok(Ok(Evidence::SecretRefused { message }));
            }
            Err(error) => {
                let error = refusal::scrubbed(error, &credentials.api_key);
                return Err(ReconcileError::kube("writing the Secret")(error));
            }
        };
        if !ours
            && written
                .managed_fields()
                .iter()
                .any(|entry| entry.manager.as_deref() != Some(FIELD_MANAGER))
        {
            return withdraw_from(&api, &written, resource).await;
        }
        self.metrics.secret_written("client_application");
        tracing::info!(secret = written.name_any(), "wrote a Secret");
        Ok(Ok(Evidence::SecretWritten(secret::published(
            &written,
            &pass.observed.spec.secret,
            &credentials.api_url,
        ))))
    }

    /// Removes a Secret, if it is one that is `to_go`.
    async fn retire(
        &self,
        pass: &Pass,
        name: &str,
        to_go: fn(&Secret, &Facts) -> bool,
    ) -> Result<(), ReconcileError> {
        let api = self.secrets(pass);
        let doing = "removing the Secret of an earlier name";
        let live = api.get_opt(name).await.map_err(ReconcileError::kube(doing))?;
        let Some(live) = live.filter(|live| to_go(live, &pass.observed.resource)) else {
            return Ok(());
        };
        let parameters = DeleteParams::default().preconditions(Preconditions {
            uid: live.uid(),
            resource_version: None,
        });
        match api.delete(name, &parameters).await {
            Ok(_) => tracing::info!(secret = name, "removed the Secret of an earlier name"),
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            Err(error) => return Err(ReconcileError::kube(doing)(error)),
        }
        Ok(())
    }
}

/// Somebody made a Secret of that name between our look and our write: takes our fields out of it again.
async fn withdraw_from(api: &Api<Secret>, written: &Secret, resource: &Facts) -> Outcome {
    let nothing = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": written.name_any() } });
    let left = api
        .patch(
            &written.name_any(),
            &PatchParams::apply(FIELD_MANAGER).force(),
            &Patch::Apply(nothing),
        )
        .await
        .map_err(ReconcileError::kube("withdrawing from a Secret of somebody else"))?;
    tracing::warn!(
        secret = left.name_any(),
        "a Secret of somebody else appeared under this name; left it as it was"
    );
    Ok(Ok(Evidence::SecretForeign {
        owner: secret::owner(&left, resource),
    }))
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
        .is_some_and(|adoption| adoption.application_id == id);
    if typed && observed.status.application_id.is_none() {
        api.check_application_id(id)
    } else {
        Ok(())
    }
}
