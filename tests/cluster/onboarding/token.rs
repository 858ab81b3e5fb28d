//! The management token that an account's Secret holds when it is asked for.

use std::time::Duration;

use keywright::api::IdentityAccount;
use keywright::api::names::REFRESH_REQUESTED_ANNOTATION;
use keywright_sandbox::Operation::{Login, Register, VerifyEmail};
use keywright_sandbox::{Config, Period, Times};
use serde_json::json;

use super::stage::{NAME, Stage, secret_of};
use crate::harness::{EMAIL, PATIENCE, entries, eventually};

/// A token whose refresh comes within ten seconds: a minute is promised, and some seconds are for clocks and network.
const SHORT: Duration = Duration::from_secs(80);

#[tokio::test]
async fn a_token_is_kept_fresh_by_logging_in_and_goes_when_it_is_no_longer_asked_for() {
    let config = Config {
        times: Times {
            access_token_lifetime: Period::from(SHORT),
            ..Times::default()
        },
        ..Config::default()
    };
    let mut stage = Stage::with("account-token", config).await;
    let keeping = json!({"keepToken": true});
    stage.world.apply(stage.account(NAME, EMAIL, keeping)).await;
    stage
        .until_state(NAME, keywright::api::identity_account::AccountState::CodeSent)
        .await;
    stage.bring(&stage.mailed(EMAIL)).await;
    let first = stage.until_ready(NAME).await;
    assert!(first.contains_key("expires_at"), "{:?}", first.keys());
    // The token of the answer to the code is good enough.
    stage.has_called(&[(Register, 1), (VerifyEmail, 1)]);

    until_replaced(&stage, &first["access_token"]).await;
    stage
        .world
        .until::<IdentityAccount>(NAME, ("TokenFresh", "True", "Fresh"))
        .await;
    stage.has_called(&[(Register, 1), (VerifyEmail, 1), (Login, 1)]);

    let ask = json!({"metadata": {"annotations": {REFRESH_REQUESTED_ANNOTATION: "now"}}});
    stage.world.edit::<IdentityAccount>(NAME, ask).await;
    eventually("the request is fulfilled", PATIENCE, async || {
        let done = stage
            .read(NAME)
            .await
            .status
            .unwrap_or_default()
            .fulfilled_requests;
        match done.as_ref().and_then(|done| done.refresh.as_deref()) {
            Some("now") => Ok(()),
            _ => Err(format!("{done:?}")),
        }
    })
    .await;
    stage.world.apply(stage.account(NAME, EMAIL, json!({}))).await;
    stage
        .world
        .until_secret(&secret_of(NAME), "holds no token", |secret| {
            !entries(secret).contains_key("access_token")
        })
        .await;
    stage.until_ready(NAME).await;
    stage.operator.kill().await;
    stage.operator.start_again();
    stage.still_says(NAME, ("Ready", "True", "Published")).await;
    let logins = stage.world.sandbox.count(Login);
    assert!(logins <= 3, "{logins}");
}

async fn until_replaced(stage: &Stage, earlier: &str) {
    stage
        .world
        .until_secret(&secret_of(NAME), "holds another token", |secret| {
            entries(secret)
                .get("access_token")
                .is_some_and(|token| token != earlier)
        })
        .await;
}
