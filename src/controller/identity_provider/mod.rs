//! The controller of `IdentityProvider` and `ClusterIdentityProvider`: who may use an identity API, and
//! whether it can be used.

mod account;
mod credentials;
mod findings;
mod kind;
mod open;
mod server_digest;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::jiff::Timestamp;
use kube::{Client, ResourceExt};
use tokio::time::Instant;

pub(super) use credentials::ca_bundle;
pub use kind::ProviderResource;

use self::findings::{Ready, Verdict};
use self::kind::Server;
use self::open::NotOpened;
pub use self::open::Opened;
use super::registry::{Applications, Availability, Connection, ProviderKey, ProviderRegistry, Tokens};
use super::{Pass, ReconcileError, Reconciler, news};
use crate::api::names::FIELD_MANAGER;
use crate::api::provider::{AUTHENTICATED, IdentityProviderStatus, METADATA_RESOLVED};
use crate::credential::schedule::{Backoff, spread};
use crate::identity::budget::BudgetRegistry;
use crate::identity::http::CallObserver;
use crate::identity::oauth2::MetadataCache;
use crate::identity::session::SessionRegistry;
use crate::identity::{CallError, ErrorKind};
use crate::kube_ext::apply;
use crate::kube_ext::events::Events;
use crate::telemetry::metrics::Metrics;

/// Pauses while an identity API cannot be reached. Short at the longest, so that its return is noticed soon.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(60),
};

/// Pause before something is tried again that somebody has to mend first; a change wakes it sooner.
const MENDING_PAUSE: Duration = Duration::from_secs(300);

/// Reconciles one kind of identity provider.
pub struct IdentityProviders<K> {
    /// Client for the Kubernetes API.
    pub client: Client,
    /// Where the Secrets of a `ClusterIdentityProvider` live.
    pub operator_namespace: String,
    /// The namespaces that are looked after; empty: all.
    pub watch_namespaces: Vec<String>,
    /// What resources that use providers see.
    pub providers: Arc<ProviderRegistry>,
    /// Wakes the resources that use a provider.
    pub wake_users: Box<dyn Fn(&ProviderKey) + Send + Sync>,
    /// One session per account, across all providers.
    pub sessions: Arc<SessionRegistry>,
    /// The metadata of authorization servers, across all providers.
    pub metadata: Arc<MetadataCache>,
    /// The budget of each provider.
    pub budgets: Arc<BudgetRegistry>,
    /// Told of every call to an identity API.
    pub observers: Observers,
    /// How often a provider that works is asked whether it still does.
    pub check_interval: Duration,
    /// How long one call to an identity API may take.
    pub request_timeout: Duration,
    /// Where transitions are told.
    pub events: Events,
    /// Gauges of providers.
    pub metrics: Metrics,
    /// The connections that are open.
    pub opened: Mutex<HashMap<ProviderKey, Opened>>,
    /// The kind.
    pub kind: std::marker::PhantomData<fn() -> K>,
}

/// Who is told of calls, by what the provider speaks to.
#[derive(Clone)]
pub struct Observers {
    /// Of calls to Didit.
    pub didit: Arc<dyn CallObserver>,
    /// Of calls to OAuth 2.0 authorization servers.
    pub oauth2: Arc<dyn CallObserver>,
}

#[async_trait]
impl<K: ProviderResource> Reconciler for IdentityProviders<K> {
    type Kind = K;

    const NAME: &'static str = K::CONTROLLER;

    async fn reconcile(&self, object: Arc<K>, earlier_failures: u32) -> Result<Pass, ReconcileError> {
        let key = object.key();
        let (verdict, tokens) = self.judge(&object, &key, earlier_failures).await?;
        let news = self.providers.set(&key, verdict.availability(), tokens);
        self.report(&object, &verdict).await?;
        if news {
            (self.wake_users)(&key);
        }
        let blocked = !verdict.is_ready();
        Ok(Pass {
            wake: Some(self.wake(&key, &verdict)),
            blocked,
        })
    }
}

impl<K: ProviderResource> IdentityProviders<K> {
    fn is_watched(&self, namespace: &str) -> bool {
        self.watch_namespaces.is_empty() || self.watch_namespaces.iter().any(|watched| watched == namespace)
    }

    /// Finds out whether the provider can be used, with as few calls as that takes.
    async fn judge(
        &self,
        object: &Arc<K>,
        key: &ProviderKey,
        earlier_failures: u32,
    ) -> Result<(Verdict, Option<Tokens>), ReconcileError> {
        let stage = match object.server() {
            Server::OAuth2(_) => METADATA_RESOLVED,
            Server::Didit(_) | Server::Neither => AUTHENTICATED,
        };
        let failed = |error: CallError| {
            let pause = pause_after(&error.kind, key, earlier_failures);
            Verdict::failed(error, pause, stage)
        };
        let suspected = self.providers.take_suspicion(key);
        if object.is_suspended() {
            return Ok((Verdict::suspended(), None));
        }
        if let Some(problem) = findings::unreadable_selector(object.access().namespaces) {
            return Ok((Verdict::Unusable(problem), None));
        }
        let namespace = object
            .namespace()
            .unwrap_or_else(|| self.operator_namespace.clone());
        let server = object.server();
        // First, so that a change after the look wakes this.
        self.providers.rests_on(key, account::named(&server, &namespace));
        let account =
            match account::resolve(&self.client, &server, &namespace, self.is_watched(&namespace)).await? {
                Ok(account) => account,
                Err(missing) => return Ok((Verdict::Unusable(missing), None)),
            };
        self.providers.reads(
            key,
            credentials::secrets_read(&server, account.as_ref(), &namespace),
        );
        let opened = match self.open(object, key, account.as_ref(), &namespace).await? {
            Ok(opened) => opened,
            Err(NotOpened::Unusable(missing)) => return Ok((Verdict::Unusable(missing), None)),
            Err(NotOpened::Failed(error)) => return Ok((failed(error), None)),
        };
        let tokens = Some(opened.tokens.clone());
        if let Some((at, ready)) = &opened.checked
            && !suspected
            && at.elapsed() < self.check_interval.mul_f32(0.75)
        {
            return Ok((Verdict::Ready(ready.clone()), tokens));
        }
        match opened.connection.check().await {
            Ok(ready) => {
                self.checked(key, &opened, Some(ready.clone()));
                Ok((Verdict::Ready(ready), tokens))
            }
            Err(error) => {
                self.checked(key, &opened, None);
                let tokens = tokens.filter(|_| opened.connection.gives_tokens_despite(&error));
                Ok((failed(error), tokens))
            }
        }
    }

    fn checked(&self, key: &ProviderKey, opened: &Opened, ready: Option<Ready>) {
        if let Some(entry) = self
            .connections()
            .get_mut(key)
            .filter(|entry| entry.version == opened.version)
        {
            entry.checked = ready.map(|ready| (Instant::now(), ready));
        }
    }

    /// Forgets a provider that is gone.
    pub fn forget(&self, key: &ProviderKey) {
        self.connections().remove(key);
        self.metrics.remove_provider(K::KIND, &key.namespace, &key.name);
    }

    fn connections(&self) -> MutexGuard<'_, HashMap<ProviderKey, Opened>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, key: &ProviderKey, verdict: &Verdict) -> Duration {
        match verdict {
            Verdict::Ready(_) => spread(self.check_interval, &seed(key)),
            Verdict::Unusable(_) => MENDING_PAUSE,
            Verdict::Failed { pause, .. } => *pause,
        }
    }

    async fn report(&self, object: &Arc<K>, verdict: &Verdict) -> Result<(), ReconcileError> {
        let recorded = object.status().cloned().unwrap_or_default();
        let braked = matches!(verdict, Verdict::Failed { error, .. } if matches!(error.kind, ErrorKind::Braked { .. }));
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        self.metrics
            .set_provider(K::KIND, &namespace, &name, verdict.is_ready(), braked);

        let mut status = verdict.status(&recorded, object.meta().generation, Timestamp::now());
        // Logins are recorded by the session's ledger, under a field manager of its own.
        let login = std::mem::take(&mut status.login);
        let unchanged = IdentityProviderStatus {
            login,
            ..status.clone()
        } == recorded;
        if unchanged {
            return Ok(());
        }
        match apply::status(&object.api(&self.client), object.as_ref(), FIELD_MANAGER, &status).await {
            Err(kube::Error::Api(answer)) if answer.is_not_found() => return Ok(()),
            written => written.map_err(ReconcileError::kube("writing the status"))?,
        };
        self.tell(object, &recorded, &status).await;
        Ok(())
    }

    async fn tell(
        &self,
        object: &Arc<K>,
        recorded: &IdentityProviderStatus,
        status: &IdentityProviderStatus,
    ) {
        let about = object.object_ref(&());
        for condition in news::news(&recorded.conditions, &status.conditions) {
            news::tell(&self.events, &about, &condition).await;
        }
    }
}

/// How long to wait before a provider that failed is looked at again.
fn pause_after(kind: &ErrorKind, key: &ProviderKey, earlier_failures: u32) -> Duration {
    let backoff = BACKOFF.pause(earlier_failures.saturating_add(1), &seed(key));
    match kind {
        ErrorKind::Unavailable | ErrorKind::Unknown | ErrorKind::Malformed => backoff,
        ErrorKind::Throttled { retry_after } => retry_after.unwrap_or(backoff).max(backoff),
        ErrorKind::Braked { until, .. } => {
            let remaining = Duration::try_from(until.duration_since(Timestamp::now())).unwrap_or_default();
            // A second more, so that the brake is off when the wake comes.
            remaining + Duration::from_secs(1)
        }
        _ => MENDING_PAUSE,
    }
}

fn seed(key: &ProviderKey) -> String {
    format!("{}/{}", key.namespace, key.name)
}

impl Verdict {
    fn availability(&self) -> Availability {
        match self {
            Self::Ready(Ready::Didit { api, account }) => {
                Availability::Ready(Connection::Applications(Applications {
                    api: Arc::clone(api),
                    account: account.clone(),
                }))
            }
            Self::Ready(Ready::OAuth2 { .. }) => Availability::Ready(Connection::TokensOnly),
            Self::Unusable(finding) | Self::Failed { finding, .. } => Availability::NotReady {
                reason: finding.reason.clone(),
                message: finding.message.clone(),
            },
        }
    }
}
