//! Contract, 3 and 5.

use std::time::Duration;

use keywright_sandbox::{AccountRefresh, ClientTokenExpiry, Switches};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Api, EMAIL, PASSWORD, send};

impl Api {
    fn credentials(&self) -> (String, String) {
        (self.sandbox.applications()[0].client_id.clone(), self.first_key())
    }

    async fn token(&self, form: &[(&str, &str)]) -> Answer {
        let (id, secret) = self.credentials();
        send(
            self.request(Method::POST, "/auth/v2/token/")
                .basic_auth(id, Some(secret))
                .form(form),
        )
        .await
    }

    async fn introspect(&self, token: &str) -> Value {
        let (id, secret) = self.credentials();
        let request = self
            .request(Method::POST, "/auth/v2/introspect/")
            .basic_auth(id, Some(secret));
        send(request.form(&[("token", token)])).await.body
    }
}

const CLIENT: &[(&str, &str)] = &[("grant_type", "client_credentials")];

#[tokio::test]
async fn client_credentials_give_a_token() {
    let api = Api::usual().await;
    let answer = api.token(CLIENT).await;
    assert_eq!(answer.status, 200);
    let application = api.sandbox.applications().remove(0);
    assert_eq!(answer.text("iss"), "https://didit.me");
    assert_eq!(answer.text("sub"), application.uuid.to_string());
    assert_eq!(answer.text("client_id"), application.client_id);
    assert_eq!(
        answer.text("organization_id"),
        application.organization.to_string()
    );
    assert_eq!(answer.body["expires_in"], 86400);
    assert_eq!(
        answer.body.get("token_type"),
        None,
        "the documented example has none"
    );
    let without_slash = api
        .request(Method::POST, "/auth/v2/token")
        .basic_auth(application.client_id, Some(api.first_key()));
    assert_eq!(send(without_slash.form(CLIENT)).await.status, 200);
}

#[tokio::test]
async fn expiry_is_told_as_the_switch_says_and_the_token_ends_with_expires_in() {
    for (client_token_expiry, seconds) in [
        (ClientTokenExpiry::Agrees, 86_400),
        (ClientTokenExpiry::TenTimes, 864_000),
    ] {
        let api = Api::with(Switches {
            client_token_expiry,
            ..Switches::default()
        })
        .await;
        let answer = api.token(CLIENT).await;
        let (iat, exp) = (
            answer.body["iat"].as_i64().unwrap(),
            answer.body["exp"].as_i64().unwrap(),
        );
        assert_eq!(exp - iat, seconds);
        let token = answer.text("access_token");
        assert_eq!(api.introspect(&token).await["active"], true);
        api.sandbox.advance(Duration::from_secs(86_400)).unwrap();
        assert_eq!(api.introspect(&token).await, json!({"active": false}));
    }
}

#[tokio::test]
async fn oauth_errors_have_their_own_shape() {
    let api = Api::usual().await;
    let (id, secret) = api.credentials();
    let path = "/auth/v2/token/";
    for (credentials, form, status, error) in [
        (Some((id.as_str(), "wrong")), CLIENT, 401, "invalid_client"),
        (None, CLIENT, 401, "invalid_client"),
        (
            Some((id.as_str(), secret.as_str())),
            &[("x", "y")][..],
            400,
            "invalid_request",
        ),
        (
            Some((id.as_str(), secret.as_str())),
            &[("grant_type", "password")][..],
            400,
            "unsupported_grant_type",
        ),
        (
            Some((id.as_str(), secret.as_str())),
            &[("grant_type", "refresh_token")][..],
            400,
            "invalid_request",
        ),
    ] {
        let mut request = api.request(Method::POST, path).form(form);
        if let Some((id, secret)) = credentials {
            request = request.basic_auth(id, Some(secret));
        }
        let answer = send(request).await;
        assert_eq!(
            (answer.status, answer.text("error").as_str()),
            (status, error),
            "{form:?}"
        );
    }
    let json = api
        .request(Method::POST, path)
        .basic_auth(id, Some(secret))
        .json(&json!({}));
    assert_eq!(send(json).await.text("error"), "invalid_request");
}

#[tokio::test]
async fn account_tokens_are_refreshed_only_if_the_switch_says_so() {
    for (account_refresh, status) in [(AccountRefresh::Absent, 400), (AccountRefresh::TokenRoute, 200)] {
        let api = Api::with(Switches {
            account_refresh,
            ..Switches::default()
        })
        .await;
        let refresh_token = api.login_as(EMAIL, PASSWORD).await.text("refresh_token");
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token.as_str()),
        ];
        let answer = api.token(&form).await;
        assert_eq!(answer.status, status);
        match answer.body["access_token"].as_str() {
            Some(token) => assert_eq!(api.get("/auth/v2/organizations/me/", token).await.status, 200),
            None => assert_eq!(answer.text("error"), "invalid_grant"),
        }
        let junk = api
            .token(&[("grant_type", "refresh_token"), ("refresh_token", "junk")])
            .await;
        assert_eq!(junk.text("error"), "invalid_grant");
    }
    let api = Api::usual().await;
    assert_eq!(
        api.post("/auth/v2/programmatic/refresh/", json!({})).await.status,
        404,
        "no route of its own"
    );
}

#[tokio::test]
async fn introspection_tells_the_state_of_tokens() {
    let api = Api::usual().await;
    let login = api.login_as(EMAIL, PASSWORD).await;
    let account = api.introspect(&login.text("access_token")).await;
    assert_eq!(account["active"], true);
    assert_eq!(account["identifier"], EMAIL);
    assert_eq!(account["has_2fa_enabled"], false);
    let client = api
        .introspect(&api.token(CLIENT).await.text("access_token"))
        .await;
    assert_eq!(client["sub"], json!(api.sandbox.applications()[0].uuid));
    for junk in ["junk".to_owned(), login.text("refresh_token")] {
        assert_eq!(api.introspect(&junk).await, json!({"active": false}));
    }
    let (id, secret) = api.credentials();
    let by_json = api
        .request(Method::POST, "/auth/v2/introspect")
        .basic_auth(&id, Some(&secret));
    assert_eq!(
        send(by_json.json(&json!({"token": "junk"}))).await.body,
        json!({"active": false})
    );
    let missing = api
        .request(Method::POST, "/auth/v2/introspect/")
        .basic_auth(&id, Some(&secret));
    assert_eq!(
        send(missing.form(&[("x", "y")])).await.text("error"),
        "invalid_request"
    );
    let stranger = api
        .request(Method::POST, "/auth/v2/introspect/")
        .form(&[("token", "junk")]);
    assert_eq!(send(stranger).await.status, 401);
}
