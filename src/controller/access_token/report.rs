//! Writes the status where it has changed, and tells of transitions.

use kube::{Api, Resource};

use super::AccessTokens;
use super::observe::Pass;
use crate::api::AccessToken;
use crate::api::access_token::AccessTokenStatus;
use crate::api::names::FIELD_MANAGER;
use crate::controller::token::need::times_of;
use crate::controller::token::promise;
use crate::controller::{ReconcileError, gauges, news};
use crate::kube_ext::apply;

impl AccessTokens {
    /// Records the status that a pass has come to, and publishes an event for each condition that has changed since
    /// the pass began.
    pub(super) async fn report(
        &self,
        pass: &mut Pass,
        status: AccessTokenStatus,
    ) -> Result<(), ReconcileError> {
        let resource = &pass.observed.resource;
        if resource.deletion.is_some() && !resource.has_finalizer {
            return Ok(());
        }
        let promise = promise(&pass.observed.spec.token, &self.policy.token);
        let times = status
            .token
            .as_ref()
            .map(|token| times_of(token, promise, &resource.uid));
        let place = (resource.namespace.as_str(), resource.name.as_str());
        gauges::set(&self.metrics, "AccessToken", place, times, &status.conditions);
        if pass.object.status.as_ref() == Some(&status) {
            return Ok(());
        }
        let api: Api<AccessToken> = Api::namespaced(self.client.clone(), &resource.namespace);
        let written = match apply::status(&api, pass.object.as_ref(), FIELD_MANAGER, &status).await {
            // The resource is gone: nobody is left to be told.
            Err(kube::Error::Api(answer)) if answer.is_not_found() => return Ok(()),
            written => written.map_err(ReconcileError::kube("writing the status"))?,
        };
        self.written.remember(&written);
        pass.object = written.into();
        let about = pass.object.object_ref(&());
        for condition in news::news(&pass.told, &status.conditions) {
            news::tell(&self.events, &about, &condition).await;
        }
        Ok(())
    }
}
