//! How the authorization server is treated, and what an operator of the operator sees of it.

use std::time::Duration;

use k8s_openapi::jiff::SignedDuration;
use keywright::api::AccessToken;
use keywright::api::names::REFRESH_REQUESTED_ANNOTATION;
use keywright_sandbox::{Fault, FaultRule, Operation, RetryAfter};
use serde_json::json;

use super::stage::{LONG, SERVER, Stage, access_token};
use crate::harness::{Operator, PATIENCE, eventually};

#[tokio::test]
async fn a_pause_that_the_server_asks_for_is_everybodys() {
    const PAUSE: u64 = 8;
    let stage = Stage::with_server("pause", LONG).await;
    let operator = stage.operator();
    let busy = Fault::Status {
        status: 429,
        body: None,
        retry_after: Some(RetryAfter::Seconds(PAUSE)),
    };
    stage
        .world
        .sandbox
        .inject(FaultRule::new(Operation::ClientCredentialsToken, busy))
        .unwrap();
    stage.world.apply(access_token("one", json!({}))).await;
    stage
        .world
        .until::<AccessToken>("one", ("TokenFresh", "False", "Throttled"))
        .await;
    stage.world.apply(access_token("two", json!({}))).await;
    let paused = format!(
        "keywright_provider_paused_until_timestamp_seconds{{{}}}",
        labels(&stage)
    );
    assert!(operator.metric(&paused).await.unwrap() > 0.0);

    for name in ["one", "two"] {
        stage.until_published(name).await;
    }
    let calls = stage.world.sandbox.calls();
    assert_eq!(calls.len(), 3, "{calls:#?}");
    let waited = calls[1].at.duration_since(calls[0].at);
    // The operator counts from when the answer was there.
    assert!(
        waited >= SignedDuration::try_from(Duration::from_secs(PAUSE)).unwrap(),
        "{waited:?}"
    );
}

#[tokio::test]
async fn what_is_suspended_is_not_refreshed_and_keeps_its_secret() {
    let stage = Stage::with_server("suspended", LONG).await;
    let _operator = stage.operator();
    stage.publish("reports", json!({})).await;
    let token = stage.published("reports").await;
    stage
        .world
        .apply(access_token("reports", json!({"suspend": true})))
        .await;
    stage
        .world
        .until::<AccessToken>("reports", ("Suspended", "True", "Suspended"))
        .await;
    stage.annotate("reports", REFRESH_REQUESTED_ANNOTATION, "1").await;
    // Whoever comes later is served later.
    stage.publish("later", json!({})).await;
    assert_eq!(stage.published("reports").await, token);
    assert_eq!(stage.calls(), 2);
    let ready = stage.world.condition::<AccessToken>("reports", "Ready").await;
    assert_eq!(ready.status, "True", "{}", ready.message);

    stage.world.apply(access_token("reports", json!({}))).await;
    stage.until_replaced("reports", &token).await;
    assert_eq!(stage.calls(), 3);

    let token = stage.published("reports").await;
    stage.world.apply(stage.server(json!({"suspend": true}))).await;
    stage
        .world
        .until::<AccessToken>("reports", ("ProviderReady", "False", "Suspended"))
        .await;
    stage.annotate("reports", REFRESH_REQUESTED_ANNOTATION, "2").await;
    stage.world.apply(access_token("last", json!({}))).await;
    stage
        .world
        .until::<AccessToken>("last", ("Ready", "False", "Suspended"))
        .await;
    assert_eq!(stage.calls(), 3);
    stage.world.apply(stage.server(json!({}))).await;
    stage.until_replaced("reports", &token).await;
    stage.until_published("last").await;
}

#[tokio::test]
async fn metrics_tell_when_tokens_end_and_how_the_server_is_treated() {
    let stage = Stage::with_server("metrics", LONG).await;
    let operator = stage.operator();
    stage.publish("reports", json!({})).await;
    let recorded = stage.recorded("reports").await;
    let namespace = &stage.world.namespace;
    let of_token = format!(r#"kind="AccessToken",namespace="{namespace}",name="reports""#);
    for (name, time) in [
        ("expiry", recorded.expires_at.0),
        ("refresh", recorded.refresh_at.0),
    ] {
        let series = format!("keywright_credential_{name}_timestamp_seconds{{{of_token}}}");
        shows(&operator, &series, time.as_second() as f64).await;
    }
    let of_provider = labels(&stage);
    for (series, value) in [
        (
            r#"keywright_refreshes_overdue{kind="AccessToken"}"#.to_owned(),
            0.0,
        ),
        (format!("keywright_breaker_state{{{of_provider}}}"), 0.0),
        (format!("keywright_budget_queue{{{of_provider}}}"), 0.0),
        (
            format!("keywright_budget_wait_seconds_count{{{of_provider}}}"),
            1.0,
        ),
        (
            r#"keywright_secret_writes_total{controller="access_token"}"#.to_owned(),
            1.0,
        ),
        (
            r#"keywright_identity_calls_total{provider_type="oauth2",operation="requestToken",outcome="ok"}"#
                .to_owned(),
            1.0,
        ),
    ] {
        shows(&operator, &series, value).await;
    }

    stage.annotate("reports", REFRESH_REQUESTED_ANNOTATION, "1").await;
    stage.until_fulfilled("reports", Some("1"), None).await;
    let series = r#"keywright_remaining_at_refresh_seconds_count{controller="access_token"}"#;
    shows(&operator, series, 1.0).await;
    stage.world.delete::<AccessToken>("reports").await;
    eventually("the series of the token is gone", PATIENCE, async || {
        let (_, text) = operator.get("/metrics").await?;
        match text.lines().find(|line| line.contains(&of_token)) {
            None => Ok(()),
            Some(line) => Err(line.to_owned()),
        }
    })
    .await;
}

fn labels(stage: &Stage) -> String {
    format!(
        r#"kind="IdentityProvider",namespace="{}",name="{SERVER}""#,
        stage.world.namespace
    )
}

/// The operator shows this series with this value. A series that is missing is no zero here.
async fn shows(operator: &Operator, series: &str, value: f64) {
    eventually(&format!("{series} is {value}"), PATIENCE, async || {
        let (_, text) = operator.get("/metrics").await?;
        let shown = text
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        match shown.and_then(|shown| shown.parse::<f64>().ok()) {
            Some(found) if (found - value).abs() < 0.5 => Ok(()),
            found => Err(format!("{found:?}")),
        }
    })
    .await;
}
