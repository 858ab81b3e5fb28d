//! Which organization is meant.

use keywright::api::{ClientApplication, IdentityProvider};
use keywright_sandbox::{Config, CreatedOrganization, NewAccount, Operation};
use serde_json::json;

use crate::harness::{EMAIL, PASSWORD, World, client_application};

/// A world whose account belongs to organizations of these names.
async fn with_organizations(name: &str, names: &[&str]) -> (World, Vec<CreatedOrganization>) {
    let world = World::with_sandbox(name, Config::default()).await;
    let organizations = Some(names.iter().map(ToString::to_string).collect());
    let account = NewAccount {
        organizations,
        ..NewAccount::new(EMAIL, PASSWORD)
    };
    let created = world.sandbox.create_account(account).unwrap().organizations;
    (world, created)
}

#[tokio::test]
async fn several_organizations_need_a_name_or_an_id() {
    let (world, organizations) = with_organizations("organizations", &["alpha", "beta"]).await;
    let _operator = world.operator();
    let [alpha, beta] = organizations.as_slice() else {
        panic!("{organizations:?}")
    };
    world.apply_provider().await;
    world.apply(client_application("payments", json!({}))).await;
    let ambiguous = ("OrganizationResolved", "False", "OrganizationAmbiguous");
    let said = world.until::<IdentityProvider>("didit", ambiguous).await;
    assert!(
        said.message.contains(&format!("alpha ({})", alpha.uuid)),
        "{}",
        said.message
    );
    assert!(
        said.message.contains(&format!("beta ({})", beta.uuid)),
        "{}",
        said.message
    );
    assert!(
        said.message
            .ends_with("; name one of them in `spec.didit.organization`"),
        "{}",
        said.message
    );
    world
        .until::<ClientApplication>("payments", ("Ready", "False", "OrganizationAmbiguous"))
        .await;
    assert_eq!(world.sandbox.applications().len(), 0);

    world
        .apply(world.identity_provider(json!({"organization": {"name": "gamma"}})))
        .await;
    let not_found = ("OrganizationResolved", "False", "OrganizationNotFound");
    let said = world.until::<IdentityProvider>("didit", not_found).await;
    assert!(
        said.message
            .contains("an organization named `gamma`, only of: alpha ("),
        "{}",
        said.message
    );

    world
        .apply(world.identity_provider(json!({"organization": {"name": "beta"}})))
        .await;
    world.until_published("payments").await;
    assert_eq!(world.sandbox.applications()[0].organization, beta.uuid);
    let resolved = world
        .until::<IdentityProvider>("didit", ("OrganizationResolved", "True", "Resolved"))
        .await;
    assert_eq!(resolved.message, "organization beta is used");
    assert_eq!(world.sandbox.count(Operation::Login), 1);
}

#[tokio::test]
async fn an_organization_is_found_by_its_id() {
    let (world, organizations) = with_organizations("by-id", &["alpha", "beta"]).await;
    let _operator = world.operator();
    let id = organizations[0].uuid;
    world.apply_provider().await;
    world
        .apply(world.identity_provider(json!({"organization": {"id": id}})))
        .await;
    world.apply(client_application("payments", json!({}))).await;
    let published = world.until_published("payments").await;
    assert_eq!(published.status.unwrap().organization_id, Some(id.to_string()));
    assert_eq!(world.sandbox.applications()[0].organization, id);
}

#[tokio::test]
async fn an_account_without_organization_is_told_what_to_do() {
    let (world, _) = with_organizations("none", &[]).await;
    let _operator = world.operator();
    world.apply_provider().await;
    let said = world
        .until::<IdentityProvider>("didit", ("Ready", "False", "OrganizationNotFound"))
        .await;
    assert_eq!(
        said.message,
        format!(
            "listOrganizations: the account {EMAIL} is a member of no organization; add it to one in Didit's console"
        )
    );
}
