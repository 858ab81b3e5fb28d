//! Writes the status where it has changed, and tells of transitions.

use std::sync::PoisonError;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::events::EventType;
use kube::{Api, Resource, ResourceExt};

use super::ClientApplications;
use super::observe::Pass;
use crate::api::ClientApplication;
use crate::api::client_application::ClientApplicationStatus;
use crate::api::names::FIELD_MANAGER;
use crate::controller::ReconcileError;
use crate::kube_ext::apply;

impl ClientApplications {
    /// Records the status that a pass has come to, and publishes an event for each condition that has changed
    /// since the pass began.
    pub(super) async fn report(
        &self,
        pass: &mut Pass,
        status: ClientApplicationStatus,
    ) -> Result<(), ReconcileError> {
        let ended = pass.observed.resource.deletion.is_some() && !pass.observed.resource.has_finalizer;
        if ended {
            return Ok(());
        }
        let before = std::mem::take(&mut pass.conditions_before);
        let conditions = status.conditions.clone();
        match self.record(pass, &status).await {
            // The resource is gone: nobody is left to be told.
            Err(ReconcileError::Kube {
                source: kube::Error::Api(answer),
                ..
            }) if answer.is_not_found() => return Ok(()),
            recorded => recorded?,
        }
        for condition in changed(&before, &conditions) {
            self.tell(pass, condition).await;
        }
        Ok(())
    }

    /// Records a status unless that is what is recorded already.
    pub(super) async fn record(
        &self,
        pass: &mut Pass,
        status: &ClientApplicationStatus,
    ) -> Result<(), ReconcileError> {
        if pass.object.status.as_ref() == Some(status) {
            return Ok(());
        }
        let api: Api<ClientApplication> =
            Api::namespaced(self.client.clone(), &pass.observed.resource.namespace);
        let written = apply::status(&api, pass.object.as_ref(), FIELD_MANAGER, status).await;
        let written = written.map_err(ReconcileError::kube("writing the status"))?;
        self.remember_version(&written);
        pass.object = written.into();
        Ok(())
    }

    fn remember_version(&self, written: &ClientApplication) {
        if let Some(version) = written
            .resource_version()
            .and_then(|version| version.parse().ok())
        {
            let place = (written.namespace().unwrap_or_default(), written.name_any());
            self.written
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(place, version);
        }
    }

    async fn tell(&self, pass: &Pass, condition: &Condition) {
        let type_ = if condition.status == "False" {
            EventType::Warning
        } else {
            EventType::Normal
        };
        tracing::info!(
            condition = condition.type_,
            status = condition.status,
            reason = condition.reason,
            "{}",
            condition.message
        );
        let about = pass.object.object_ref(&());
        self.events
            .publish(
                &about,
                type_,
                &condition.reason,
                &condition.type_,
                &condition.message,
            )
            .await;
    }
}

/// The conditions whose status or reason is new. `Unknown` is no news to anybody.
fn changed<'a>(before: &[Condition], after: &'a [Condition]) -> impl Iterator<Item = &'a Condition> {
    let earlier: Vec<_> = before
        .iter()
        .map(|condition| {
            (
                condition.type_.clone(),
                condition.status.clone(),
                condition.reason.clone(),
            )
        })
        .collect();
    after.iter().filter(move |condition| {
        let known = earlier.iter().any(|(type_, status, reason)| {
            (type_, status, reason) == (&condition.type_, &condition.status, &condition.reason)
        });
        condition.status != "Unknown" && condition.reason != "Waiting" && !known
    })
}
