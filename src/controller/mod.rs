//! The controllers, and the one wrapper that every reconcile runs in.

pub mod access_token;
pub mod accounts;
mod claims;
pub mod client_application;
mod gauges;
pub mod identity_account;
pub mod identity_provider;
pub mod index;
mod login_ledger;
mod news;
pub mod owned_secret;
mod refusal;
pub mod registry;
mod secret_writer;
pub mod token;
pub mod wake;
pub mod written;

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::credential::schedule::Backoff;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::outcome::Outcome;

/// How long a reconcile may keep its place in the queue. What it has begun goes on without it.
const RECONCILE_TIMEOUT: Duration = Duration::from_secs(60);

/// Pause before a resource is looked at again whose earlier reconcile is still going on.
const BUSY_PAUSE: Duration = Duration::from_secs(2);

/// Pause after a write that lost against another one: what it was decided on is read anew.
const CONFLICT_PAUSE: Duration = Duration::from_millis(300);

/// Pauses after failures of the Kubernetes API.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(60),
};

/// What a controller does with one resource.
#[async_trait]
pub trait Reconciler: Send + Sync + 'static {
    /// The kind it looks after.
    type Kind: Resource<DynamicType = ()> + Send + Sync + 'static;

    /// Its name in logs and metrics.
    const NAME: &'static str;

    /// How many resources are worked on at the same time at the least, whatever is configured.
    const LEAST_CONCURRENCY: u16 = 1;

    /// Brings one resource in line. `earlier_failures` counts the passes in a row that were blocked.
    async fn reconcile(&self, object: Arc<Self::Kind>, earlier_failures: u32)
    -> Result<Pass, ReconcileError>;
}

/// How a pass that ended has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// When to look again if nothing changes before.
    pub wake: Option<Duration>,
    /// Whether something is in the way. What that is stands in the resource's status.
    pub blocked: bool,
}

/// A pass that could not come to its end, because of the Kubernetes API or of ourselves.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// A call to the Kubernetes API failed.
    #[error("{doing}: {}", said(source))]
    Kube {
        /// What was being done.
        doing: &'static str,
        /// What came back.
        source: kube::Error,
    },
    /// Somebody else changed the object first; it has to be looked at anew.
    #[error("{doing}: the object has changed meanwhile")]
    Conflict {
        /// What was being done.
        doing: &'static str,
    },
    /// The lease is lost or about to be; another replica goes on.
    #[error("this replica no longer leads")]
    NotLeading,
    /// A pass that should have ended did not: a defect in the plan.
    #[error("no end after {steps} steps; this is a defect, please report it")]
    Endless {
        /// How many steps were taken.
        steps: usize,
    },
}

impl ReconcileError {
    /// What it counts as. That somebody else was faster is no failure.
    fn outcome(&self) -> Outcome {
        match self {
            Self::Conflict { .. } => Outcome::Conflict,
            Self::NotLeading => Outcome::Abandoned,
            Self::Kube { .. } | Self::Endless { .. } => Outcome::Failed,
        }
    }

    /// For `map_err`: what was being done when the Kubernetes API answered that.
    pub fn kube(doing: &'static str) -> impl FnOnce(kube::Error) -> Self {
        move |source| match &source {
            kube::Error::Api(status) if status.is_conflict() => Self::Conflict { doing },
            _ => Self::Kube { doing, source },
        }
    }
}

/// What the Kubernetes API said, fit to be shown. An object that could not be decoded is not quoted: it may be
/// a Secret.
fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::SerdeError(_) => "the answer could not be decoded".to_owned(),
        other => other.to_string(),
    }
}

/// Runs a [`Reconciler`] so that nothing it does can stop the others: in a task of its own that a timeout
/// does not cut in two, with panics caught, outcomes counted and failures spaced out.
pub struct Wrapper<R: Reconciler> {
    reconciler: R,
    metrics: Metrics,
    tasks: TaskTracker,
    /// UIDs whose reconcile is going on, perhaps past its timeout.
    busy: Mutex<HashSet<String>>,
    /// Blocked passes in a row, by namespace and name.
    failures: Mutex<HashMap<(String, String), u32>>,
}

impl<R: Reconciler> Wrapper<R> {
    /// `tasks` is what a shutdown waits for.
    pub fn new(reconciler: R, metrics: Metrics, tasks: TaskTracker) -> Self {
        Self {
            reconciler,
            metrics,
            tasks,
            busy: Mutex::default(),
            failures: Mutex::default(),
        }
    }

    /// The reconciler inside.
    pub fn reconciler(&self) -> &R {
        &self.reconciler
    }

    /// Reconciles one object and says when to look again.
    ///
    /// # Errors
    /// Never: what goes wrong is counted, logged and tried again.
    pub async fn run(object: Arc<R::Kind>, wrapper: Arc<Self>) -> Result<Action, Infallible> {
        let uid = object.uid().unwrap_or_default();
        let place = (
            object.meta().namespace.clone().unwrap_or_default(),
            object.name_any(),
        );
        let Some(slot) = Slot::take(&wrapper, &uid) else {
            return Ok(Action::requeue(BUSY_PAUSE));
        };
        let mut outcome = Counted::new(&wrapper.metrics, R::NAME);
        let task = wrapper.spawn(object, slot);
        let action = match tokio::time::timeout(RECONCILE_TIMEOUT, task).await {
            Ok(Ok(Ok(pass))) => {
                outcome.is(if pass.blocked {
                    Outcome::Waiting
                } else {
                    Outcome::Completed
                });
                wrapper.count(place, pass.blocked);
                pass.wake.map_or_else(Action::await_change, Action::requeue)
            }
            Ok(Ok(Err(error))) => {
                outcome.is(error.outcome());
                let failures = wrapper.count(place, true);
                after_error(&error, failures, &uid)
            }
            Ok(Err(panicked)) => {
                outcome.is(Outcome::Panicked);
                tracing::error!(
                    controller = R::NAME,
                    uid,
                    "a reconcile panicked; this is a defect: {panicked}"
                );
                Action::requeue(BACKOFF.pause(wrapper.count(place, true), &uid))
            }
            Err(_) => {
                outcome.is(Outcome::TimedOut);
                tracing::warn!(
                    controller = R::NAME,
                    uid,
                    "a reconcile takes long; it goes on in the background"
                );
                Action::requeue(BUSY_PAUSE)
            }
        };
        Ok(action)
    }

    fn spawn(
        self: &Arc<Self>,
        object: Arc<R::Kind>,
        slot: Slot<R>,
    ) -> tokio::task::JoinHandle<Result<Pass, ReconcileError>> {
        let span = tracing::info_span!(
            // kube's own span around this says the same at greater length.
            parent: None,
            "reconcile",
            controller = R::NAME,
            namespace = object.meta().namespace.as_deref().unwrap_or_default(),
            resource = object.name_any(),
        );
        let wrapper = Arc::clone(self);
        let place = (
            object.meta().namespace.clone().unwrap_or_default(),
            object.name_any(),
        );
        self.tasks.spawn(
            async move {
                let earlier_failures = lock(&wrapper.failures).get(&place).copied().unwrap_or_default();
                let ended = wrapper.reconciler.reconcile(object, earlier_failures).await;
                drop(slot);
                ended
            }
            .instrument(span),
        )
    }

    /// Counts blocked passes in a row and returns how many there are now.
    fn count(&self, place: (String, String), blocked: bool) -> u32 {
        let mut failures = lock(&self.failures);
        if blocked {
            let count = failures.entry(place).or_default();
            *count = count.saturating_add(1);
            *count
        } else {
            failures.remove(&place);
            0
        }
    }

    /// Forgets a resource that is gone.
    pub fn forget(&self, namespace: &str, name: &str) {
        lock(&self.failures).remove(&(namespace.to_owned(), name.to_owned()));
    }
}

fn after_error(error: &ReconcileError, failures: u32, uid: &str) -> Action {
    match error {
        ReconcileError::Conflict { .. } => {
            tracing::debug!("{error}");
            Action::requeue(CONFLICT_PAUSE)
        }
        ReconcileError::NotLeading => Action::requeue(BUSY_PAUSE),
        ReconcileError::Kube { .. } | ReconcileError::Endless { .. } => {
            let pause = BACKOFF.pause(failures, uid);
            tracing::warn!(uid, failures, retry_in_seconds = pause.as_secs_f32(), "{error}");
            Action::requeue(pause)
        }
    }
}

/// Keeps a second reconcile of the same resource from starting, until the first has really ended.
struct Slot<R: Reconciler> {
    wrapper: Arc<Wrapper<R>>,
    uid: String,
}

impl<R: Reconciler> Slot<R> {
    fn take(wrapper: &Arc<Wrapper<R>>, uid: &str) -> Option<Self> {
        let taken = lock(&wrapper.busy).insert(uid.to_owned());
        taken.then(|| Self {
            wrapper: Arc::clone(wrapper),
            uid: uid.to_owned(),
        })
    }
}

impl<R: Reconciler> Drop for Slot<R> {
    fn drop(&mut self) {
        lock(&self.wrapper.busy).remove(&self.uid);
    }
}

/// Counts one outcome when it goes out of scope: `Abandoned`, unless another was named.
struct Counted<'a> {
    metrics: &'a Metrics,
    controller: &'static str,
    started: Instant,
    outcome: Outcome,
}

impl<'a> Counted<'a> {
    fn new(metrics: &'a Metrics, controller: &'static str) -> Self {
        Self {
            metrics,
            controller,
            started: Instant::now(),
            outcome: Outcome::Abandoned,
        }
    }

    fn is(&mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.metrics
            .reconcile_finished(self.controller, self.outcome, self.started.elapsed());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
