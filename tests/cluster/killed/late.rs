//! A creation that takes effect only after the process that asked for it was killed and another one looked.

use keywright::api::ClientApplication;
use keywright_sandbox::{ApplicationEdit, Fault, FaultRule, Operation, When};
use serde_json::json;

use crate::harness::{World, client_application, entries};

#[tokio::test]
async fn a_creation_that_takes_effect_late_is_waited_for() {
    let world = World::new("late").await;
    let settings = world
        .settings()
        .with("--leader-election", "false")
        .with("--creation-settle-time", "8s");
    let mut gate = world
        .sandbox
        .hold_next(Operation::CreateApplication, When::Before);
    world.apply_provider().await;
    world.apply(client_application("payments", json!({}))).await;
    let mut operator = world.operator_with(settings);
    gate.reached().await.unwrap();
    operator.kill().await;
    operator.start_again();

    let said = world
        .until::<ClientApplication>("payments", ("Provisioned", "Unknown", "CreationUnconfirmed"))
        .await;
    assert!(
        said.message.contains("Looking for the application again in"),
        "{}",
        said.message
    );
    assert_eq!(world.sandbox.applications().len(), 0);
    gate.release();

    let resource = world.until_published("payments").await;
    let made = world.sandbox.applications();
    assert_eq!(made.len(), 1, "{made:#?}");
    assert_eq!(
        resource.status.unwrap().application_id,
        Some(made[0].uuid.to_string())
    );
    let secret = world.secret("payments-didit").await.unwrap();
    assert!(entries(&secret).get("api_key") == world.sandbox.api_key(made[0].uuid).as_ref());
}

#[tokio::test]
async fn a_creation_that_takes_effect_after_it_was_given_up_is_waited_for() {
    let world = World::new("given-up").await;
    let mut gate = world
        .sandbox
        .hold_next(Operation::CreateApplication, When::Before);
    world.apply_provider().await;
    world.apply(client_application("payments", json!({}))).await;
    let _operator = world.operator();
    gate.reached().await.unwrap();
    world
        .until::<ClientApplication>("payments", ("Provisioned", "Unknown", "CreationUnconfirmed"))
        .await;
    assert_eq!(world.sandbox.applications().len(), 0);
    gate.release();

    let resource = world.until_published("payments").await;
    let made = world.sandbox.applications();
    assert_eq!(made.len(), 1, "{made:#?}");
    assert_eq!(
        resource.status.unwrap().application_id,
        Some(made[0].uuid.to_string())
    );
}

#[tokio::test]
async fn a_lost_application_is_found_under_another_name() {
    let world = World::new("other-name").await;
    let lost = FaultRule::new(Operation::CreateApplication, Fault::Drop).after();
    world.sandbox.inject(lost).unwrap();
    // The search waits until the application has got another name.
    let mut first = world.sandbox.hold_next(Operation::ListApplications, When::Before);
    world.apply_provider().await;
    world.apply(client_application("payments", json!({}))).await;
    let _operator = world.operator();
    first.reached().await.unwrap();
    let mut second = world.sandbox.hold_next(Operation::ListApplications, When::Before);
    first.release();
    second.reached().await.unwrap();
    let made = world.sandbox.applications()[0].uuid;
    let renamed = ApplicationEdit {
        name: Some("Checkout".to_owned()),
        ..ApplicationEdit::default()
    };
    world.sandbox.edit_application(made, renamed).unwrap();
    second.release();

    let status = world.until_published("payments").await.status.unwrap();
    assert_eq!(status.application_id, Some(made.to_string()));
    assert_eq!(world.sandbox.count(Operation::CreateApplication), 1);
}
