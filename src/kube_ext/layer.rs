//! The Kubernetes client, with what every request has to go through.
//!
//! - **A deadline.** The default client has none for an answer, so a half-open connection would hang a
//!   reconcile for ever. A request and its whole answer get [`Limits::call`]; a watch gets
//!   [`Limits::stream_start`] until its answer begins, since after that it is meant to stay open.
//! - **The write gate.** A replica that may not write (see [`Leadership::may_write`]) sends nothing that
//!   changes anything, except for its Lease and the questions that Kubernetes wants posted.
//! - **Signs of life** of each watched kind, for [`Freshness`].
//! - **Counting**, for `keywright_kube_requests_total`.
//!
//! # No retries in here
//!
//! The default client repeats a request up to fifteen times on 429, 503 and 504, waits as long as
//! `Retry-After` says, however long, and does so for writes too, although after a 504 the write may have
//! happened. That hides an outage from the metrics and holds a reconcile's place meanwhile. It is turned off
//! rather than shortened: every caller (reconcile, watch, election) has a backoff of its own, with jitter,
//! and knows how urgent it is.

use std::{
    future::ready,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use kube::{
    Client, Config,
    client::{Body, ClientBuilder, DynBody},
};
use tokio::time::{Instant, timeout};
use tower::{BoxError, Layer, Service};

use super::{freshness::Freshness, lease::Leadership};
use crate::telemetry::{metrics::Metrics, outcome::KubeOutcome};

type Answer = Response<Box<DynBody>>;

/// How long requests may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From sending an ordinary request to the end of its answer.
    pub call: Duration,
    /// From sending a watch or log request to the head of its answer.
    pub stream_start: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            call: Duration::from_secs(20),
            stream_start: Duration::from_secs(30),
        }
    }
}

/// A request that was not sent.
#[derive(Debug, thiserror::Error)]
#[error("{method} {path} was not sent: this replica does not hold the lease, or could not renew it in time")]
pub struct WriteRefused {
    method: Method,
    path: String,
}

/// A request that was not answered in time. It may have taken effect.
#[derive(Debug, thiserror::Error)]
#[error("{method} {path}: no answer from the Kubernetes API within {limit:?}")]
pub struct CallTimedOut {
    method: Method,
    path: String,
    limit: Duration,
}

/// A client for the cluster of `config`, with kube's own layers (authentication, TLS, base address) inside.
///
/// # Errors
///
/// When the configuration's certificates, credentials or proxy cannot be used.
pub fn build_client(
    mut config: Config,
    limits: Limits,
    leadership: Leadership,
    freshness: Freshness,
    metrics: Metrics,
) -> kube::Result<Client> {
    config.default_retry = false;
    let guard = GuardLayer::new(limits, leadership, freshness, metrics);
    Ok(ClientBuilder::try_from(config)?.with_layer(&guard).build())
}

/// Whether a request failed because this replica may not write.
#[must_use]
pub fn is_write_refused(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Service(source) if source.is::<WriteRefused>())
}

/// Whether a request failed because there was no answer in time.
#[must_use]
pub fn is_timeout(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Service(source) if source.is::<CallTimedOut>())
}

/// Puts the rules of this module around a service that talks to the Kubernetes API.
#[derive(Clone, Debug)]
pub struct GuardLayer {
    rules: Arc<Rules>,
}

#[derive(Debug)]
struct Rules {
    limits: Limits,
    leadership: Leadership,
    freshness: Freshness,
    metrics: Metrics,
}

impl GuardLayer {
    /// A layer for one client.
    #[must_use]
    pub fn new(limits: Limits, leadership: Leadership, freshness: Freshness, metrics: Metrics) -> Self {
        Self {
            rules: Arc::new(Rules {
                limits,
                leadership,
                freshness,
                metrics,
            }),
        }
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        Guard {
            inner,
            rules: self.rules.clone(),
        }
    }
}

/// The service that [`GuardLayer`] makes.
#[derive(Clone, Debug)]
pub struct Guard<S> {
    inner: S,
    rules: Arc<Rules>,
}

impl<S> Service<Request<Body>> for Guard<S>
where
    S: Service<Request<Body>, Response = Answer, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = Answer;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Answer, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let count = Count::new(&self.rules.metrics, request.method());
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        if needs_leadership(&method, &path) && !self.rules.leadership.may_write() {
            count.end(KubeOutcome::Refused);
            return ready(Err(WriteRefused { method, path }.into())).boxed();
        }
        let streams = is_stream(request.uri());
        let limits = self.rules.limits;
        let limit = if streams { limits.stream_start } else { limits.call };
        let rules = self.rules.clone();
        let answer = self.inner.call(request);
        async move {
            let exchange = async {
                let answer = answer.await?;
                rules.note_sign_of_life(&method, &path, answer.status());
                if streams {
                    Ok(answer)
                } else {
                    read_whole(answer).await
                }
            };
            let (outcome, result) = match timeout(limit, exchange).await {
                Ok(Ok(answer)) => (KubeOutcome::of_status(answer.status()), Ok(answer)),
                Ok(Err(error)) => (KubeOutcome::Disconnected, Err(error)),
                Err(_) => (
                    KubeOutcome::TimedOut,
                    Err(CallTimedOut { method, path, limit }.into()),
                ),
            };
            count.end(outcome);
            result
        }
        .boxed()
    }
}

impl Rules {
    fn note_sign_of_life(&self, method: &Method, path: &str, status: StatusCode) {
        if *method == Method::GET
            && status.is_success()
            && let Some(kind) = collection(path)
        {
            self.freshness.touched(kind, Instant::now());
        }
    }
}

/// Reads the answer to its end, so that the deadline covers all of it.
async fn read_whole(answer: Answer) -> Result<Answer, BoxError> {
    let (head, body) = answer.into_parts();
    let body = Body::from(body.collect().await?.to_bytes()).map_err(BoxError::from);
    Ok(Response::from_parts(head, Box::new(body)))
}

/// Whether a request changes something that belongs to the leader.
fn needs_leadership(method: &Method, path: &str) -> bool {
    let changes = !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    changes && !is_lease(path) && !path.starts_with("/apis/authorization.k8s.io/")
}

fn is_lease(path: &str) -> bool {
    let mut segments = path
        .strip_prefix("/apis/coordination.k8s.io/")
        .unwrap_or_default()
        .split('/');
    // version, "namespaces", its name, resource
    segments.nth(1) == Some("namespaces") && segments.nth(1) == Some("leases")
}

/// Whether the answer is meant to stay open.
fn is_stream(uri: &Uri) -> bool {
    url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
        .any(|(key, value)| matches!(&*key, "watch" | "follow") && matches!(&*value, "true" | "1"))
}

/// The plural of the resource, if the path is that of a collection rather than of one object.
fn collection(path: &str) -> Option<&str> {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    match segments.as_slice() {
        ["api", _, rest @ ..] | ["apis", _, _, rest @ ..] => match rest {
            [kind] | ["namespaces", _, kind] => Some(kind),
            _ => None,
        },
        _ => None,
    }
}

/// Counts a request when it is dropped, which is the one end that every request has.
struct Count {
    metrics: Metrics,
    method: &'static str,
    outcome: KubeOutcome,
}

impl Count {
    fn new(metrics: &Metrics, method: &Method) -> Self {
        let method = match *method {
            Method::GET => "GET",
            Method::POST => "POST",
            Method::PUT => "PUT",
            Method::PATCH => "PATCH",
            Method::DELETE => "DELETE",
            _ => "other",
        };
        Self {
            metrics: metrics.clone(),
            method,
            outcome: KubeOutcome::Abandoned,
        }
    }

    fn end(mut self, outcome: KubeOutcome) {
        self.outcome = outcome;
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.metrics.kube_request(self.method, self.outcome);
    }
}

#[cfg(test)]
mod tests;
