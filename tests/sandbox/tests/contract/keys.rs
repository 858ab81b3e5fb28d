//! Contract, 9: API keys, rate limits, health.

use std::time::Duration;

use keywright_sandbox::{
    ApplicationEdit, Bounds, Config, KeyState, MissingKey, NewAccount, Switches, WrongKey,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Api, EMAIL, PASSWORD, send};

const BALANCE: &str = "/v3/billing/balance/";

impl Api {
    async fn probe(&self, path: &str, key: &str) -> Answer {
        self.keyed(Method::GET, path, key, Value::Null).await
    }
}

#[tokio::test]
async fn a_key_is_checked_by_the_balance() {
    let api = Api::with(Switches {
        balance: "12.7500".to_owned(),
        ..Switches::default()
    })
    .await;
    let answer = api.probe(BALANCE, &api.first_key()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.body,
        json!({
            "balance": "12.7500",
            "auto_refill_enabled": false,
            "auto_refill_amount": "0.0000",
            "auto_refill_threshold": "0.0000",
        })
    );
    let bearer = api.login().await;
    assert_eq!(
        api.get(BALANCE, &bearer.token).await.status,
        403,
        "a Bearer token opens nothing here"
    );
}

#[tokio::test]
async fn wrong_and_missing_keys_are_refused_as_the_switches_say() {
    for (wrong_key, wrong) in [
        (WrongKey::Newest, [401, 401, 401]),
        (WrongKey::Older, [401, 401, 403]),
    ] {
        for (missing_key, missing) in [(MissingKey::Forbidden, 403), (MissingKey::Unauthorized, 401)] {
            let api = Api::with(Switches {
                wrong_key,
                missing_key,
                ..Switches::default()
            })
            .await;
            for (path, wrong) in [BALANCE, "/v3/webhook/destinations/", "/v3/webhook/"]
                .into_iter()
                .zip(wrong)
            {
                assert_eq!(
                    api.probe(path, "sk_live_wrong").await.status,
                    wrong,
                    "{path} {wrong_key:?}"
                );
                assert_eq!(
                    send(api.request(Method::GET, path)).await.status,
                    missing,
                    "{path} {missing_key:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn the_state_of_a_key_decides() {
    let api = Api::usual().await;
    let uuid = api.sandbox.applications()[0].uuid;
    for (state, status, detail) in [
        (KeyState::Expired, 401, "This API key has expired."),
        (KeyState::Revoked, 401, "Invalid API key."),
        (
            KeyState::Forbidden,
            403,
            "You do not have permission to perform this action.",
        ),
    ] {
        let edit = ApplicationEdit {
            key_state: Some(state),
            ..ApplicationEdit::default()
        };
        api.sandbox.edit_application(uuid, edit).unwrap();
        let answer = api.probe(BALANCE, &api.first_key()).await;
        assert_eq!((answer.status, answer.text("detail").as_str()), (status, detail));
    }
    let old = api.first_key();
    let edit = ApplicationEdit {
        key_state: Some(KeyState::Valid),
        rotate_api_key: true,
        ..ApplicationEdit::default()
    };
    api.sandbox.edit_application(uuid, edit).unwrap();
    assert_ne!(api.first_key(), old);
    assert_eq!(api.probe(BALANCE, &old).await.status, 401);
    assert_eq!(api.probe(BALANCE, &api.first_key()).await.status, 200);
}

#[tokio::test]
async fn reads_and_writes_have_limits_of_their_own_per_key() {
    let api = Api::start(Config {
        accounts: vec![
            NewAccount::new(EMAIL, PASSWORD),
            NewAccount::new("other@x.io", PASSWORD),
        ],
        bounds: Bounds {
            reads: 3,
            writes: 1,
            ..Bounds::default()
        },
        ..Config::default()
    })
    .await;
    let key = api.first_key();
    for remaining in ["2", "1", "0"] {
        let answer = api.probe(BALANCE, &key).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("x-ratelimit-limit"), Some("3"));
        assert_eq!(answer.header("x-ratelimit-remaining"), Some(remaining));
        assert_eq!(answer.retry_after(), None);
    }
    let refused = api.probe(BALANCE, &key).await;
    assert_eq!(refused.status, 429);
    let wait = refused.retry_after().unwrap();
    assert!((1..=60).contains(&wait));
    let reset: i64 = refused.header("x-ratelimit-reset").unwrap().parse().unwrap();
    let ahead = reset - api.sandbox.now().as_second();
    assert!((0..=60).contains(&ahead), "{ahead}");

    let write = |body| api.keyed(Method::PATCH, "/v3/webhook/", &key, body);
    assert_eq!(write(json!({})).await.status, 200, "writes are counted apart");
    assert_eq!(write(json!({})).await.status, 429);
    let other = api.sandbox.api_key(api.sandbox.applications()[1].uuid).unwrap();
    assert_eq!(
        api.probe(BALANCE, &other).await.status,
        200,
        "keys are counted apart"
    );

    for (address, status) in [
        ("192.0.2.1", 403),
        ("192.0.2.1", 403),
        ("192.0.2.1", 403),
        ("192.0.2.1", 429),
        ("192.0.2.2", 403),
    ] {
        let anonymous = api
            .request(Method::GET, BALANCE)
            .header("x-forwarded-for", format!("{address}, 10.0.0.1"));
        assert_eq!(
            send(anonymous).await.status,
            status,
            "without a key the first hop counts"
        );
    }
    api.sandbox.advance(Duration::from_secs(60)).unwrap();
    assert_eq!(api.probe(BALANCE, &key).await.status, 200, "the window slid");
}

#[tokio::test]
async fn health_needs_no_key_and_has_no_limit() {
    let api = Api::start(Config {
        bounds: Bounds {
            reads: 1,
            ..Bounds::default()
        },
        ..Config::default()
    })
    .await;
    for _ in 0..3 {
        assert_eq!(
            send(api.request(Method::GET, "/system/healthcheck")).await.status,
            200
        );
    }
}
