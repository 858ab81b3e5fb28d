//! Writes and removes Secrets, so that one of somebody else is never changed.

use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Api, ResourceExt};
use secrecy::SecretString;
use serde_json::json;

use super::owned_secret::{self, Owner};
use super::{ReconcileError, refusal};
use crate::api::names::FIELD_MANAGER;

/// What became of a Secret that was to be written.
pub(super) enum Written {
    /// It stands as it should.
    Done(Box<Secret>),
    /// It belongs to someone else, and is as it was.
    Foreign {
        /// Who that is, for a sentence.
        owner: String,
    },
    /// The API server does not take it.
    Refused {
        /// What it said, fit to be shown.
        message: String,
    },
}

/// Writes a Secret by server-side apply. `ours` is the UID of the one that stands there, if Keywright wrote it:
/// another of that name, made in the meantime, is refused. `secrets` is what no message may repeat.
///
/// # Errors
/// What the API server answers, without those secrets.
pub(super) async fn apply(
    api: &Api<Secret>,
    mut wanted: Secret,
    ours: Option<&str>,
    owner: &Owner,
    secrets: &[&SecretString],
) -> Result<Written, ReconcileError> {
    let name = wanted.name_any();
    match ours {
        Some(uid) => wanted.metadata.uid = Some(uid.to_owned()),
        None => {
            // The calls since the last look have taken their time.
            let live = api
                .get_opt(&name)
                .await
                .map_err(ReconcileError::kube("reading the Secret"))?;
            if let Some(live) = live.filter(|live| !owned_secret::is_ours(live, owner)) {
                return Ok(Written::Foreign {
                    owner: owned_secret::described_owner(&live, owner),
                });
            }
        }
    }
    let parameters = PatchParams {
        force: ours.is_some(),
        ..PatchParams::apply(FIELD_MANAGER)
    };
    let written = match api.patch(&name, &parameters, &Patch::Apply(&wanted)).await {
        Ok(written) => written,
        Err(kube::Error::Api(answer)) if [400, 403, 413, 422].contains(&answer.code) => {
            return Ok(Written::Refused {
                message: refusal::fit_to_show(&answer.message, secrets),
            });
        }
        Err(error) => {
            return Err(ReconcileError::kube("writing the Secret")(refusal::scrubbed(
                error, secrets,
            )));
        }
    };
    let foreign_hands = written
        .managed_fields()
        .iter()
        .any(|entry| entry.manager.as_deref() != Some(FIELD_MANAGER));
    if ours.is_none() && foreign_hands {
        return withdraw_from(api, &written, owner).await;
    }
    Ok(Written::Done(Box::new(written)))
}

/// Removes a Secret, if it is one that is `to_go`.
///
/// # Errors
/// What the API server answers.
pub(super) async fn retire(
    api: &Api<Secret>,
    name: &str,
    owner: &Owner,
    to_go: fn(&Secret, &Owner) -> bool,
) -> Result<(), ReconcileError> {
    let doing = "removing the Secret of an earlier name";
    let live = api.get_opt(name).await.map_err(ReconcileError::kube(doing))?;
    let Some(live) = live.filter(|live| to_go(live, owner)) else {
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

/// Somebody made a Secret of that name between our look and our write: takes our fields out of it again.
async fn withdraw_from(
    api: &Api<Secret>,
    written: &Secret,
    owner: &Owner,
) -> Result<Written, ReconcileError> {
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
    Ok(Written::Foreign {
        owner: owned_secret::described_owner(&left, owner),
    })
}
