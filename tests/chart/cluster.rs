//! A cluster that is new, and what is in it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use keywright_control_plane::{ControlPlane, Options};
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, Config};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Much longer than anything here takes, for machines that are busy with something else.
const PATIENCE: Duration = Duration::from_secs(60);

/// A control plane of its own, since a release changes what is about the whole cluster, with an administrator's client.
pub(crate) struct Cluster {
    plane: ControlPlane,
    client: Client,
    directory: TempDir,
}

impl Cluster {
    /// Starts one, whose API server records every request of ServiceAccounts of the namespace `audited`.
    pub(crate) async fn start(audited: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let policy = json!({
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "rules": [
                {"level": "Metadata", "userGroups": [format!("system:serviceaccounts:{audited}")]},
                {"level": "None"},
            ],
        });
        let policy_file = directory.path().join("audit-policy.json");
        std::fs::write(&policy_file, policy.to_string()).unwrap();
        let options = Options {
            api_server_flags: vec![
                format!("--audit-policy-file={}", policy_file.display()),
                format!(
                    "--audit-log-path={}",
                    directory.path().join("audit.log").display()
                ),
            ],
            ..Options::default()
        };
        let plane = ControlPlane::start(options).await.unwrap();
        // Only the first call of the process can succeed, and one is all it takes.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let kubeconfig = Kubeconfig::read_from(plane.kubeconfig()).unwrap();
        let context = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &context)
            .await
            .unwrap();
        let client = Client::try_from(config).unwrap();
        Self {
            plane,
            client,
            directory,
        }
    }

    /// The administrator's kubeconfig.
    pub(crate) fn kubeconfig(&self) -> &Path {
        self.plane.kubeconfig()
    }

    /// A directory that goes away with the cluster.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What the API server has recorded so far.
    pub(crate) fn audit(&self) -> Vec<Value> {
        let log = std::fs::read_to_string(self.directory.path().join("audit.log")).unwrap_or_default();
        // The last line may be half written.
        log.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Applies an object as a user would.
    pub(crate) async fn apply(&self, object: &Value) {
        let name = object["metadata"]["name"].as_str().unwrap();
        let parameters = PatchParams::apply("user").force();
        let applied = self
            .api_of(object)
            .patch(name, &parameters, &Patch::Apply(object))
            .await;
        applied.unwrap_or_else(|error| panic!("{object}: {error}"));
    }

    /// Whether the API server would accept an object.
    pub(crate) async fn would_accept(&self, object: &Value) -> Result<(), String> {
        let name = object["metadata"]["name"].as_str().unwrap();
        let parameters = PatchParams::apply("user").force().dry_run();
        let applied = self
            .api_of(object)
            .patch(name, &parameters, &Patch::Apply(object))
            .await;
        applied.map(|_| ()).map_err(|error| error.to_string())
    }

    /// Creates an object and returns what the API server makes of it.
    pub(crate) async fn create(&self, object: &Value) -> Value {
        let dynamic: DynamicObject = serde_json::from_value(object.clone()).unwrap();
        let created = self
            .api_of(object)
            .create(&PostParams::default(), &dynamic)
            .await
            .unwrap();
        serde_json::to_value(created).unwrap()
    }

    /// An object, as `kubectl get KIND NAME -n NAMESPACE` would find it.
    pub(crate) async fn get(&self, kind: &str, namespace: &str, name: &str) -> Option<Value> {
        let found = self.api(kind, namespace).get_opt(name).await.unwrap();
        found.map(|found| serde_json::to_value(found).unwrap())
    }

    /// All objects of a kind in a namespace.
    pub(crate) async fn list(&self, kind: &str, namespace: &str) -> Vec<Value> {
        let found = self
            .api(kind, namespace)
            .list(&kube::api::ListParams::default())
            .await
            .unwrap();
        found
            .items
            .into_iter()
            .map(|item| serde_json::to_value(item).unwrap())
            .collect()
    }

    /// Changes some fields of an object (JSON merge patch).
    pub(crate) async fn edit(&self, kind: &str, namespace: &str, name: &str, change: Value) {
        let patched = self
            .api(kind, namespace)
            .patch(name, &PatchParams::default(), &Patch::Merge(change))
            .await;
        patched.unwrap_or_else(|error| panic!("{kind} {name}: {error}"));
    }

    /// Deletes an object and waits until it is gone.
    pub(crate) async fn delete(&self, kind: &str, namespace: &str, name: &str) {
        self.api(kind, namespace)
            .delete(name, &DeleteParams::default())
            .await
            .unwrap();
        eventually(&format!("{kind} {name} is gone"), async || {
            match self.get(kind, namespace, name).await {
                None => Ok(()),
                Some(object) => Err(object.to_string()),
            }
        })
        .await;
    }

    /// Waits until the condition `Ready` of an object, for its present generation, is this.
    pub(crate) async fn until_ready(&self, kind: &str, namespace: &str, name: &str, status: &str) {
        eventually(&format!("{kind} {name} has Ready={status}"), async || {
            let object = self.get(kind, namespace, name).await.ok_or("it does not exist")?;
            let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
            let ready = conditions.into_iter().flatten().any(|condition| {
                condition["type"] == "Ready"
                    && condition["status"] == status
                    && condition["observedGeneration"] == object["metadata"]["generation"]
            });
            if ready {
                Ok(())
            } else {
                Err(object["status"].to_string())
            }
        })
        .await;
    }

    /// A kubeconfig with a token of a ServiceAccount, as its pods have one.
    pub(crate) async fn kubeconfig_of(&self, namespace: &str, account: &str) -> PathBuf {
        let api: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                expiration_seconds: Some(3600),
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let issued = api
            .create_token_request(account, &PostParams::default(), &request)
            .await
            .unwrap();
        let text = std::fs::read_to_string(self.kubeconfig()).unwrap();
        let mut kubeconfig: Value = serde_saphyr::from_str(&text).unwrap();
        kubeconfig["users"][0]["user"] = json!({"token": issued.status.unwrap().token});
        let path = self.directory.path().join(format!("{namespace}.kubeconfig"));
        std::fs::write(&path, kubeconfig.to_string()).unwrap();
        path
    }

    fn api_of(&self, object: &Value) -> Api<DynamicObject> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
        self.api_of_kind(&version, &kind, &text(&object["metadata"]["namespace"]))
    }

    fn api(&self, kind: &str, namespace: &str) -> Api<DynamicObject> {
        let version = match kind {
            "AccessToken"
            | "ClientApplication"
            | "ClusterIdentityProvider"
            | "IdentityAccount"
            | "IdentityProvider" => "keywright.dev/v1alpha1",
            "CustomResourceDefinition" => "apiextensions.k8s.io/v1",
            "ClusterRole" => "rbac.authorization.k8s.io/v1",
            "Deployment" => "apps/v1",
            "Lease" => "coordination.k8s.io/v1",
            _ => "v1",
        };
        self.api_of_kind(version, kind, namespace)
    }

    /// `namespace` is empty for what is in none.
    fn api_of_kind(&self, version: &str, kind: &str, namespace: &str) -> Api<DynamicObject> {
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        let mut resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        if kind == "NetworkPolicy" {
            resource.plural = "networkpolicies".to_owned();
        }
        if namespace.is_empty() {
            Api::all_with(self.client.clone(), &resource)
        } else {
            Api::namespaced_with(self.client.clone(), namespace, &resource)
        }
    }
}

/// Tries until it succeeds.
///
/// # Panics
/// When it has not after a minute.
pub(crate) async fn eventually<T>(what: &str, mut attempt: impl AsyncFnMut() -> Result<T, String>) -> T {
    let begun = tokio::time::Instant::now();
    loop {
        match attempt().await {
            Ok(value) => return value,
            Err(state) if begun.elapsed() > PATIENCE => panic!("not in {PATIENCE:?}: {what}: {state}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
