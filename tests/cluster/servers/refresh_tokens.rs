//! Refresh tokens with the client credentials grant, which Keycloak gives out when it is told to.

use k8s_openapi::api::core::v1::Secret;
use keywright::api::AccessToken;
use keywright_authorization_servers::{ClientSettings, Keycloak};
use kube::ResourceExt;
use serde_json::json;

use super::features::companion;
use super::stage::{BASIC, Stage, keycloak, token_secret};
use crate::harness::{PATIENCE, entries, eventually};

const NAME: &str = "refreshed";

/// With the shortest promise, clocks and network leave some seconds of it.
const LIFE: u32 = 22;

/// The refresh token that is kept for the next time.
async fn kept(stage: &Stage<Keycloak>) -> Option<String> {
    entries(&companion(stage, NAME).await?)
        .get("refresh_token")
        .cloned()
}

/// Whether Secret bytes that workloads see hold this.
async fn is_shown(stage: &Stage<Keycloak>, token: &str) -> bool {
    let secret = stage.world.secret(&token_secret(NAME)).await.unwrap();
    serde_json::to_string(&entries(&secret)).unwrap().contains(token)
}

async fn until_refreshed(stage: &Stage<Keycloak>, client_id: &str, more_than: usize) {
    eventually("a refresh token is used", PATIENCE, async || {
        let refreshes = stage.server.refreshes(client_id).await.unwrap();
        if refreshes > more_than {
            Ok(())
        } else {
            Err(format!("{refreshes} times"))
        }
    })
    .await;
}

#[tokio::test]
async fn a_refresh_token_is_kept_used_and_replaced_and_the_grant_is_there_when_it_is_of_no_use() {
    let Some(server) = keycloak().await else { return };
    let stage = Stage::new("keycloak-refresh", server).await;
    let mut operator = stage.operator();
    let settings = ClientSettings {
        refresh_tokens: true,
        access_token_seconds: Some(LIFE),
        ..stage.client_settings(BASIC)
    };
    let client = stage
        .token_of_new_client(NAME, &settings, json!({"minimumRemaining": "1s"}))
        .await;
    let id = &client.client_id;
    let first = stage.until_published(NAME).await;
    let first_kept = kept(&stage).await.expect("it is kept before it is needed");
    assert!(!is_shown(&stage, &first_kept).await);
    assert_eq!(server.refreshes(id).await.unwrap(), 0);

    let second = stage.until_replaced(NAME, &first).await;
    assert!(server.refreshes(id).await.unwrap() >= 1);
    let second_kept = kept(&stage).await.expect("the next one is kept");
    assert_ne!(first_kept, second_kept);
    assert!(!is_shown(&stage, &second_kept).await);
    assert!(stage.is_active(&second).await);

    // An operator that ends while a refresh token is in use leaves none; the token that it may have got is lost.
    operator.kill().await;
    let gone = json!({"data": {"refresh_token": null, "request_digest": null}});
    let name = companion(&stage, NAME).await.unwrap().name_any();
    stage.world.edit::<Secret>(&name, gone).await;
    let refreshes = server.refreshes(id).await.unwrap();
    let grants = stage.requests(id).await - refreshes;
    let published = stage.held(NAME).await;
    operator.start_again();
    let third = stage.until_replaced(NAME, &published).await;
    assert!(stage.is_active(&third).await);
    assert!(stage.requests(id).await - server.refreshes(id).await.unwrap() > grants);
    until_refreshed(&stage, id, refreshes).await;

    // One that the server does not know any more costs a request, and no more than that.
    operator.kill().await;
    let wrong = json!({"stringData": {"refresh_token": "not a refresh token"}});
    stage.world.edit::<Secret>(&name, wrong).await;
    let published = stage.held(NAME).await;
    operator.start_again();
    let fourth = stage.until_replaced(NAME, &published).await;
    assert!(stage.is_active(&fourth).await);
    let ready = stage.world.condition::<AccessToken>(NAME, "Ready").await;
    assert_eq!(ready.status, "True");

    stage.world.delete::<AccessToken>(NAME).await;
    stage.world.until_gone::<Secret>(&name).await;
}
