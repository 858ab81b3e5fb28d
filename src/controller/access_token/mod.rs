//! The controller of [`AccessToken`]: observe, plan, act, report.

mod act;
mod companion;
mod ending;
mod findings;
mod observe;
pub mod plan;
mod report;
pub mod state;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use k8s_openapi::jiff::Timestamp;
use kube::Client;

use self::plan::{Plan, Policy, plan};
use self::state::{ClientView, Evidence, Pause};
use super::index::{ConsumerIndex, Place};
use super::registry::{ProviderKey, ProviderRegistry};
use super::token::service::TokenService;
use super::written::WrittenVersions;
use super::{Pass as Ended, ReconcileError, Reconciler};
use crate::api::AccessToken;
use crate::api::token::FulfilledRequests;
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
    /// What is remembered of resources between passes.
    pub memory: Mutex<HashMap<Place, Memory>>,
}

/// What is remembered of a resource between passes. After a restart it is found out anew.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// The client, for the generation and connection it was looked for.
    client: Option<(String, ClientView)>,
    /// A pause after a failure, for what was asked then.
    pause: Option<(Asked, Pause)>,
}

/// What a pause is about: a change of it ends the pause.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Asked {
    generation: i64,
    requests: FulfilledRequests,
}

#[async_trait]
impl Reconciler for AccessTokens {
    type Kind = AccessToken;

    const NAME: &'static str = "access_token";

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
        self.memory().remove(&place);
        self.metrics.remove_credential("AccessToken", namespace, name);
    }

    /// Something that the resource rests on has changed: its client is looked for anew, and a pause ends.
    pub fn reconsider(&self, namespace: &str, name: &str) {
        self.memory().remove(&(namespace.to_owned(), name.to_owned()));
    }

    fn remember_pause(&self, pass: &observe::Pass, pause: Option<Pause>) {
        let resource = &pass.observed.resource;
        let asked = Asked {
            generation: resource.generation,
            requests: resource.requests.clone(),
        };
        let place = (resource.namespace.clone(), resource.name.clone());
        self.memory().entry(place).or_default().pause = pause.map(|pause| (asked, pause));
    }

    fn memory(&self) -> MutexGuard<'_, HashMap<Place, Memory>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
