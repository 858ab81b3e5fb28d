//! The controller of [`IdentityAccount`]: observe, plan, act, report.

mod act;
mod connect;
pub mod ending;
mod findings;
mod inputs;
mod mailbox;
mod observe;
pub mod plan;
mod report;
pub mod state;
#[cfg(test)]
mod tests;
mod token;
mod wording;
mod write;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::jiff::Timestamp;
use kube::Client;

use self::connect::Connection;
use self::mailbox::NextLook;
use self::plan::{Plan, plan};
use super::accounts::AccountRegistry;
use super::index::{ConsumerIndex, Place};
use super::token::TokenPolicy;
use super::token::pauses::{Pause, Pauses};
use super::token::service::TokenService;
use super::written::WrittenVersions;
use super::{Pass as Ended, ReconcileError, Reconciler};
use crate::api::IdentityAccount;
use crate::controller::registry::ProviderRegistry;
use crate::identity::http::CallObserver;
use crate::identity::session::SessionRegistry;
use crate::kube_ext::events::Events;
use crate::kube_ext::index::SecretIndex;
use crate::kube_ext::lease::Leadership;
use crate::telemetry::metrics::Metrics;

/// More steps than any pass needs; a plan that goes on past them runs in a circle.
const STEP_LIMIT: usize = 24;

/// Reconciles [`IdentityAccount`]s.
pub struct IdentityAccounts {
    /// Client for the Kubernetes API.
    pub client: Client,
    /// All accounts, which share the limit of their IP address.
    pub accounts: Arc<AccountRegistry>,
    /// Wakes the providers that use an account.
    pub wake_providers: Box<dyn Fn(&Place) + Send + Sync>,
    /// The providers, some of which read the Secrets of accounts.
    pub providers: Arc<ProviderRegistry>,
    /// One session per account, shared with providers.
    pub sessions: Arc<SessionRegistry>,
    /// Whether Secrets are watched.
    pub watches_secrets: bool,
    /// The Secrets that Keywright wrote.
    pub secrets: Arc<SecretIndex>,
    /// All resources that write Secrets.
    pub consumers: Arc<ConsumerIndex>,
    /// Gets tokens.
    pub tokens: Arc<TokenService>,
    /// Pauses after failures to get a token.
    pub pauses: Arc<Pauses>,
    /// Settings.
    pub policy: TokenPolicy,
    /// How long one call to the identity API or to a mail server may take.
    pub request_timeout: Duration,
    /// Told of every call to the identity API.
    pub observer: Arc<dyn CallObserver>,
    /// Where transitions are told.
    pub events: Events,
    /// Counters and gauges.
    pub metrics: Metrics,
    /// Whether new work may start.
    pub leadership: Leadership,
    /// Resource versions of our own last status writes.
    pub written: WrittenVersions,
    /// What is kept of each account between passes.
    pub kept: Mutex<HashMap<Place, Kept>>,
}

/// What is kept of an account between passes. A restart forgets it, which costs nothing that is scarce.
#[derive(Default)]
pub struct Kept {
    /// The open connection.
    connection: Option<Connection>,
    /// When the mailbox is looked into next.
    next_look: Option<NextLook>,
}

#[async_trait]
impl Reconciler for IdentityAccounts {
    type Kind = IdentityAccount;

    const NAME: &'static str = "identity_account";

    async fn reconcile(
        &self,
        object: Arc<IdentityAccount>,
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
                token_pause,
            } = plan(&pass.observed, &self.policy, Timestamp::now());
            let Some(step) = step else {
                self.remember_pause(&pass, token_pause);
                self.report(&mut pass, status).await?;
                return Ok(Ended { wake, blocked });
            };
            if !self.leadership.is_leading() {
                return Err(ReconcileError::NotLeading);
            }
            tracing::debug!(step = step.name(), "next step");
            let evidence = self.perform(step, status, &mut pass).await?;
            pass.observed.absorb(evidence);
        }
        Err(ReconcileError::Endless { steps: STEP_LIMIT })
    }
}

impl IdentityAccounts {
    /// Forgets a resource that is gone.
    pub fn forget(&self, namespace: &str, name: &str) {
        let place = (namespace.to_owned(), name.to_owned());
        self.written.forget(&place);
        self.pauses.end(&place);
        self.kept().remove(&place);
        self.metrics.remove_resource("IdentityAccount", namespace, name);
        self.metrics.remove_account(namespace, name);
    }

    fn remember_pause(&self, pass: &observe::Pass, pause: Option<Pause>) {
        self.pauses.set(&pass.place(), pass.asked.clone(), pause);
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<Place, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
