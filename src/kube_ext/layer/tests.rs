//! Calls through the layer to a service in memory, in paused time.

use std::{convert::Infallible, sync::Mutex};

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchParams},
};
use serde_json::{Value, json};

use super::*;
use crate::kube_ext::{freshness::SILENCE_LIMIT, lease::Seat};

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What the API server does.
#[derive(Clone, Copy)]
enum Server {
    Answers(u16),
    /// Never begins to answer.
    Hangs,
    /// Sends the head of an answer and then nothing.
    HangsInBody,
    /// Closes the connection.
    Breaks,
}

type Sent = Arc<Mutex<Vec<String>>>;

struct Bench {
    client: Client,
    freshness: Freshness,
    metrics: Metrics,
    seat: Seat,
    sent: Sent,
}

impl Bench {
    fn new(server: Server) -> Self {
        let (leadership, seat) = Leadership::contested();
        seat.take(s(3600), s(3600));
        let (freshness, metrics, sent) = (Freshness::default(), Metrics::new("0"), Sent::default());
        let guard = GuardLayer::new(Limits::default(), leadership, freshness.clone(), metrics.clone());
        let log = sent.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            log.lock()
                .unwrap()
                .push(format!("{} {}", request.method(), request.uri().path()));
            serve(server)
        });
        let client = ClientBuilder::new(service, "shop").with_layer(&guard).build();
        Self {
            client,
            freshness,
            metrics,
            seat,
            sent,
        }
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), "shop")
    }

    fn sent(&self) -> usize {
        self.sent.lock().unwrap().len()
    }

    fn counted(&self, method: &str, outcome: &str) -> bool {
        let line = format!("keywright_kube_requests_total{{method=\"{method}\",outcome=\"{outcome}\"}} 1\n");
        self.metrics
            .encode(k8s_openapi::jiff::Timestamp::UNIX_EPOCH)
            .unwrap()
            .contains(&line)
    }
}

async fn serve(server: Server) -> Result<Answer, BoxError> {
    match server {
        Server::Answers(status) => {
            let body = if status < 300 { object() } else { failure(status) };
            let body = Body::from(body.to_string().into_bytes()).map_err(BoxError::from);
            Ok(Response::builder()
                .status(status)
                .body(Box::new(body) as Box<DynBody>)?)
        }
        Server::Hangs => std::future::pending().await,
        Server::HangsInBody => {
            let nothing = futures::stream::pending::<Result<Vec<u8>, Infallible>>();
            Ok(Response::new(Box::new(
                axum::body::Body::from_stream(nothing).map_err(BoxError::from),
            )))
        }
        Server::Breaks => Err("connection reset".into()),
    }
}

fn object() -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "thing"}, "items": []})
}

fn failure(status: u16) -> Value {
    json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": status, "message": "test"})
}

async fn apply(bench: &Bench) -> kube::Result<Secret> {
    let patch = Patch::Apply(json!({"apiVersion": "v1", "kind": "Secret"}));
    bench
        .secrets()
        .patch("payments", &PatchParams::apply("keywright"), &patch)
        .await
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_at_its_deadline_whether_head_or_body_hangs() {
    for server in [Server::Hangs, Server::HangsInBody] {
        let bench = Bench::new(server);
        let before = Instant::now();
        let error = bench.secrets().get("payments").await.unwrap_err();
        assert_eq!(before.elapsed().as_secs(), 20);
        assert!(is_timeout(&error) && !is_write_refused(&error), "{error}");
        let text =
            "GET /api/v1/namespaces/shop/secrets/payments: no answer from the Kubernetes API within 20s";
        assert!(error.to_string().contains(text), "{error}");
        assert!(bench.counted("GET", "timed_out"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_must_begin_in_time_and_may_then_stay_silent() {
    let bench = Bench::new(Server::Hangs);
    let before = Instant::now();
    let error = bench
        .secrets()
        .watch(&WatchParams::default(), "0")
        .await
        .err()
        .unwrap();
    assert!(is_timeout(&error));
    assert_eq!(before.elapsed().as_secs(), 30);

    let bench = Bench::new(Server::HangsInBody);
    let watch = bench.secrets().watch(&WatchParams::default(), "0").await;
    assert!(watch.is_ok());
    assert!(bench.counted("GET", "ok"));
}

#[tokio::test(start_paused = true)]
async fn an_answer_arrives_whole() {
    let bench = Bench::new(Server::Answers(200));
    let secret = bench.secrets().get("payments").await.unwrap();
    assert_eq!(secret.metadata.name.as_deref(), Some("thing"));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_repeated_here() {
    for status in [429, 503, 504] {
        let bench = Bench::new(Server::Answers(status));
        bench.secrets().get("payments").await.unwrap_err();
        assert_eq!(bench.sent(), 1, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn lists_and_watches_that_are_answered_are_signs_of_life() {
    let fresh = async |server: Server, call: &str| {
        let bench = Bench::new(server);
        bench.freshness.expect("secrets", Instant::now());
        tokio::time::advance(SILENCE_LIMIT + s(1)).await;
        let secrets = bench.secrets();
        match call {
            "list" => drop(secrets.list(&ListParams::default()).await),
            "watch" => drop(secrets.watch(&WatchParams::default(), "0").await),
            "get" => drop(secrets.get("payments").await),
            _ => drop(
                Api::<ConfigMap>::all(bench.client.clone())
                    .list(&ListParams::default())
                    .await,
            ),
        }
        bench.freshness.stale(Instant::now(), SILENCE_LIMIT).is_empty()
    };
    assert!(fresh(Server::Answers(200), "list").await);
    assert!(fresh(Server::Answers(200), "watch").await);
    assert!(fresh(Server::HangsInBody, "watch").await);
    assert!(!fresh(Server::Answers(200), "get").await);
    assert!(!fresh(Server::Answers(200), "another kind").await);
    assert!(!fresh(Server::Answers(403), "list").await);
    assert!(!fresh(Server::Answers(410), "watch").await);
    assert!(!fresh(Server::Breaks, "watch").await);
}

#[tokio::test(start_paused = true)]
async fn without_the_lease_nothing_is_changed() {
    let bench = Bench::new(Server::Answers(200));
    apply(&bench).await.unwrap();
    assert_eq!(bench.sent(), 1);

    bench.seat.take(s(0), s(0));
    let secrets = bench.secrets();
    let error = apply(&bench).await.unwrap_err();
    assert!(is_write_refused(&error) && !is_timeout(&error), "{error}");
    let text =
        "PATCH /api/v1/namespaces/shop/secrets/payments was not sent: this replica does not hold the lease";
    assert!(error.to_string().contains(text), "{error}");
    assert!(is_write_refused(
        &secrets
            .create(&PostParams::default(), &Secret::default())
            .await
            .unwrap_err()
    ));
    assert!(is_write_refused(
        &secrets
            .delete("payments", &DeleteParams::default())
            .await
            .unwrap_err()
    ));
    assert!(is_write_refused(
        &secrets
            .replace("payments", &PostParams::default(), &named_secret())
            .await
            .unwrap_err()
    ));
    assert_eq!(bench.sent(), 1, "nothing left this replica");
    assert!(bench.counted("PATCH", "refused") && bench.counted("DELETE", "refused"));

    secrets.get("payments").await.unwrap();
    assert_eq!(bench.sent(), 2, "reading goes on");
}

fn named_secret() -> Secret {
    serde_json::from_value(object()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_end_of_a_request_is_counted() {
    for (server, outcome) in [
        (Server::Answers(200), "ok"),
        (Server::Answers(404), "not_found"),
        (Server::Answers(409), "conflict"),
        (Server::Answers(401), "denied"),
        (Server::Answers(403), "denied"),
        (Server::Answers(429), "throttled"),
        (Server::Answers(422), "rejected"),
        (Server::Answers(500), "unavailable"),
        (Server::Breaks, "disconnected"),
    ] {
        let bench = Bench::new(server);
        let _ = bench.secrets().get("payments").await;
        assert!(
            bench.counted("GET", outcome),
            "{outcome}\n{}",
            bench
                .metrics
                .encode(k8s_openapi::jiff::Timestamp::UNIX_EPOCH)
                .unwrap()
        );
    }
    let bench = Bench::new(Server::Hangs);
    let secrets = bench.secrets();
    assert!(timeout(s(1), secrets.get("payments")).await.is_err());
    assert!(
        bench.counted("GET", "abandoned"),
        "{}",
        bench
            .metrics
            .encode(k8s_openapi::jiff::Timestamp::UNIX_EPOCH)
            .unwrap()
    );
}

#[test]
fn the_lease_and_questions_pass_the_gate() {
    for (method, path, gated) in [
        (Method::GET, "/api/v1/secrets", false),
        (Method::PATCH, "/api/v1/namespaces/shop/secrets/payments", true),
        (
            Method::DELETE,
            "/apis/keywright.dev/v1alpha1/namespaces/shop/accesstokens/a",
            true,
        ),
        (
            Method::PUT,
            "/apis/coordination.k8s.io/v1/namespaces/keywright/leases/keywright",
            false,
        ),
        (
            Method::POST,
            "/apis/coordination.k8s.io/v1/namespaces/keywright/leases",
            false,
        ),
        (
            Method::PUT,
            "/apis/coordination.k8s.io/v1/namespaces/leases/leasecandidates/x",
            true,
        ),
        (
            Method::POST,
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            false,
        ),
        (
            Method::POST,
            "/apis/events.k8s.io/v1/namespaces/shop/events",
            true,
        ),
        (Method::POST, "/apis/coordination.k8s.io", true),
    ] {
        assert_eq!(needs_leadership(&method, path), gated, "{method} {path}");
    }
}

#[test]
fn collections_are_told_from_objects() {
    for (path, kind) in [
        ("/api/v1/secrets", Some("secrets")),
        ("/api/v1/namespaces/shop/secrets", Some("secrets")),
        ("/api/v1/namespaces/shop/secrets/payments", None),
        ("/api/v1/namespaces", Some("namespaces")),
        ("/api/v1/namespaces/shop", None),
        (
            "/apis/keywright.dev/v1alpha1/clientapplications",
            Some("clientapplications"),
        ),
        (
            "/apis/keywright.dev/v1alpha1/namespaces/shop/accesstokens",
            Some("accesstokens"),
        ),
        (
            "/apis/keywright.dev/v1alpha1/namespaces/shop/accesstokens/a",
            None,
        ),
        (
            "/apis/keywright.dev/v1alpha1/namespaces/shop/accesstokens/a/status",
            None,
        ),
        (
            "/apis/keywright.dev/v1alpha1/clusteridentityproviders/didit",
            None,
        ),
        ("/apis/keywright.dev/v1alpha1", None),
        ("/version", None),
        ("/", None),
        ("", None),
    ] {
        assert_eq!(collection(path), kind, "{path}");
    }
}

#[test]
fn streams_are_told_by_their_query() {
    for (uri, stream) in [
        ("/api/v1/secrets", false),
        ("/api/v1/secrets?limit=250", false),
        ("/api/v1/secrets?watch=true&timeoutSeconds=290", true),
        ("/api/v1/secrets?limit=1&watch=1", true),
        ("/api/v1/secrets?watch=false", false),
        ("/api/v1/secrets?labelSelector=watch%3Dtrue", false),
        ("/api/v1/namespaces/shop/pods/p/log?follow=true", true),
    ] {
        assert_eq!(is_stream(&uri.parse().unwrap()), stream, "{uri}");
    }
}
