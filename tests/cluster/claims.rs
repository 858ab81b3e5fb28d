//! One owner per Secret.

use k8s_openapi::api::core::v1::Secret;
use keywright::api::{ClientApplication, IdentityProvider};
use keywright_sandbox::Operation;
use serde_json::{Value, json};

use crate::harness::{ACCOUNT_SECRET, World, annotation, client_application};

fn claiming(name: &str) -> Value {
    client_application(name, json!({"secret": {"name": "shared"}}))
}

#[tokio::test]
async fn a_secret_belongs_to_the_resource_that_claimed_it_first() {
    let world = World::new("claim").await;
    let _operator = world.operator();
    world.apply_provider().await;
    world.apply(claiming("first")).await;
    world.until_published("first").await;

    world.apply(claiming("second")).await;
    let said = world
        .until::<ClientApplication>("second", ("SecretSynced", "False", "SecretConflict"))
        .await;
    assert_eq!(
        said.message,
        "Secret shared belongs to ClientApplication/first and is not touched. Choose another spec.secret.name"
    );
    let ready = world.condition::<ClientApplication>("second", "Ready").await;
    assert_eq!(
        (ready.status.as_str(), ready.reason.as_str()),
        ("False", "SecretConflict")
    );
    assert_eq!(world.sandbox.applications().len(), 1);

    world.delete::<ClientApplication>("first").await;
    world.until_published("second").await;
    let secret = world.secret("shared").await.unwrap();
    assert_eq!(
        annotation(&secret, "keywright.dev/owner"),
        Some("ClientApplication/second")
    );
    assert_eq!(world.sandbox.applications().len(), 2);
}

#[tokio::test]
async fn a_secret_that_nobody_wrote_yet_goes_to_the_older_resource() {
    let world = World::new("claim-early").await;
    let _operator = world.operator();
    // While there is no provider, nothing is written.
    world.apply(claiming("a-older")).await;
    world
        .until::<ClientApplication>("a-older", ("Ready", "False", "ProviderNotFound"))
        .await;
    world.apply(claiming("b-younger")).await;
    let said = world
        .until::<ClientApplication>("b-younger", ("SecretSynced", "False", "SecretClaimed"))
        .await;
    assert_eq!(
        said.message,
        "Secret shared is claimed by ClientApplication a-older, which is older. Choose another spec.secret.name"
    );

    world.apply_provider().await;
    world.until_published("a-older").await;
    world
        .until::<ClientApplication>("b-younger", ("Ready", "False", "SecretConflict"))
        .await;
    assert_eq!(world.sandbox.applications().len(), 1);

    world
        .apply(client_application(
            "b-younger",
            json!({"secret": {"name": "own"}}),
        ))
        .await;
    world.until_published("b-younger").await;
    assert_eq!(world.sandbox.applications().len(), 2);
}

#[tokio::test]
async fn the_secret_of_the_account_is_not_to_be_deleted() {
    let world = World::new("of-account").await;
    let _operator = world.operator();
    world.apply_provider().await;
    world
        .until::<IdentityProvider>("didit", ("Ready", "True", "Ready"))
        .await;
    world
        .apply(client_application(
            "payments",
            json!({"secret": {"name": ACCOUNT_SECRET}}),
        ))
        .await;
    let said = world
        .until::<ClientApplication>("payments", ("Ready", "False", "SecretConflict"))
        .await;
    assert_eq!(
        said.message,
        "Secret didit-account belongs to IdentityProvider didit, which reads it, and is not touched. Choose another \
         spec.secret.name"
    );
}

#[tokio::test]
async fn a_secret_made_by_hand_is_never_touched() {
    let world = World::new("by-hand").await;
    let _operator = world.operator();
    world
        .kubectl(
            &[
                "create",
                "secret",
                "generic",
                "shared",
                "--from-literal=api_key=mine",
            ],
            "",
        )
        .await;
    let made = world.secret("shared").await.unwrap();
    world.apply_provider().await;
    world.apply(claiming("payments")).await;
    let said = world
        .until::<ClientApplication>("payments", ("Ready", "False", "SecretConflict"))
        .await;
    assert_eq!(
        said.message,
        "Secret shared belongs to somebody else (it names no owner) and is not touched. Choose another \
         spec.secret.name, or delete that Secret if nothing needs it"
    );
    world.until_event("payments", "SecretConflict").await;
    assert_eq!(world.secret("shared").await.unwrap(), made);
    for operation in [Operation::ListApplications, Operation::CreateApplication] {
        assert_eq!(world.sandbox.count(operation), 0);
    }

    world.delete::<Secret>("shared").await;
    world.until_published("payments").await;
}
