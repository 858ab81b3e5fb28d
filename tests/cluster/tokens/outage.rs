//! The authorization server is down.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use keywright::api::AccessToken;
use keywright_sandbox::{Operation, Outage};
use serde_json::json;

use super::reader::Reader;
use super::stage::{SHORT, SHORT_PROMISE, Stage, held, secret_of};
use crate::harness::{History, PASSWORD, PATIENCE, World, eventually};

#[tokio::test]
async fn an_outage_that_ends_in_time_is_noticed_by_nobody() {
    let stage = Stage::with_server("blip", SHORT).await;
    let _operator = stage.operator();
    stage.publish("reports", json!({"minimumRemaining": "4s"})).await;
    let history = History::of::<AccessToken>(&stage.world);
    let reader = Reader::of(&stage.world, &secret_of("reports"));
    reader.until(1).await;

    stage.world.sandbox.set_outage(Some(Outage::Unavailable));
    until_failed(&stage.world, 2).await;
    stage.world.sandbox.set_outage(None);
    history
        .until_said("reports", ("TokenFresh", "False", "Unavailable"))
        .await;
    reader.until(3).await;

    reader.always_had(SHORT_PROMISE);
    assert_eq!(history.statuses("reports", "Ready"), ["True"]);
}

#[tokio::test]
async fn an_outage_that_is_too_long_leaves_the_last_token_and_says_when_it_ends() {
    let stage = Stage::new("down", SHORT).await;
    let _operator = stage.operator();
    stage.apply_client(&stage.client_secret).await;
    stage.apply_didit(PASSWORD).await;
    let spec = json!({
        "providerRef": {"kind": "IdentityProvider", "name": "didit"},
        "minimumRemaining": "4s",
    });
    stage.publish("reports", spec).await;
    stage.world.sandbox.set_outage(Some(Outage::Drop));
    let last = stage.world.secret(&secret_of("reports")).await.unwrap();
    stage.world.sandbox.clear_calls();

    let said = stage
        .world
        .until::<AccessToken>("reports", ("TokenFresh", "False", "Unavailable"))
        .await;
    let recorded = stage.recorded("reports").await;
    let end = format!("The published token is valid until {:.0}", recorded.expires_at.0);
    assert!(said.message.contains(&end), "{}", said.message);
    let ready = stage.world.condition::<AccessToken>("reports", "Ready").await;
    assert_eq!((&*ready.status, &*ready.reason), ("True", "Published"));
    assert!(
        ready.message.ends_with("; TokenFresh is False: Unavailable"),
        "{}",
        ready.message
    );

    let said = stage
        .world
        .until::<AccessToken>("reports", ("Ready", "False", "Expired"))
        .await;
    assert!(Timestamp::now() >= recorded.expires_at.0);
    let end = format!(
        "the token in Secret {} expired at {:.0}",
        secret_of("reports"),
        recorded.expires_at.0
    );
    assert!(said.message.starts_with(&end), "{}", said.message);
    let left = stage.world.secret(&secret_of("reports")).await.unwrap();
    assert_eq!(held(&left), held(&last), "the last token was taken away");
    // Half a minute of trying: pauses that grow, a breaker, and the provider's own checks.
    let calls = stage.world.sandbox.calls();
    assert!(calls.len() <= 20, "{} calls: {calls:#?}", calls.len());

    stage.world.sandbox.set_outage(None);
    let back = Timestamp::now();
    stage.until_published("reports").await;
    assert!(
        Timestamp::now().duration_since(back).unsigned_abs() < Duration::from_secs(45),
        "it took too long"
    );
}

async fn until_failed(world: &World, count: usize) {
    eventually(&format!("{count} calls have failed"), PATIENCE, async || {
        let calls = world.sandbox.calls();
        let failed = calls.iter().filter(|call| {
            call.operation == Some(Operation::ClientCredentialsToken) && call.status != Some(200)
        });
        match failed.count() {
            failed if failed >= count => Ok(()),
            failed => Err(format!("{failed}")),
        }
    })
    .await;
}
