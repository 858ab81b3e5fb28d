//! Login and organizations.

use keywright::api::IdentityProvider;
use keywright_sandbox::{Config, FaultRule, NewAccount, Operation};
use serde_json::json;

use super::{body, common, understood};
use crate::harness::{History, ORGANIZATION, PASSWORD, World};

#[tokio::test]
async fn a_login_or_a_list_of_organizations_that_makes_no_sense_is_said_by_the_provider() {
    let world = World::with_sandbox("login", Config::default()).await;
    let _operator = world.operator();
    let history = History::of::<IdentityProvider>(&world);
    let mut rows: Vec<_> = common(&world)
        .into_iter()
        .map(|row| (Operation::Login, row))
        .collect();
    rows.extend(
        common(&world)
            .into_iter()
            .map(|row| (Operation::ListOrganizations, row)),
    );
    for (operation, answer, why) in [
        (
            Operation::Login,
            json!({"expires_in": 5}),
            "the answer has no `access_token`",
        ),
        (
            Operation::Login,
            json!({"access_token": "a"}),
            "the answer has no `expires_in`",
        ),
        (
            Operation::ListOrganizations,
            json!({"organizations": []}),
            "the answer is not a list",
        ),
        (
            Operation::ListOrganizations,
            json!([{"name": "ops"}]),
            "item 1 of the answer has no `uuid`",
        ),
    ] {
        rows.push((operation, understood(&world, body(answer), why)));
    }

    for (row, (operation, (fault, said))) in rows.into_iter().enumerate() {
        // Each with an account of its own, since one account logs in only once.
        let (name, email) = (format!("row-{row}"), format!("row-{row}@corp.example.net"));
        let organizations = Some(vec![ORGANIZATION.to_owned()]);
        let account = NewAccount {
            organizations,
            ..NewAccount::new(&email, PASSWORD)
        };
        world.sandbox.create_account(account).unwrap();
        world.sandbox.inject(FaultRule::new(operation, fault)).unwrap();
        apply_provider_with_account(&world, &name, &email).await;
        let expected = format!("{}: {said}. Trying again within 10 seconds", operation.name());
        assert_eq!(
            history
                .until_said(&name, ("Ready", "False", "UnexpectedAnswer"))
                .await,
            expected
        );
        world
            .until::<IdentityProvider>(&name, ("Ready", "True", "Ready"))
            .await;
    }
}

async fn apply_provider_with_account(world: &World, name: &str, email: &str) {
    let entries = json!({"email": email, "password": PASSWORD});
    world
        .apply(
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": entries}),
        )
        .await;
    let mut provider = world.identity_provider(json!({"accountSecretRef": {"name": name}}));
    provider["metadata"]["name"] = name.into();
    world.apply(provider).await;
}
