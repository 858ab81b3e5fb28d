//! Didit takes five registrations and resends an hour from an IP address: all accounts share them.

use std::time::Duration;

use keywright::api::IdentityAccount;
use keywright::api::identity_account::AccountState;
use keywright_sandbox::Operation::{Register, VerifyEmail};
use keywright_sandbox::{Bounds, Config};
use serde_json::json;

use super::stage::{HOURLY, NAME, Stage};
use crate::harness::EMAIL;

const LATE: &str = "late";
const LATE_EMAIL: &str = "late@corp.example.net";

#[tokio::test]
async fn a_full_hour_is_waited_out_across_restarts_unless_somebody_asks() {
    let mut stage = Stage::new("budget").await;
    for number in 0..HOURLY {
        let (name, email) = (
            format!("early-{number}"),
            format!("early-{number}@corp.example.net"),
        );
        stage.world.apply(stage.account(&name, &email, json!({}))).await;
        stage.until_state(&name, AccountState::CodeSent).await;
    }
    for (name, email) in [(LATE, LATE_EMAIL), (NAME, EMAIL)] {
        stage.world.apply(stage.account(name, email, json!({}))).await;
    }
    let full = ("Ready", "False", "HourlyBudget");
    let said = stage.world.until::<IdentityAccount>(LATE, full).await;
    assert!(
        said.message.contains("keywright.dev/code-requested-at"),
        "{}",
        said.message
    );
    stage.world.until::<IdentityAccount>(NAME, full).await;
    stage.operator.kill().await;
    stage.operator.start_again();
    stage.still_says(LATE, full).await;
    stage.has_called(&[(Register, HOURLY)]);

    // One is kept for whoever asks by hand.
    stage.ask_for_another_code(LATE, "please").await;
    stage.until_state(LATE, AccountState::CodeSent).await;
    stage.bring_for(LATE, &stage.mailed(LATE_EMAIL)).await;
    stage.until_ready(LATE).await;
    stage.ask_for_another_code(NAME, "please").await;
    stage.still_says(NAME, full).await;
    stage.has_called(&[(Register, HOURLY + 1), (VerifyEmail, 1)]);

    stage.sleeps_for(Duration::from_secs(63 * 60)).await;
    stage.until_state(NAME, AccountState::CodeSent).await;
    stage.bring(&stage.mailed(EMAIL)).await;
    stage.until_ready(NAME).await;
}

#[tokio::test]
async fn a_pause_that_the_identity_api_asks_for_holds_for_all_accounts() {
    let config = Config {
        bounds: Bounds {
            registrations: 1,
            ..Bounds::default()
        },
        ..Config::default()
    };
    let mut stage = Stage::with("throttled", config).await;
    stage
        .world
        .apply(stage.account("first", "first@corp.example.net", json!({})))
        .await;
    stage.until_state("first", AccountState::CodeSent).await;
    let full = ("Ready", "False", "HourlyBudget");
    for (name, email) in [(LATE, LATE_EMAIL), (NAME, EMAIL)] {
        stage.world.apply(stage.account(name, email, json!({}))).await;
        stage.world.until::<IdentityAccount>(name, full).await;
    }
    stage.operator.kill().await;
    stage.operator.start_again();
    for name in [LATE, NAME] {
        stage.still_says(name, full).await;
    }
    stage.has_called(&[(Register, 2)]);
}
