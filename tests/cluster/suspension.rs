//! Nothing is called while `spec.suspend` is true.

use k8s_openapi::api::core::v1::Secret;
use keywright::api::{ClientApplication, IdentityProvider};
use keywright_sandbox::Operation;
use serde_json::json;

use crate::harness::{Settings, World, client_application};

/// Whatever could be called for is called for often.
fn eager(world: &World) -> Settings {
    world
        .settings()
        .with("--drift-interval", "1s")
        .with("--provider-check-interval", "1s")
}

#[tokio::test]
async fn a_suspended_resource_calls_nothing_and_can_be_deleted() {
    let world = World::new("suspended").await;
    let _operator = world.operator_with(world.settings().with("--drift-interval", "1s"));
    world.apply_provider().await;
    world
        .until::<IdentityProvider>("didit", ("Ready", "True", "Ready"))
        .await;
    let before = world.sandbox.counters();
    world
        .apply(client_application("payments", json!({"suspend": true})))
        .await;
    world
        .until::<ClientApplication>("payments", ("Suspended", "True", "Suspended"))
        .await;
    assert_eq!(world.sandbox.counters(), before);
    assert!(world.secret("payments-didit").await.is_none());

    world.apply(client_application("payments", json!({}))).await;
    world.until_published("payments").await;

    world
        .apply(client_application("payments", json!({"suspend": true})))
        .await;
    world
        .until::<ClientApplication>("payments", ("Suspended", "True", "Suspended"))
        .await;
    let ready = world.condition::<ClientApplication>("payments", "Ready").await;
    assert_eq!(ready.status, "True", "what was published stays");
    let before = world.sandbox.counters();
    world.delete::<Secret>("payments-didit").await;
    world
        .until::<ClientApplication>("payments", ("SecretSynced", "False", "SecretMissing"))
        .await;
    assert_eq!(world.sandbox.counters(), before);

    world.delete::<ClientApplication>("payments").await;
    world.until_gone::<ClientApplication>("payments").await;
    assert_eq!(
        world.sandbox.applications()[0].description.as_deref(),
        Some(""),
        "the mark is off"
    );
}

#[tokio::test]
async fn a_suspended_provider_is_not_called_for_anybody() {
    let world = World::new("idle").await;
    let _operator = world.operator_with(eager(&world));
    let suspended = |suspend: bool| {
        let mut provider = world.identity_provider(json!({}));
        provider["spec"]["suspend"] = suspend.into();
        provider
    };
    world.apply_provider().await;
    world.apply(suspended(true)).await;
    world
        .until::<IdentityProvider>("didit", ("Ready", "False", "Suspended"))
        .await;
    world.sandbox.clear_calls();
    world.apply(client_application("payments", json!({}))).await;
    let said = world
        .until::<ClientApplication>("payments", ("Ready", "False", "Suspended"))
        .await;
    assert!(
        said.message
            .starts_with("IdentityProvider didit is not ready: spec.suspend is true"),
        "{}",
        said.message
    );
    assert_eq!(world.sandbox.calls().len(), 0);

    world.apply(suspended(false)).await;
    world.until_published("payments").await;

    world.apply(suspended(true)).await;
    world
        .until::<ClientApplication>("payments", ("ProviderReady", "False", "Suspended"))
        .await;
    let before = world.sandbox.counters();
    world.delete::<Secret>("payments-didit").await;
    world
        .until::<ClientApplication>("payments", ("SecretSynced", "False", "SecretMissing"))
        .await;
    assert_eq!(world.sandbox.counters(), before);

    world.apply(suspended(false)).await;
    world.until_published("payments").await;
    assert_eq!(world.sandbox.count(Operation::CreateApplication), 1);
}
