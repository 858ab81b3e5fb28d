//! An application and its token in one Secret (`spec.accessToken`).

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use keywright::api::{ClientApplication, IdentityProvider};
use keywright_sandbox::Operation;
use serde_json::json;

use super::reader::Reader;
use super::stage::{LONG, SHORT, SHORT_PROMISE, Stage, held};
use crate::harness::{EMAIL, PASSWORD, PATIENCE, account_secret, client_application, entries, eventually};

const SECRET: &str = "payments-didit";

#[tokio::test]
async fn one_write_holds_the_credentials_and_a_token_of_the_new_client() {
    let stage = Stage::new("inline", LONG).await;
    let _operator = stage.operator();
    stage.apply_didit(PASSWORD).await;
    let spec = json!({"accessToken": {}});
    stage.world.apply(client_application("payments", spec)).await;
    let resource = stage.world.until_published("payments").await;
    stage
        .world
        .until::<ClientApplication>("payments", ("TokenFresh", "True", "Fresh"))
        .await;
    let secret = stage.world.secret(SECRET).await.unwrap();
    let status = resource.status.unwrap();
    let found = entries(&secret);
    let keys: Vec<_> = found.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "access_token",
            "api_key",
            "api_url",
            "application_id",
            "client_id",
            "expires_at",
            "organization_id",
            "token_type",
        ]
    );
    assert_eq!(Some(&found["client_id"]), status.client_id.as_ref());
    stage.is_valid(&held(&secret), &found["client_id"]).await;
    assert_eq!(stage.world.balance(&found["api_key"]).await, 200);
    assert_eq!(stage.calls(), 1);

    // Without the token it is taken out again; the credentials stay.
    stage.world.apply(client_application("payments", json!({}))).await;
    let without = stage
        .world
        .until_secret(SECRET, "holds no token", |secret| held(secret).is_empty())
        .await;
    let mut expected = found.clone();
    expected.retain(|key, _| !["access_token", "expires_at", "token_type"].contains(&key.as_str()));
    assert_eq!(entries(&without), expected);
    assert_eq!(stage.calls(), 1);
}

#[tokio::test]
async fn tokens_go_on_while_the_password_of_the_account_is_wrong() {
    let stage = Stage::new("password", SHORT).await;
    let mut operator = stage.operator();
    stage.apply_didit(PASSWORD).await;
    let spec = json!({"accessToken": {"minimumRemaining": "4s"}});
    stage.world.apply(client_application("payments", spec)).await;
    stage.world.until_published("payments").await;
    stage
        .world
        .until::<ClientApplication>("payments", ("TokenFresh", "True", "Fresh"))
        .await;
    let credentials = |secret: &Secret| entries(secret)["api_key"].clone();
    let key = credentials(&stage.world.secret(SECRET).await.unwrap());

    stage
        .world
        .apply(account_secret(json!({"email": EMAIL, "password": "not it"})))
        .await;
    stage
        .world
        .until::<IdentityProvider>("didit", ("Ready", "False", "LoginRefused"))
        .await;
    let reader = Reader::of(&stage.world, SECRET);
    reader.until(3).await;
    operator.kill().await;
    operator.start_again();
    reader.until(5).await;
    reader.always_had(SHORT_PROMISE);
    let ready = stage
        .world
        .condition::<ClientApplication>("payments", "Ready")
        .await;
    assert_eq!(ready.status, "True", "{}", ready.message);
    assert_eq!(credentials(&stage.world.secret(SECRET).await.unwrap()), key);
    // The right password, and then the wrong one once.
    assert_eq!(stage.world.sandbox.count(Operation::Login), 2);
}

#[tokio::test]
async fn an_edited_secret_is_mended_without_a_new_token() {
    let stage = Stage::new("mend", LONG).await;
    let _operator = stage.operator();
    stage.apply_didit(PASSWORD).await;
    let spec = json!({"accessToken": {}});
    stage.world.apply(client_application("payments", spec)).await;
    stage.world.until_published("payments").await;
    let whole = stage
        .world
        .until_secret(SECRET, "holds a token", |secret| !held(secret).is_empty())
        .await;

    let edit = json!({"stringData": {"access_token": "of somebody else", "api_key": "likewise"}});
    stage.world.edit::<Secret>(SECRET, edit).await;
    has(&stage, &whole).await;
    stage.world.delete::<Secret>(SECRET).await;
    has(&stage, &whole).await;
    assert_eq!(stage.calls(), 1);
}

/// The Secret has the same entries again.
async fn has(stage: &Stage, whole: &Secret) {
    let patience = PATIENCE.min(Duration::from_secs(30));
    eventually("the Secret is as it was", patience, async || {
        match stage.world.secret(SECRET).await {
            Some(secret) if entries(&secret) == entries(whole) => Ok(()),
            Some(secret) => Err(format!("{:?}", entries(&secret).keys())),
            None => Err("it does not exist".to_owned()),
        }
    })
    .await;
}
