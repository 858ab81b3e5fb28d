//! The controller of [`ClientApplication`]: observe, plan, act, report.

mod act;
mod adoption;
mod calls;
pub mod desired;
mod ending;
mod findings;
mod maintain;
#[cfg(test)]
mod new_key_tests;
mod observe;
pub mod plan;
mod provider;
mod provision;
mod report;
#[cfg(test)]
mod simulation;
pub mod state;
#[cfg(test)]
mod tests;
mod token;
#[cfg(test)]
mod token_tests;
mod trouble;

use std::sync::Arc;

use async_trait::async_trait;
use k8s_openapi::jiff::Timestamp;
use kube::Client;

use self::plan::{Plan, Policy, plan};
use self::state::{Evidence, Failure, Observed, SecretView};
use super::index::ConsumerIndex;
use super::registry::{ProviderKey, ProviderRegistry};
use super::token::pauses::{Pause, Pauses};
use super::token::service::TokenService;
use super::written::WrittenVersions;
use super::{Pass, ReconcileError, Reconciler};
use crate::api::ClientApplication;
use crate::identity::{CallError, ErrorKind, INVALID_APPLICATION_ID, session};
use crate::kube_ext::events::Events;
use crate::kube_ext::index::SecretIndex;
use crate::kube_ext::lease::Leadership;
use crate::telemetry::metrics::Metrics;

/// More steps than any pass needs; a plan that goes on past them runs in a circle.
const STEP_LIMIT: usize = 24;

/// Reconciles [`ClientApplication`]s.
pub struct ClientApplications {
    /// Client for the Kubernetes API.
    pub client: Client,
    /// Identifier of this cluster, which goes into marks.
    pub cluster: String,
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
    /// Pauses after failures to get a token.
    pub pauses: Arc<Pauses>,
    /// Settings.
    pub policy: Policy,
    /// Where transitions are told.
    pub events: Events,
    /// Counters.
    pub metrics: Metrics,
    /// Whether new work may start.
    pub leadership: Leadership,
    /// Resource versions of our own last status writes: an older copy from the watch is not used.
    pub written: WrittenVersions,
}

#[async_trait]
impl Reconciler for ClientApplications {
    type Kind = ClientApplication;

    const NAME: &'static str = "client_application";

    async fn reconcile(
        &self,
        object: Arc<ClientApplication>,
        earlier_failures: u32,
    ) -> Result<Pass, ReconcileError> {
        let Some(mut pass) = self.observe(object, earlier_failures).await? else {
            return Ok(Pass {
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
                token_pause,
            } = plan(&pass.observed, &self.policy, Timestamp::now());
            let Some(step) = step else {
                self.remember_pause(&pass, token_pause);
                self.report(&mut pass, status).await?;
                return Ok(Pass { wake, blocked });
            };
            if !self.leadership.is_leading() {
                return Err(ReconcileError::NotLeading);
            }
            let kind = step.kind();
            tracing::debug!(step = ?kind, "next step");
            match self.perform(step, status, &mut pass).await? {
                Ok(evidence) => take_in(&mut pass.observed, evidence),
                Err(error) => {
                    self.suspect_provider(&pass.observed, &error);
                    pass.observed.failure = Some(Failure { step: kind, error });
                }
            }
        }
        Err(ReconcileError::Endless { steps: STEP_LIMIT })
    }
}

impl ClientApplications {
    /// Forgets a resource that is gone.
    pub fn forget(&self, namespace: &str, name: &str) {
        let place = (namespace.to_owned(), name.to_owned());
        self.written.forget(&place);
        self.pauses.end(&place);
        self.metrics.remove_resource("ClientApplication", namespace, name);
    }

    fn remember_pause(&self, pass: &observe::Pass, pause: Option<Pause>) {
        let resource = &pass.observed.resource;
        let place = (resource.namespace.clone(), resource.name.clone());
        self.pauses.set(&place, pass.asked.clone(), pause);
    }

    /// A failure that may concern everyone who uses the provider is looked into by the provider's own
    /// controller, so that its status tells the truth.
    fn suspect_provider(&self, observed: &Observed, error: &CallError) {
        let concerns_all = match error.kind {
            ErrorKind::Unavailable | ErrorKind::Unauthorized | ErrorKind::Braked { .. } => true,
            // An id that the spec names is nobody else's business.
            ErrorKind::Misconfigured { reason } => reason != INVALID_APPLICATION_ID,
            // Other calls may be throttled one by one; without a login nobody gets on.
            ErrorKind::Throttled { .. } => error.operation == session::OPERATION,
            _ => false,
        };
        if concerns_all {
            let key = ProviderKey::of(&observed.spec.provider_ref, &observed.resource.namespace);
            self.providers.suspect(&key);
            (self.wake_provider)(&key);
        }
    }
}

/// Takes in what a step has shown. With another key, what the token has failed for before may succeed now.
fn take_in(observed: &mut Observed, evidence: Evidence) {
    let before = credentials(observed);
    observed.absorb(evidence);
    if before.is_some() && before != credentials(observed) {
        observed.token.pause = None;
        observed.learned.token.trouble = None;
    }
}

/// Digest of the application's own credentials in the Secret, where that is ours.
fn credentials(observed: &Observed) -> Option<String> {
    match &observed.secret {
        SecretView::Ours { published, .. } => Some(published.application_digest.clone()),
        SecretView::Absent | SecretView::Foreign { .. } => None,
    }
}
