//! A way to the Kubernetes API and to the identity API on which calls can be stopped.
//!
//! The operator reaches both only through here. When it is killed, its connections close, and with them ends
//! what was held for it: a call that was stopped before it was passed on is never passed on.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, TRANSFER_ENCODING};
use http::{StatusCode, request};
use keywright_sandbox::When;
use kube::Client;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower::service_fn;

use super::names;
use super::points::Board;

/// Both ways, and what came by.
pub(super) struct Proxy {
    /// What was called, and where to stop.
    pub(super) board: Arc<Board>,
    /// Address of the identity API's way, without a path.
    pub(super) identity: String,
    kubernetes: String,
    tasks: [JoinHandle<()>; 2],
}

impl Proxy {
    /// Opens both ways: to the cluster of this client, and to the identity API at this address.
    pub(super) async fn open(client: Client, identity: String) -> Self {
        let board = Arc::new(Board::default());
        let (kubernetes, cluster) = {
            let board = board.clone();
            serve(move |request| to_kubernetes(board.clone(), client.clone(), request)).await
        };
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let (identity, api) = {
            let board = board.clone();
            serve(move |request| to_identity(board.clone(), http.clone(), identity.clone(), request)).await
        };
        Self {
            board,
            identity,
            kubernetes,
            tasks: [cluster, api],
        }
    }

    /// Writes a kubeconfig that leads through here.
    pub(super) fn write_kubeconfig(&self, directory: &Path) -> PathBuf {
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "proxy", "cluster": {"server": self.kubernetes}}],
            "users": [{"name": "nobody", "user": {}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "nobody"}}],
            "current-context": "proxy",
        });
        let path = directory.join("kubeconfig");
        std::fs::write(&path, kubeconfig.to_string()).unwrap();
        path
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Serves on a free port and gives the address.
async fn serve<F>(answer: impl Fn(Request) -> F + Clone + Send + Sync + 'static) -> (String, JoinHandle<()>)
where
    F: Future<Output = Response> + Send + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = service_fn(move |request| {
        let answer = answer.clone();
        async move { Ok::<_, Infallible>(answer(request).await) }
    });
    let router = Router::new().fallback_service(service);
    let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (format!("http://{address}"), task)
}

async fn to_kubernetes(board: Arc<Board>, client: Client, request: Request) -> Response {
    let (parts, body) = taken_apart(request).await;
    let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
    let name = names::kubernetes_call(&parts.method, path, query, &body);
    pass(&board, name, async move {
        let forwarded = http::Request::from_parts(parts, kube::client::Body::from(body));
        match client.send(forwarded).await {
            Ok(answer) => answer.map(Body::new),
            Err(error) => bad_gateway(&error),
        }
    })
    .await
}

async fn to_identity(
    board: Arc<Board>,
    http: reqwest::Client,
    identity: String,
    request: Request,
) -> Response {
    let (parts, body) = taken_apart(request).await;
    let name = names::identity_call(&parts.method, parts.uri.path());
    pass(&board, Some(name), async move {
        let url = format!("{identity}{}", parts.uri);
        let forwarded = http.request(parts.method, url).headers(parts.headers).body(body);
        match forwarded.send().await {
            Ok(answer) => http::Response::from(answer).map(Body::new),
            Err(error) => bad_gateway(&error),
        }
    })
    .await
}

/// Passes a call on, unless it is to be stopped.
async fn pass(board: &Board, name: Option<String>, forward: impl Future<Output = Response>) -> Response {
    let Some(stop) = name.and_then(|name| board.arrive(name)) else {
        return without_hops(forward.await);
    };
    if stop.moment == When::After {
        // Read to its end, so that whatever the call does is done.
        let answer = forward.await.into_body();
        to_bytes(answer, usize::MAX).await.unwrap();
    }
    stop.hold().await
}

async fn taken_apart(request: Request) -> (request::Parts, Bytes) {
    let (mut parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    remove_hops(&mut parts.headers);
    // Both are written anew by whoever sends the request on.
    parts.headers.remove(HOST);
    parts.headers.remove(CONTENT_LENGTH);
    (parts, body)
}

fn without_hops(mut answer: Response) -> Response {
    remove_hops(answer.headers_mut());
    answer
}

/// Removes what is about one connection only (RFC 9110 section 7.6.1).
fn remove_hops(headers: &mut HeaderMap) {
    headers.remove(CONNECTION);
    headers.remove(TRANSFER_ENCODING);
}

fn bad_gateway(error: &dyn std::error::Error) -> Response {
    let mut answer = Response::new(Body::from(error.to_string()));
    *answer.status_mut() = StatusCode::BAD_GATEWAY;
    answer
}
