//! The address is verified already.

use keywright::api::IdentityAccount;
use keywright_sandbox::Operation::{GetApplication, ListApplications, ListOrganizations, Login, Register};
use keywright_sandbox::{Config, NewAccount};
use serde_json::json;

use super::stage::{NAME, Stage};
use crate::harness::{EMAIL, PASSWORD};

/// A world whose sandbox has the address, and an account with this password for it.
async fn stage(name: &str, password: &str) -> Stage {
    let config = Config {
        accounts: vec![NewAccount::new(EMAIL, PASSWORD)],
        ..Config::default()
    };
    let stage = Stage::with(name, config).await;
    bring_password(&stage, password).await;
    let spec = json!({"passwordSecretRef": {"name": "ops-password", "key": "password"}});
    stage.world.apply(stage.account(NAME, EMAIL, spec)).await;
    stage
}

async fn bring_password(stage: &Stage, password: &str) {
    stage
        .world
        .apply(json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "ops-password"},
            "stringData": {"password": password},
        }))
        .await;
}

#[tokio::test]
async fn the_right_password_opens_it_without_a_code() {
    let stage = stage("taken", PASSWORD).await;
    stage.until_ready(NAME).await;
    let registered = stage.world.condition::<IdentityAccount>(NAME, "Registered").await;
    assert_eq!(registered.reason, "AlreadyRegistered", "{}", registered.message);
    stage.has_called(&[
        (Register, 1),
        (Login, 1),
        (ListOrganizations, 1),
        (ListApplications, 1),
        (GetApplication, 1),
    ]);
    assert!(stage.world.sandbox.mailbox(EMAIL).is_empty());
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_until_it_changes() {
    let mut stage = stage("taken-wrong", "Wrong!horse1").await;
    let taken = ("Ready", "False", "AddressTaken");
    let said = stage.world.until::<IdentityAccount>(NAME, taken).await;
    assert!(
        said.message.contains("spec.passwordSecretRef"),
        "{}",
        said.message
    );
    stage.still_says(NAME, taken).await;
    stage.operator.kill().await;
    stage.operator.start_again();
    stage.still_says(NAME, taken).await;
    stage.has_called(&[(Register, 1), (Login, 1)]);

    bring_password(&stage, PASSWORD).await;
    stage.until_ready(NAME).await;
    stage.has_called(&[
        (Register, 2),
        (Login, 2),
        (ListOrganizations, 1),
        (ListApplications, 1),
        (GetApplication, 1),
    ]);
}

#[tokio::test]
async fn a_weak_password_is_told_with_what_the_rules_are() {
    let stage = Stage::new("weak").await;
    bring_password(&stage, "weak").await;
    let spec = json!({"passwordSecretRef": {"name": "ops-password", "key": "password"}});
    stage.world.apply(stage.account(NAME, EMAIL, spec)).await;
    let said = stage
        .world
        .until::<IdentityAccount>(NAME, ("Ready", "False", "WeakPassword"))
        .await;
    assert!(said.message.contains("at least 8 characters"), "{}", said.message);
    let calls = stage.world.sandbox.count(Register);
    assert!(calls <= 1, "{calls}");
    bring_password(&stage, PASSWORD).await;
    stage
        .until_state(NAME, keywright::api::identity_account::AccountState::CodeSent)
        .await;
}
