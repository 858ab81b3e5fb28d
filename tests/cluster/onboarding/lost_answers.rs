//! A call took effect, or did not, and nobody was told.

use std::time::Duration;

use futures::future::join_all;
use keywright::api::IdentityAccount;
use keywright::api::identity_account::AccountState;
use keywright_sandbox::Operation::{
    self, GetApplication, ListApplications, ListOrganizations, Login, Register, ResendOtp, VerifyEmail,
};
use keywright_sandbox::{Fault, FaultRule};
use serde_json::json;

use super::stage::{NAME, Stage};
use crate::harness::{EMAIL, PATIENCE, eventually};

/// Every way to lose an answer.
fn ways() -> [Fault; 3] {
    let broken = Fault::Status {
        status: 502,
        body: None,
        retry_after: None,
    };
    [Fault::Drop, broken, Fault::Garbled]
}

async fn with_fault(operation: Operation, fault: Fault) -> Stage {
    let stage = Stage::new("lost").await;
    let rule = FaultRule::new(operation, fault).after();
    stage.world.sandbox.inject(rule).unwrap();
    stage
}

#[tokio::test]
async fn a_lost_answer_of_verify_email_is_made_up_for_by_one_login() {
    join_all(ways().map(async |fault| {
        let stage = with_fault(VerifyEmail, fault).await;
        stage.asks_for_a_code().await;
        stage.bring(&stage.mailed(EMAIL)).await;
        stage.until_ready(NAME).await;
        stage.has_called(&[
            (Register, 1),
            (VerifyEmail, 1),
            (Login, 1),
            (ListOrganizations, 1),
            (ListApplications, 1),
            (GetApplication, 1),
        ]);
    }))
    .await;
}

#[tokio::test]
async fn a_code_that_never_arrived_is_not_tried_again_and_another_one_is_mailed() {
    let mut stage = Stage::new("lost-code").await;
    let rule = FaultRule::new(VerifyEmail, Fault::Drop);
    stage.world.sandbox.inject(rule).unwrap();
    stage.asks_for_a_code().await;
    stage.bring(&stage.mailed(EMAIL)).await;
    stage
        .world
        .until::<IdentityAccount>(NAME, ("CodeReceived", "False", "CodeRefused"))
        .await;
    stage.has_called(&[(Register, 1), (VerifyEmail, 1), (Login, 1)]);

    stage.sleeps_for(Duration::from_secs(61)).await;
    stage.until_refused(0).await;
    stage.bring(&stage.mailed(EMAIL)).await;
    stage.until_ready(NAME).await;
    stage.has_called(&[(Register, 1), (ResendOtp, 1), (VerifyEmail, 2), (Login, 1)]);
}

#[tokio::test]
async fn a_lost_answer_of_register_costs_no_second_mail() {
    join_all(ways().map(async |fault| {
        let stage = with_fault(Register, fault).await;
        stage.asks_for_a_code().await;
        stage
            .world
            .until::<IdentityAccount>(NAME, ("Registered", "Unknown", "AnswerLost"))
            .await;
        stage.bring(&stage.mailed(EMAIL)).await;
        stage.until_ready(NAME).await;
        stage.has_called(&[(Register, 1), (VerifyEmail, 1)]);
    }))
    .await;
}

#[tokio::test]
async fn a_registration_that_never_arrived_is_made_up_for_after_minutes() {
    let mut stage = Stage::new("lost-register").await;
    let rule = FaultRule::new(Register, Fault::Drop);
    stage.world.sandbox.inject(rule).unwrap();
    stage.asks_for_a_code().await;
    stage.operator.kill().await;
    stage.operator.start_again();
    stage.still_says(NAME, ("Ready", "Unknown", "AnswerLost")).await;
    stage.has_called(&[(Register, 1)]);

    stage.sleeps_for(Duration::from_secs(181)).await;
    eventually("a mail is sent", PATIENCE, async || {
        match stage.world.sandbox.mailbox(EMAIL).len() {
            0 => Err("none".to_owned()),
            _ => Ok(()),
        }
    })
    .await;
    stage.until_state(NAME, AccountState::CodeSent).await;
    stage.bring(&stage.mailed(EMAIL)).await;
    stage.until_ready(NAME).await;
    stage.has_called(&[(Register, 2), (VerifyEmail, 1)]);
}

#[tokio::test]
async fn an_identity_api_that_cannot_be_reached_costs_nothing_of_the_hour() {
    let stage = Stage::new("away").await;
    let nobody = json!({"didit": {
        "authUrl": "http://127.0.0.1:1/auth/v2",
        "apiUrl": stage.world.sandbox.api_url(),
        "allowInsecure": true,
    }});
    stage.world.apply(stage.account(NAME, EMAIL, nobody)).await;
    stage
        .world
        .until::<IdentityAccount>(NAME, ("Ready", "False", "Retrying"))
        .await;
    let recorded = stage.read(NAME).await.status.unwrap().registration.unwrap();
    assert_eq!(recorded.counted_calls, []);

    // An account belongs to its server: a wrong address is mended by another account.
    let other = "elsewhere";
    stage.world.apply(stage.account(other, EMAIL, json!({}))).await;
    stage.until_state(other, AccountState::CodeSent).await;
    stage.bring_for(other, &stage.mailed(EMAIL)).await;
    stage.until_ready(other).await;
    stage.has_called(&[(Register, 1), (VerifyEmail, 1)]);
}
