//! Contract, 2.1 to 2.3.

use std::time::Duration;

use keywright_sandbox::{
    Bounds, Config, RegisteredAddress, ResendPassword, Sandbox, Switches, TokenAlgorithm, WrongCode,
};
use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, Api, EMAIL, PASSWORD, send};

const NEW: &str = "new@corp.example.net";

impl Api {
    async fn verify(&self, email: &str, code: &str) -> Answer {
        self.post(
            "/auth/v2/programmatic/verify-email/",
            json!({"email": email, "code": code}),
        )
        .await
    }

    async fn resend(&self, address: &str, body: serde_json::Value) -> Answer {
        let request = self.request(Method::POST, "/auth/v2/programmatic/resend-otp/");
        send(request.header("x-forwarded-for", address).json(&body)).await
    }
}

fn last_code(sandbox: &Sandbox, email: &str) -> String {
    sandbox.mailbox(email).last().unwrap().code.clone()
}

#[tokio::test]
async fn from_nothing_to_a_key() {
    let api = Api::start(Config::default()).await;
    let registered = api.register_from("192.0.2.1", NEW, PASSWORD).await;
    assert_eq!(registered.status, 201);
    assert_eq!(registered.text("email"), NEW);
    assert!(!registered.text("message").is_empty());

    let code = last_code(&api.sandbox, NEW);
    assert!(code.len() == 6 && code.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit()));
    let verified = api.verify(NEW, &code).await;
    assert_eq!(verified.status, 200);
    assert_eq!(verified.body["expires_in"], 86400);
    assert_eq!(verified.body["organization"]["name"], "new");
    assert_eq!(verified.body["application"]["name"], "new");
    assert_eq!(verified.body["application"]["data_location"], "eu");
    assert_eq!(verified.body["token_type"], json!(null), "only one source has it");
    let key = verified.body["application"]["api_key"].as_str().unwrap();
    assert!(
        key.starts_with("sk_live_") && key.len() == 51,
        "43 characters after the prefix"
    );

    let organizations = api
        .get("/auth/v2/organizations/me/", &verified.text("access_token"))
        .await;
    assert_eq!(
        organizations.body[0]["uuid"],
        verified.body["organization"]["uuid"]
    );
    assert_eq!(organizations.body[0]["contact_email"], NEW);
    let balance = api
        .keyed(Method::GET, "/v3/billing/balance/", key, json!(null))
        .await;
    assert_eq!(balance.status, 200);
    assert_eq!(api.verify(NEW, &code).await.status, 400, "a code works once");
}

#[tokio::test]
async fn bad_input_is_named_by_field() {
    let api = Api::usual().await;
    for (body, field) in [
        (json!({}), "email"),
        (json!({"password": PASSWORD}), "email"),
        (json!({"email": NEW}), "password"),
        (json!({"email": "no-address", "password": PASSWORD}), "email"),
        (json!({"email": NEW, "password": "weak"}), "password"),
        (json!({"email": null, "password": PASSWORD}), "email"),
    ] {
        let request = api.request(Method::POST, "/auth/v2/programmatic/register/");
        let answer = send(
            request
                .header("x-forwarded-for", format!("198.51.100.{}", field.len()))
                .json(&body),
        )
        .await;
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(
            answer.body[field].as_array().map(Vec::len),
            Some(1),
            "{body}: one message"
        );
    }
    assert_eq!(
        api.verify(NEW, "SHORT").await.body["code"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
}

#[tokio::test]
async fn the_same_registration_again_mails_a_fresh_code() {
    let api = Api::usual().await;
    api.register_from("192.0.2.1", NEW, PASSWORD).await;
    let first = last_code(&api.sandbox, NEW);
    let again = api.register_from("192.0.2.1", NEW, PASSWORD).await;
    assert_eq!(again.status, 200);
    assert!(again.body["message"].is_string());
    assert_eq!(api.sandbox.mailbox(NEW).len(), 2);
    assert_eq!(
        api.verify(NEW, &first).await.status,
        400,
        "the older code is void"
    );
    assert_eq!(
        api.register_from("192.0.2.1", NEW, "0ther!Horse").await.status,
        400,
        "another password"
    );
    assert_eq!(api.verify(NEW, &last_code(&api.sandbox, NEW)).await.status, 200);
}

#[tokio::test]
async fn a_taken_address_is_refused_as_the_switch_says() {
    for (registered_address, status, field) in [
        (RegisteredAddress::Field, 400, "email"),
        (RegisteredAddress::Detail, 400, "detail"),
        (RegisteredAddress::Conflict, 409, "detail"),
    ] {
        let api = Api::with(Switches {
            registered_address,
            ..Switches::default()
        })
        .await;
        let answer = api.register_from("192.0.2.1", EMAIL, PASSWORD).await;
        assert_eq!(answer.status, status);
        assert!(answer.body[field].to_string().contains("already"), "{answer:?}");
    }
}

#[tokio::test]
async fn reserved_domains_cannot_be_mailed() {
    let api = Api::usual().await;
    let answer = api.register_from("192.0.2.1", "ops@example.com", PASSWORD).await;
    assert_eq!(answer.status, 500);
    assert!(answer.header("content-type").unwrap().starts_with("text/html"));
    assert!(api.sandbox.mailbox("ops@example.com").is_empty());
}

#[tokio::test]
async fn five_registrations_per_address_and_hour_shared_with_resend() {
    for omit_retry_after in [false, true] {
        let api = Api::with(Switches {
            omit_retry_after,
            ..Switches::default()
        })
        .await;
        for index in 0..4 {
            let email = format!("n{index}@corp.example.net");
            assert_eq!(api.register_from("192.0.2.1", &email, PASSWORD).await.status, 201);
        }
        assert_eq!(
            api.resend("192.0.2.1", json!({"email": "n0@corp.example.net"}))
                .await
                .status,
            200
        );
        let refused = api.register_from("192.0.2.1", NEW, PASSWORD).await;
        assert_eq!(refused.status, 429);
        assert!(refused.text("detail").starts_with("Request was throttled."));
        match refused.retry_after() {
            Some(seconds) => assert!(!omit_retry_after && (3500..=3600).contains(&seconds), "{seconds}"),
            None => assert!(omit_retry_after),
        }
        assert_eq!(
            api.register_from("192.0.2.2", NEW, PASSWORD).await.status,
            201,
            "another address"
        );
        api.sandbox.advance(Duration::from_secs(3601)).unwrap();
        assert_eq!(api.register_from("192.0.2.1", NEW, PASSWORD).await.status, 200);
    }
}

#[tokio::test]
async fn a_resend_needs_a_minute_between() {
    let api = Api::usual().await;
    api.register_from("192.0.2.1", NEW, PASSWORD).await;
    let body = json!({"email": NEW, "password": PASSWORD});
    assert_eq!(api.resend("192.0.2.1", body.clone()).await.status, 200);
    let refused = api.resend("192.0.2.1", body.clone()).await;
    assert_eq!(refused.status, 429);
    assert!((1..=60).contains(&refused.retry_after().unwrap()));
    api.sandbox.advance(Duration::from_secs(61)).unwrap();
    assert_eq!(api.resend("192.0.2.1", body).await.status, 200);
    assert_eq!(api.sandbox.mailbox(NEW).len(), 3);
}

#[tokio::test]
async fn a_resend_asks_for_the_password_as_the_switch_says() {
    for (resend_password, status) in [(ResendPassword::Optional, 200), (ResendPassword::Required, 400)] {
        let api = Api::with(Switches {
            resend_password,
            ..Switches::default()
        })
        .await;
        api.register_from("192.0.2.1", NEW, PASSWORD).await;
        let answer = api.resend("192.0.2.1", json!({"email": NEW})).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.body.get("password").is_some(), status == 400);
        let wrong = api
            .resend("192.0.2.1", json!({"email": NEW, "password": "0ther!Horse"}))
            .await;
        assert_eq!(wrong.status, 400);
    }
}

#[tokio::test]
async fn a_code_lives_ten_minutes() {
    let api = Api::usual().await;
    api.register_from("192.0.2.1", NEW, PASSWORD).await;
    api.sandbox.advance(Duration::from_secs(10 * 60)).unwrap();
    let code = last_code(&api.sandbox, NEW);
    assert_eq!(api.verify(NEW, &code).await.status, 400);
    api.register_from("192.0.2.1", NEW, PASSWORD).await;
    api.sandbox.advance(Duration::from_secs(9 * 60)).unwrap();
    assert_eq!(api.verify(NEW, &last_code(&api.sandbox, NEW)).await.status, 200);
}

#[tokio::test]
async fn a_wrong_code_is_refused_as_the_switch_says() {
    for (wrong_code, status, field) in [
        (WrongCode::Detail, 400, "detail"),
        (WrongCode::Field, 400, "code"),
        (WrongCode::Unauthorized, 401, "detail"),
    ] {
        let api = Api::with(Switches {
            wrong_code,
            ..Switches::default()
        })
        .await;
        api.register_from("192.0.2.1", NEW, PASSWORD).await;
        for email in [NEW, "nobody@corp.example.net", EMAIL] {
            let answer = api.verify(email, "______").await;
            assert_eq!(answer.status, status, "{email}");
            assert!(
                answer.body[field].to_string().contains("Invalid or expired"),
                "{answer:?}"
            );
        }
    }
}

#[tokio::test]
async fn wrong_guesses_count_only_when_asked_to() {
    for (code_attempts, status) in [(None, 200), (Some(3), 400)] {
        let bounds = Bounds {
            code_attempts,
            ..Bounds::default()
        };
        let api = Api::start(Config {
            bounds,
            ..Config::default()
        })
        .await;
        api.register_from("192.0.2.1", NEW, PASSWORD).await;
        for _ in 0..3 {
            api.verify(NEW, "______").await;
        }
        assert_eq!(
            api.verify(NEW, &last_code(&api.sandbox, NEW)).await.status,
            status
        );
    }
}

#[tokio::test]
async fn the_reply_of_verification_follows_its_switches() {
    let switches = Switches {
        token_type: true,
        token_algorithm: TokenAlgorithm::Es256,
        data_locations: vec!["au".to_owned(), "eu".to_owned()],
        ..Switches::default()
    };
    let api = Api::with(switches).await;
    api.register_from("192.0.2.1", NEW, PASSWORD).await;
    let verified = api.verify(NEW, &last_code(&api.sandbox, NEW)).await;
    assert_eq!(verified.text("token_type"), "Bearer");
    assert_eq!(
        verified.body["application"]["data_location"], "au",
        "the first is the default"
    );
    assert_eq!(algorithm(&verified.text("access_token")), "ES256");
    let rs256 = Api::usual().await.login_as(EMAIL, PASSWORD).await;
    assert_eq!(algorithm(&rs256.text("access_token")), "RS256");
}

fn algorithm(token: &str) -> String {
    use base64::Engine as _;
    let header = token.split('.').next().unwrap();
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(header)
        .unwrap();
    let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
    header["alg"].as_str().unwrap().to_owned()
}
