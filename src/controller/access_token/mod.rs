//! The controller of [`AccessToken`]: observe, plan, act, report.

mod act;
pub mod clients;
mod companion;
mod ending;
mod findings;
mod observe;
pub mod plan;
mod replaced;
mod report;
pub mod state;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use k8s_openapi::jiff::Timestamp;
use kube::Client;

use self::clients::KnownClients;
use self::plan::{Plan, Policy, plan};
use self::state::Evidence;
use super::index::ConsumerIndex;
use super::registry::{ProviderKey, ProviderRegistry};
use super::token::pauses::{Pause, Pauses};
use super::token::service::TokenService;
use super::written::WrittenVersions;
use super::{Pass as Ended, ReconcileError, Reconciler};
use crate::api::AccessToken;
use crate::kube_ext::events::Events;
use crate::kube_ext::index::SecretIndex;
use crate::kube_ext::lease::Leadership;
use crate::telemetry::metrics::Metrics;

/// More steps than any pass needs; a plan that goes on past them runs in a circle.
const STEP_LIMIT: usize = 16;

/// Reconciles [`AccessToken`]s.
pub struct AccessTokens {
    /// Client for the Kubernetes API.
    pub client: Client,
    /// The providers.
    pub providers: Arc<ProviderRegistry>,
    /// Wakes a provider that failed, so that it looks for itself.
    pub wake_provider: Box<dyn Fn(&ProviderKey) + Send + Sync>,
    /// The Secrets that Keywright wrote.
    pub secrets: Arc<SecretIndex>,
    /// All resources that write Secrets and use providers.
    pub consumers: Arc<ConsumerIndex>,
    /// Gets tokens.
    pub tokens: Arc<TokenService>,
    /// Settings.
    pub policy: Policy,
    /// Where transitions are told.
    pub events: Events,
    /// Counters and gauges.
    pub metrics: Metrics,
    /// Whether new work may start.
    pub leadership: Leadership,
    /// Resource versions of our own last status writes.
    pub written: WrittenVersions,
    /// Pauses after failures.
    pub pauses: Arc<Pauses>,
    /// The clients that were found.
    pub clients: Arc<KnownClients>,
}

#[async_trait]
impl Reconciler for AccessTokens {
    type Kind = AccessToken;

    const NAME: &'static str = "access_token";

    /// Most of them only wait for their provider's budget, and it can put in order only those who wait there.
    const LEAST_CONCURRENCY: u16 = 256;

    async fn reconcile(
        &self,
        object: Arc<AccessToken>,
        _earlier_failures: u32,
    ) -> Result<Ended, ReconcileError> {
        let Some(mut pass) = self.observe(object).await? else {
            return Ok(Ended {
                wake: None,
                blocked: false,
            });
        };
        for _ in 0..STEP_LIMIT {
            let Plan {
                step,
                status,
                wake,
                blocked,
                pause,
            } = plan(&pass.observed, &self.policy, Timestamp::now());
            let Some(step) = step else {
                self.remember_pause(&pass, pause);
                self.report(&mut pass, status).await?;
                return Ok(Ended { wake, blocked });
            };
            if !self.leadership.is_leading() {
                return Err(ReconcileError::NotLeading);
            }
            tracing::debug!(step = step.name(), "next step");
            let evidence = self.perform(step, &mut pass).await?;
            if let Evidence::Failed(trouble) = &evidence
                && trouble.concerns_provider
            {
                self.providers.suspect(&pass.provider_key);
                (self.wake_provider)(&pass.provider_key);
            }
            pass.observed.absorb(evidence);
        }
        Err(ReconcileError::Endless { steps: STEP_LIMIT })
    }
}

impl AccessTokens {
    /// Forgets a resource that is gone.
    pub fn forget(&self, namespace: &str, name: &str) {
        let place = (namespace.to_owned(), name.to_owned());
        self.written.forget(&place);
        self.pauses.end(&place);
        self.clients.forget(&place);
        self.metrics.remove_resource("AccessToken", namespace, name);
    }

    fn remember_pause(&self, pass: &observe::Pass, pause: Option<Pause>) {
        let resource = &pass.observed.resource;
        let place = (resource.namespace.clone(), resource.name.clone());
        self.pauses.set(&place, pass.asked.clone(), pause);
    }
}
