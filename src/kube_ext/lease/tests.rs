//! The elector against a store in memory that behaves like the API server, in paused time.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use http::{Method, Request, Response};
use kube::client::Body;
use tokio::{task::JoinHandle, time::sleep};

use super::*;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What the network does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Network {
    Works,
    /// The request is lost.
    Loses,
    /// The request takes effect and its answer is lost.
    LosesAnswers,
    /// The API server answers with this status.
    Refuses(u16),
}

#[derive(Debug)]
struct Store {
    lease: Option<Lease>,
    version: u64,
    network: Network,
    requests: Vec<(Method, Instant)>,
}

#[derive(Clone, Debug)]
struct Server(Arc<Mutex<Store>>);

impl Server {
    fn new() -> Self {
        let store = Store {
            lease: None,
            version: 0,
            network: Network::Works,
            requests: Vec::new(),
        };
        Self(Arc::new(Mutex::new(store)))
    }

    fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let network = server.0.lock().unwrap().network;
                let (status, body) = match network {
                    Network::Loses => std::future::pending().await,
                    Network::Refuses(status) => (status, status_object(status)),
                    Network::Works | Network::LosesAnswers => server.serve(request).await,
                };
                if network == Network::LosesAnswers {
                    std::future::pending::<()>().await;
                }
                let body = Body::from(body.to_string().into_bytes());
                Ok::<_, Infallible>(Response::builder().status(status).body(body).unwrap())
            }
        });
        Client::new(service, "keywright")
    }

    async fn serve(&self, request: Request<Body>) -> (u16, serde_json::Value) {
        let method = request.method().clone();
        let body = request.into_body().collect_bytes().await.unwrap();
        let mut store = self.0.lock().unwrap();
        store.requests.push((method.clone(), Instant::now()));
        if method == Method::GET {
            return match &store.lease {
                Some(lease) => (200, serde_json::to_value(lease).unwrap()),
                None => (404, status_object(404)),
            };
        }
        let mut lease: Lease = serde_json::from_slice(&body).unwrap();
        let stored = store
            .lease
            .as_ref()
            .and_then(|lease| lease.metadata.resource_version.clone());
        match (method, stored) {
            (Method::PUT, None) => return (404, status_object(404)),
            (Method::POST, Some(_)) => return (409, status_object(409)),
            (Method::PUT, stored) if stored != lease.metadata.resource_version => {
                return (409, status_object(409));
            }
            (Method::PUT | Method::POST, _) => {}
            (method, _) => panic!("{method}"),
        }
        store.version += 1;
        lease.metadata.resource_version = Some(store.version.to_string());
        store.lease = Some(lease.clone());
        (200, serde_json::to_value(lease).unwrap())
    }

    fn network(&self, network: Network) {
        self.0.lock().unwrap().network = network;
    }

    fn change(&self, change: impl FnOnce(&mut Lease)) {
        let mut store = self.0.lock().unwrap();
        store.version += 1;
        let version = store.version.to_string();
        let lease = store.lease.as_mut().unwrap();
        lease.metadata.resource_version = Some(version);
        change(lease);
    }

    fn holder(&self) -> String {
        let store = self.0.lock().unwrap();
        let spec = store.lease.as_ref().and_then(|lease| lease.spec.clone());
        spec.and_then(|spec| spec.holder_identity).unwrap_or_default()
    }

    fn requests(&self) -> usize {
        self.0.lock().unwrap().requests.len()
    }
}

fn status_object(code: u16) -> serde_json::Value {
    serde_json::json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "reason": "Test",
        "message": format!("test {code}"),
    })
}

fn elector(server: &Server, replica: &str) -> (Elector, Leadership) {
    let (leadership, seat) = Leadership::contested();
    let timings = Timings::default();
    (
        Elector::new(server.client(), "keywright", "keywright", replica, timings, seat),
        leadership,
    )
}

async fn leader(server: &Server, replica: &str) -> (JoinHandle<LeaseEnd>, Leadership, CancellationToken) {
    let (mut elector, leadership) = elector(server, replica);
    elector.acquire().await;
    assert!(leadership.is_leading() && leadership.may_write());
    let shutdown = CancellationToken::new();
    (tokio::spawn(elector.hold(shutdown.clone())), leadership, shutdown)
}

#[tokio::test(start_paused = true)]
async fn the_first_candidate_leads_for_as_long_as_it_renews() {
    let server = Server::new();
    let (holding, leadership, _shutdown) = leader(&server, "first").await;
    let (mut second, standby) = elector(&server, "second");
    tokio::select! {
        () = second.acquire() => panic!("two leaders"),
        () = sleep(s(3600)) => {}
    }
    assert!(leadership.is_leading() && !standby.is_leading() && !standby.may_write());
    assert!(server.holder().starts_with("first_") && !holding.is_finished());
    let lease = server.0.lock().unwrap().lease.clone().unwrap().spec.unwrap();
    assert_eq!(
        (lease.lease_duration_seconds, lease.lease_transitions),
        (Some(15), Some(0))
    );
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_hands_over_at_once() {
    let server = Server::new();
    let (holding, leadership, shutdown) = leader(&server, "first").await;
    let (mut second, _) = elector(&server, "second");
    second.look().await;

    shutdown.cancel();
    assert_eq!(holding.await.unwrap(), LeaseEnd::Released);
    assert!(!leadership.may_write());
    assert_eq!(server.holder(), "");

    let before = Instant::now();
    second.acquire().await;
    assert!(before.elapsed() < s(1));
    assert!(server.holder().starts_with("second_"));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_during_an_outage_ends_in_time_and_the_lease_expires() {
    let server = Server::new();
    let (holding, leadership, shutdown) = leader(&server, "first").await;
    server.network(Network::Loses);
    let before = Instant::now();
    shutdown.cancel();
    assert_eq!(holding.await.unwrap(), LeaseEnd::Released);
    assert!(before.elapsed() <= s(10) && !leadership.may_write());
    assert!(server.holder().starts_with("first_"));
}

#[tokio::test(start_paused = true)]
async fn an_outage_ends_the_leadership_at_the_deadline_and_the_writing_later() {
    for network in [
        Network::Loses,
        Network::LosesAnswers,
        Network::Refuses(503),
        Network::Refuses(403),
    ] {
        let server = Server::new();
        let (holding, leadership, _shutdown) = leader(&server, "first").await;
        server.network(network);
        let cut = Instant::now();
        assert_eq!(holding.await.unwrap(), LeaseEnd::Lost);
        assert!(
            (s(8)..=s(10)).contains(&cut.elapsed()),
            "{network:?}: {:?}",
            cut.elapsed()
        );
        assert!(!leadership.is_leading() && leadership.may_write(), "{network:?}");
        sleep(s(5)).await;
        assert!(!leadership.may_write(), "{network:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_outage_is_survived() {
    for network in [Network::Loses, Network::LosesAnswers, Network::Refuses(500)] {
        let server = Server::new();
        let (holding, leadership, _shutdown) = leader(&server, "first").await;
        server.network(network);
        sleep(s(6)).await;
        server.network(Network::Works);
        sleep(s(60)).await;
        assert!(leadership.is_leading() && !holding.is_finished(), "{network:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_leader_waits_until_the_last_one_has_stopped_writing() {
    let server = Server::new();
    let (holding, first, _shutdown) = leader(&server, "first").await;
    let (mut candidate, second) = elector(&server, "second");
    candidate.look().await;
    holding.abort();
    while !second.is_leading() {
        assert!(!second.may_write());
        tokio::select! {
            () = candidate.acquire() => assert!(!first.may_write()),
            () = sleep(Duration::from_millis(100)) => {}
        }
    }
    let lease = server.0.lock().unwrap().lease.clone().unwrap().spec.unwrap();
    assert_eq!(lease.lease_transitions, Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_sees_another_stops_at_once() {
    let server = Server::new();
    let (holding, leadership, _shutdown) = leader(&server, "first").await;
    server.change(|lease| lease.spec.as_mut().unwrap().holder_identity = Some("thief".into()));
    assert_eq!(holding.await.unwrap(), LeaseEnd::Lost);
    assert!(!leadership.is_leading() && !leadership.may_write());
    assert_eq!(server.holder(), "thief", "what another wrote is not overwritten");
}

#[tokio::test(start_paused = true)]
async fn an_edit_of_the_metadata_costs_a_leader_nothing() {
    let server = Server::new();
    let (holding, leadership, _shutdown) = leader(&server, "first").await;
    for _ in 0..10 {
        server.change(|lease| lease.metadata.labels = Some([("team".into(), "identity".into())].into()));
        sleep(s(3)).await;
        assert!(leadership.is_leading() && !holding.is_finished());
    }
    assert!(
        server
            .0
            .lock()
            .unwrap()
            .lease
            .as_ref()
            .unwrap()
            .metadata
            .labels
            .is_some()
    );
}

#[tokio::test(start_paused = true)]
async fn a_deleted_lease_is_made_again() {
    let server = Server::new();
    let (holding, leadership, _shutdown) = leader(&server, "first").await;
    server.0.lock().unwrap().lease = None;
    sleep(s(30)).await;
    assert!(leadership.is_leading() && !holding.is_finished());
    assert!(server.holder().starts_with("first_"));
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_may_not_read_the_lease_keeps_trying_gently() {
    let server = Server::new();
    server.network(Network::Refuses(403));
    let (mut candidate, leadership) = elector(&server, "first");
    tokio::select! {
        () = candidate.acquire() => panic!("elected without permission"),
        () = sleep(s(300)) => {}
    }
    assert!(!leadership.is_leading());
    server.network(Network::Works);
    candidate.acquire().await;
    assert!(leadership.is_leading());
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_does_not_exist_is_said_in_plain_words() {
    let server = Server::new();
    let (mut candidate, _) = elector(&server, "first");
    candidate.look().await;
    server.network(Network::Refuses(404));
    assert_eq!(candidate.write().await, Written::Failed);
    let (complaint, _) = candidate.complaint.clone().unwrap();
    assert_eq!(complaint, "test 404 (404)");
    let advice = Verb::Create.advice(Some(404)).unwrap();
    assert!(
        advice.ends_with("create the namespace, or name another with --operator-namespace"),
        "{advice}"
    );
    // A Lease that was deleted is no missing namespace.
    assert_eq!(Verb::Write.advice(Some(404)), None);
    assert_eq!(Verb::Create.advice(Some(500)), None);
}

#[tokio::test(start_paused = true)]
async fn a_candidate_takes_up_a_lease_that_it_got_without_hearing_of_it() {
    let server = Server::new();
    let (mut candidate, leadership) = elector(&server, "first");
    candidate.look().await;
    server.network(Network::LosesAnswers);
    candidate.write().await;
    assert!(server.holder().starts_with("first_") && !leadership.may_write());

    server.network(Network::Works);
    let before = Instant::now();
    candidate.acquire().await;
    assert!(before.elapsed() < s(1) && leadership.is_leading());
}

#[tokio::test(start_paused = true)]
async fn a_leader_and_a_standby_ask_little() {
    let server = Server::new();
    let (_holding, _leadership, _shutdown) = leader(&server, "first").await;
    let (mut second, _) = elector(&server, "second");
    let before = server.requests();
    tokio::select! {
        () = second.acquire() => panic!("two leaders"),
        () = sleep(s(100)) => {}
    }
    let requests = server.requests() - before;
    assert!(
        (90..=110).contains(&requests),
        "one request per replica every two seconds: {requests}"
    );
}

#[tokio::test(start_paused = true)]
async fn restarts_of_one_pod_are_different_candidates() {
    let server = Server::new();
    let (first, _) = elector(&server, "keywright-0");
    let (second, _) = elector(&server, "keywright-0");
    assert_ne!(first.identity(), second.identity());
    assert!(first.identity().starts_with("keywright-0_"));
}
