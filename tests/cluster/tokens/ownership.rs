//! Who may write a Secret, and what becomes of one that others change.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Secret;
use keywright::api::{AccessToken, ClientApplication};
use kube::ResourceExt;
use serde_json::json;

use super::stage::{LONG, Stage, access_token, held, secret_of};
use crate::harness::{PASSWORD, client_application, entries};

#[tokio::test]
async fn a_secret_that_is_deleted_comes_back_in_seconds_with_the_same_token() {
    let stage = Stage::with_server("deleted", LONG).await;
    let mut operator = stage.operator();
    stage.publish("reports", json!({})).await;
    let (name, token) = (secret_of("reports"), stage.published("reports").await);
    let begun = Instant::now();
    stage.world.delete::<Secret>(&name).await;
    stage
        .world
        .until_secret(&name, "holds the token", |secret| held(secret) == token)
        .await;
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    stage.until_published("reports").await;
    assert_eq!(stage.calls(), 1);

    // Another process does not know the token.
    operator.stop().await;
    stage.world.delete::<Secret>(&name).await;
    operator.start_again();
    stage
        .world
        .until_secret(&name, "holds another token", |secret| {
            !held(secret).is_empty() && held(secret) != token
        })
        .await;
    stage.until_published("reports").await;
    assert_eq!(stage.calls(), 2);
}

#[tokio::test]
async fn a_secret_that_is_edited_gets_its_token_back() {
    let stage = Stage::with_server("edited", LONG).await;
    let _operator = stage.operator();
    stage.publish("reports", json!({})).await;
    let secret = stage.world.secret(&secret_of("reports")).await.unwrap();
    for edit in [
        json!({"stringData": {"access_token": "of somebody else"}}),
        json!({"data": {"access_token": null}}),
        json!({"data": null}),
    ] {
        stage.world.edit::<Secret>(&secret_of("reports"), edit).await;
        stage
            .world
            .until_secret(&secret_of("reports"), "is as it was", |healed| {
                entries(healed) == entries(&secret)
            })
            .await;
    }
    stage.until_published("reports").await;
    assert_eq!(stage.calls(), 1);
}

#[tokio::test]
async fn a_secret_of_somebody_else_is_refused_before_any_call() {
    let stage = Stage::with_server("foreign", LONG).await;
    let _operator = stage.operator();
    let foreign = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": secret_of("reports")},
        "stringData": {"access_token": "of somebody else"},
    });
    stage.world.apply(foreign).await;
    let before = stage.world.secret(&secret_of("reports")).await.unwrap();
    stage.world.apply(access_token("reports", json!({}))).await;
    stage
        .world
        .until::<AccessToken>("reports", ("Ready", "False", "SecretConflict"))
        .await;
    assert_eq!(stage.world.sandbox.calls(), []);
    let after = stage.world.secret(&secret_of("reports")).await.unwrap();
    assert_eq!(after.resource_version(), before.resource_version());

    stage.world.delete::<Secret>(&secret_of("reports")).await;
    stage.until_published("reports").await;
    assert_eq!(stage.calls(), 1);
}

#[tokio::test]
async fn of_two_kinds_that_claim_one_secret_the_younger_is_refused() {
    let stage = Stage::with_server("claimed", LONG).await;
    let _operator = stage.operator();
    stage.apply_didit(PASSWORD).await;
    let shared = json!({"secret": {"name": "shared"}});
    stage
        .world
        .apply(client_application("payments", shared.clone()))
        .await;
    stage.world.until_published("payments").await;
    let secret = stage.world.secret("shared").await.unwrap();
    stage.world.apply(access_token("reports", shared.clone())).await;
    stage
        .world
        .until::<AccessToken>("reports", ("Ready", "False", "SecretConflict"))
        .await;
    assert_eq!(stage.calls(), 0);
    assert_eq!(stage.world.secret("shared").await.unwrap(), secret);

    // It takes over what the older one gives up, and the older one does not get it back.
    let elsewhere = json!({"secret": {"name": "elsewhere"}});
    stage.world.apply(client_application("payments", elsewhere)).await;
    stage.until_published("reports").await;
    stage
        .world
        .until_secret("shared", "holds a token", |secret| !held(secret).is_empty())
        .await;
    stage.world.apply(client_application("payments", shared)).await;
    stage
        .world
        .until::<ClientApplication>("payments", ("SecretSynced", "False", "SecretConflict"))
        .await;
    assert!(!held(&stage.world.secret("shared").await.unwrap()).is_empty());
}

#[tokio::test]
async fn a_resource_that_is_deleted_takes_its_secret_with_it() {
    let stage = Stage::with_server("gone", LONG).await;
    let _operator = stage.operator();
    stage.publish("reports", json!({})).await;
    stage.world.delete::<AccessToken>("reports").await;
    stage.world.until_gone::<AccessToken>("reports").await;
    stage.world.until_gone::<Secret>(&secret_of("reports")).await;
    assert_eq!(stage.calls(), 1);
}
