//! A token that a workload reads is always fresh, and costs no more calls than its life demands.

use keywright_sandbox::Operation;
use serde_json::json;

use super::reader::{Reader, Reading};
use super::stage::{SHORT, SHORT_PROMISE, Stage, secret_of};
use crate::harness::World;

#[tokio::test]
async fn a_reader_never_gets_less_than_the_promise_though_the_operator_is_killed_over_and_over() {
    let stage = Stage::with_server("kept", SHORT).await;
    let mut operator = stage.operator();
    stage.publish("reports", json!({"minimumRemaining": "4s"})).await;
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

    reader.always_had(SHORT_PROMISE);
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
    let stage = Stage::with_server("restart", super::stage::LONG).await;
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
