//! Real HTTP calls within a budget.

use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Method;
use serde_json::Value;
use url::Url;

use super::*;
use crate::identity::http::testing::{Observed, Reply, Server, answer, json};
use crate::identity::http::{Call, CallObserver, Effect, Failure, HttpClient, HttpOptions, Unreadable};

fn client(budget: &Arc<Budget>, deadline: Duration, observer: Arc<dyn CallObserver>) -> HttpClient {
    let options = HttpOptions {
        ca_bundle: None,
        deadline,
        secrets: Vec::new(),
        budget: Some(Arc::clone(budget)),
    };
    HttpClient::new(options, observer).unwrap()
}

fn call(server: &Server, effect: Effect) -> Call<'static> {
    let url = Url::parse(&server.url()).unwrap();
    Call::new("testOperation", effect, Method::POST, url)
}

/// Lets time pass, also for what waits for a socket.
async fn pass(time: Duration) {
    tokio::time::pause();
    advance(time).await;
    tokio::time::resume();
}

async fn ask(client: &HttpClient, server: &Server, effect: Effect) -> Result<Value, Failure> {
    let decode = |value: &Value| Ok::<_, Unreadable>(value.clone());
    client.call(call(server, effect), decode).await
}

#[tokio::test]
async fn an_answer_429_keeps_every_client_of_the_provider_from_sending() {
    let server = Server::start(|_| answer(429, "retry-after: 120\r\n", "{}")).await;
    let (budget, _) = budget(generous());
    let observed = Arc::new(Observed::default());
    let (one, other) = (
        client(&budget, 10 * SECOND, observed.clone()),
        client(&budget, 10 * SECOND, observed.clone()),
    );
    let failure = ask(&one, &server, Effect::Reads).await.unwrap_err();
    assert_eq!(failure.status.unwrap().as_u16(), 429);
    for effect in [Effect::Reads, Effect::Changes, Effect::Authenticates] {
        let failure = ask(&other, &server, effect).await.unwrap_err();
        assert_eq!(failure.status, None);
        assert_eq!(failure.error.operation, "testOperation");
        assert!(retry_after(&failure.error) > 100 * SECOND);
    }
    assert_eq!(server.received().len(), 1);
    // What was not sent is no call.
    assert_eq!(observed.calls(), [("testOperation", "throttled")]);
}

#[tokio::test]
async fn a_server_that_fails_is_left_alone_until_it_serves_again() {
    let serves = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&serves);
    let server =
        Server::start(move |_| json(if switch.load(Ordering::SeqCst) { 404 } else { 500 }, "{}")).await;
    let (budget, seen) = budget(BudgetSettings {
        max_wait: Duration::ZERO,
        ..generous()
    });
    let client = client(&budget, 10 * SECOND, Arc::new(Observed::default()));
    for _ in 0..5 {
        let failure = ask(&client, &server, Effect::Changes).await.unwrap_err();
        assert_eq!(failure.error.kind, ErrorKind::Unknown);
    }
    let failure = ask(&client, &server, Effect::Changes).await.unwrap_err();
    // Nothing was sent, so nothing is unknown.
    assert_eq!(failure.error.kind, ErrorKind::Unavailable);
    assert_eq!(server.received().len(), 5);
    serves.store(true, Ordering::SeqCst);
    pass(3 * SECOND).await;
    let failure = ask(&client, &server, Effect::Changes).await.unwrap_err();
    assert_eq!(failure.error.kind, ErrorKind::NotFound);
    assert_eq!(seen.breaker.lock().unwrap().last(), Some(&BreakerState::Closed));
}

/// Remembers how long calls took.
#[derive(Default)]
struct Took(Mutex<Vec<Duration>>);

impl CallObserver for Took {
    fn called(&self, _: &'static str, _: &'static str, elapsed: Duration) {
        self.0.lock().unwrap().push(elapsed);
    }
}

#[tokio::test]
async fn the_wait_counts_neither_for_the_deadline_nor_for_the_time_of_the_call() {
    let server = Server::start(|_| json(200, "{}")).await;
    let (budget, seen) = budget(BudgetSettings {
        concurrency: 1,
        ..generous()
    });
    let took = Arc::new(Took::default());
    let deadline = 10 * SECOND;
    let client = client(&budget, deadline, took.clone());
    let held = enter(&budget).await;
    let release = async {
        while seen.lengths.lock().unwrap().last() == Some(&0) {
            tokio::task::yield_now().await;
        }
        pass(2 * deadline).await;
        drop(held);
    };
    let (result, ()) = tokio::join!(ask(&client, &server, Effect::Reads), release);
    result.unwrap();
    assert!(seen.waits.lock().unwrap()[1] >= 2 * deadline);
    assert!(took.0.lock().unwrap()[0] < deadline);
}

#[tokio::test]
async fn leave_that_was_given_before_is_used_for_the_call() {
    let server = Server::start(|_| json(200, "{}")).await;
    let (budget, seen) = budget(BudgetSettings {
        concurrency: 1,
        ..generous()
    });
    let client = client(&budget, 10 * SECOND, Arc::new(Observed::default()));
    for _ in 0..2 {
        let permit = client.permit(Urgency::NeverSynced).await.unwrap();
        let decode = |_: &Value| Ok::<_, Unreadable>(());
        client
            .exchange(permit, call(&server, Effect::Reads), decode)
            .await
            .unwrap();
    }
    assert_eq!(seen.waits.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_call_that_is_given_up_gives_its_slot_back() {
    let server = Server::start(|received| {
        if received.line.starts_with("POST") {
            Reply::Stall(Vec::new())
        } else {
            json(200, "{}")
        }
    })
    .await;
    let (budget, _) = budget(BudgetSettings {
        concurrency: 1,
        ..generous()
    });
    let client = Arc::new(client(&budget, 60 * SECOND, Arc::new(Observed::default())));
    let hanging = tokio::spawn({
        let (client, call) = (Arc::clone(&client), call(&server, Effect::Changes));
        async move {
            client
                .call(call, |_: &Value| Ok(()))
                .await
                .map_err(|failure| failure.error)
        }
    });
    while server.received().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(is_pending(budget.enter(Urgency::NeverSynced)).await);
    hanging.abort();
    assert!(hanging.await.unwrap_err().is_cancelled());
    assert!(!is_pending(budget.enter(Urgency::NeverSynced)).await);
}
