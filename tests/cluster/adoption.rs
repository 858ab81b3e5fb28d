//! An application that exists already is taken.

use keywright::api::client_application::Origin;
use keywright::api::conditions;
use keywright::api::{ClientApplication, IdentityProvider};
use keywright_sandbox::{ApplicationEdit, Config, NewAccount, Operation};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{EMAIL, PASSWORD, PATIENCE, World, client_application, entries, eventually};

/// A world with an application that somebody has made by hand, and its id.
async fn with_application(name: &str) -> (World, Uuid) {
    let account = NewAccount::new(EMAIL, PASSWORD);
    let world = World::with_sandbox(
        name,
        Config {
            accounts: vec![account],
            ..Config::default()
        },
    )
    .await;
    let id = world.sandbox.applications()[0].uuid;
    let by_hand = ApplicationEdit {
        name: Some("Checkout".to_owned()),
        description: Some("Made by hand".to_owned()),
        redirect_uris: Some(vec!["https://old.corp.example.net/done".to_owned()]),
        website_url: Some("https://old.corp.example.net".to_owned()),
        ..ApplicationEdit::default()
    };
    world.sandbox.edit_application(id, by_hand).unwrap();
    (world, id)
}

fn adopting(name: &str, id: Uuid) -> Value {
    let didit = json!({"websiteUrl": "https://new.corp.example.net"});
    client_application(name, json!({"adopt": {"applicationId": id}, "didit": didit}))
}

#[tokio::test]
async fn an_adopted_application_changes_only_where_the_resource_says_so() {
    let (world, id) = with_application("adopt").await;
    let _operator = world.operator();
    world.apply_provider().await;
    world.apply(adopting("payments", id)).await;
    let status = world.until_published("payments").await.status.unwrap();
    assert_eq!(
        (status.origin, status.application_id),
        (Some(Origin::Adopted), Some(id.to_string()))
    );

    let applications = world.sandbox.applications();
    assert_eq!(applications.len(), 1);
    let adopted = &applications[0];
    assert_eq!(adopted.name, "Checkout");
    assert_eq!(adopted.redirect_uris, ["https://old.corp.example.net/done"]);
    assert_eq!(
        adopted.website_url.as_deref(),
        Some("https://new.corp.example.net")
    );
    let description = adopted.description.as_deref().unwrap();
    assert!(
        description.starts_with("Made by hand\n[keywright "),
        "{description}"
    );
    let data = entries(&world.secret("payments-didit").await.unwrap());
    assert_eq!(data.get("api_key"), world.sandbox.api_key(id).as_ref());
    assert_eq!(world.sandbox.count(Operation::CreateApplication), 0);

    world.delete::<ClientApplication>("payments").await;
    world.until_gone::<ClientApplication>("payments").await;
    assert_eq!(
        world.sandbox.applications()[0].description.as_deref(),
        Some("Made by hand")
    );
}

#[tokio::test]
async fn an_id_that_cannot_be_one_is_said_without_any_call() {
    let world = World::new("no-uuid").await;
    let _operator = world.operator();
    world.apply_provider().await;
    world
        .until::<IdentityProvider>("didit", ("Ready", "True", "Ready"))
        .await;
    let before = world.sandbox.calls().len();
    let spec = json!({"adopt": {"applicationId": "my-shop"}});
    world.apply(client_application("payments", spec)).await;
    let said = world
        .until::<ClientApplication>("payments", ("Provisioned", "False", "InvalidApplicationId"))
        .await;
    assert_eq!(
        said.message,
        "spec.adopt.applicationId: `my-shop` is not an application id: Didit's are UUIDs, and its console shows them \
         in the application's settings. It cannot change: delete this resource and create it again with the right id"
    );
    world
        .until::<ClientApplication>("payments", ("ProviderReady", "True", "Usable"))
        .await;
    assert_eq!(world.sandbox.calls().len(), before);
    world.delete::<ClientApplication>("payments").await;
    world.until_gone::<ClientApplication>("payments").await;
}

#[tokio::test]
async fn an_application_that_another_resource_has_is_not_adopted_until_that_is_gone() {
    let (world, id) = with_application("claimed").await;
    let _operator = world.operator();
    world.apply_provider().await;
    world.apply(adopting("first", id)).await;
    world.until_published("first").await;
    let before = world.sandbox.applications();

    world.apply(adopting("second", id)).await;
    let claimed = ("Provisioned", "False", "ApplicationClaimed");
    let said = world.until::<ClientApplication>("second", claimed).await;
    assert_eq!(
        said.message,
        format!(
            "spec.adopt.applicationId: application {id} is claimed by ClientApplication first. Delete that resource, or \
             adopt another application in a new one"
        )
    );
    let ready = world.condition::<ClientApplication>("second", "Ready").await;
    assert_eq!(
        (ready.status.as_str(), ready.reason.as_str()),
        ("False", "ApplicationClaimed")
    );
    assert!(world.secret("second-didit").await.is_none());
    assert_eq!(world.sandbox.applications(), before);

    world.delete::<ClientApplication>("first").await;
    world.until_published("second").await;
    assert!(
        world.sandbox.applications()[0]
            .description
            .as_ref()
            .is_some_and(|description| description.contains(" name=second ")),
        "the mark is that of the second"
    );
}

#[tokio::test]
async fn of_two_that_want_one_application_at_once_only_one_touches_it() {
    let (world, id) = with_application("at-once").await;
    world.apply(adopting("first", id)).await;
    world.apply(adopting("second", id)).await;
    world.apply_provider().await;
    let _operator = world.operator();
    let reasons = eventually("one has it and the other does not", PATIENCE, async || {
        let mut reasons = Vec::new();
        for name in ["first", "second"] {
            let status = world.application(name).await.status.unwrap_or_default();
            let ready = conditions::find(&status.conditions, "Ready").cloned();
            reasons.push(ready.map(|ready| ready.reason).unwrap_or_default());
        }
        reasons.sort();
        let settled = reasons
            .iter()
            .all(|reason| reason == "Published" || reason == "ApplicationClaimed");
        if settled {
            Ok(reasons)
        } else {
            Err(format!("{reasons:?}"))
        }
    })
    .await;
    assert_eq!(reasons, ["ApplicationClaimed", "Published"]);
    assert_eq!(world.sandbox.count(Operation::UpdateApplication), 1);
}

#[tokio::test]
async fn an_application_that_a_resource_of_another_cluster_holds_is_not_adopted() {
    let (world, id) = with_application("held").await;
    let theirs = ApplicationEdit {
        description: Some(
            "Made by hand\n[keywright cluster=theirs namespace=shop name=payments uid=1]".to_owned(),
        ),
        ..ApplicationEdit::default()
    };
    world.sandbox.edit_application(id, theirs).unwrap();
    let before = world.sandbox.applications();
    let _operator = world.operator();
    world.apply_provider().await;
    world.apply(adopting("payments", id)).await;
    let said = world
        .until::<ClientApplication>("payments", ("Provisioned", "False", "ApplicationHeld"))
        .await;
    let expected =
        format!("application {id} is held by a ClientApplication of another namespace or cluster. Delete");
    assert!(said.message.starts_with(&expected), "{}", said.message);
    assert!(world.secret("payments-didit").await.is_none());
    assert_eq!(world.sandbox.applications(), before);
}

#[tokio::test]
async fn an_application_that_does_not_exist_is_not_adopted() {
    let (world, _) = with_application("unknown").await;
    let _operator = world.operator();
    world.apply_provider().await;
    let id = Uuid::nil();
    world.apply(adopting("payments", id)).await;
    let said = world
        .until::<ClientApplication>("payments", ("Ready", "False", "ApplicationNotFound"))
        .await;
    assert_eq!(
        said.message,
        format!(
            "spec.adopt.applicationId: the account sees no application {id} in its organization. Correct it in a new \
             resource"
        )
    );
    assert_eq!(world.sandbox.count(Operation::CreateApplication), 0);
    assert!(world.secret("payments-didit").await.is_none());
}

#[tokio::test]
async fn an_application_of_an_earlier_resource_is_offered_for_adoption() {
    let world = World::new("earlier").await;
    let mut operator = world.operator();
    world.apply_provider().await;
    world.apply(client_application("payments", json!({}))).await;
    let id = world
        .until_published("payments")
        .await
        .status
        .unwrap()
        .application_id
        .unwrap();

    // Whoever takes the finalizer off keeps the operator from releasing the application.
    operator.stop().await;
    world
        .edit::<ClientApplication>("payments", json!({"metadata": {"finalizers": null}}))
        .await;
    world.delete::<ClientApplication>("payments").await;
    world.until_gone::<ClientApplication>("payments").await;
    operator.start_again();
    world
        .apply(client_application(
            "payments",
            json!({"secret": {"name": "another"}}),
        ))
        .await;
    let earlier = ("Provisioned", "False", "ApplicationOfEarlierResource");
    let said = world.until::<ClientApplication>("payments", earlier).await;
    assert!(
        said.message
            .contains(&format!("Set spec.adopt.applicationId to {id} to take it, or ")),
        "{}",
        said.message
    );
    assert_eq!(world.sandbox.applications().len(), 1);

    let adopting = json!({"secret": {"name": "another"}, "adopt": {"applicationId": id}});
    world.apply(client_application("payments", adopting)).await;
    let status = world.until_published("payments").await.status.unwrap();
    assert_eq!(status.application_id.as_deref(), Some(id.as_str()));
    assert_eq!(world.sandbox.count(Operation::CreateApplication), 1);
}
