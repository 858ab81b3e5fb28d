//! Calls that change nothing.

use k8s_openapi::api::core::v1::Secret;
use keywright::api::ClientApplication;
use keywright_sandbox::{Fault, FaultRule, Operation, RetryAfter};
use serde_json::json;

use super::{UNAVAILABLE, UNEXPECTED, body, common, made, status, understood};
use crate::harness::{History, World, client_application};

#[tokio::test]
async fn a_list_that_makes_no_sense_is_said_and_asked_for_again() {
    let world = World::new("list").await;
    let _operator = world.operator();
    let history = History::of::<ClientApplication>(&world);
    world.apply_provider().await;
    let page = json!({"results": [], "next": "https://elsewhere.example.net/?page=2"});
    let mut rows: Vec<_> = common(&world).into_iter().map(|row| (UNEXPECTED, row)).collect();
    for (fault, why) in [
        (body(json!({"applications": 5})), "the answer is not a list"),
        (body(json!([{"uuid": "a"}])), "item 1 of the answer has no `name`"),
        (
            body(page),
            "the answer is one page of a longer list, which is not expected here",
        ),
    ] {
        rows.push((UNEXPECTED, understood(&world, fault, why)));
    }
    let html = status(500, "<html>Oops</html>");
    let said = format!(
        "{} answered 500 Internal Server Error: <html>Oops</html>",
        world.sandbox.address()
    );
    rows.push((UNAVAILABLE, (html, said)));

    for (row, (condition, (fault, said))) in rows.into_iter().enumerate() {
        let name = format!("row-{row}");
        world
            .sandbox
            .inject(FaultRule::new(Operation::ListApplications, fault).always())
            .unwrap();
        world.apply(client_application(&name, json!({}))).await;
        let expected = format!("listApplications: {said}. Trying again within 10 seconds");
        assert_eq!(history.until_said(&name, condition).await, expected);
        world.sandbox.clear_faults();
        world.until_published(&name).await;
        assert_eq!(made(&world, &name), 1);
    }
}

#[tokio::test]
async fn a_call_that_is_throttled_is_said_and_repeated() {
    let world = World::new("throttled").await;
    let _operator = world.operator();
    let history = History::of::<ClientApplication>(&world);
    world.apply_provider().await;
    let retry_after = Some(RetryAfter::Seconds(2));
    let fault = Fault::Status {
        status: 429,
        body: None,
        retry_after,
    };
    world
        .sandbox
        .inject(FaultRule::new(Operation::ListApplications, fault))
        .unwrap();
    world.apply(client_application("payments", json!({}))).await;
    let host = world.sandbox.address();
    assert_eq!(
        history
            .until_said("payments", ("ProviderReady", "False", "Throttled"))
            .await,
        format!(
            "listApplications: {host} answered 429 Too Many Requests: Injected fault. Trying again in 2 seconds"
        )
    );
    world.until_published("payments").await;
    assert_eq!(made(&world, "payments"), 1);
}

#[tokio::test]
async fn a_record_that_makes_no_sense_is_not_written_into_the_secret() {
    let world = World::new("record").await;
    let _operator = world.operator();
    let history = History::of::<ClientApplication>(&world);
    world.apply_provider().await;
    let mut rows = common(&world);
    let other = json!({"uuid": "00000000-0000-0000-0000-000000000000", "client_id": "c", "api_key": "k", "name": "n"});
    rows.push(understood(
        &world,
        body(other),
        "the answer is about another application",
    ));
    rows.push(understood(
        &world,
        body(json!({"uuid": "a", "api_key": "k"})),
        "the answer has no `client_id`",
    ));
    rows.push(understood(
        &world,
        body(json!({"uuid": "a", "client_id": "c"})),
        "the answer has no `api_key`",
    ));

    for (row, (fault, said)) in rows.into_iter().enumerate() {
        let (name, secret) = (format!("row-{row}"), format!("row-{row}-didit"));
        world.apply(client_application(&name, json!({}))).await;
        world.until_published(&name).await;
        let before = world.secret(&secret).await.unwrap();
        world
            .sandbox
            .inject(FaultRule::new(Operation::GetApplication, fault).always())
            .unwrap();
        world.delete::<Secret>(&secret).await;
        let expected = format!("getApplication: {said}. Trying again within 10 seconds");
        assert_eq!(history.until_said(&name, UNEXPECTED).await, expected);
        assert!(world.secret(&secret).await.is_none());
        world.sandbox.clear_faults();
        let after = world.until_secret(&secret, "is there again", |_| true).await;
        assert_eq!(after.data, before.data);
        assert_eq!(made(&world, &name), 1);
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_checked_is_published_all_the_same() {
    let world = World::new("probe").await;
    let _operator = world.operator();
    world.apply_provider().await;
    world
        .sandbox
        .inject(FaultRule::new(Operation::GetBalance, Fault::Garbled))
        .unwrap();
    world.apply(client_application("payments", json!({}))).await;
    world.until_published("payments").await;
    let said = world
        .until::<ClientApplication>("payments", ("KeyAccepted", "Unknown", "NotChecked"))
        .await;
    let expected = format!(
        "getBalance: {} could not be understood: the answer is not JSON",
        world.sandbox.address()
    );
    assert_eq!(said.message, expected);
}
