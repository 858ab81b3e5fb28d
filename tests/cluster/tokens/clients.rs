//! For whom a token is, and with which credentials.

use keywright::api::{AccessToken, ClientApplication, ClusterIdentityProvider};
use keywright_sandbox::Operation;
use serde_json::{Value, json};

use super::stage::{LONG, Stage, access_token, secret_of};
use crate::harness::{EMAIL, PASSWORD, World, account_secret, client_application};
use crate::shared_provider::ALONE;

#[tokio::test]
async fn a_wrong_client_secret_is_tried_once_and_the_right_one_heals_it() {
    let stage = Stage::with_server("wrong", LONG).await;
    stage.apply_client("not it").await;
    stage.apply_client_as("other-client", &stage.client_secret).await;
    let _operator = stage.operator();
    stage.world.apply(access_token("reports", json!({}))).await;
    let said = stage
        .world
        .until::<AccessToken>("reports", ("TokenFresh", "False", "InvalidClient"))
        .await;
    assert!(
        said.message
            .contains("Correct the client's Secret. Trying again at "),
        "{}",
        said.message
    );
    assert!(
        said.message.ends_with("No token is published yet"),
        "{}",
        said.message
    );
    stage
        .world
        .until::<AccessToken>("reports", ("Ready", "False", "InvalidClient"))
        .await;
    stage
        .world
        .until::<AccessToken>("reports", ("ClientReady", "True", "CredentialsFound"))
        .await;

    // Neither a note on the resource nor the success of somebody else makes it try again.
    stage
        .annotate("reports", "corp.example.net/note", "looked at")
        .await;
    let other = json!({"client": {"secretRef": {"name": "other-client"}}});
    stage.publish("other", other).await;
    assert_eq!(stage.calls(), 2);

    stage.apply_client(&stage.client_secret).await;
    stage.until_published("reports").await;
    assert_eq!(stage.calls(), 3);
    stage
        .is_valid(&stage.published("reports").await, &stage.client_id)
        .await;
}

#[tokio::test]
async fn a_client_secret_that_is_missing_costs_no_call_and_is_found_when_it_comes() {
    let stage = Stage::new("missing", LONG).await;
    let _operator = stage.operator();
    stage.world.apply(stage.server(json!({}))).await;
    stage.world.apply(access_token("reports", json!({}))).await;
    let said = stage
        .world
        .until::<AccessToken>("reports", ("ClientReady", "False", "ClientSecretNotFound"))
        .await;
    assert!(
        said.message.contains("kubectl create secret generic"),
        "{}",
        said.message
    );
    assert_eq!(stage.world.sandbox.calls(), []);
    stage.apply_client(&stage.client_secret).await;
    stage.until_published("reports").await;
    assert_eq!(stage.calls(), 1);
}

#[tokio::test]
async fn a_token_for_a_client_application_uses_its_key() {
    let stage = Stage::new("application", LONG).await;
    let _operator = stage.operator();
    stage.apply_didit(PASSWORD).await;
    stage.world.apply(of_didit("reports", application())).await;
    stage
        .world
        .until::<AccessToken>("reports", ("ClientReady", "False", "ClientApplicationNotFound"))
        .await;
    assert_eq!(stage.calls(), 0);

    stage.world.apply(client_application("payments", json!({}))).await;
    let token = stage.until_published("reports").await;
    let made = stage.world.application("payments").await.status.unwrap();
    let client_id = made.client_id.unwrap();
    assert_ne!(client_id, stage.client_id, "another application was made");
    assert_eq!(token.status.unwrap().client_id.as_ref(), Some(&client_id));
    stage
        .is_valid(&stage.published("reports").await, &client_id)
        .await;
    assert_eq!(stage.calls(), 1);
}

#[tokio::test]
async fn the_tokens_of_an_account_cost_one_login_whoever_wants_them() {
    let stage = Stage::new("account", LONG).await;
    let mut operator = stage.operator();
    stage.apply_didit(PASSWORD).await;
    for name in ["one", "two"] {
        stage.world.apply(of_didit(name, account())).await;
    }
    stage.world.apply(client_application("payments", json!({}))).await;
    for name in ["one", "two"] {
        let token = stage.until_published(name).await;
        assert_eq!(token.status.unwrap().client_id.as_deref(), Some(EMAIL));
        assert_eq!(opens(&stage.world, &stage.published(name).await).await, 200);
    }
    stage.world.until_published("payments").await;
    assert_eq!(stage.published("one").await, stage.published("two").await);
    assert_eq!(stage.world.sandbox.count(Operation::Login), 1);

    operator.stop().await;
    operator.start_again();
    stage.world.apply(of_didit("three", account())).await;
    stage.until_published("three").await;
    // A process knows no password of a session, so that another one logs in once more.
    assert_eq!(stage.world.sandbox.count(Operation::Login), 2);
    assert_eq!(stage.calls(), 0);
}

#[tokio::test]
async fn an_accounts_token_of_a_shared_provider_has_to_be_allowed() {
    let _alone = ALONE.lock().await;
    let stage = Stage::new("allow", LONG).await;
    let settings = stage.settings().with("--cluster-identity-providers", "true");
    let _operator = stage.world.operator_with(settings);
    let world = &stage.world;
    let mut secret = account_secret(json!({"email": EMAIL, "password": PASSWORD}));
    secret["metadata"]["namespace"] = world.operator_namespace.clone().into();
    world.apply(secret).await;
    let provider = |allowed: Value| {
        json!({
            "apiVersion": "keywright.dev/v1alpha1",
            "kind": "ClusterIdentityProvider",
            "metadata": {"name": world.namespace},
            "spec": {
                "didit": world.didit(json!({})),
                "allowedNamespaces": {"names": [world.namespace]},
                "allowAccountTokens": allowed,
            },
        })
    };
    world.apply(provider(Value::Null)).await;
    world
        .until::<ClusterIdentityProvider>(&world.namespace, ("Ready", "True", "Ready"))
        .await;
    let mut spec = account();
    spec["providerRef"] = json!({"kind": "ClusterIdentityProvider", "name": world.namespace});
    world.apply(access_token("reports", spec)).await;
    let said = world
        .until::<AccessToken>("reports", ("Ready", "False", "AccountTokenNotAllowed"))
        .await;
    assert!(
        said.message.contains("set spec.allowAccountTokens"),
        "{}",
        said.message
    );
    assert!(world.secret(&secret_of("reports")).await.is_none());

    world.apply(provider(json!(true))).await;
    stage.until_published("reports").await;
    assert_eq!(opens(world, &stage.published("reports").await).await, 200);
    assert_eq!(world.sandbox.count(Operation::Login), 1);
}

#[tokio::test]
async fn a_client_application_of_another_provider_is_refused() {
    let stage = Stage::with_server("differs", LONG).await;
    let _operator = stage.operator();
    stage.apply_didit(PASSWORD).await;
    stage.world.apply(client_application("payments", json!({}))).await;
    stage.world.until_published("payments").await;
    stage.world.apply(access_token("reports", application())).await;
    stage
        .world
        .until::<AccessToken>("reports", ("ClientReady", "False", "ProviderDiffers"))
        .await;
    assert_eq!(stage.calls(), 0);
    let ready = stage
        .world
        .condition::<ClientApplication>("payments", "Ready")
        .await;
    assert_eq!(ready.status, "True");
}

fn application() -> Value {
    json!({"client": {"clientApplicationRef": {"name": "payments"}}})
}

fn account() -> Value {
    json!({"client": {"providerAccount": true}})
}

fn of_didit(name: &str, mut spec: Value) -> Value {
    spec["providerRef"] = json!({"kind": "IdentityProvider", "name": "didit"});
    access_token(name, spec)
}

/// What the identity API answers to whoever brings this token of an account.
async fn opens(world: &World, token: &str) -> u16 {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/organizations/me/", world.sandbox.auth_url());
    let answer = http.get(url).bearer_auth(token).send().await.unwrap();
    answer.status().as_u16()
}
