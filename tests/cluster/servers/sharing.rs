//! Many AccessTokens at one real server.

use futures::future::join_all;
use keywright_authorization_servers::{AuthenticationMethod, AuthorizationServer, ClientSettings};
use serde_json::json;

use super::stage::{BASIC, PROVIDER, Stage, client_block, client_secret, keycloak, oidc_provider, sum};

/// AccessTokens of each kind.
const MANY: usize = 5;

/// The Secret of the client that all of them name.
const CLIENT: &str = "all";

async fn share_and_ask_in_turn<S: AuthorizationServer>(stage: Stage<S>, fetches: f64) {
    let server = stage.server;
    stage
        .apply_provider(
            PROVIDER,
            json!({"issuer": server.issuer()}),
            json!({"shareTokens": true}),
        )
        .await;
    let alike = stage.usual_client().await;
    stage.apply_client(&client_secret(CLIENT), &alike).await;
    let scopes: Vec<_> = (0..MANY).map(|number| format!("scope-{number}")).collect();
    let certified = ClientSettings {
        scopes: scopes.clone(),
        ..stage.client_settings(AuthenticationMethod::TlsClientAuth)
    };
    let certified = stage.client(&certified).await;
    stage.apply_client(&client_secret("certified"), &certified).await;
    let operator = stage.operator();
    join_all((0..MANY).map(async |number| {
        let spec = json!({"client": client_block(CLIENT, BASIC)});
        stage.apply_token(&format!("alike-{number}"), spec).await;
        let client = client_block("certified", AuthenticationMethod::TlsClientAuth);
        let spec = json!({"client": client, "scopes": [scopes[number]]});
        stage.apply_token(&format!("certified-{number}"), spec).await;
    }))
    .await;

    let first = stage.until_published("alike-0").await;
    for (number, scope) in scopes.iter().enumerate() {
        let held = stage.until_published(&format!("alike-{number}")).await;
        assert_eq!(held, first);
        let held = stage.until_published(&format!("certified-{number}")).await;
        let said = stage.introspect(&held).await;
        assert_eq!((&said["active"], &said["scope"]), (&json!(true), &json!(scope)));
    }
    assert_eq!(stage.requests(&alike.client_id).await, 1);
    assert_eq!(stage.requests(&certified.client_id).await, MANY);
    let discoveries = [
        "keywright_identity_calls_total",
        r#"operation="discoverMetadata""#,
    ];
    assert_eq!(sum(&operator, &discoveries).await, Ok(fetches));
}

#[tokio::test]
async fn those_that_are_alike_share_a_token_of_keycloak_and_metadata_is_fetched_once() {
    if let Some(server) = keycloak().await {
        share_and_ask_in_turn(Stage::new("keycloak-sharing", server).await, 1.0).await;
    }
}

#[tokio::test]
async fn those_that_are_alike_share_a_token_of_oidc_provider_and_metadata_is_fetched_once() {
    if let Some(server) = oidc_provider().await {
        // It has nothing at the first of the two addresses.
        share_and_ask_in_turn(Stage::new("oidc-sharing", server).await, 2.0).await;
    }
}
