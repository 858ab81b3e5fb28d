//! A Secret that somebody deletes or edits.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Secret;
use keywright::api::names::{CONTENT_DIGEST_ANNOTATION, MANAGED_BY_LABEL, OWNER_UID_ANNOTATION};
use keywright_sandbox::Operation;
use kube::ResourceExt;
use serde_json::json;

use crate::harness::{World, client_application, entries};

/// Calls that may make or change something at the identity API.
const CHANGES: [Operation; 2] = [Operation::CreateApplication, Operation::UpdateApplication];

#[tokio::test]
async fn a_secret_that_is_deleted_comes_back() {
    let world = World::new("deleted").await;
    let _operator = world.operator();
    world.apply_provider().await;
    world.apply(client_application("payments", json!({}))).await;
    world.until_published("payments").await;
    let before = world.secret("payments-didit").await.unwrap();

    let deleted = Instant::now();
    world.delete::<Secret>("payments-didit").await;
    let after = world
        .until_secret("payments-didit", "is there again", |secret| {
            secret.uid() != before.uid()
        })
        .await;
    assert!(
        deleted.elapsed() < Duration::from_secs(10),
        "{:?}",
        deleted.elapsed()
    );
    assert_eq!(after.data, before.data);
    assert_eq!(world.sandbox.count(Operation::CreateApplication), 1);
    assert_eq!(
        world.until_event("payments", "SecretRestored").await,
        "Secret payments-didit was deleted, and was written again"
    );
}

#[tokio::test]
async fn the_secret_of_a_token_that_is_deleted_comes_back() {
    let world = World::new("token-deleted").await;
    let _operator = world.operator();
    world.apply_provider().await;
    world
        .apply(json!({
            "apiVersion": "keywright.dev/v1alpha1", "kind": "AccessToken", "metadata": {"name": "batch"},
            "spec": {
                "providerRef": {"kind": "IdentityProvider", "name": "didit"},
                "client": {"providerAccount": true},
                "secret": {"name": "batch-token"},
            },
        }))
        .await;
    let before = world.until_secret("batch-token", "is there", |_| true).await;
    // What was written is recorded in the end.
    world.until_event("batch", "Published").await;

    world.delete::<Secret>("batch-token").await;
    world
        .until_secret("batch-token", "is there again", |secret| {
            secret.uid() != before.uid()
        })
        .await;
    assert_eq!(
        world.until_event("batch", "SecretRestored").await,
        "Secret batch-token was deleted, and was written again"
    );
}

#[tokio::test]
async fn a_secret_that_is_edited_is_healed_and_the_keys_of_others_stay() {
    let world = World::new("edited").await;
    let _operator = world.operator();
    world.apply_provider().await;
    world
        .apply(client_application(
            "payments",
            json!({"secret": {"name": "payments-didit", "labels": {"team": "a"}}}),
        ))
        .await;
    world.until_published("payments").await;
    let written = world.secret("payments-didit").await.unwrap();
    let theirs = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "payments-didit"}, "stringData": {"theirs": "kept"},
    });
    world.apply_as("somebody-else", theirs).await.unwrap();
    let changes = CHANGES.map(|operation| world.sandbox.count(operation));

    for (what, edit) in [
        ("a value is changed", json!({"data": {"api_key": "d3Jvbmc="}})),
        ("a key is removed", json!({"data": {"client_id": null}})),
        (
            "the managed-by label is removed",
            json!({"metadata": {"labels": {MANAGED_BY_LABEL: null}}}),
        ),
        (
            "a label is changed",
            json!({"metadata": {"labels": {"team": "b"}}}),
        ),
        (
            "the digest is removed",
            json!({"metadata": {"annotations": {CONTENT_DIGEST_ANNOTATION: null}}}),
        ),
        (
            "the owner's UID is removed",
            json!({"metadata": {"annotations": {OWNER_UID_ANNOTATION: null}}}),
        ),
        (
            "the owner is removed",
            json!({"metadata": {"ownerReferences": null}}),
        ),
        ("all keys are removed", json!({"data": null})),
    ] {
        world.edit::<Secret>("payments-didit", edit).await;
        let healed = world
            .until_secret("payments-didit", what, |secret| is_as_written(secret, &written))
            .await;
        if what != "all keys are removed" {
            assert_eq!(
                entries(&healed).get("theirs").map(String::as_str),
                Some("kept"),
                "{what}"
            );
        }
        world.until_published("payments").await;
    }
    assert_eq!(
        world.until_event("payments", "SecretRestored").await,
        "Secret payments-didit was changed by somebody else, and was written again"
    );
    assert_eq!(CHANGES.map(|operation| world.sandbox.count(operation)), changes);
}

/// Whether everything that the operator wrote is there.
fn is_as_written(secret: &Secret, written: &Secret) -> bool {
    let data = entries(secret);
    entries(written)
        .iter()
        .all(|(key, value)| data.get(key) == Some(value))
        && secret.labels() == written.labels()
        && written
            .annotations()
            .iter()
            .all(|(key, value)| secret.annotations().get(key) == Some(value))
        && secret.owner_references() == written.owner_references()
}
