//! A real server that is down for a while, or wants to be left alone for a while.

use std::time::{Duration, Instant};

use keywright::api::AccessToken;
use keywright_authorization_servers::{ClientSettings, Fault};
use serde_json::json;

use super::stage::{BASIC, Stage, client_secret, oidc_provider};
use crate::harness::{History, PATIENCE, eventually};

const NAME: &str = "reports";

#[tokio::test]
async fn an_outage_that_is_shorter_than_the_margin_is_not_seen_by_workloads() {
    let Some(server) = oidc_provider().await else {
        return;
    };
    let stage = Stage::new("oidc-outage", server).await;
    let history = History::of::<AccessToken>(&stage.world);
    let _operator = stage.operator();
    let settings = ClientSettings {
        access_token_seconds: Some(24),
        ..stage.client_settings(BASIC)
    };
    let spec = json!({"minimumRemaining": "1s"});
    let client = stage.token_of_new_client(NAME, &settings, spec).await;
    let first = stage.until_published(NAME).await;
    let before = stage.requests(&client.client_id).await;
    let fault = Fault {
        status: 503,
        requests: 2,
        retry_after: None,
    };
    server
        .fail_token_requests(&client.client_id, fault)
        .await
        .unwrap();
    let said = history
        .until_said(NAME, ("TokenFresh", "False", "Unavailable"))
        .await;
    assert!(said.contains("The published token is valid until"), "{said}");
    eventually(
        "the next token is there before the last one ends",
        PATIENCE,
        async || {
            assert!(
                stage.is_active(&stage.held(NAME).await).await,
                "workloads read a dead token"
            );
            let ready = stage.world.condition::<AccessToken>(NAME, "Ready").await;
            assert_eq!(ready.status, "True", "{ready:?}");
            let held = stage.held(NAME).await;
            (held != first).then_some(()).ok_or_else(|| "not yet".to_owned())
        },
    )
    .await;
    assert!(stage.requests(&client.client_id).await >= before + 3);
    let fresh = ("TokenFresh", "True", "Fresh");
    stage.world.until::<AccessToken>(NAME, fresh).await;
}

#[tokio::test]
async fn a_server_that_asks_for_a_pause_gets_it() {
    const PAUSE: u32 = 4;
    let Some(server) = oidc_provider().await else {
        return;
    };
    let stage = Stage::new("oidc-pause", server).await;
    let client = stage.usual_client().await;
    let fault = Fault {
        status: 429,
        requests: 1,
        retry_after: Some(PAUSE),
    };
    server
        .fail_token_requests(&client.client_id, fault)
        .await
        .unwrap();
    stage.apply_client(&client_secret(NAME), &client).await;
    stage.apply_token(NAME, json!({})).await;
    let _operator = stage.operator();
    eventually("the first request is made", PATIENCE, async || {
        let requests = stage.requests(&client.client_id).await;
        if requests == 1 {
            Ok(())
        } else {
            Err(format!("{requests}"))
        }
    })
    .await;
    let begun = Instant::now();
    let said = stage
        .world
        .until::<AccessToken>(NAME, ("TokenFresh", "False", "Throttled"))
        .await;
    assert!(said.message.contains("Trying again at"), "{}", said.message);
    stage.until_published(NAME).await;
    // The count was seen a little after the request.
    let pause = Duration::from_secs(PAUSE.into()) - Duration::from_millis(500);
    assert!(begun.elapsed() >= pause, "{:?}", begun.elapsed());
    assert_eq!(stage.requests(&client.client_id).await, 2);
}
