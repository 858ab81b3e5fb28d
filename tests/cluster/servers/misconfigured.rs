//! Providers that do not fit the real server: what is wrong stands in the provider's conditions, and nobody asks for a
//! token in vain.

use keywright::api::{AccessToken, IdentityProvider};
use keywright_authorization_servers::AuthorizationServer;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use serde_json::{Value, json};

use super::stage::{Stage, client_secret, keycloak, oidc_provider, sum};

/// A provider that does not fit, and an AccessToken of it.
struct Case {
    name: &'static str,
    oauth2: Value,
    /// A condition of the provider, and what it says.
    provider: (&'static str, &'static str, &'static str, String),
}

fn other_authority() -> String {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters
        .self_signed(&KeyPair::generate().unwrap())
        .unwrap()
        .pem()
}

fn cases<S: AuthorizationServer>(stage: &Stage<S>) -> Vec<Case> {
    let issuer = stage.server.issuer();
    // The server answers at this name too, and says what it calls itself.
    let other_name = issuer.replace("127.0.0.1", "localhost");
    let nothing = format!("{issuer}/nothing");
    vec![
        Case {
            name: "other-issuer",
            oauth2: json!({"issuer": other_name}),
            provider: (
                "MetadataResolved",
                "False",
                "IssuerMismatch",
                format!(
                    "`issuer` is `{other_name}`, and the server's metadata says `{issuer}`; set `issuer` to what the server \
                     says"
                ),
            ),
        },
        Case {
            name: "no-issuer",
            oauth2: json!({"issuer": nothing}),
            provider: (
                "MetadataResolved",
                "False",
                "MetadataNotFound",
                "correct `issuer`, or remove it and give `endpoints.token`".to_owned(),
            ),
        },
        Case {
            name: "other-authority",
            oauth2: json!({
                "issuer": issuer,
                "caBundle": {"configMapKeyRef": {"name": "other-authority", "key": "ca.crt"}},
            }),
            provider: (
                "Ready",
                "False",
                "Unavailable",
                "its TLS certificate was not issued by an authority that is trusted here; add that authority's \
                 certificate to the CA bundle"
                    .to_owned(),
            ),
        },
    ]
}

async fn are_told_and_end_when_mended<S: AuthorizationServer>(stage: Stage<S>) {
    let settings = stage.settings().with("--provider-check-interval", "1s");
    let operator = stage.world.operator_with(settings);
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other-authority"},
        "data": {"ca.crt": other_authority()},
    });
    stage.world.apply(map).await;
    for case in cases(&stage) {
        let name = case.name;
        stage.apply_provider(name, case.oauth2, json!({})).await;
        let client = stage.usual_client().await;
        stage.apply_client(&client_secret(name), &client).await;
        let reference = json!({"kind": "IdentityProvider", "name": name});
        stage.apply_token(name, json!({"providerRef": reference})).await;
        let (type_, status, reason, says) = case.provider;
        let said = stage
            .world
            .until::<IdentityProvider>(name, (type_, status, reason))
            .await;
        assert!(said.message.contains(&says), "{name}: {}", said.message);
        let said = stage
            .world
            .until::<AccessToken>(name, ("Ready", "False", reason))
            .await;
        assert!(said.message.contains(&says), "{name}: {}", said.message);
        stage.until_rechecked(&operator, 2.0).await;
        assert_eq!(stage.requests(&client.client_id).await, 0, "{name}");

        let right = json!({"issuer": stage.server.issuer()});
        stage.apply_provider(name, right, json!({})).await;
        stage.until_published(name).await;
        assert_eq!(stage.requests(&client.client_id).await, 1, "{name}");
    }
}

#[tokio::test]
async fn a_provider_that_does_not_fit_keycloak_says_what_is_wrong() {
    if let Some(server) = keycloak().await {
        are_told_and_end_when_mended(Stage::new("keycloak-misfit", server).await).await;
    }
}

#[tokio::test]
async fn a_provider_that_does_not_fit_oidc_provider_says_what_is_wrong() {
    if let Some(server) = oidc_provider().await {
        are_told_and_end_when_mended(Stage::new("oidc-misfit", server).await).await;
    }
}

/// An address at the server where no tokens are given out. Its answers are of whatever kind.
async fn no_token_endpoint<S: AuthorizationServer>(
    stage: Stage<S>,
    endpoint: String,
    reason: &str,
    says: &str,
) {
    let name = "no-endpoint";
    let settings = stage.settings().with("--provider-check-interval", "1s");
    let operator = stage.world.operator_with(settings);
    stage
        .apply_provider(name, json!({"endpoints": {"token": endpoint}}), json!({}))
        .await;
    let client = stage.usual_client().await;
    stage.apply_client(&client_secret(name), &client).await;
    let reference = json!({"kind": "IdentityProvider", "name": name});
    stage.apply_token(name, json!({"providerRef": reference})).await;
    let said = stage
        .world
        .until::<AccessToken>(name, ("TokenFresh", "False", reason))
        .await;
    assert!(said.message.contains(says), "{}", said.message);
    stage.until_rechecked(&operator, 3.0).await;
    let calls = ["keywright_identity_calls_total", r#"operation="requestToken""#];
    assert_eq!(sum(&operator, &calls).await, Ok(1.0));

    let endpoints = json!({"endpoints": {"token": stage.server.token_endpoint()}});
    stage.apply_provider(name, endpoints, json!({})).await;
    stage.until_published(name).await;
}

#[tokio::test]
async fn an_address_of_keycloak_that_gives_no_tokens_is_named() {
    if let Some(server) = keycloak().await {
        let endpoint = format!("{}/protocol/openid-connect/nothing", server.issuer());
        let stage = Stage::new("keycloak-endpoint", server).await;
        no_token_endpoint(
            stage,
            endpoint,
            "EndpointNotFound",
            "Check the addresses of the identity provider",
        )
        .await;
    }
}

#[tokio::test]
async fn an_address_of_oidc_provider_that_gives_no_tokens_is_named() {
    if let Some(server) = oidc_provider().await {
        let endpoint = format!("{}/.well-known/openid-configuration", server.issuer());
        let stage = Stage::new("oidc-endpoint", server).await;
        no_token_endpoint(
            stage,
            endpoint,
            "EndpointNotFound",
            "Check the addresses of the identity provider",
        )
        .await;
    }
}
