//! The controller of `IdentityProvider` and `ClusterIdentityProvider`: who may use an identity API, and
//! whether it can be used.

mod credentials;
mod findings;
mod kind;
mod ledger;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::jiff::Timestamp;
use kube::{Client, ResourceExt};
use tokio::time::Instant;

pub use kind::ProviderResource;

use self::credentials::Credentials;
use self::findings::Verdict;
use super::registry::{Availability, Connection, ProviderKey, ProviderRegistry};
use super::{Pass, ReconcileError, Reconciler, news};
use crate::api::names::FIELD_MANAGER;
use crate::api::provider::IdentityProviderStatus;
use crate::credential::schedule::{Backoff, spread};
use crate::identity::didit::Didit;
use crate::identity::http::CallObserver;
use crate::identity::session::{LoginRecord, SessionRegistry};
use crate::identity::{CallError, ErrorKind, IdentityApi, VerifiedAccount};
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
    /// What resources that use providers see.
    pub providers: Arc<ProviderRegistry>,
    /// Wakes the resources that use a provider.
    pub wake_users: Box<dyn Fn(&ProviderKey) + Send + Sync>,
    /// One session per account, across all providers.
    pub sessions: Arc<SessionRegistry>,
    /// Told of every call to an identity API.
    pub observer: Arc<dyn CallObserver>,
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

/// A connection, and what it was opened with.
#[derive(Clone)]
pub struct Opened {
    /// UID of the provider, generation of its spec, and versions of what it refers to.
    version: String,
    api: Arc<Didit>,
    /// The last check that succeeded.
    checked: Option<(Instant, VerifiedAccount)>,
}

#[async_trait]
impl<K: ProviderResource> Reconciler for IdentityProviders<K> {
    type Kind = K;

    const NAME: &'static str = K::CONTROLLER;

    async fn reconcile(&self, object: Arc<K>, earlier_failures: u32) -> Result<Pass, ReconcileError> {
        let key = object.key();
        let verdict = self.judge(&object, &key, earlier_failures).await?;
        let news = self.providers.set(&key, verdict.availability());
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
    /// Finds out whether the provider can be used, with as few calls as that takes.
    async fn judge(
        &self,
        object: &Arc<K>,
        key: &ProviderKey,
        earlier_failures: u32,
    ) -> Result<Verdict, ReconcileError> {
        let failed = |error: CallError| {
            let pause = pause_after(&error.kind, key, earlier_failures);
            Ok(Verdict::failed(error, pause))
        };
        let suspected = self.providers.take_suspicion(key);
        if object.is_suspended() {
            return Ok(Verdict::suspended());
        }
        if let Some(problem) = findings::unreadable_selector(object.access().namespaces) {
            return Ok(Verdict::Unusable(problem));
        }
        let namespace = object
            .namespace()
            .unwrap_or_else(|| self.operator_namespace.clone());
        self.providers
            .reads(key, credentials::secrets_read(object.didit(), &namespace));
        let credentials = match credentials::load(&self.client, object.didit(), &namespace).await? {
            Ok(credentials) => credentials,
            Err(missing) => return Ok(Verdict::Unusable(missing)),
        };
        let opened = match self.open(object, key, credentials) {
            Ok(opened) => opened,
            Err(error) => return failed(error),
        };
        if let Some((at, account)) = &opened.checked
            && !suspected
            && at.elapsed() < self.check_interval.mul_f32(0.75)
        {
            return Ok(Verdict::ready(opened.api.clone(), account.clone()));
        }
        match opened.api.verify().await {
            Ok(account) => {
                self.checked(key, &opened, Some(account.clone()));
                Ok(Verdict::ready(opened.api.clone(), account))
            }
            Err(error) => {
                self.checked(key, &opened, None);
                failed(error)
            }
        }
    }

    /// The connection for these credentials: the one that is open, or a new one.
    fn open(
        &self,
        object: &Arc<K>,
        key: &ProviderKey,
        credentials: Credentials,
    ) -> Result<Opened, CallError> {
        let metadata = object.meta();
        let version = format!(
            "{}/{}/{}",
            metadata.uid.as_deref().unwrap_or_default(),
            metadata.generation.unwrap_or_default(),
            credentials.version
        );
        if let Some(opened) = self
            .connections()
            .get(key)
            .filter(|opened| opened.version == version)
        {
            return Ok(opened.clone());
        }
        let stored = object
            .status()
            .and_then(|status| status.login.as_ref())
            .map(ledger::record_of);
        let record = LoginRecord::for_credentials(stored, &credentials.account_version);
        let ledger = ledger::StatusLedger::new(
            self.client.clone(),
            Arc::clone(object),
            credentials.account_version.clone(),
        );
        let api = Didit::connect(
            credentials.config(object.didit(), self.request_timeout),
            Arc::clone(&self.observer),
            &self.sessions,
            Arc::new(ledger),
            &record,
        )?;
        let opened = Opened {
            version,
            api: Arc::new(api),
            checked: None,
        };
        self.connections().insert(key.clone(), opened.clone());
        Ok(opened)
    }

    fn checked(&self, key: &ProviderKey, opened: &Opened, account: Option<VerifiedAccount>) {
        if let Some(entry) = self
            .connections()
            .get_mut(key)
            .filter(|entry| entry.version == opened.version)
        {
            entry.checked = account.map(|account| (Instant::now(), account));
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
            Verdict::Ready { .. } => spread(self.check_interval, &seed(key)),
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
            Self::Ready { api, account } => {
                let api: Arc<dyn IdentityApi> = api.clone();
                Availability::Ready(Connection {
                    api,
                    account: account.clone(),
                })
            }
            Self::Unusable(finding) | Self::Failed { finding, .. } => Availability::NotReady {
                reason: finding.reason.clone(),
                message: finding.message.clone(),
            },
        }
    }
}
