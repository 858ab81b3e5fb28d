//! A person reads the mail and puts the code into a Secret.

use std::time::Duration;

use keywright::api::identity_account::AccountState;
use keywright::api::{IdentityAccount, IdentityProvider};
use keywright_sandbox::Operation::{
    GetApplication, ListOrganizations, Login, Register, ResendOtp, UpdateApplication, VerifyEmail,
};
use serde_json::json;

use super::stage::{CODE_SECRET, NAME, Stage};
use crate::harness::{EMAIL, PATIENCE, client_application, entries, eventually};

#[tokio::test]
async fn the_command_of_the_condition_leads_to_a_provider_and_to_the_application() {
    let stage = Stage::new("by-hand").await;
    let world = &stage.world;
    stage.asks_for_a_code().await;
    let waiting = world
        .until::<IdentityAccount>(NAME, ("Ready", "False", "WaitingForCode"))
        .await;
    let before = stage.secret(NAME).await;
    assert_eq!(
        before.keys().collect::<Vec<_>>(),
        ["email", "password"],
        "stored before the first call"
    );
    carry_out(&stage, &waiting.message, &stage.mailed(EMAIL)).await;
    let account = stage.until_ready(NAME).await;
    assert!(account["password"] == before["password"]);
    stage.has_called(&[(Register, 1), (VerifyEmail, 1)]);

    let mut provider = world.identity_provider(json!({"accountRef": {"name": NAME}}));
    provider["spec"]["didit"]
        .as_object_mut()
        .unwrap()
        .remove("accountSecretRef");
    world.apply(provider).await;
    let adopting = json!({"adopt": {"accountRef": {"name": NAME}}});
    world.apply(client_application("payments", adopting)).await;
    world.until_published("payments").await;
    world
        .until::<IdentityProvider>("didit", ("Ready", "True", "Ready"))
        .await;
    let application = entries(&world.secret("payments-didit").await.unwrap());
    assert!(
        application["api_key"] == account["api_key"],
        "another application"
    );
    stage.has_called(&[
        (Register, 1),
        (VerifyEmail, 1),
        (Login, 1),
        (ListOrganizations, 1),
        (GetApplication, 1),
        (UpdateApplication, 1),
    ]);
    nothing_leaks(&stage);
}

/// Carries out the command that a condition's message holds, with the code in place of what stands for it.
async fn carry_out(stage: &Stage, message: &str, code: &str) {
    let (_, command) = message
        .split_once("kubectl ")
        .unwrap_or_else(|| panic!("no command: {message}"));
    let (command, _) = command
        .split_once('…')
        .unwrap_or_else(|| panic!("nothing to replace: {command}"));
    let command = format!("{command}{code}");
    stage
        .world
        .kubectl(&command.split(' ').collect::<Vec<_>>(), "")
        .await;
    assert!(stage.world.secret(CODE_SECRET).await.is_some(), "{command}");
}

/// Neither codes nor passwords nor keys stand in the log.
fn nothing_leaks(stage: &Stage) {
    let log = stage.operator.log();
    for secret in stage.world.sandbox.known_secrets() {
        assert!(!log.contains(&secret), "a secret stands in the log");
    }
}

#[tokio::test]
async fn of_wrong_codes_three_are_tried_for_a_mail_and_each_once() {
    let mut stage = Stage::new("wrong-code").await;
    stage.asks_for_a_code().await;
    for no_code in ["12345", "not a code", ""] {
        stage.bring(no_code).await;
        stage
            .world
            .until::<IdentityAccount>(NAME, ("CodeReceived", "False", "CodeUnreadable"))
            .await;
    }
    stage.has_called(&[(Register, 1)]);

    for (count, wrong) in [(1, "AAAAA1"), (2, "AAAAA2"), (3, "AAAAA3")] {
        stage.bring(wrong).await;
        stage.until_refused(count).await;
        // A code that was refused is not tried again.
        stage.still_says(NAME, ("Ready", "False", "CodeRefused")).await;
    }
    stage.bring("AAAAA4").await;
    stage.still_says(NAME, ("Ready", "False", "CodeRefused")).await;
    stage.operator.kill().await;
    stage.operator.start_again();
    stage.still_says(NAME, ("Ready", "False", "CodeRefused")).await;
    stage.has_called(&[(Register, 1), (VerifyEmail, 3)]);

    stage.sleeps_for(Duration::from_secs(61)).await;
    until_mailed(&stage, 2).await;
    stage.until_refused(0).await;
    stage.bring(&stage.mailed(EMAIL)).await;
    stage.until_ready(NAME).await;
    stage.has_called(&[(Register, 1), (ResendOtp, 1), (VerifyEmail, 4)]);
}

#[tokio::test]
async fn a_code_that_has_lapsed_is_tried_once_and_another_one_is_mailed() {
    let mut stage = Stage::new("lapsed-code").await;
    stage.asks_for_a_code().await;
    stage.falls_asleep().await;
    stage.bring(&stage.mailed(EMAIL)).await;
    stage.wakes_after(Duration::from_secs(11 * 60)).await;
    until_mailed(&stage, 2).await;
    stage.until_state(NAME, AccountState::CodeSent).await;
    stage.bring(&stage.mailed(EMAIL)).await;
    stage.until_ready(NAME).await;
    stage.has_called(&[(Register, 2), (VerifyEmail, 2)]);
}

#[tokio::test]
async fn who_does_not_bring_a_code_is_mailed_seldom_and_less_and_less() {
    let mut stage = Stage::new("no-code").await;
    stage.asks_for_a_code().await;
    // Codes lapse after ten minutes; the pauses after that are 0, 1, 3, 6 and 12 hours.
    for (mails, minutes) in [(2, 11), (3, 71), (4, 191), (5, 371), (6, 731)] {
        stage.sleeps_for(Duration::from_secs(minutes * 60)).await;
        until_mailed(&stage, mails).await;
        stage.until_state(NAME, AccountState::CodeSent).await;
    }
    stage.sleeps_for(Duration::from_secs(86_400)).await;
    let gave_up = stage
        .world
        .until::<IdentityAccount>(NAME, ("Ready", "False", "CodeMissing"))
        .await;
    assert!(
        gave_up.message.contains("keywright.dev/code-requested-at"),
        "{}",
        gave_up.message
    );
    stage.still_says(NAME, ("Ready", "False", "CodeMissing")).await;
    stage.has_called(&[(Register, 6)]);

    stage.ask_for_another_code(NAME, "please").await;
    until_mailed(&stage, 7).await;
    stage.bring(&stage.mailed(EMAIL)).await;
    stage.until_ready(NAME).await;
    stage.has_called(&[(Register, 7), (VerifyEmail, 1)]);
}

async fn until_mailed(stage: &Stage, mails: usize) {
    eventually(&format!("{mails} mails were sent"), PATIENCE, async || {
        let sent = stage.world.sandbox.mailbox(EMAIL).len();
        if sent == mails {
            Ok(())
        } else {
            Err(sent.to_string())
        }
    })
    .await;
}
