//! A provider that several namespaces share.

use std::sync::LazyLock;

use k8s_openapi::api::core::v1::Namespace;
use keywright::api::{ClientApplication, ClusterIdentityProvider};
use keywright_sandbox::Operation;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use crate::harness::{ACCOUNT_SECRET, EMAIL, Operator, PASSWORD, World, account_secret, client_application};

/// An operator that looks after shared providers looks after all of them, so only one runs at a time.
pub(super) static ALONE: LazyLock<Mutex<()>> = LazyLock::new(Mutex::default);

/// A world with a shared provider, named like the test's namespace.
struct Sharing {
    world: World,
    _operator: Operator,
    _alone: MutexGuard<'static, ()>,
}

impl Sharing {
    async fn new(name: &str) -> Self {
        let alone = ALONE.lock().await;
        let world = World::new(name).await;
        let operator = world.operator_with(world.settings().with("--cluster-identity-providers", "true"));
        let mut account = account_secret(json!({"email": EMAIL, "password": PASSWORD}));
        account["metadata"]["namespace"] = world.operator_namespace.clone().into();
        world.apply(account).await;
        // Not this one, which the users of the namespace could have made.
        world
            .apply(account_secret(
                json!({"email": EMAIL, "password": "of somebody else"}),
            ))
            .await;
        Self {
            world,
            _operator: operator,
            _alone: alone,
        }
    }

    async fn allow(&self, namespaces: Value) {
        let provider = json!({
            "apiVersion": "keywright.dev/v1alpha1",
            "kind": "ClusterIdentityProvider",
            "metadata": {"name": self.world.namespace},
            "spec": {"didit": self.world.didit(json!({})), "allowedNamespaces": namespaces},
        });
        self.world.apply(provider).await;
    }

    async fn apply_application(&self) {
        let reference = json!({"kind": "ClusterIdentityProvider", "name": self.world.namespace});
        self.world
            .apply(client_application("payments", json!({"providerRef": reference})))
            .await;
    }

    /// The operator says no, and has asked nothing but who it is itself.
    async fn is_denied(&self) {
        let world = &self.world;
        let said = world
            .until::<ClientApplication>("payments", ("ProviderReady", "False", "NamespaceNotAllowed"))
            .await;
        let namespace = &world.namespace;
        let expected = format!(
            "ClusterIdentityProvider {namespace} does not allow namespace {namespace}. Ask its administrator to add \
             the namespace to spec.allowedNamespaces"
        );
        assert_eq!(said.message, expected);
        for call in world.sandbox.calls() {
            let of_provider = [Some(Operation::Login), Some(Operation::ListOrganizations)];
            assert!(of_provider.contains(&call.operation), "{call:?}");
        }
        assert_eq!(world.sandbox.applications().len(), 0);
    }

    async fn finish(self) {
        let api: Api<ClusterIdentityProvider> = Api::all(self.world.client.clone());
        api.delete(&self.world.namespace, &DeleteParams::default())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_namespace_uses_a_shared_provider_once_its_name_is_allowed() {
    let sharing = Sharing::new("by-name").await;
    let world = &sharing.world;
    sharing.allow(json!({"names": ["another"]})).await;
    sharing.apply_application().await;
    sharing.is_denied().await;

    sharing.allow(json!({"names": [world.namespace]})).await;
    let published = world.until_published("payments").await;
    let provider = world.namespace.clone();
    world
        .until::<ClusterIdentityProvider>(&provider, ("Ready", "True", "Ready"))
        .await;
    assert_eq!(published.spec.provider_ref.name, provider);
    assert_eq!(world.sandbox.count(Operation::Login), 1);

    sharing.allow(json!({"names": []})).await;
    world
        .until::<ClientApplication>("payments", ("ProviderReady", "False", "NamespaceNotAllowed"))
        .await;
    let ready = world.condition::<ClientApplication>("payments", "Ready").await;
    assert_eq!(ready.status, "True", "what was published stays");
    sharing.finish().await;
}

#[tokio::test]
async fn a_namespace_uses_a_shared_provider_once_it_has_the_label() {
    let sharing = Sharing::new("by-label").await;
    let world = &sharing.world;
    sharing
        .allow(json!({"selector": {"matchLabels": {"team": world.namespace}}}))
        .await;
    sharing.apply_application().await;
    sharing.is_denied().await;

    let label = json!({"metadata": {"labels": {"team": world.namespace}}});
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    namespaces
        .patch(&world.namespace, &PatchParams::default(), &Patch::Merge(label))
        .await
        .unwrap();
    world.until_published("payments").await;
    sharing.finish().await;
}

#[tokio::test]
async fn a_shared_provider_that_allows_nobody_serves_nobody() {
    let sharing = Sharing::new("nobody").await;
    let world = &sharing.world;
    sharing.allow(Value::Null).await;
    sharing.apply_application().await;
    sharing.is_denied().await;
    let provider = world.namespace.clone();
    world
        .until::<ClusterIdentityProvider>(&provider, ("Ready", "True", "Ready"))
        .await;
    assert!(world.secret("payments-didit").await.is_none());

    // The account's Secret is read where the operator lives.
    let api: Api<k8s_openapi::api::core::v1::Secret> =
        Api::namespaced(world.client.clone(), &world.operator_namespace);
    api.delete(ACCOUNT_SECRET, &DeleteParams::default())
        .await
        .unwrap();
    let said = world
        .until::<ClusterIdentityProvider>(&provider, ("Ready", "False", "SecretNotFound"))
        .await;
    let expected = format!("Secret {}/{ACCOUNT_SECRET}, which", world.operator_namespace);
    assert!(said.message.starts_with(&expected), "{}", said.message);
    sharing.finish().await;
}
