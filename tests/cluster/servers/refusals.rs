//! Clients and requests that a real server refuses: each refusal has its own condition with a sentence that helps, is
//! not repeated until something changes, and ends as soon as it is mended.

use futures::future::join_all;
use k8s_openapi::api::core::v1::Secret;
use keywright::api::AccessToken;
use keywright::api::names::REFRESH_REQUESTED_ANNOTATION;
use keywright_authorization_servers::{
    AuthenticationMethod, AuthorizationServer, ClientSettings, Credential, SigningAlgorithm,
};
use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::{Value, json};

use super::features::SOME_RESOURCE;
use super::stage::{BASIC, Stage, client_block, client_secret, credentials, keycloak, oidc_provider};
use crate::harness::Operator;

const KEY: AuthenticationMethod = AuthenticationMethod::PrivateKeyJwt(SigningAlgorithm::Es256);

/// A refusal, and how it is mended.
struct Case {
    /// The AccessToken.
    name: &'static str,
    /// The client at whose name the server counts requests.
    client_id: String,
    /// What its Secret holds at first.
    wrong: Value,
    /// What is special about the AccessToken at first.
    spec: Value,
    /// The reason of `TokenFresh`.
    reason: &'static str,
    /// What the sentence says.
    says: &'static str,
    /// How it is mended.
    mended: Mended,
    /// How often the server is asked before that. 0 where it cannot count.
    requests: usize,
}

enum Mended {
    /// By other entries in the client's Secret.
    Secret(Value),
    /// By another spec.
    Spec(Value),
}

const OF_CLIENT: &str = "The server does not accept this client: it is unknown, disabled, or its credentials are others. \
                         Correct the client's Secret";

/// Refusals that both servers know.
async fn of_clients<S: AuthorizationServer>(stage: &Stage<S>) -> Vec<Case> {
    let client = stage.usual_client().await;
    let mut wrong_secret = credentials(&client);
    wrong_secret["client_secret"] = json!("not the secret");
    let unknown = format!("nobody-{:016x}", rand::random::<u64>());
    let known = stage.usual_client().await;
    let with_key = stage.client(&stage.client_settings(KEY)).await;
    let other_key = stage.client(&stage.client_settings(KEY)).await;
    let mut wrong_key = credentials(&with_key);
    wrong_key["private_key"] = credentials(&other_key)["private_key"].clone();
    let refused = |name, client_id: &str, wrong, right| Case {
        name,
        client_id: client_id.to_owned(),
        wrong,
        spec: json!({}),
        reason: "InvalidClient",
        says: OF_CLIENT,
        mended: Mended::Secret(right),
        requests: 1,
    };
    vec![
        refused(
            "wrong-secret",
            &client.client_id,
            wrong_secret,
            credentials(&client),
        ),
        refused(
            "unknown-client",
            &unknown,
            json!({"client_id": unknown, "client_secret": "some secret"}),
            credentials(&known),
        ),
        Case {
            spec: json!({"client": client_block("wrong-key", KEY)}),
            ..refused(
                "wrong-key",
                &with_key.client_id,
                wrong_key,
                credentials(&with_key),
            )
        },
    ]
}

/// A client with a certificate that another authority has issued, in its own name.
async fn other_authority<S: AuthorizationServer>(stage: &Stage<S>) -> Case {
    let name = "other-authority";
    let method = AuthenticationMethod::TlsClientAuth;
    let client = stage.client(&stage.client_settings(method)).await;
    let mut wrong = credentials(&client);
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::default();
    parameters
        .distinguished_name
        .push(DnType::CommonName, client.client_id.as_str());
    wrong["tls.crt"] = parameters.self_signed(&key).unwrap().pem().into();
    wrong["tls.key"] = key.serialize_pem().into();
    Case {
        name,
        client_id: client.client_id.clone(),
        wrong,
        spec: json!({"client": client_block(name, method)}),
        reason: "InvalidClient",
        says: OF_CLIENT,
        mended: Mended::Secret(credentials(&client)),
        requests: 1,
    }
}

/// Keycloak ends the connection instead of answering, which must not look like an outage.
async fn other_authority_at_keycloak<S: AuthorizationServer>(stage: &Stage<S>) -> Case {
    Case {
        reason: "ClientCertificateRefused",
        says: "use one that is valid and was issued by an authority that the server trusts",
        // No request arrives.
        requests: 0,
        ..other_authority(stage).await
    }
}

/// A scope that the client may not have.
async fn unknown_scope<S: AuthorizationServer>(stage: &Stage<S>) -> Case {
    let settings = ClientSettings {
        scopes: vec!["read".to_owned()],
        ..stage.client_settings(BASIC)
    };
    let client = stage.client(&settings).await;
    Case {
        name: "unknown-scope",
        wrong: credentials(&client),
        client_id: client.client_id,
        spec: json!({"scopes": ["read", "erase"]}),
        reason: "InvalidScope",
        says: "Correct scopes (now read, erase), or allow them for this client at the server",
        mended: Mended::Spec(json!({"scopes": ["read"]})),
        requests: 1,
    }
}

/// A resource that the server does not know.
async fn unknown_resource<S: AuthorizationServer>(stage: &Stage<S>) -> Case {
    let client = stage.usual_client().await;
    Case {
        name: "unknown-resource",
        wrong: credentials(&client),
        client_id: client.client_id,
        spec: json!({"resources": [SOME_RESOURCE]}),
        reason: "InvalidTarget",
        says: "Correct resources or audience (now https://api.example.com/), or allow them for this client at the server",
        mended: Mended::Spec(json!({})),
        requests: 1,
    }
}

/// A token that introspection calls not active.
async fn not_active<S: AuthorizationServer>(stage: &Stage<S>) -> Case {
    let client = stage.client(&ClientSettings::new(BASIC)).await;
    Case {
        name: "not-active",
        wrong: credentials(&client),
        client_id: client.client_id,
        spec: json!({"verification": {"method": "Introspection"}}),
        reason: "TokenRefused",
        says: "a new token was refused when it was tried, so it is not published",
        mended: Mended::Spec(json!({})),
        requests: 1,
    }
}

async fn are_told_once_and_end_when_mended<S: AuthorizationServer>(stage: Stage<S>, cases: Vec<Case>) {
    let settings = stage.settings().with("--provider-check-interval", "1s");
    let operator = stage.world.operator_with(settings);
    join_all(cases.iter().map(|case| is_told(&stage, case))).await;
    stage.until_rechecked(&operator, 4.0).await;
    join_all(cases.iter().map(|case| is_not_repeated(&stage, case))).await;
    join_all(cases.iter().map(|case| ends_when_mended(&stage, case))).await;
}

async fn is_told<S: AuthorizationServer>(stage: &Stage<S>, case: &Case) {
    stage
        .apply_entries(&client_secret(case.name), case.wrong.clone())
        .await;
    stage.apply_token(case.name, case.spec.clone()).await;
    let wanted = ("TokenFresh", "False", case.reason);
    let said = stage.world.until::<AccessToken>(case.name, wanted).await;
    assert!(
        said.message.contains(case.says),
        "{}: {}",
        case.name,
        said.message
    );
    assert!(
        said.message.ends_with("No token is published yet"),
        "{}: {}",
        case.name,
        said.message
    );
    let ready = stage
        .world
        .until::<AccessToken>(case.name, ("Ready", "False", case.reason))
        .await;
    assert_eq!(ready.message, said.message);
}

/// Neither looks at the provider nor changes that have nothing to do with it make the server refuse again.
async fn is_not_repeated<S: AuthorizationServer>(stage: &Stage<S>, case: &Case) {
    let change = json!({"metadata": {"labels": {"changed": "by-somebody"}}});
    stage.world.edit::<AccessToken>(case.name, change).await;
    let count = stage.requests(&case.client_id).await;
    assert_eq!(count, case.requests, "{}", case.name);
}

async fn ends_when_mended<S: AuthorizationServer>(stage: &Stage<S>, case: &Case) {
    match &case.mended {
        Mended::Secret(entries) => {
            stage
                .apply_entries(&client_secret(case.name), entries.clone())
                .await;
        }
        Mended::Spec(spec) => stage.apply_token(case.name, spec.clone()).await,
    }
    stage.until_published(case.name).await;
    let count = stage.requests(&case.client_id).await;
    // The client that did not exist is another one now.
    let expected = if case.name == "unknown-client" {
        1
    } else {
        case.requests + 1
    };
    assert_eq!(count, expected, "{}", case.name);
}

#[tokio::test]
async fn refusals_of_keycloak_are_told_once_and_end_when_mended() {
    if let Some(server) = keycloak().await {
        let stage = Stage::new("keycloak-refusals", server).await;
        let mut cases = of_clients(&stage).await;
        cases.push(unknown_scope(&stage).await);
        cases.push(not_active(&stage).await);
        cases.push(other_authority_at_keycloak(&stage).await);
        are_told_once_and_end_when_mended(stage, cases).await;
    }
}

#[tokio::test]
async fn refusals_of_oidc_provider_are_told_once_and_end_when_mended() {
    if let Some(server) = oidc_provider().await {
        let stage = Stage::new("oidc-refusals", server).await;
        let mut cases = of_clients(&stage).await;
        cases.push(unknown_resource(&stage).await);
        cases.push(other_authority(&stage).await);
        are_told_once_and_end_when_mended(stage, cases).await;
    }
}

/// The last good token stays while its client is refused, until it ends.
async fn a_disabled_client<S: AuthorizationServer>(stage: Stage<S>) {
    let name = "disabled";
    let operator: Operator = stage.operator();
    let settings = ClientSettings {
        access_token_seconds: Some(20),
        ..stage.client_settings(BASIC)
    };
    let spec = json!({"minimumRemaining": "1s"});
    let client = stage.token_of_new_client(name, &settings, spec).await;
    stage.until_published(name).await;
    stage.server.set_enabled(&client.client_id, false).await.unwrap();
    let said = stage
        .world
        .until::<AccessToken>(name, ("TokenFresh", "False", "InvalidClient"))
        .await;
    assert!(said.message.contains(OF_CLIENT), "{}", said.message);
    let until = ". The published token is valid until ";
    assert!(said.message.contains(until), "{}", said.message);
    let ready = stage.world.condition::<AccessToken>(name, "Ready").await;
    assert_eq!((&*ready.status, &*ready.reason), ("True", "Published"));
    let refused = stage.requests(&client.client_id).await;

    let ready = stage
        .world
        .until::<AccessToken>(name, ("Ready", "False", "Expired"))
        .await;
    assert!(ready.message.contains(OF_CLIENT), "{}", ready.message);
    assert_eq!(stage.requests(&client.client_id).await, refused);
    assert_eq!(
        operator
            .metric(r#"keywright_secret_writes_total{controller="access_token"}"#)
            .await
            .unwrap() as usize,
        refused - 1,
        "each token was written once"
    );

    stage.server.set_enabled(&client.client_id, true).await.unwrap();
    stage.annotate(name, REFRESH_REQUESTED_ANNOTATION, "now").await;
    stage.until_published(name).await;
}

#[tokio::test]
async fn a_client_that_keycloak_disables_keeps_its_last_token() {
    if let Some(server) = keycloak().await {
        a_disabled_client(Stage::new("keycloak-disabled", server).await).await;
    }
}

#[tokio::test]
async fn a_client_that_oidc_provider_disables_keeps_its_last_token() {
    if let Some(server) = oidc_provider().await {
        a_disabled_client(Stage::new("oidc-disabled", server).await).await;
    }
}

/// A secret that was changed at the server is refused, and the new one is used as soon as it is in the Secret.
async fn a_changed_secret<S: AuthorizationServer>(stage: Stage<S>) {
    let name = "changed";
    let _operator = stage.operator();
    let settings = stage.client_settings(BASIC);
    let mut client = stage.token_of_new_client(name, &settings, json!({})).await;
    let first = stage.until_published(name).await;
    let changed = stage.server.rotate_secret(&client.client_id).await.unwrap();
    stage.annotate(name, REFRESH_REQUESTED_ANNOTATION, "now").await;
    stage
        .world
        .until::<AccessToken>(name, ("TokenFresh", "False", "InvalidClient"))
        .await;
    assert_eq!(stage.held(name).await, first);
    client.credential = Credential::Secret(changed);
    let secret = json!({"stringData": credentials(&client)});
    stage.world.edit::<Secret>(&client_secret(name), secret).await;
    stage.until_replaced(name, &first).await;
    assert_eq!(stage.requests(&client.client_id).await, 3);
}

#[tokio::test]
async fn a_secret_that_was_changed_at_keycloak_is_used_as_soon_as_it_is_known() {
    if let Some(server) = keycloak().await {
        a_changed_secret(Stage::new("keycloak-changed", server).await).await;
    }
}

#[tokio::test]
async fn a_secret_that_was_changed_at_oidc_provider_is_used_as_soon_as_it_is_known() {
    if let Some(server) = oidc_provider().await {
        a_changed_secret(Stage::new("oidc-changed", server).await).await;
    }
}
