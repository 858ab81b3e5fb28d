//! Somebody changes an application behind Keywright's back.

use k8s_openapi::api::core::v1::Secret;
use keywright::api::ClientApplication;
use keywright_sandbox::{ApplicationEdit, KeyState, Operation};
use serde_json::json;

use crate::harness::{PATIENCE, World, client_application, entries, eventually};

#[tokio::test]
async fn a_changed_application_is_repaired_where_the_resource_says_so() {
    let world = World::new("drift").await;
    let _operator = world.operator_with(world.settings().with("--drift-interval", "1s"));
    world.apply_provider().await;
    let didit = json!({"redirectUris": ["https://pay.corp.example.net/done"]});
    world
        .apply(client_application(
            "payments",
            json!({"displayName": "payments-prod", "didit": didit}),
        ))
        .await;
    world.until_published("payments").await;
    let made = world.sandbox.applications().remove(0);

    let edit = ApplicationEdit {
        name: Some("renamed".to_owned()),
        redirect_uris: Some(vec!["https://elsewhere.corp.example.net".to_owned()]),
        website_url: Some("https://site.corp.example.net".to_owned()),
        description: Some("A note from the console".to_owned()),
        ..ApplicationEdit::default()
    };
    world.sandbox.edit_application(made.uuid, edit).unwrap();
    let repaired = eventually("the application is repaired", PATIENCE, async || {
        let now = world.sandbox.applications().remove(0);
        if now.name == "payments-prod" {
            Ok(now)
        } else {
            Err(format!("{now:?}"))
        }
    })
    .await;
    assert_eq!(repaired.redirect_uris, ["https://pay.corp.example.net/done"]);
    assert_eq!(
        repaired.website_url.as_deref(),
        Some("https://site.corp.example.net")
    );
    let mark = made.description.unwrap();
    assert_eq!(
        repaired.description,
        Some(format!("A note from the console\n{mark}"))
    );
    assert_eq!(world.sandbox.count(Operation::UpdateApplication), 1);
    world.until_published("payments").await;
    assert_eq!(
        world.until_event("payments", "DriftCorrected").await,
        "the application was changed at the identity API, and is as this resource says again: displayName, \
         didit.redirectUris, didit.description"
    );
}

#[tokio::test]
async fn a_key_that_was_rotated_in_the_console_reaches_the_secret() {
    let world = World::new("rotated").await;
    let _operator = world.operator_with(world.settings().with("--drift-interval", "1s"));
    world.apply_provider().await;
    world.apply(client_application("payments", json!({}))).await;
    world.until_published("payments").await;
    let id = world.sandbox.applications()[0].uuid;

    let edit = ApplicationEdit {
        rotate_api_key: true,
        ..ApplicationEdit::default()
    };
    world.sandbox.edit_application(id, edit).unwrap();
    let key = world.sandbox.api_key(id).unwrap();
    let what = "has the new key";
    world
        .until_secret("payments-didit", what, |secret| {
            entries(secret).get("api_key") == Some(&key)
        })
        .await;
}

#[tokio::test]
async fn a_key_that_is_refused_is_said() {
    let world = World::new("refused").await;
    let _operator = world.operator_with(world.settings().with("--drift-interval", "1s"));
    world.apply_provider().await;
    world.apply(client_application("payments", json!({}))).await;
    world.until_published("payments").await;
    let id = world.sandbox.applications()[0].uuid;
    let becomes = |state| ApplicationEdit {
        key_state: Some(state),
        ..ApplicationEdit::default()
    };

    world
        .sandbox
        .edit_application(id, becomes(KeyState::Revoked))
        .unwrap();
    let said = world
        .until::<ClientApplication>("payments", ("Ready", "False", "KeyRefused"))
        .await;
    assert!(
        said.message
            .starts_with("the identity API refuses the application's key: "),
        "{}",
        said.message
    );
    assert!(
        said.message.ends_with(". Check the application in its console"),
        "{}",
        said.message
    );

    world
        .sandbox
        .edit_application(id, becomes(KeyState::Valid))
        .unwrap();
    world.until_published("payments").await;
}

#[tokio::test]
async fn an_application_that_is_gone_is_said_and_not_made_again() {
    let world = World::new("missing").await;
    let _operator = world.operator_with(world.settings().with("--drift-interval", "1s"));
    world.apply_provider().await;
    world.apply(client_application("payments", json!({}))).await;
    let id = world
        .until_published("payments")
        .await
        .status
        .unwrap()
        .application_id
        .unwrap();
    let published = world.secret("payments-didit").await.unwrap();

    world.sandbox.remove_application(id.parse().unwrap()).unwrap();
    let said = world
        .until::<ClientApplication>("payments", ("Provisioned", "False", "ApplicationMissing"))
        .await;
    assert!(
        said.message
            .starts_with(&format!("the identity API no longer knows application {id}. ")),
        "{}",
        said.message
    );
    let ready = world.condition::<ClientApplication>("payments", "Ready").await;
    assert_eq!(
        (ready.status.as_str(), ready.reason.as_str()),
        ("False", "ApplicationMissing")
    );
    assert_eq!(world.secret("payments-didit").await, Some(published));
    let key = world
        .condition::<ClientApplication>("payments", "KeyAccepted")
        .await;
    assert_eq!(
        (key.status.as_str(), key.reason.as_str()),
        ("Unknown", "NotChecked")
    );

    // Nothing that keeps it from being looked at makes it good again.
    world
        .apply(client_application("payments", json!({"displayName": "renamed"})))
        .await;
    world
        .until::<ClientApplication>("payments", ("Ready", "False", "ApplicationMissing"))
        .await;
    world
        .apply(client_application(
            "payments",
            json!({"displayName": "renamed", "suspend": true}),
        ))
        .await;
    world
        .until::<ClientApplication>("payments", ("Suspended", "True", "Suspended"))
        .await;
    world
        .until::<ClientApplication>("payments", ("Ready", "False", "ApplicationMissing"))
        .await;
    world
        .apply(client_application("payments", json!({"displayName": "renamed"})))
        .await;

    // Even without the Secret there is nothing to make it from, and no reason to make another application.
    world.delete::<Secret>("payments-didit").await;
    world
        .until::<ClientApplication>("payments", ("SecretSynced", "False", "SecretMissing"))
        .await;
    let missing = world
        .condition::<ClientApplication>("payments", "SecretSynced")
        .await;
    assert_eq!(missing.message, "Secret payments-didit does not exist");
    assert_eq!(world.sandbox.applications().len(), 0);
    assert_eq!(world.sandbox.count(Operation::CreateApplication), 1);
}
