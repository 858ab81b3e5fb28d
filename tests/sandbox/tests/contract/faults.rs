//! Faults, outages, hooks and gates.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use keywright_sandbox::{
    Fault, FaultRule, Operation, Outage, RetryAfter, Route, SandboxError, Stopped, When,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Api, Session, send};

impl Api {
    fn creation(&self, session: &Session) -> reqwest::RequestBuilder {
        self.request(Method::POST, &session.applications())
            .bearer_auth(&session.token)
            .json(&json!({"name": "new"}))
    }

    fn created(&self) -> usize {
        self.sandbox
            .applications()
            .iter()
            .filter(|application| application.name == "new")
            .count()
    }

    fn faulty(&self, rule: FaultRule) {
        self.sandbox.inject(rule).unwrap();
    }
}

#[tokio::test]
async fn a_dropped_call_gets_no_answer_before_or_after_the_change() {
    let api = Api::usual().await;
    let session = api.login().await;
    let drop = || FaultRule::new(Operation::CreateApplication, Fault::Drop);
    for (rule, made) in [(drop(), 0), (drop().after(), 1)] {
        api.faulty(rule);
        let error = api.creation(&session).send().await.unwrap_err();
        assert!(error.is_request() && error.status().is_none(), "{error:?}");
        assert_eq!(api.created(), made);
    }
    let log = api.sandbox.calls();
    let last = log.last().unwrap();
    assert!(last.dropped && last.status.is_none());
    assert_eq!(send(api.creation(&session)).await.status, 201, "once only");
}

#[tokio::test]
async fn a_status_is_answered_before_or_after_the_change() {
    let api = Api::usual().await;
    let session = api.login().await;
    let fault = |retry_after| Fault::Status {
        status: 503,
        body: Some(json!({"x": 1})),
        retry_after,
    };
    api.faulty(FaultRule::new(
        Operation::CreateApplication,
        fault(Some(RetryAfter::Seconds(7))),
    ));
    let answer = send(api.creation(&session)).await;
    assert_eq!(
        (answer.status, answer.body.clone(), answer.retry_after()),
        (503, json!({"x": 1}), Some(7))
    );
    assert_eq!(api.created(), 0);

    api.faulty(
        FaultRule::new(
            Operation::CreateApplication,
            fault(Some(RetryAfter::HttpDate { http_date_in: 90 })),
        )
        .after(),
    );
    let answer = send(api.creation(&session)).await;
    let date = jiff::fmt::rfc2822::parse(answer.header("retry-after").unwrap())
        .unwrap()
        .timestamp();
    let ahead = date.as_second() - jiff::Timestamp::now().as_second();
    assert!((80..=90).contains(&ahead), "{ahead}");
    assert_eq!(api.created(), 1);

    api.faulty(FaultRule::new(
        Operation::CreateApplication,
        fault(Some(RetryAfter::Text("soon".to_owned()))),
    ));
    assert_eq!(
        send(api.creation(&session)).await.header("retry-after"),
        Some("soon")
    );
    api.faulty(FaultRule::new(
        Operation::CreateApplication,
        Fault::Status {
            status: 429,
            body: None,
            retry_after: None,
        },
    ));
    let answer = send(api.creation(&session)).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, None));
}

#[tokio::test]
async fn garbled_bodies_break_off_before_or_after_the_change() {
    let api = Api::usual().await;
    let session = api.login().await;
    let garbled = || FaultRule::new(Operation::CreateApplication, Fault::Garbled);
    for (rule, made) in [(garbled(), 0), (garbled().after(), 1)] {
        api.faulty(rule);
        let answer = send(api.creation(&session)).await;
        assert_eq!(
            (answer.status, answer.body.clone()),
            (200, Value::Null),
            "200, but no JSON"
        );
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(api.created(), made);
    }
}

#[tokio::test]
async fn oversized_bodies_have_the_length_that_was_asked_for() {
    let api = Api::usual().await;
    for bytes in [100, 70_000, 5_000_000] {
        api.faulty(FaultRule::new(Operation::Healthcheck, Fault::Oversized { bytes }));
        let response = api
            .request(Method::GET, "/system/healthcheck")
            .send()
            .await
            .unwrap();
        let text = response.text().await.unwrap();
        assert_eq!(text.len() as u64, bytes);
        assert!(
            serde_json::from_str::<Value>(&text).is_ok(),
            "it is JSON nevertheless"
        );
    }
}

#[tokio::test]
async fn odd_bodies_and_redirects_are_served_as_given() {
    let api = Api::usual().await;
    let body = json!({"access_token": 7});
    api.faulty(FaultRule::new(
        Operation::Login,
        Fault::Body { body: body.clone() },
    ));
    let answer = api.post("/auth/v2/programmatic/login/", json!({})).await;
    assert_eq!((answer.status, answer.body), (200, body));
    let location = "https://elsewhere.example/".to_owned();
    api.faulty(FaultRule::new(
        Operation::Login,
        Fault::Redirect {
            location: location.clone(),
        },
    ));
    let answer = api.post("/auth/v2/programmatic/login/", json!({})).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (302, Some(location.as_str()))
    );
}

#[tokio::test]
async fn a_delayed_call_is_completed_even_if_the_client_gives_up() {
    let api = Api::usual().await;
    let session = api.login().await;
    api.faulty(FaultRule::new(
        Operation::CreateApplication,
        Fault::Delay { ms: 300 },
    ));
    let started = Instant::now();
    let error = api
        .creation(&session)
        .timeout(Duration::from_millis(50))
        .send()
        .await
        .unwrap_err();
    assert!(error.is_timeout());
    while api.created() == 0 {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "the call was not completed"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(started.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn rules_count_skip_and_cover_everything() {
    let api = Api::usual().await;
    let session = api.login().await;
    let status = |status| Fault::Status {
        status,
        body: None,
        retry_after: None,
    };
    api.faulty(
        FaultRule::new(Operation::CreateApplication, status(502))
            .skip(1)
            .times(2),
    );
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(send(api.creation(&session)).await.status);
    }
    assert_eq!(seen, [201, 502, 502, 201]);
    api.faulty(FaultRule::new(Route::Any, status(500)).always());
    assert_eq!(send(api.creation(&session)).await.status, 500);
    assert_eq!(
        send(api.request(Method::GET, "/system/healthcheck")).await.status,
        500
    );
    assert_eq!(api.sandbox.faults().len(), 1);
    api.sandbox.clear_faults();
    assert_eq!(send(api.creation(&session)).await.status, 201);
    let wrong = api
        .sandbox
        .inject(FaultRule::new(Route::Any, status(42)))
        .unwrap_err();
    assert!(matches!(wrong, SandboxError::Fault(_)), "{wrong}");
}

#[tokio::test]
async fn an_outage_hits_both_hosts_and_not_the_controls() {
    let api = Api::usual().await;
    let session = api.login().await;
    api.sandbox.set_outage(Some(Outage::Unavailable));
    assert_eq!(send(api.creation(&session)).await.status, 503);
    assert_eq!(
        send(api.request(Method::GET, "/v3/billing/balance/"))
            .await
            .status,
        503
    );
    assert_eq!(
        send(api.request(Method::GET, "/_sandbox/counters")).await.status,
        200
    );
    api.sandbox.set_outage(Some(Outage::Drop));
    assert!(api.creation(&session).send().await.is_err());
    api.sandbox.set_outage(None);
    assert_eq!(api.created(), 0);
    assert_eq!(send(api.creation(&session)).await.status, 201);
    assert_eq!(
        api.sandbox.count(Operation::CreateApplication),
        3,
        "calls count during an outage too"
    );
}

#[tokio::test]
async fn a_gate_holds_a_call_before_or_after_the_change() {
    let api = Arc::new(Api::usual().await);
    let session = api.login().await;
    for (when, made_at_gate) in [(When::Before, 0), (When::After, 2)] {
        let mut gate = api.sandbox.hold_next(Operation::CreateApplication, when);
        let call = tokio::spawn(api.creation(&session).send());
        let index = gate.reached().await.unwrap();
        assert_eq!(api.created(), made_at_gate, "{when:?}");
        assert_eq!(api.sandbox.calls().last().unwrap().index, index);
        assert!(!call.is_finished());
        gate.release();
        assert_eq!(call.await.unwrap().unwrap().status(), 201);
    }
}

#[tokio::test]
async fn a_gate_that_is_dropped_or_never_reached_blocks_nobody() {
    let api = Api::usual().await;
    let session = api.login().await;
    drop(api.sandbox.hold_next(Operation::CreateApplication, When::Before));
    assert_eq!(send(api.creation(&session)).await.status, 201);
    let mut gate = api.sandbox.hold_next(Route::Any, When::Before);
    api.sandbox.stop().await;
    assert_eq!(gate.reached().await, Err(Stopped));
}

#[tokio::test]
async fn a_held_call_does_not_keep_the_sandbox_from_stopping() {
    let api = Api::usual().await;
    let session = api.login().await;
    let mut gate = api.sandbox.hold_next(Operation::CreateApplication, When::After);
    let call = tokio::spawn(api.creation(&session).send());
    gate.reached().await.unwrap();
    api.sandbox.stop().await;
    assert!(call.await.unwrap().is_err());
}

#[tokio::test]
async fn callbacks_see_each_call_at_both_points() {
    let api = Api::usual().await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    api.sandbox.on_call(move |event| {
        sink.lock()
            .unwrap()
            .push((event.operation, event.when, event.index));
    });
    api.login().await;
    assert_eq!(
        *seen.lock().unwrap(),
        [
            (Operation::Login, When::Before, 0),
            (Operation::Login, When::After, 0),
            (Operation::ListOrganizations, When::Before, 1),
            (Operation::ListOrganizations, When::After, 1),
        ]
    );
}
