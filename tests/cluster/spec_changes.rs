//! The resource changes.

use k8s_openapi::api::core::v1::Secret;
use keywright::api::ClientApplication;
use keywright_sandbox::Operation;
use kube::ResourceExt;
use serde_json::json;

use crate::harness::{World, client_application, entries};

#[tokio::test]
async fn a_changed_spec_changes_the_application() {
    let world = World::new("metadata").await;
    let _operator = world.operator();
    world.apply_provider().await;
    world
        .apply(client_application(
            "payments",
            json!({"didit": {"description": "One"}}),
        ))
        .await;
    world.until_published("payments").await;
    let made = world.sandbox.applications().remove(0);
    assert_eq!(made.name, "payments");
    let written = world.secret("payments-didit").await.unwrap();

    let uris = ["https://pay.corp.example.net/a", "https://pay.corp.example.net/b"];
    let spec = json!({"displayName": "payments-prod", "didit": {"redirectUris": uris, "description": "Two"}});
    world.apply(client_application("payments", spec)).await;
    world.until_published("payments").await;
    let changed = world.sandbox.applications().remove(0);
    assert_eq!(
        (changed.uuid, changed.name.as_str()),
        (made.uuid, "payments-prod")
    );
    assert_eq!(changed.redirect_uris, uris);
    assert_eq!(
        changed.description,
        made.description.map(|text| text.replace("One", "Two"))
    );
    assert_eq!(world.sandbox.count(Operation::CreateApplication), 1);
    assert_eq!(world.sandbox.count(Operation::UpdateApplication), 1);
    assert_eq!(
        world.secret("payments-didit").await.unwrap(),
        written,
        "nothing of this concerns the Secret"
    );
}

#[tokio::test]
async fn another_secret_name_moves_the_secret() {
    let world = World::new("renamed").await;
    let _operator = world.operator();
    world.apply_provider().await;
    world
        .apply(client_application("payments", json!({"secret": {"name": "one"}})))
        .await;
    world.until_published("payments").await;
    let one = world.secret("one").await.unwrap();

    world
        .apply(client_application(
            "payments",
            json!({"secret": {"name": "two", "type": "keywright.dev/credentials"}}),
        ))
        .await;
    world.until_published("payments").await;
    let two = world.secret("two").await.unwrap();
    assert_eq!(entries(&two), entries(&one));
    assert_eq!(two.type_.as_deref(), Some("keywright.dev/credentials"));
    world.until_gone::<Secret>("one").await;
    let status = world.application("payments").await.status.unwrap();
    assert_eq!(status.secret.map(|secret| secret.name).as_deref(), Some("two"));
    assert_eq!(world.sandbox.applications().len(), 1);
}

#[tokio::test]
async fn a_secret_whose_name_was_never_recorded_is_removed_and_a_copy_is_not() {
    let world = World::new("stray").await;
    let mut operator = world.operator();
    world.apply_provider().await;
    world.apply(client_application("payments", json!({}))).await;
    world.until_published("payments").await;
    let written = world.secret("payments-didit").await.unwrap();
    operator.kill().await;

    let named = |name: &str| {
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name,
                "labels": written.labels(),
                "annotations": written.annotations(),
                "ownerReferences": written.owner_references(),
            },
            "data": written.data,
        })
    };
    // What a process leaves that is killed after it wrote the Secret and before it recorded that.
    world.apply_as("keywright", named("stray")).await.unwrap();
    world.apply_as("user", named("copy")).await.unwrap();
    operator.start_again();
    world.until_gone::<Secret>("stray").await;
    assert!(world.secret("copy").await.is_some());
    assert_eq!(
        entries(&world.secret("payments-didit").await.unwrap()),
        entries(&written)
    );
}

#[tokio::test]
async fn other_key_names_replace_the_earlier_ones() {
    let world = World::new("keys").await;
    let _operator = world.operator();
    world.apply_provider().await;
    let before = json!({"name": "keys", "labels": {"team": "a"}, "annotations": {"note": "a"}});
    world
        .apply(client_application("payments", json!({"secret": before})))
        .await;
    world.until_published("payments").await;
    let key = entries(&world.secret("keys").await.unwrap())
        .remove("api_key")
        .unwrap();

    let after = json!({"name": "keys", "keys": {"apiKey": "DIDIT_API_KEY"}});
    world
        .apply(client_application("payments", json!({"secret": after})))
        .await;
    world.until_published("payments").await;
    let secret = world.secret("keys").await.unwrap();
    let mut data = entries(&secret);
    assert_eq!(data.remove("DIDIT_API_KEY"), Some(key));
    assert_eq!(
        data.keys().collect::<Vec<_>>(),
        ["api_url", "application_id", "client_id", "organization_id"]
    );
    assert!(!secret.labels().contains_key("team") && !secret.annotations().contains_key("note"));
}

#[tokio::test]
async fn a_secret_that_somebody_made_immutable_is_said_and_replaced_once_it_is_deleted() {
    let world = World::new("immutable").await;
    let _operator = world.operator();
    world.apply_provider().await;
    world.apply(client_application("payments", json!({}))).await;
    world.until_published("payments").await;
    world
        .edit::<Secret>("payments-didit", json!({"immutable": true}))
        .await;
    world.until_noticed("payments", "payments-didit").await;

    let secret = json!({"name": "payments-didit", "keys": {"apiKey": "DIDIT_API_KEY"}});
    world
        .apply(client_application("payments", json!({"secret": secret})))
        .await;
    let said = world
        .until::<ClientApplication>("payments", ("SecretSynced", "False", "SecretRefused"))
        .await;
    assert!(
        said.message
            .starts_with("the Kubernetes API does not take Secret payments-didit: "),
        "{}",
        said.message
    );
    assert!(said.message.contains("immutable"), "{}", said.message);
    let ready = world.condition::<ClientApplication>("payments", "Ready").await;
    assert_eq!(ready.status, "True", "the key of the earlier form is still valid");

    world.delete::<Secret>("payments-didit").await;
    let has_key = |secret: &Secret| entries(secret).contains_key("DIDIT_API_KEY");
    world
        .until_secret("payments-didit", "is as the spec wants it", has_key)
        .await;
    world.until_published("payments").await;
    assert_eq!(world.sandbox.applications().len(), 1);
}

#[tokio::test]
async fn another_address_of_the_provider_reaches_the_secret() {
    let world = World::new("address").await;
    let _operator = world.operator_with(world.settings().with("--drift-interval", "1s"));
    world.apply_provider().await;
    world.apply(client_application("payments", json!({}))).await;
    world.until_published("payments").await;

    let moved = format!("http://localhost:{}/v3", world.sandbox.address().port());
    world
        .apply(world.identity_provider(json!({"apiUrl": moved})))
        .await;
    let has_address = |secret: &Secret| entries(secret).get("api_url") == Some(&moved);
    world
        .until_secret("payments-didit", "names the new address", has_address)
        .await;
}
