//! A resource is deleted.

use std::time::Instant;

use k8s_openapi::api::core::v1::{Namespace, Secret};
use keywright::api::{ClientApplication, IdentityProvider};
use keywright_sandbox::{Operation, Outage};
use kube::Api;
use kube::api::DeleteParams;
use serde_json::json;

use crate::harness::{ACCOUNT_SECRET, PATIENCE, World, client_application, eventually};

#[tokio::test]
async fn a_deleted_resource_releases_its_application_and_takes_its_secret_along() {
    let world = World::new("release").await;
    let _operator = world.operator();
    world.apply_provider().await;
    world
        .apply(client_application(
            "payments",
            json!({"didit": {"description": "Checkout\nof the shop"}}),
        ))
        .await;
    let published = world.until_published("payments").await;
    let mark = format!(
        "namespace={} name=payments uid={}]",
        world.namespace,
        published.metadata.uid.unwrap()
    );
    let description = world.sandbox.applications()[0].description.clone().unwrap();
    assert!(
        description.starts_with("Checkout\nof the shop\n[keywright cluster="),
        "{description}"
    );
    assert!(description.ends_with(&mark), "{description}");

    world.delete::<ClientApplication>("payments").await;
    world.until_gone::<ClientApplication>("payments").await;
    let applications = world.sandbox.applications();
    assert_eq!(applications.len(), 1);
    assert_eq!(
        applications[0].description.as_deref(),
        Some("Checkout\nof the shop")
    );
    world.until_gone::<Secret>("payments-didit").await;
}

#[tokio::test]
async fn a_deletion_while_the_provider_is_down_ends_and_says_what_is_left() {
    let world = World::new("left-behind").await;
    let _operator = world.operator_with(world.settings().with("--release-timeout", "5s"));
    world.apply_provider().await;
    world.apply(client_application("payments", json!({}))).await;
    let id = world
        .until_published("payments")
        .await
        .status
        .unwrap()
        .application_id
        .unwrap();

    world.sandbox.set_outage(Some(Outage::Unavailable));
    let asked = Instant::now();
    world.delete::<ClientApplication>("payments").await;
    let waiting = world
        .until::<ClientApplication>("payments", ("ProviderReady", "False", "Unavailable"))
        .await;
    assert!(
        waiting.message.contains(". Deletion waits for this until "),
        "{}",
        waiting.message
    );
    world.until_gone::<ClientApplication>("payments").await;
    assert!(
        asked.elapsed().as_secs_f32() > 3.0,
        "the limit was not used: {:?}",
        asked.elapsed()
    );
    assert!(
        asked.elapsed().as_secs_f32() < 15.0,
        "the limit was not kept: {:?}",
        asked.elapsed()
    );

    let note = world.until_event("payments", "ApplicationLeftBehind").await;
    let expected = format!(
        "application {id} was left at the identity API and may carry Keywright's mark: remove the line that begins with \
         \"[keywright \" from its description. It could not be released within 5 seconds: "
    );
    assert!(note.starts_with(&expected), "{note}");
    assert_eq!(world.sandbox.applications().len(), 1);
}

#[tokio::test]
async fn a_resource_that_made_nothing_is_deleted_at_once() {
    let world = World::new("nothing-made").await;
    let _operator = world.operator();
    world.apply(client_application("payments", json!({}))).await;
    world
        .until::<ClientApplication>("payments", ("Ready", "False", "ProviderNotFound"))
        .await;
    world.delete::<ClientApplication>("payments").await;
    world.until_gone::<ClientApplication>("payments").await;
    assert_eq!(world.sandbox.calls().len(), 0);
}

#[tokio::test]
async fn a_provider_and_its_account_that_are_deleted_first_do_not_keep_an_application_from_its_release() {
    let world = World::new("gone-first").await;
    let _operator = world.operator_with(world.settings().with("--release-timeout", "50s"));
    world.apply_provider().await;
    world.apply(client_application("payments", json!({}))).await;
    world.until_published("payments").await;
    world.delete::<Secret>(ACCOUNT_SECRET).await;
    world
        .until::<ClientApplication>("payments", ("ProviderReady", "False", "SecretNotFound"))
        .await;
    world.delete::<IdentityProvider>("didit").await;
    world
        .until::<ClientApplication>("payments", ("ProviderReady", "False", "ProviderNotFound"))
        .await;

    world.delete::<ClientApplication>("payments").await;
    world.until_gone::<ClientApplication>("payments").await;
    assert_eq!(world.sandbox.applications()[0].description.as_deref(), Some(""));
}

#[tokio::test]
async fn the_deletion_of_a_namespace_leaves_nothing_behind_and_does_not_wait() {
    let world = World::new("namespace").await;
    let _operator = world.operator_with(world.settings().with("--release-timeout", "50s"));
    for made in [2, 4] {
        world.apply_provider().await;
        for name in ["a", "b"] {
            world.apply(client_application(name, json!({}))).await;
        }
        for name in ["a", "b"] {
            world.until_published(name).await;
        }
        assert_eq!(world.sandbox.count(Operation::CreateApplication), made);
        let namespaces: Api<Namespace> = Api::all(world.client.clone());
        let asked = Instant::now();
        namespaces
            .delete(&world.namespace, &DeleteParams::default())
            .await
            .unwrap();
        eventually("the namespace is gone", PATIENCE, async || {
            match namespaces.get_opt(&world.namespace).await.unwrap() {
                Some(namespace) => Err(format!("{:?}", namespace.status)),
                None => Ok(()),
            }
        })
        .await;
        assert!(asked.elapsed().as_secs() < 30, "{:?}", asked.elapsed());
        for application in world.sandbox.applications() {
            assert_eq!(
                application.description.as_deref(),
                Some(""),
                "{}",
                application.name
            );
        }
        // What was applied once comes up again.
        world.create_namespace(&world.namespace).await;
    }
}
