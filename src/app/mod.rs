//! Wiring: telemetry, client, lease, controllers, shutdown.

mod accounts;
mod controllers;
mod health;
mod rounds;
mod shared;
mod watchable;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, ResourceExt};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::health::OperatorHealth;
use crate::controller::client_application::plan::Policy;
use crate::kube_ext::freshness::Freshness;
use crate::kube_ext::layer::{self, Limits};
use crate::kube_ext::lease::{Elector, Leadership, LeaseEnd, Timings};
use crate::telemetry::http::{BindError, HealthServer};
use crate::telemetry::logs::LogFormat;
use crate::telemetry::metrics::Metrics;

/// Everything the operator can be told, validated.
#[derive(Clone, Debug)]
pub struct Config {
    /// Namespaces to look after; empty means all.
    pub watch_namespaces: Vec<String>,
    /// Whether `ClusterIdentityProvider`s are looked after.
    pub cluster_identity_providers: bool,
    /// Whether Secrets are watched. Otherwise each is looked at once in the drift interval.
    pub watch_secrets: bool,
    /// Namespace of the Lease and of the Secrets of `ClusterIdentityProvider`s.
    pub operator_namespace: String,
    /// Name of this replica in the Lease and in events.
    pub replica_name: String,
    /// Identifier of the cluster in marks, where it is not the UID of the `kube-system` namespace.
    pub cluster_id: Option<String>,
    /// Name of the Lease; none means that no leader is elected.
    pub lease: Option<String>,
    /// Durations of the election.
    pub lease_timings: Timings,
    /// Settings of decisions about client applications.
    pub policy: Policy,
    /// How often a provider that works is asked whether it still does.
    pub provider_check_interval: Duration,
    /// How long one call to an identity API may take.
    pub request_timeout: Duration,
    /// Resources of one kind that are worked on at the same time.
    pub concurrency: u16,
    /// How long a shutdown waits for work that has begun.
    pub shutdown_timeout: Duration,
    /// Address of the health endpoints and metrics.
    pub metrics_address: SocketAddr,
    /// Form of the log.
    pub log_format: LogFormat,
    /// What is logged.
    pub log_filter: String,
}

/// Why the operator ended, other than by being asked to.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The health endpoints cannot be served.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The system does not deliver signals.
    #[error("signals cannot be received: {0}")]
    Signals(#[from] std::io::Error),
    /// There is no cluster to talk to.
    #[error("no Kubernetes configuration was found: {0}. Set KUBECONFIG, or run inside a cluster")]
    Configuration(#[from] kube::config::InferConfigError),
    /// The client cannot be made.
    #[error("the Kubernetes configuration cannot be used: {0}")]
    Client(#[source] kube::Error),
    /// The cluster does not say who it is.
    #[error(
        "reading the kube-system namespace, whose UID identifies the cluster, failed: {0}. Allow that, or set --cluster-id"
    )]
    ClusterId(#[source] kube::Error),
    /// A defect: the controllers are not there any more.
    #[error("the controllers have ended by themselves; this is a defect, please report it with the log")]
    ControllersEnded,
    /// Another replica leads now, or the API server could not be reached for too long.
    #[error("the lease is lost; ending at once, so that two replicas never write")]
    LeaseLost,
}

/// Runs the operator until it is asked to end (SIGINT, SIGTERM) or loses its lease.
///
/// # Errors
/// See [`AppError`].
pub async fn run(config: Config) -> Result<(), AppError> {
    let metrics = Metrics::new(env!("CARGO_PKG_VERSION"));
    let freshness = Freshness::default();
    let health = Arc::new(OperatorHealth::new(freshness.clone()));
    let server = HealthServer::bind(config.metrics_address).await?;
    // With port 0 it is not known before.
    if let Ok(address) = server.local_addr() {
        tracing::info!(%address, "serving /livez, /readyz and /metrics");
    }
    let stop = stop_signal()?;
    let stop_serving = CancellationToken::new();
    let serving = tokio::spawn(server.serve(health.clone(), metrics.clone(), stop_serving.clone()));

    let ended = tokio::select! {
        ended = operate(&config, &metrics, &freshness, &health, stop.clone()) => ended,
        // Before anything has begun there is nothing to wait for.
        () = stopped_while_idle(&stop, &health) => Ok(()),
    };
    stop_serving.cancel();
    if let Ok(Err(error)) = serving.await {
        tracing::warn!("the health endpoints ended early: {error}");
    }
    ended
}

async fn operate(
    config: &Config,
    metrics: &Metrics,
    freshness: &Freshness,
    health: &Arc<OperatorHealth>,
    stop: CancellationToken,
) -> Result<(), AppError> {
    let (leadership, seat) = match &config.lease {
        Some(lease) => {
            let (leadership, seat) = Leadership::contested();
            (leadership, Some((lease, seat)))
        }
        None => (Leadership::always(), None),
    };
    let kube_config = kube::Config::infer().await?;
    let client = layer::build_client(
        kube_config,
        Limits::default(),
        leadership.clone(),
        freshness.clone(),
        metrics.clone(),
    )
    .map_err(AppError::Client)?;
    let cluster = cluster_id(config, &client).await?;
    let tasks = TaskTracker::new();
    let work = controllers::Work {
        config: config.clone(),
        client: client.clone(),
        cluster,
        leadership: leadership.clone(),
        metrics: metrics.clone(),
        freshness: freshness.clone(),
        health: health.clone(),
        tasks: tasks.clone(),
    };
    let Some((lease, seat)) = seat else {
        health.leads();
        metrics.set_leading(true);
        let mut working = tokio::spawn(work.run(stop.clone()));
        tokio::select! {
            _ = &mut working, if !stop.is_cancelled() => {
                if !stop.is_cancelled() {
                    return Err(AppError::ControllersEnded);
                }
            }
            () = stop.cancelled() => {}
        }
        finish(&tasks, working, config.shutdown_timeout).await;
        return Ok(());
    };
    let mut elector = Elector::new(
        client,
        &config.operator_namespace,
        lease,
        &config.replica_name,
        config.lease_timings,
        seat,
    );
    elector.acquire().await;
    health.leads();
    metrics.set_leading(true);
    lead(work, elector, &leadership, &tasks, config.shutdown_timeout, stop).await
}

/// Works while the lease is held.
async fn lead(
    work: controllers::Work,
    elector: Elector,
    leadership: &Leadership,
    tasks: &TaskTracker,
    shutdown_timeout: Duration,
    stop: CancellationToken,
) -> Result<(), AppError> {
    let metrics = work.metrics.clone();
    let release = CancellationToken::new();
    let stop_work = stop.child_token();
    let holding = tokio::spawn(elector.hold(release.clone()));
    let mut working = tokio::spawn(work.run(stop_work.clone()));
    tokio::pin!(holding);
    tokio::select! {
        // A leader that does no work must not keep the others from it.
        _ = &mut working, if !stop.is_cancelled() => {
            if !stop.is_cancelled() {
                release.cancel();
                let _ = holding.await;
                return Err(AppError::ControllersEnded);
            }
        }
        _ = &mut holding => {
            tracing::error!("the lease is lost");
            stop_work.cancel();
            // What has begun may finish as long as no other replica can have taken over.
            let finished = finish(tasks, working, shutdown_timeout);
            tokio::select! {
                () = finished => {}
                () = until_writes_are_refused(leadership) => {}
            }
            metrics.set_leading(false);
            return Err(AppError::LeaseLost);
        }
        () = stop.cancelled() => {}
    }
    finish(tasks, working, shutdown_timeout).await;
    release.cancel();
    metrics.set_leading(false);
    match holding.await {
        Ok(LeaseEnd::Released) => Ok(()),
        Ok(LeaseEnd::Lost) | Err(_) => Err(AppError::LeaseLost),
    }
}

/// Waits for the controllers to stop and for what they have begun, within the limit.
async fn finish(tasks: &TaskTracker, working: JoinHandle<()>, limit: Duration) {
    tasks.close();
    let ended = async {
        if !working.is_finished() && working.await.is_err() {
            tracing::error!("a controller panicked while it was stopping");
        }
        tasks.wait().await;
    };
    if tokio::time::timeout(limit, ended).await.is_err() {
        tracing::warn!(
            unfinished = tasks.len(),
            "the shutdown does not wait longer; what was begun is taken up again at the next start"
        );
    }
}

async fn until_writes_are_refused(leadership: &Leadership) {
    while leadership.may_write() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn stopped_while_idle(stop: &CancellationToken, health: &OperatorHealth) {
    stop.cancelled().await;
    if health.is_leading() {
        std::future::pending::<()>().await;
    }
}

async fn cluster_id(config: &Config, client: &Client) -> Result<String, AppError> {
    if let Some(id) = &config.cluster_id {
        return Ok(id.clone());
    }
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let kube_system = namespaces.get("kube-system").await.map_err(AppError::ClusterId)?;
    Ok(kube_system.uid().unwrap_or_default())
}

/// A token that is cancelled by SIGINT and SIGTERM.
fn stop_signal() -> Result<CancellationToken, AppError> {
    let token = CancellationToken::new();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let cancel = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("asked to stop");
        cancel.cancel();
    });
    Ok(token)
}
