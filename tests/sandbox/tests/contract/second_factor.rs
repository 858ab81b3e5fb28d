//! Contract, 2.4: logging in with a second factor.

use std::time::Duration;

use keywright_sandbox::{Config, NewAccount};
use serde_json::json;
use totp_rs::{Builder, Secret};

use crate::support::{Answer, Api, EMAIL, PASSWORD};

const SEED: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";

impl Api {
    async fn second_factor(&self, temp_token: &str, code: &str) -> Answer {
        self.post(
            "/auth/v2/2fa/verify/",
            json!({"temp_token": temp_token, "otp_token": code}),
        )
        .await
    }
}

async fn with_authenticator() -> Api {
    let account = NewAccount {
        totp_seed: Some(SEED.to_owned()),
        backup_codes: vec!["backup-one".to_owned()],
        ..NewAccount::new(EMAIL, PASSWORD)
    };
    Api::start(Config {
        accounts: vec![account],
        ..Config::default()
    })
    .await
}

/// The authenticator's code at the sandbox's present, moved by `seconds`.
fn shown(api: &Api, seconds: i64) -> String {
    let at = u64::try_from(api.sandbox.now().as_second() + seconds).unwrap();
    let authenticator = Builder::new()
        .with_secret(Secret::try_from_base32(SEED).unwrap())
        .build_noncompliant();
    authenticator.generate(at).to_string()
}

#[tokio::test]
async fn an_authenticator_completes_the_login() {
    let api = with_authenticator().await;
    let asked = api.login_as(EMAIL, PASSWORD).await;
    assert_eq!(asked.status, 200);
    assert_eq!(asked.body["2fa_required"], true);
    assert_eq!(asked.body["has_authenticator"], true);
    assert_eq!(asked.body["has_passkeys"], false);
    assert_eq!(asked.body.get("access_token"), None);
    let temp_token = asked.text("temp_token");

    let stale = shown(&api, -600);
    let refused = api.second_factor(&temp_token, &stale).await;
    assert_eq!(
        (refused.status, refused.body),
        (400, json!(["Invalid OTP token."]))
    );
    let done = api.second_factor(&temp_token, &shown(&api, 0)).await;
    assert_eq!(done.status, 200);
    assert_eq!(done.body.as_object().unwrap().len(), 2, "two tokens and no more");
    assert_eq!(api.organizations_status(&done.text("access_token")).await, 200);
    assert_eq!(
        api.second_factor(&temp_token, &shown(&api, 0)).await.status,
        400,
        "spent"
    );
}

#[tokio::test]
async fn the_temporary_token_lives_five_minutes_and_a_backup_code_works_once() {
    let api = with_authenticator().await;
    let temp_token = api.login_as(EMAIL, PASSWORD).await.text("temp_token");
    api.sandbox.advance(Duration::from_secs(301)).unwrap();
    assert_eq!(api.second_factor(&temp_token, &shown(&api, 0)).await.status, 400);
    for status in [200, 400] {
        let temp_token = api.login_as(EMAIL, PASSWORD).await.text("temp_token");
        assert_eq!(api.second_factor(&temp_token, "backup-one").await.status, status);
    }
}

#[tokio::test]
async fn passkeys_alone_demand_a_second_factor_that_no_code_satisfies() {
    let account = NewAccount {
        has_passkeys: true,
        ..NewAccount::new(EMAIL, PASSWORD)
    };
    let api = Api::start(Config {
        accounts: vec![account],
        ..Config::default()
    })
    .await;
    let asked = api.login_as(EMAIL, PASSWORD).await;
    assert_eq!(asked.body["has_authenticator"], false);
    assert_eq!(asked.body["has_passkeys"], true);
    assert_eq!(
        api.second_factor(&asked.text("temp_token"), "000000")
            .await
            .status,
        400
    );
}
