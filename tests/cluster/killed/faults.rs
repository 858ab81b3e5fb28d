//! Every call to the identity API fails once, in every way that leaves open what happened.

use std::fmt;

use keywright_sandbox::{Fault, FaultRule, Operation, When};
use serde_json::json;

use super::crowd;
use crate::harness::{World, client_application, entries};

/// One call that goes wrong.
#[derive(Clone, Debug)]
struct Mishap {
    operation: Operation,
    when: When,
    fault: Fault,
}

impl fmt::Display for Mishap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}: {:?}", self.operation.name(), self.when, self.fault)
    }
}

fn mishaps_of(operation: Operation) -> [Mishap; 4] {
    let broken = Fault::Status {
        status: 500,
        body: None,
        retry_after: None,
    };
    [
        (When::Before, Fault::Drop),
        (When::After, Fault::Drop),
        (When::After, broken),
        (When::After, Fault::Garbled),
    ]
    .map(|(when, fault)| Mishap {
        operation,
        when,
        fault,
    })
}

#[test]
fn whatever_goes_wrong_at_a_call_one_application_is_published() {
    let mut operations = crowd::alone(without_mishap());
    operations.sort_unstable_by_key(|operation| operation.name());
    let expected = [
        Operation::CreateApplication,
        Operation::GetBalance,
        Operation::ListApplications,
        Operation::ListOrganizations,
        Operation::Login,
    ];
    assert_eq!(operations, expected);
    let mishaps: Vec<_> = operations.into_iter().flat_map(mishaps_of).collect();
    crowd::each(&mishaps, async |mishap| is_overcome(mishap).await);
}

/// The operations on the way to a published key.
async fn without_mishap() -> Vec<Operation> {
    let world = World::new("fault").await;
    is_published(&world).await;
    world
        .sandbox
        .counters()
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(operation, _)| operation)
        .collect()
}

async fn is_overcome(mishap: &Mishap) {
    let world = World::new("fault").await;
    let rule = FaultRule {
        when: mishap.when,
        ..FaultRule::new(mishap.operation, mishap.fault.clone())
    };
    world.sandbox.inject(rule).unwrap();
    is_published(&world).await;
    assert_eq!(world.sandbox.faults(), [], "the fault was not met");
}

async fn is_published(world: &World) {
    world.apply_provider().await;
    world.apply(client_application("payments", json!({}))).await;
    let _operator = world.operator_with(world.settings().with("--leader-election", "false"));
    let resource = world.until_published("payments").await;
    let made = world.sandbox.applications();
    assert_eq!(made.len(), 1, "{made:#?}");
    assert_eq!(
        resource.status.unwrap().application_id,
        Some(made[0].uuid.to_string())
    );
    let secret = world.secret("payments-didit").await.unwrap();
    assert!(entries(&secret).get("api_key") == world.sandbox.api_key(made[0].uuid).as_ref());
}
