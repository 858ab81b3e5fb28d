//! Writes the status where it has changed, and tells of transitions.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{Api, Resource};

use super::IdentityAccounts;
use super::observe::Pass;
use super::token;
use crate::api::IdentityAccount;
use crate::api::conditions::READY;
use crate::api::identity_account::{AccountState, IdentityAccountStatus};
use crate::api::names::FIELD_MANAGER;
use crate::controller::token::need::times_of;
use crate::controller::token::promise;
use crate::controller::{ReconcileError, gauges, news};
use crate::kube_ext::apply;

impl IdentityAccounts {
    /// Records the status that a pass has come to, and tells of each condition that has changed since the pass began.
    pub(super) async fn report(
        &self,
        pass: &mut Pass,
        status: IdentityAccountStatus,
    ) -> Result<(), ReconcileError> {
        let resource = &pass.observed.resource;
        if resource.is_deleted {
            return Ok(());
        }
        let is_braked = pass.observed.login_braked_until.is_some();
        let state = match pass.observed.recorded.state() {
            AccountState::NotRegistered => 0,
            AccountState::CodeSent => 1,
            AccountState::Verified => 2,
        };
        self.metrics
            .set_account(&resource.namespace, &resource.name, state, is_braked);
        let times = status.token.as_ref().map(|token| {
            let promise = promise(&token::settings(), &self.policy);
            times_of(token, promise, &resource.uid)
        });
        let place = (resource.namespace.as_str(), resource.name.as_str());
        gauges::set(&self.metrics, "IdentityAccount", place, times, &status.conditions);
        match self.record(pass, &status).await {
            // The resource is gone: nobody is left to be told.
            Err(ReconcileError::Kube {
                source: kube::Error::Api(answer),
                ..
            }) if answer.is_not_found() => return Ok(()),
            recorded => recorded?,
        }
        self.tell(pass, &status.conditions, |_| true).await;
        Ok(())
    }

    /// Records a status unless that is what is recorded already, and tells of stages that are reached.
    pub(super) async fn record(
        &self,
        pass: &mut Pass,
        status: &IdentityAccountStatus,
    ) -> Result<(), ReconcileError> {
        let status = without_login(status);
        if pass.object.status.as_ref().map(without_login).as_ref() == Some(&status) {
            return Ok(());
        }
        let api: Api<IdentityAccount> =
            Api::namespaced(self.client.clone(), &pass.observed.resource.namespace);
        let written = apply::status(&api, pass.object.as_ref(), FIELD_MANAGER, &status).await;
        let written = written.map_err(ReconcileError::kube("writing the status"))?;
        self.written.remember(&written);
        if self.accounts.observe(&written) {
            (self.wake_providers)(&pass.place());
        }
        pass.object = written.into();
        // What is reached is told at once: should the process end here, the next pass finds it recorded.
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

/// Logins are recorded by the session's ledger, under a field manager of its own.
fn without_login(status: &IdentityAccountStatus) -> IdentityAccountStatus {
    IdentityAccountStatus {
        login: None,
        ..status.clone()
    }
}

fn is_reached_stage(condition: &Condition) -> bool {
    condition.type_ != READY && condition.status == "True"
}
