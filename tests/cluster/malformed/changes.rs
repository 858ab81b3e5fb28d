//! Calls that change something.

use keywright::api::ClientApplication;
use keywright_sandbox::{Fault, FaultRule, Operation};
use serde_json::json;

use super::{OUTCOME_UNKNOWN, body, common, made, status, understood};
use crate::harness::{History, World, client_application};

#[tokio::test]
async fn a_creation_whose_answer_is_lost_or_makes_no_sense_is_looked_for() {
    let world = World::new("create").await;
    let _operator = world.operator();
    let history = History::of::<ClientApplication>(&world);
    world.apply_provider().await;
    let host = world.sandbox.address();
    let mut rows = common(&world);
    rows.push(understood(
        &world,
        body(json!({"uuid": "a", "api_key": "k"})),
        "the answer has no `client_id`",
    ));
    rows.push((
        status(502, "Bad Gateway"),
        format!("{host} answered 502 Bad Gateway: Bad Gateway"),
    ));
    rows.push((
        Fault::Drop,
        format!("the connection to {host} broke before it answered"),
    ));

    for (row, (fault, said)) in rows.into_iter().enumerate() {
        let made_before = FaultRule::new(Operation::CreateApplication, fault);
        for (when, rule) in [("before", made_before.clone()), ("after", made_before.after())] {
            let name = format!("row-{row}-{when}");
            world.sandbox.inject(rule).unwrap();
            world.apply(client_application(&name, json!({}))).await;
            let expected = format!(
                "createApplication: {said}; whether the request took effect is not known. Looking for its outcome \
                 within 10 seconds, before it is tried again"
            );
            assert_eq!(history.until_said(&name, OUTCOME_UNKNOWN).await, expected);
            world.until_published(&name).await;
            assert_eq!(made(&world, &name), 1, "{name}");
        }
    }
    // Where it had taken effect, it was found and not repeated.
    assert_eq!(world.sandbox.count(Operation::CreateApplication), 6 * 2 + 6);
}

#[tokio::test]
async fn a_change_whose_answer_makes_no_sense_is_looked_at_and_finished() {
    let world = World::new("change").await;
    let _operator = world.operator();
    let history = History::of::<ClientApplication>(&world);
    world.apply_provider().await;
    for (row, (fault, said)) in common(&world).into_iter().enumerate() {
        let name = format!("row-{row}");
        world.apply(client_application(&name, json!({}))).await;
        world.until_published(&name).await;
        let renamed = format!("{name}-renamed");
        world
            .sandbox
            .inject(FaultRule::new(Operation::UpdateApplication, fault))
            .unwrap();
        world
            .apply(client_application(&name, json!({"displayName": renamed})))
            .await;
        let expected = format!(
            "updateApplication: {said}; whether the request took effect is not known. Looking for its outcome within 10 seconds, before it is tried again"
        );
        assert_eq!(history.until_said(&name, OUTCOME_UNKNOWN).await, expected);
        world
            .until::<ClientApplication>(&name, ("Provisioned", "True", "Created"))
            .await;
        assert_eq!(made(&world, &renamed), 1);
        let ready = world.condition::<ClientApplication>(&name, "Ready").await;
        assert_eq!(ready.status, "True");
    }
}
