//! TLS, with an authority of one's own.

use keywright::api::IdentityProvider;
use keywright_sandbox::{Config, NewAccount, Operation, Tls};
use serde_json::{Value, json};

use crate::harness::{EMAIL, ORGANIZATION, PASSWORD, World, client_application};

/// A world whose sandbox speaks TLS under an authority that nobody knows, and that authority as PEM.
async fn with_own_authority(name: &str) -> (World, String) {
    let directory = tempfile::tempdir().unwrap();
    let account = NewAccount {
        organizations: Some(vec![ORGANIZATION.to_owned()]),
        ..NewAccount::new(EMAIL, PASSWORD)
    };
    let tls = Tls::SelfSigned {
        directory: directory.path().to_owned(),
        names: vec![],
    };
    let world = World::with_sandbox(
        name,
        Config {
            tls,
            accounts: vec![account],
            ..Config::default()
        },
    )
    .await;
    let authority = std::fs::read_to_string(directory.path().join("ca.crt")).unwrap();
    (world, authority)
}

/// The provider with nothing that would permit less than TLS.
fn provider(world: &World, ca_bundle: Option<&Value>) -> Value {
    let mut provider = world.identity_provider(json!({"allowInsecure": false}));
    if let Some(ca_bundle) = ca_bundle {
        provider["spec"]["didit"]["caBundle"] = ca_bundle.clone();
    }
    provider
}

#[tokio::test]
async fn an_unknown_authority_is_refused_until_a_config_map_vouches_for_it() {
    let (world, authority) = with_own_authority("config-map").await;
    let _operator = world.operator();
    world.apply_provider().await;
    world.apply(provider(&world, None)).await;
    let said = world
        .until::<IdentityProvider>("didit", ("Ready", "False", "Unavailable"))
        .await;
    assert!(
        said.message.contains(
            "could not be reached: its TLS certificate was not issued by an authority that is trusted here; add that \
             authority's certificate to the CA bundle"
        ),
        "{}",
        said.message
    );
    assert_eq!(world.sandbox.count(Operation::Login), 0);

    let reference = json!({"configMapKeyRef": {"name": "authorities", "key": "ca.crt"}});
    world.apply(provider(&world, Some(&reference))).await;
    let said = world
        .until::<IdentityProvider>("didit", ("Ready", "False", "CaBundleNotFound"))
        .await;
    let expected = format!(
        "spec.didit.caBundle: ConfigMap {}/authorities does not exist. Put the CA certificates there in PEM form",
        world.namespace
    );
    assert_eq!(said.message, expected);

    world.apply(provider(&world, None)).await;
    world
        .until::<IdentityProvider>("didit", ("Ready", "False", "Unavailable"))
        .await;
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "authorities"}, "data": {"ca.crt": authority},
    });
    world.apply(map).await;
    world.apply(provider(&world, Some(&reference))).await;
    world.apply(client_application("payments", json!({}))).await;
    world.until_published("payments").await;
}

#[tokio::test]
async fn an_authority_may_stand_in_a_secret_and_is_used_as_soon_as_it_is_right() {
    let (world, authority) = with_own_authority("in-secret").await;
    let _operator = world.operator();
    let bundle = |text: &str| {
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "authorities"}, "stringData": {"ca.crt": text},
        })
    };
    world.apply(bundle("not a certificate")).await;
    world.apply_provider().await;
    let reference = json!({"secretKeyRef": {"name": "authorities", "key": "ca.crt"}});
    world.apply(provider(&world, Some(&reference))).await;
    world.apply(client_application("payments", json!({}))).await;
    let said = world
        .until::<IdentityProvider>("didit", ("Ready", "False", "InvalidCaBundle"))
        .await;
    assert!(
        said.message.contains("the CA bundle has no certificate"),
        "{}",
        said.message
    );

    world.apply(bundle(&authority)).await;
    world.until_published("payments").await;
}
