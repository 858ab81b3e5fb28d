//! The way of every call: log, outage, hooks, faults, route, hooks, faults, log.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::LOCATION;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::config::TrailingSlash;
use crate::faults::{Effect, Fault, When};
use crate::hooks::CallEvent;
use crate::operation::{Operation, loggable};
use crate::peer::Peer;
use crate::reply::Reply;
use crate::shared::{Outage, Shared};
use crate::{auth_host, control, verification_host};

/// The largest request body that is read.
const BODY_LIMIT: usize = 2 * 1024 * 1024;

/// The connection is to be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the call is dropped without an answer")]
pub(crate) struct Dropped;

/// Takes calls from the listener to the routes and back.
#[derive(Clone, Debug)]
pub(crate) struct Pipeline {
    shared: Arc<Shared>,
    router: Router,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Pipeline {
    /// Calls run as `tasks` until `stop`.
    pub(crate) fn new(shared: Arc<Shared>, tasks: TaskTracker, stop: CancellationToken) -> Self {
        let router = Router::new()
            .merge(auth_host::routes())
            .merge(verification_host::routes())
            .merge(control::routes())
            .method_not_allowed_fallback(async |method: Method| Reply::method_not_allowed(&method))
            .fallback(async || Reply::not_found())
            .with_state(Arc::clone(&shared));
        Self {
            shared,
            router,
            tasks,
            stop,
        }
    }

    /// Answers a call. It runs in a task of its own: like a real server, the sandbox completes what it
    /// began when the client goes away.
    pub(crate) async fn serve(self, peer: SocketAddr, request: Request) -> Result<Response, Dropped> {
        let (mut parts, body) = request.into_parts();
        let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
            let text = "Request body is too large.";
            return Ok(Reply::detail(StatusCode::PAYLOAD_TOO_LARGE, text).into_response());
        };
        parts.extensions.insert(Peer::of(&parts.headers, peer));
        let request = Request::from_parts(parts, Body::from(body));
        let stop = self.stop.clone();
        let tasks = self.tasks.clone();
        let call = tasks.spawn(async move { stop.run_until_cancelled_owned(self.answer(request)).await });
        call.await.ok().flatten().flatten().ok_or(Dropped)
    }

    async fn answer(self, request: Request) -> Option<Response> {
        if control::is_control(request.uri().path()) {
            return Some(self.route(request).await);
        }
        let started = Instant::now();
        let (method, path) = (request.method().clone(), loggable(request.uri().path()));
        let slash = slash(&request, self.shared.switches().trailing_slash);
        let target = match &slash {
            Slash::Added(uri) => uri.path(),
            Slash::AsItIs | Slash::Redirect(_) => request.uri().path(),
        };
        let operation = Operation::of(&method, target);
        let now = self.shared.clock.now();
        let index = self
            .shared
            .call_log()
            .arrive(operation, method.to_string(), path.clone(), now);
        let answer = self.pass(request, slash, operation, index).await;
        let status = answer.as_ref().map(|response| response.status().as_u16());
        self.shared.call_log().end(index, status);
        log(index, operation, &method, &path, status, started.elapsed());
        answer
    }

    /// The answer, or none if the call is dropped.
    async fn pass(
        &self,
        mut request: Request,
        slash: Slash,
        operation: Option<Operation>,
        index: u64,
    ) -> Option<Response> {
        match self.shared.outage() {
            Some(Outage::Drop) => return None,
            Some(Outage::Unavailable) => {
                let reply = Reply::detail(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "Service temporarily unavailable.",
                );
                return Some(reply.into_response());
            }
            None => {}
        }
        match slash {
            Slash::AsItIs => {}
            Slash::Added(uri) => *request.uri_mut() = uri,
            Slash::Redirect(location) => {
                return Some((StatusCode::MOVED_PERMANENTLY, [(LOCATION, location)]).into_response());
            }
        }
        let Some(operation) = operation else {
            return Some(self.route(request).await);
        };
        self.shared
            .hooks
            .pass(CallEvent {
                operation,
                when: When::Before,
                index,
            })
            .await;
        let fault = self.shared.faults().take(operation);
        if let Some((When::Before, fault)) = &fault {
            match meet(fault).await {
                Met::GoOn => {}
                Met::Answer(response) => return Some(response),
                Met::Drop => return None,
            }
        }
        let response = self.route(request).await;
        self.shared
            .hooks
            .pass(CallEvent {
                operation,
                when: When::After,
                index,
            })
            .await;
        if let Some((When::After, fault)) = &fault {
            match meet(fault).await {
                Met::GoOn => {}
                Met::Answer(response) => return Some(response),
                Met::Drop => return None,
            }
        }
        Some(response)
    }

    async fn route(&self, request: Request) -> Response {
        match self.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

enum Met {
    GoOn,
    Answer(Response),
    Drop,
}

async fn meet(fault: &Fault) -> Met {
    match fault.effect() {
        Effect::Wait(time) => {
            sleep(time).await;
            Met::GoOn
        }
        Effect::Answer(response) => Met::Answer(response),
        Effect::Drop => Met::Drop,
    }
}

/// What is done about a path that may lack its last slash (contract, 1 and 10).
enum Slash {
    AsItIs,
    Added(Uri),
    Redirect(HeaderValue),
}

fn slash(request: &Request, rule: TrailingSlash) -> Slash {
    let (method, path) = (request.method(), request.uri().path());
    let with_slash = format!("{path}/");
    if path.ends_with('/') || !Operation::any_at(&with_slash) {
        return Slash::AsItIs;
    }
    let query = request
        .uri()
        .query()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    let target = format!("{with_slash}{query}");
    let documented = Operation::of(method, &with_slash).is_some_and(Operation::documented_without_slash);
    if documented || rule == TrailingSlash::Lenient {
        let mut parts = request.uri().clone().into_parts();
        parts.path_and_query = target.parse::<PathAndQuery>().ok();
        return Uri::from_parts(parts).map_or(Slash::AsItIs, Slash::Added);
    }
    let reads = method == Method::GET || method == Method::HEAD;
    match HeaderValue::try_from(target) {
        Ok(location) if reads => Slash::Redirect(location),
        _ => Slash::AsItIs,
    }
}

/// One line per call. Neither headers nor bodies nor queries are looked at.
fn log(
    index: u64,
    operation: Option<Operation>,
    method: &Method,
    path: &str,
    status: Option<u16>,
    elapsed: Duration,
) {
    let operation = operation.map_or("none", Operation::name);
    let millis = elapsed.as_millis();
    match status {
        Some(status) => tracing::info!(index, operation, %method, path, status, millis, "answered"),
        None => tracing::info!(index, operation, %method, path, millis, "dropped"),
    }
}
