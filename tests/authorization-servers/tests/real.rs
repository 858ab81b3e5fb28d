//! Tokens from each real authorization server, by every authentication method, with nothing but HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests may stop at the first surprise, as tests may"
)]

mod support;

use std::collections::BTreeSet;

use keywright_authorization_servers::{
    AccessTokenFormat, AuthenticationMethod, AuthorizationServer, ClientSettings, Fault, SigningAlgorithm,
};
use serde_json::Value;
use support::{Requester, keycloak, oidc_provider};

const BASIC: AuthenticationMethod = AuthenticationMethod::ClientSecretBasic;

fn methods() -> impl Iterator<Item = AuthenticationMethod> {
    let keys = SigningAlgorithm::ALL.map(AuthenticationMethod::PrivateKeyJwt);
    [
        BASIC,
        AuthenticationMethod::ClientSecretPost,
        AuthenticationMethod::TlsClientAuth,
    ]
    .into_iter()
    .chain(keys)
}

/// A client that may ask about its own tokens.
const fn introspecting(method: AuthenticationMethod) -> ClientSettings {
    let mut settings = ClientSettings::new(method);
    settings.in_own_audience = true;
    settings
}

async fn gives_a_token_by_every_method(server: &impl AuthorizationServer) {
    for method in methods() {
        let client = server.create_client(&introspecting(method)).await.unwrap();
        let mut requester = Requester::new(server, &client);
        if method == AuthenticationMethod::ClientSecretPost {
            requester = requester.posting_its_secret();
        }
        let (status, answer) = requester.token(&[]).await;
        assert_eq!(status, 200, "{} {method:?}: {answer}", server.name());
        assert_eq!(answer["token_type"], "Bearer");

        let token = answer["access_token"].as_str().unwrap();
        let (status, introspection) = requester.introspect(token).await;
        assert_eq!((status, &introspection["active"]), (200, &Value::Bool(true)));
        assert_eq!(introspection["client_id"], *client.client_id);
        assert_eq!(requester.revoke(token).await, 200);
        assert!(!requester.is_active(token).await, "{} {method:?}", server.name());
    }
}

#[tokio::test]
async fn keycloak_gives_a_token_by_every_method() {
    if let Some(server) = keycloak() {
        gives_a_token_by_every_method(server).await;
    }
}

#[tokio::test]
async fn oidc_provider_gives_a_token_by_every_method() {
    if let Some(server) = oidc_provider() {
        gives_a_token_by_every_method(server).await;
    }
}

async fn tokens_live_as_asked_and_have_the_scopes_asked_for(server: &impl AuthorizationServer) {
    let mut settings = ClientSettings::new(BASIC);
    settings.access_token_seconds = Some(77);
    settings.scopes = vec!["read".to_owned(), "write".to_owned()];
    let client = server.create_client(&settings).await.unwrap();
    let requester = Requester::new(server, &client);
    let (status, answer) = requester.token(&[("scope", "read")]).await;
    assert_eq!(
        (status, &answer["expires_in"]),
        (200, &Value::from(77)),
        "{answer}"
    );
    let scopes: Vec<_> = answer["scope"].as_str().unwrap().split(' ').collect();
    assert_eq!(scopes, ["read"]);
}

#[tokio::test]
async fn keycloak_tokens_live_as_asked_and_have_the_scopes_asked_for() {
    if let Some(server) = keycloak() {
        tokens_live_as_asked_and_have_the_scopes_asked_for(server).await;
    }
}

#[tokio::test]
async fn oidc_provider_tokens_live_as_asked_and_have_the_scopes_asked_for() {
    if let Some(server) = oidc_provider() {
        tokens_live_as_asked_and_have_the_scopes_asked_for(server).await;
    }
}

/// What the administrator does to a client shows in what the client gets. `refusals` are the errors for a wrong
/// secret and for a disabled client.
async fn obeys_its_administrator(server: &impl AuthorizationServer, refusals: [&str; 2]) {
    let [wrong_secret, disabled] = refusals;
    let client = server.create_client(&introspecting(BASIC)).await.unwrap();
    let id = &client.client_id;
    let requester = Requester::new(server, &client);
    let other = server.create_client(&introspecting(BASIC)).await.unwrap();
    let other = Requester::new(server, &other);

    let wrong = requester.with_secret("wrong");
    assert_eq!(wrong.refusal().await, (401, wrong_secret.to_owned()));
    let old = requester.access_token().await;
    assert_eq!(server.token_requests(id).await.unwrap(), 2);
    assert_eq!(server.token_requests("nobody").await.unwrap(), 0);

    server.revoke_tokens(id).await.unwrap();
    assert!(!requester.is_active(&old).await);
    assert!(other.is_active(&other.access_token().await).await);

    server.set_enabled(id, false).await.unwrap();
    assert_eq!(requester.refusal().await, (401, disabled.to_owned()));
    server.set_enabled(id, true).await.unwrap();
    requester.access_token().await;

    let secret = server.rotate_secret(id).await.unwrap();
    assert_eq!(requester.refusal().await, (401, wrong_secret.to_owned()));
    let renewed = requester.with_secret(secrecy::ExposeSecret::expose_secret(&secret));
    renewed.access_token().await;

    server.delete_client(id).await.unwrap();
    assert_eq!(renewed.refusal().await, (401, "invalid_client".to_owned()));
    assert!(server.set_enabled(id, true).await.is_err(), "the client is gone");
    other.access_token().await;
}

#[tokio::test]
async fn keycloak_obeys_its_administrator() {
    if let Some(server) = keycloak() {
        obeys_its_administrator(server, ["unauthorized_client", "invalid_client"]).await;
    }
}

#[tokio::test]
async fn oidc_provider_obeys_its_administrator() {
    if let Some(server) = oidc_provider() {
        obeys_its_administrator(server, ["invalid_client", "invalid_client"]).await;
    }
}

#[tokio::test]
async fn keycloak_refuses_a_scope_that_is_not_the_clients() {
    let Some(server) = keycloak() else { return };
    let client = server.create_client(&ClientSettings::new(BASIC)).await.unwrap();
    let (status, answer) = Requester::new(server, &client)
        .token(&[("scope", "nothing-known")])
        .await;
    assert_eq!((status, &answer["error"]), (400, &Value::from("invalid_scope")));
}

#[tokio::test]
async fn keycloak_adds_refresh_tokens_and_audiences_when_asked() {
    let Some(server) = keycloak() else { return };
    let mut settings = ClientSettings::new(BASIC);
    let plain = server.create_client(&settings).await.unwrap();
    let (_, answer) = Requester::new(server, &plain).token(&[]).await;
    assert!(answer.get("refresh_token").is_none(), "{answer}");

    settings.refresh_tokens = true;
    settings.audiences = vec!["https://api.test/".to_owned(), "other".to_owned()];
    let client = server.create_client(&settings).await.unwrap();
    let requester = Requester::new(server, &client);
    let (_, answer) = requester.token(&[]).await;
    let token = answer["access_token"].as_str().unwrap();
    let claims = support::claims(token);
    let audiences: BTreeSet<_> = claims["aud"]
        .as_array()
        .unwrap()
        .iter()
        .map(Value::as_str)
        .collect();
    assert_eq!(audiences, [Some("https://api.test/"), Some("other")].into());
    assert!(
        !requester.is_active(token).await,
        "the client is no audience itself"
    );
    let refresh = answer["refresh_token"].as_str().unwrap();
    let (status, answer) = requester
        .request(&[("grant_type", "refresh_token"), ("refresh_token", refresh)])
        .await;
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test]
async fn oidc_provider_gives_tokens_for_the_resource_asked_for() {
    let Some(server) = oidc_provider() else { return };
    let client = server.create_client(&ClientSettings::new(BASIC)).await.unwrap();
    let requester = Requester::new(server, &client);
    for (format, is_jwt) in [(AccessTokenFormat::Jwt, true), (AccessTokenFormat::Opaque, false)] {
        let resource = server.create_resource_server(&["read"], format).await.unwrap();
        let (status, answer) = requester
            .token(&[("resource", &resource), ("scope", "read unknown")])
            .await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["scope"], "read", "unknown scopes are dropped");
        let token = answer["access_token"].as_str().unwrap();
        let (_, introspection) = requester.introspect(token).await;
        assert_eq!(introspection["active"], !is_jwt, "JWTs are not looked up");
        let audience = if is_jwt {
            support::claims(token)["aud"].clone()
        } else {
            introspection["aud"].clone()
        };
        assert_eq!(audience, *resource);
    }
    let (status, answer) = requester.token(&[("resource", "https://unknown.test/")]).await;
    assert_eq!((status, &answer["error"]), (400, &Value::from("invalid_target")));
}

#[tokio::test]
async fn oidc_provider_fails_as_often_as_asked() {
    let Some(server) = oidc_provider() else { return };
    let client = server.create_client(&ClientSettings::new(BASIC)).await.unwrap();
    let requester = Requester::new(server, &client);
    for (status, retry_after) in [(503, None), (429, Some(7))] {
        let fault = Fault {
            status,
            requests: 2,
            retry_after,
        };
        server
            .fail_token_requests(&client.client_id, fault)
            .await
            .unwrap();
        for _ in 0..2 {
            let response = requester.send_token_request(&[]).await;
            assert_eq!(response.status().as_u16(), status);
            let header = response.headers().get("retry-after");
            assert_eq!(
                header.map(|value| value.to_str().unwrap().to_owned()),
                retry_after.map(|n| n.to_string())
            );
        }
        requester.access_token().await;
    }
    assert_eq!(server.token_requests(&client.client_id).await.unwrap(), 6);
}

#[tokio::test]
async fn settings_that_a_server_cannot_have_are_named() {
    let Some(server) = oidc_provider() else { return };
    let mut settings = ClientSettings::new(BASIC);
    settings.refresh_tokens = true;
    let error = server.create_client(&settings).await.unwrap_err().to_string();
    assert!(error.starts_with("refresh_tokens: oidc-provider"), "{error}");
}

async fn takes_no_certificate_of_another_client(server: &impl AuthorizationServer) {
    let settings = ClientSettings::new(AuthenticationMethod::TlsClientAuth);
    let [client, other] = [
        server.create_client(&settings).await.unwrap(),
        server.create_client(&settings).await.unwrap(),
    ];
    let mut stolen = client.clone();
    stolen.credential = other.credential;
    let (status, error) = Requester::new(server, &stolen).refusal().await;
    assert!((400..=401).contains(&status), "{status} {error}");
}

#[tokio::test]
async fn a_certificate_is_good_for_its_own_client_alone() {
    if let Some(server) = keycloak() {
        takes_no_certificate_of_another_client(server).await;
    }
    if let Some(server) = oidc_provider() {
        takes_no_certificate_of_another_client(server).await;
    }
}
