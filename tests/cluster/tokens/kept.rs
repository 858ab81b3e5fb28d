//! A token that a workload reads is always fresh, and costs no more calls than its life demands.

use std::time::Duration;

use keywright::api::AccessToken;
use keywright_sandbox::Operation;
use serde_json::json;

use super::reader::{Reader, Reading};
use super::stage::{LONG, SHORT, SHORT_PROMISE, Stage, secret_of};
use crate::harness::World;

#[tokio::test]
async fn a_reader_never_gets_less_than_the_promise_though_the_operator_is_killed_over_and_over() {
    read_while_the_operator_is_killed("kept", SHORT, SHORT_PROMISE).await;
}

/// The same at the pace of a real server.
#[tokio::test]
#[ignore = "it takes minutes: make soak"]
async fn a_reader_never_gets_less_than_the_promise_of_tokens_that_live_ninety_seconds() {
    read_while_the_operator_is_killed("ninety", Duration::from_secs(90), Duration::from_secs(20)).await;
}

async fn read_while_the_operator_is_killed(name: &str, life: Duration, promise: Duration) {
    let stage = Stage::with_server(name, life).await;
    let mut operator = stage.operator();
    let minimum = format!("{}s", promise.as_secs());
    stage
        .publish("reports", json!({"minimumRemaining": minimum}))
        .await;
    let reader = Reader::of(&stage.world, &secret_of("reports"));
    for tokens in 1..=4 {
        reader.until(tokens).await;
        // The status may not tell of this token yet.
        operator.kill().await;
        operator.start_again();
    }
    for tokens in 5..=7 {
        reader.until(tokens).await;
    }
    operator.stop().await;

    reader.always_had(promise);
    were_asked_for_when_due(&stage.world, &reader.all());
}

/// There is one call for each token, at the time that the token before it names or a little later.
fn were_asked_for_when_due(world: &World, tokens: &[Reading]) {
    let calls = world.sandbox.calls();
    let asked: Vec<_> = calls
        .iter()
        .filter(|call| call.operation == Some(Operation::ClientCredentialsToken))
        .map(|call| call.at)
        .collect();
    assert_eq!(asked.len(), tokens.len(), "{asked:#?}\n{tokens:#?}");
    for (call, earlier) in asked.iter().skip(1).zip(tokens) {
        assert!(
            *call >= earlier.status.refresh_at.0,
            "a token was asked for at {call}, and the one before it is recorded as {:?}",
            earlier.status
        );
    }
}

#[tokio::test]
async fn a_restart_asks_for_no_token() {
    let stage = Stage::with_server("restart", LONG).await;
    let mut operator = stage.operator();
    let before = stage.publish("reports", json!({})).await;
    let token = stage.published("reports").await;
    operator.kill().await;
    operator.start_again();
    // Whoever comes later is served later.
    stage.publish("later", json!({})).await;
    assert_eq!(stage.calls(), 2, "one for each resource");
    assert_eq!(stage.published("reports").await, token);
    assert_eq!(stage.token("reports").await.status, before.status);
}

#[tokio::test]
async fn a_promise_that_cannot_be_kept_is_said_and_makes_no_storm() {
    let stage = Stage::with_server("short", Duration::from_secs(10)).await;
    let _operator = stage.operator();
    stage.publish("reports", json!({"minimumRemaining": "1h"})).await;
    let said = stage
        .world
        .until::<AccessToken>("reports", ("LifetimeSufficient", "False", "LifetimeTooShort"))
        .await;
    assert!(
        said.message
            .starts_with("the token lives 10s; minimumRemaining takes 1h"),
        "{}",
        said.message
    );
    let reader = Reader::of(&stage.world, &secret_of("reports"));
    reader.until(4).await;
    let tokens = reader.all();
    were_asked_for_when_due(&stage.world, &tokens);
    for pair in tokens.windows(2) {
        let apart = pair[1]
            .status
            .issued_at
            .0
            .duration_since(pair[0].status.issued_at.0);
        assert!(
            apart.as_secs() >= 4,
            "a token of ten seconds was replaced after {apart:?}"
        );
    }
    reader.always_had(Duration::from_secs(1));
}
