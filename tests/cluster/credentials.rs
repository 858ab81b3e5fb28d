//! The account: its password, its second factor, and what protects it from being locked.

use k8s_openapi::api::core::v1::Secret;
use keywright::api::{ClientApplication, IdentityProvider};
use keywright_sandbox::{Config, NewAccount, Operation, Switches, WrongPassword};
use serde_json::json;

use crate::harness::{
    ACCOUNT_SECRET, EMAIL, ORGANIZATION, Operator, PASSWORD, PATIENCE, World, account_secret,
    client_application, eventually,
};

#[tokio::test]
async fn a_wrong_password_is_tried_once_and_the_right_one_heals_it() {
    let world = World::new("password").await;
    let mut operator = world.operator();
    world
        .apply(account_secret(json!({"email": EMAIL, "password": "not it"})))
        .await;
    world.apply(world.identity_provider(json!({}))).await;
    for name in ["a", "b"] {
        world.apply(client_application(name, json!({}))).await;
    }

    let said = world
        .until::<IdentityProvider>("didit", ("Ready", "False", "LoginRefused"))
        .await;
    assert!(
        said.message
            .starts_with("login: the e-mail and password were refused: "),
        "{}",
        said.message
    );
    assert!(
        said.message
            .contains("Correct the account's Secret: it is used as soon as it changes."),
        "{}",
        said.message
    );
    for name in ["a", "b"] {
        let said = world
            .until::<ClientApplication>(name, ("Ready", "False", "LoginRefused"))
            .await;
        assert!(
            said.message
                .starts_with("IdentityProvider didit is not ready: login: "),
            "{}",
            said.message
        );
    }
    world.until_event("didit", "LoginRefused").await;

    operator.stop().await;
    operator.start_again();
    world.apply(client_application("c", json!({}))).await;
    world
        .until::<ClientApplication>("c", ("ProviderReady", "False", "LoginRefused"))
        .await;
    is_braked(&operator, &world).await;
    assert_eq!(world.sandbox.count(Operation::Login), 1);
    assert_eq!(world.sandbox.calls().len(), 1);

    world
        .apply(account_secret(json!({"email": EMAIL, "password": PASSWORD})))
        .await;
    for name in ["a", "b", "c"] {
        world.until_published(name).await;
    }
    assert_eq!(world.sandbox.count(Operation::Login), 2);
    assert_eq!(world.sandbox.applications().len(), 3);
}

#[tokio::test]
async fn a_wrong_password_answered_with_429_is_tried_once_and_the_right_one_heals_it() {
    let world = World::new("wait").await;
    world.sandbox.set_switches(Switches {
        wrong_password: WrongPassword::Throttled,
        ..Switches::default()
    });
    let mut operator = world.operator();
    world
        .apply(account_secret(json!({"email": EMAIL, "password": "not it"})))
        .await;
    world.apply(world.identity_provider(json!({}))).await;
    for name in ["a", "b"] {
        world.apply(client_application(name, json!({}))).await;
    }
    let said = world
        .until::<IdentityProvider>("didit", ("Ready", "False", "LoginThrottled"))
        .await;
    assert!(
        said.message
            .contains("a wrong password can look like this too. Check the password in the account's Secret"),
        "{}",
        said.message
    );
    assert!(
        said.message.contains("The login is tried again at "),
        "{}",
        said.message
    );
    for name in ["a", "b"] {
        world
            .until::<ClientApplication>(name, ("Ready", "False", "LoginThrottled"))
            .await;
    }

    operator.stop().await;
    operator.start_again();
    world.apply(client_application("c", json!({}))).await;
    world
        .until::<ClientApplication>("c", ("ProviderReady", "False", "LoginThrottled"))
        .await;
    is_braked(&operator, &world).await;
    assert_eq!(world.sandbox.count(Operation::Login), 1);

    world
        .apply(account_secret(json!({"email": EMAIL, "password": PASSWORD})))
        .await;
    for name in ["a", "b", "c"] {
        world.until_published(name).await;
    }
    assert_eq!(world.sandbox.count(Operation::Login), 2);
}

async fn is_braked(operator: &Operator, world: &World) {
    let labels = format!(
        r#"kind="IdentityProvider",namespace="{}",name="didit""#,
        world.namespace
    );
    eventually("the operator shows the brake", PATIENCE, async || {
        let brake = operator
            .metric(&format!("keywright_login_brake{{{labels}}}"))
            .await?;
        if brake > 0.0 {
            Ok(())
        } else {
            Err(format!("{brake}"))
        }
    })
    .await;
}

#[tokio::test]
async fn a_missing_account_secret_is_said_with_the_command_that_makes_it() {
    let world = World::new("account").await;
    let _operator = world.operator();
    world.apply(world.identity_provider(json!({}))).await;
    let said = world
        .until::<IdentityProvider>("didit", ("Authenticated", "False", "SecretNotFound"))
        .await;
    let (_, command) = said
        .message
        .split_once(". Create it, with the password on standard input: kubectl ")
        .unwrap();
    assert_eq!(world.sandbox.calls().len(), 0);

    // The command is the user's way out, so it has to work as it stands.
    let filled = command.replacen('…', EMAIL, 1);
    world.kubectl(&filled.split(' ').collect::<Vec<_>>(), "").await;
    let said = world
        .until::<IdentityProvider>("didit", ("Authenticated", "False", "SecretIncomplete"))
        .await;
    let expected = format!(
        "Secret {}/{ACCOUNT_SECRET}: the key \"password\" is empty.",
        world.namespace
    );
    assert!(said.message.starts_with(&expected), "{}", said.message);
    assert_eq!(world.sandbox.calls().len(), 0);

    world.delete::<Secret>(ACCOUNT_SECRET).await;
    world
        .kubectl(&filled.split(' ').collect::<Vec<_>>(), &format!("{PASSWORD}\n"))
        .await;
    world
        .until::<IdentityProvider>("didit", ("Ready", "True", "Ready"))
        .await;
}

/// A world whose account has an authenticator with this seed.
async fn with_second_factor(name: &str) -> World {
    let account = NewAccount {
        organizations: Some(vec![ORGANIZATION.to_owned()]),
        totp_seed: Some(SEED.to_owned()),
        ..NewAccount::new(EMAIL, PASSWORD)
    };
    World::with_sandbox(
        name,
        Config {
            accounts: vec![account],
            ..Config::default()
        },
    )
    .await
}

const SEED: &str = "JBSWY3DPEHPK3PXP";

#[tokio::test]
async fn a_second_factor_works_with_its_seed() {
    let world = with_second_factor("seed").await;
    let _operator = world.operator();
    world
        .apply(account_secret(
            json!({"email": EMAIL, "password": PASSWORD, "totpSeed": SEED}),
        ))
        .await;
    world.apply(world.identity_provider(json!({}))).await;
    world.apply(client_application("payments", json!({}))).await;
    world.until_published("payments").await;
    assert_eq!(world.sandbox.count(Operation::Login), 1);
    assert_eq!(world.sandbox.count(Operation::VerifySecondFactor), 1);
}

#[tokio::test]
async fn a_second_factor_without_seed_is_asked_for_once_and_the_seed_heals_it() {
    let world = with_second_factor("no-seed").await;
    let mut operator = world.operator();
    world.apply_provider().await;
    world.apply(client_application("payments", json!({}))).await;
    let said = world
        .until::<IdentityProvider>("didit", ("Ready", "False", "SecondFactorRequired"))
        .await;
    assert!(
        said.message
            .contains("put the seed of its authenticator under the key `totpSeed` of the Secret"),
        "{}",
        said.message
    );
    operator.stop().await;
    operator.start_again();
    world
        .until::<ClientApplication>("payments", ("ProviderReady", "False", "SecondFactorRequired"))
        .await;
    is_braked(&operator, &world).await;
    assert_eq!(world.sandbox.count(Operation::Login), 1);
    assert_eq!(world.sandbox.count(Operation::VerifySecondFactor), 0);

    world
        .edit::<Secret>(ACCOUNT_SECRET, json!({"stringData": {"totpSeed": SEED}}))
        .await;
    world.until_published("payments").await;
    assert_eq!(world.sandbox.count(Operation::Login), 2);
}
