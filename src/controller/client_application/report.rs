//! Writes the status where it has changed, and tells of transitions.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{Api, Resource};

use super::ClientApplications;
use super::observe::Pass;
use crate::api::ClientApplication;
use crate::api::client_application::ClientApplicationStatus;
use crate::api::conditions::READY;
use crate::api::names::FIELD_MANAGER;
use crate::controller::token::need::times_of;
use crate::controller::token::promise;
use crate::controller::{ReconcileError, gauges, news};
use crate::kube_ext::apply;

impl ClientApplications {
    /// Records the status that a pass has come to, and tells of each condition that has changed since the pass
    /// began.
    pub(super) async fn report(
        &self,
        pass: &mut Pass,
        status: ClientApplicationStatus,
    ) -> Result<(), ReconcileError> {
        let ended = pass.observed.resource.deletion.is_some() && !pass.observed.resource.has_finalizer;
        if ended {
            return Ok(());
        }
        let resource = &pass.observed.resource;
        let settings = pass.observed.spec.access_token.as_ref();
        let times =
            status.token.as_ref().zip(settings).map(|(token, settings)| {
                times_of(token, promise(settings, &self.policy.token), &resource.uid)
            });
        let place = (resource.namespace.as_str(), resource.name.as_str());
        gauges::set(
            &self.metrics,
            "ClientApplication",
            place,
            times,
            &status.conditions,
        );
        let conditions = status.conditions.clone();
        match self.record(pass, &status).await {
            // The resource is gone: nobody is left to be told.
            Err(ReconcileError::Kube {
                source: kube::Error::Api(answer),
                ..
            }) if answer.is_not_found() => return Ok(()),
            recorded => recorded?,
        }
        self.tell(pass, &conditions, |_| true).await;
        Ok(())
    }

    /// Records a status unless that is what is recorded already, and tells of stages that are reached.
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
        self.written.remember(&written);
        pass.object = written.into();
        // What is reached is told at once: should the process end here, the next pass finds it recorded. What is
        // missing in the middle of a pass is only on its way.
        self.tell(pass, &status.conditions, is_reached_stage).await;
        Ok(())
    }

    /// Tells what of the conditions is news and `wanted`.
    async fn tell(&self, pass: &mut Pass, conditions: &[Condition], wanted: fn(&Condition) -> bool) {
        let about = pass.object.object_ref(&());
        for condition in news::news(&pass.told, conditions).into_iter().filter(wanted) {
            news::tell(&self.events, &about, &condition).await;
            news::remember(&mut pass.told, condition);
        }
    }
}

fn is_reached_stage(condition: &Condition) -> bool {
    condition.type_ != READY && condition.status == "True"
}
