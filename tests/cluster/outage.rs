//! The identity API is down.

use keywright::api::{ClientApplication, IdentityProvider};
use keywright_sandbox::{Operation, Outage};
use serde_json::json;

use crate::harness::{World, client_application, entries};

#[tokio::test]
async fn an_identity_api_that_answers_503_leaves_what_was_published() {
    survives("unavailable", Outage::Unavailable).await;
}

#[tokio::test]
async fn an_identity_api_that_drops_connections_leaves_what_was_published() {
    survives("dropping", Outage::Drop).await;
}

async fn survives(name: &str, outage: Outage) {
    let world = World::new(name).await;
    let _operator = world.operator_with(world.settings().with("--provider-check-interval", "1s"));
    world.apply_provider().await;
    world.apply(client_application("payments", json!({}))).await;
    world.until_published("payments").await;
    let published = world.secret("payments-didit").await.unwrap();

    world.sandbox.set_outage(Some(outage));
    world
        .until::<IdentityProvider>("didit", ("Ready", "False", "Unavailable"))
        .await;
    world
        .until::<ClientApplication>("payments", ("ProviderReady", "False", "Unavailable"))
        .await;
    let ready = world.condition::<ClientApplication>("payments", "Ready").await;
    assert_eq!(
        (ready.status.as_str(), ready.reason.as_str()),
        ("True", "Published")
    );
    world.apply(client_application("late", json!({}))).await;
    let said = world
        .until::<ClientApplication>("late", ("Ready", "False", "Unavailable"))
        .await;
    assert!(
        said.message
            .starts_with("IdentityProvider didit is not ready: listOrganizations: "),
        "{}",
        said.message
    );
    assert_eq!(world.secret("payments-didit").await.unwrap(), published);

    world.sandbox.set_outage(None);
    world.until_published("late").await;
    world
        .until::<ClientApplication>("payments", ("ProviderReady", "True", "Usable"))
        .await;
    assert_eq!(
        entries(&world.secret("payments-didit").await.unwrap()),
        entries(&published)
    );
    assert_eq!(world.sandbox.applications().len(), 2);
    assert_eq!(world.sandbox.count(Operation::Login), 1);
}

#[tokio::test]
async fn a_provider_that_is_deleted_leaves_what_was_published_until_it_returns() {
    let world = World::new("returning").await;
    let _operator = world.operator();
    world.apply_provider().await;
    world.apply(client_application("payments", json!({}))).await;
    world.until_published("payments").await;

    world.delete::<IdentityProvider>("didit").await;
    let said = world
        .until::<ClientApplication>("payments", ("ProviderReady", "False", "ProviderNotFound"))
        .await;
    assert_eq!(
        said.message,
        "IdentityProvider didit does not exist. Create it, or create another ClientApplication that names the right one"
    );
    assert_eq!(
        world
            .condition::<ClientApplication>("payments", "Ready")
            .await
            .status,
        "True"
    );

    world.apply_provider().await;
    world
        .until::<ClientApplication>("payments", ("ProviderReady", "True", "Usable"))
        .await;
    assert_eq!(world.sandbox.applications().len(), 1);
}
