//! Contract, 2.4 and 2.5.

use std::time::Duration;

use keywright_sandbox::{
    Config, ConsoleAccounts, Locked, LockoutScope, NewAccount, PasswordChange, Period, Refusal, Switches,
    Times, WrongPassword,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Api, EMAIL, PASSWORD, send};

const WRONG: &str = "Wr0ng!horse";

impl Api {
    async fn fail(&self, times: usize) {
        for attempt in 0..times {
            assert_eq!(self.login_as(EMAIL, WRONG).await.status, 401, "failure {attempt}");
        }
    }

    pub(crate) async fn organizations_status(&self, token: &str) -> u16 {
        self.get("/auth/v2/organizations/me/", token).await.status
    }
}

#[tokio::test]
async fn a_login_gives_tokens_and_nothing_else() {
    let api = Api::usual().await;
    let answer = api.login_as("OPS@corp.example.net", PASSWORD).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["expires_in"], 86400);
    assert_eq!(answer.text("message"), "Login successful");
    let fields: Vec<_> = answer.body.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["access_token", "expires_in", "message", "refresh_token"]);
    let other = api.login_as(EMAIL, PASSWORD).await.text("access_token");
    assert_ne!(other, answer.text("access_token"));
    assert_eq!(
        api.organizations_status(&answer.text("access_token")).await,
        200,
        "older tokens stay valid"
    );
}

#[tokio::test]
async fn missing_fields_are_named() {
    let api = Api::usual().await;
    let answer = api.post("/auth/v2/programmatic/login/", json!({})).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.body["email"], json!(["This field is required."]));
    assert_eq!(answer.body["password"], json!(["This field is required."]));
}

#[tokio::test]
async fn wrong_credentials_are_refused_as_the_switch_says() {
    for (wrong_password, status) in [
        (WrongPassword::Unauthorized, 401),
        (WrongPassword::Forbidden, 403),
        (WrongPassword::Throttled, 429),
    ] {
        let api = Api::with(Switches {
            wrong_password,
            ..Switches::default()
        })
        .await;
        api.sandbox
            .create_account(NewAccount {
                email: "social@x.io".into(),
                ..NewAccount::default()
            })
            .unwrap();
        api.register_from("192.0.2.1", "pending@corp.example.net", PASSWORD)
            .await;
        for email in [EMAIL, "nobody@x.io", "social@x.io", "pending@corp.example.net"] {
            let password = if email == EMAIL { WRONG } else { PASSWORD };
            let answer = api.login_as(email, password).await;
            assert_eq!(answer.status, status, "{email}");
            assert!(answer.body["detail"].is_string());
        }
    }
}

#[tokio::test]
async fn failures_lock_for_longer_and_longer() {
    let api = Api::usual().await;
    for (failures, minutes) in [(5, 15), (5, 60), (10, 24 * 60), (1, 24 * 60)] {
        api.fail(failures).await;
        let locked = api.login_as(EMAIL, PASSWORD).await;
        assert_eq!(locked.status, 429, "even with the right password");
        let seconds = locked.retry_after().unwrap();
        assert!(
            (minutes * 60 - 30..=minutes * 60).contains(&seconds),
            "{seconds} after {failures}"
        );
        api.sandbox
            .advance(Duration::from_secs(minutes * 60 - 60))
            .unwrap();
        assert_eq!(
            api.login_as(EMAIL, WRONG).await.status,
            429,
            "refused calls do not count"
        );
        api.sandbox.advance(Duration::from_secs(61)).unwrap();
    }
    assert_eq!(api.login_as(EMAIL, PASSWORD).await.status, 200, "the lock ends");
    api.fail(4).await;
    assert_eq!(
        api.login_as(EMAIL, PASSWORD).await.status,
        200,
        "a success cleared the count"
    );
}

#[tokio::test]
async fn a_success_clears_the_count_unless_the_switch_says_otherwise() {
    for (lockout_survives_success, status) in [(false, 200), (true, 429)] {
        let api = Api::with(Switches {
            lockout_survives_success,
            ..Switches::default()
        })
        .await;
        api.fail(4).await;
        assert_eq!(api.login_as(EMAIL, PASSWORD).await.status, 200);
        api.fail(1).await;
        assert_eq!(api.login_as(EMAIL, PASSWORD).await.status, status);
    }
}

#[tokio::test]
async fn a_locked_account_is_refused_as_the_switches_say() {
    for (locked, omit_retry_after, status, retry_after) in [
        (Locked::Throttled, false, 429, true),
        (Locked::Throttled, true, 429, false),
        (Locked::Forbidden, false, 403, false),
    ] {
        let api = Api::with(Switches {
            locked,
            omit_retry_after,
            ..Switches::default()
        })
        .await;
        api.fail(5).await;
        let answer = api.login_as(EMAIL, PASSWORD).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.retry_after().is_some(), retry_after);
    }
}

#[tokio::test]
async fn the_lock_holds_for_what_the_switch_says() {
    for (lockout_scope, same_email_elsewhere, other_email_here) in [
        (LockoutScope::Email, 429, 200),
        (LockoutScope::Address, 200, 429),
        (LockoutScope::Both, 429, 429),
    ] {
        let api = Api::with(Switches {
            lockout_scope,
            ..Switches::default()
        })
        .await;
        api.sandbox
            .create_account(NewAccount::new("other@x.io", PASSWORD))
            .unwrap();
        api.fail(5).await;
        let elsewhere = api
            .request(Method::POST, "/auth/v2/programmatic/login/")
            .header("x-forwarded-for", "192.0.2.9");
        let elsewhere = send(elsewhere.json(&json!({"email": EMAIL, "password": PASSWORD}))).await;
        assert_eq!(elsewhere.status, same_email_elsewhere, "{lockout_scope:?}");
        assert_eq!(
            api.login_as("other@x.io", PASSWORD).await.status,
            other_email_here,
            "{lockout_scope:?}"
        );
    }
}

#[tokio::test]
async fn console_accounts_log_in_as_the_switch_says() {
    for (console_accounts, status) in [(ConsoleAccounts::Allowed, 200), (ConsoleAccounts::Refused, 401)] {
        let api = Api::with(Switches {
            console_accounts,
            ..Switches::default()
        })
        .await;
        let account = NewAccount {
            console: true,
            ..NewAccount::new("human@x.io", PASSWORD)
        };
        api.sandbox.create_account(account).unwrap();
        assert_eq!(api.login_as("human@x.io", PASSWORD).await.status, status);
        assert_eq!(
            api.login_as(EMAIL, PASSWORD).await.status,
            200,
            "others are not affected"
        );
    }
}

#[tokio::test]
async fn a_token_lives_a_day_and_is_then_refused_as_the_switch_says() {
    for (bad_token, status) in [(Refusal::Unauthorized, 401), (Refusal::Forbidden, 403)] {
        let api = Api::with(Switches {
            bad_token,
            ..Switches::default()
        })
        .await;
        let answer = api.login_as(EMAIL, PASSWORD).await;
        let (token, refresh) = (answer.text("access_token"), answer.text("refresh_token"));
        api.sandbox.advance(Duration::from_secs(86_390)).unwrap();
        assert_eq!(api.organizations_status(&token).await, 200);
        assert_eq!(
            api.organizations_status(&refresh).await,
            status,
            "a refresh token is no access token"
        );
        api.sandbox.advance(Duration::from_secs(11)).unwrap();
        let refused = api.get("/auth/v2/organizations/me/", &token).await;
        assert_eq!(refused.status, status);
        assert!(refused.body["detail"].is_string());
        assert_eq!(
            refused.header("www-authenticate"),
            (status == 401).then_some("Bearer")
        );
        let missing = send(api.request(Method::GET, "/auth/v2/organizations/me/")).await;
        assert_eq!(missing.status, status);
    }
}

#[tokio::test]
async fn a_password_change_treats_tokens_as_the_switch_says() {
    for (password_change, status) in [
        (PasswordChange::KeepsTokens, 200),
        (PasswordChange::RevokesTokens, 401),
    ] {
        let api = Api::with(Switches {
            password_change,
            ..Switches::default()
        })
        .await;
        let token = api.login_as(EMAIL, PASSWORD).await.text("access_token");
        api.sandbox.set_password(EMAIL, "N3w!password").unwrap();
        assert_eq!(api.organizations_status(&token).await, status);
        assert_eq!(api.login_as(EMAIL, PASSWORD).await.status, 401);
        assert_eq!(api.login_as(EMAIL, "N3w!password").await.status, 200);
    }
}

#[tokio::test]
async fn times_scale_all_at_once_or_one_by_one() {
    for (times, expires_in) in [
        (
            Times {
                scale: 3600.0,
                ..Times::default()
            },
            24,
        ),
        (
            Times {
                access_token_lifetime: Period::seconds(90),
                ..Times::default()
            },
            90,
        ),
    ] {
        let accounts = vec![NewAccount::new(EMAIL, PASSWORD)];
        let api = Api::start(Config {
            accounts,
            times,
            ..Config::default()
        })
        .await;
        let answer = api.login_as(EMAIL, PASSWORD).await;
        assert_eq!(answer.body["expires_in"], Value::from(expires_in));
        api.sandbox.advance(Duration::from_secs(expires_in)).unwrap();
        assert_eq!(api.organizations_status(&answer.text("access_token")).await, 401);
    }
}
