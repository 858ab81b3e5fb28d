//! The life of each resource, from its creation to its deletion.

use std::path::PathBuf;

use keywright_sandbox::{Config, NewAccount, Sandbox, Tls};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cluster::{Cluster, eventually};

/// The namespace of the user.
pub(crate) const SHOP: &str = "shop";

/// The shared provider, which comes with the release.
pub(crate) const SHARED: &str = "corp";

/// The ConfigMap with the authority of Didit's sandbox, in every namespace that it was introduced to.
pub(crate) const AUTHORITY: &str = "didit-ca";

const EMAIL: &str = "ops@corp.example.net";
const PASSWORD: &str = "Corr3ct!horse";

/// Didit's sandbox, over TLS under an authority of its own.
pub(crate) struct Didit {
    sandbox: Sandbox,
    directory: TempDir,
}

impl Didit {
    /// Starts it, with one account.
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = Config {
            tls: Tls::SelfSigned {
                directory: directory.path().to_owned(),
                names: vec![],
            },
            accounts: vec![NewAccount {
                organizations: Some(vec!["corp".to_owned()]),
                ..NewAccount::new(EMAIL, PASSWORD)
            }],
            ..Config::default()
        };
        Self {
            sandbox: Sandbox::start(config).await.unwrap(),
            directory,
        }
    }

    /// How many applications there are.
    pub(crate) fn applications(&self) -> usize {
        self.sandbox.applications().len()
    }

    /// What `spec.didit` of a provider says beside the account.
    pub(crate) fn spec(&self) -> Value {
        json!({
            "accountSecretRef": {"name": "didit-account"},
            "authUrl": self.sandbox.auth_url(),
            "apiUrl": self.sandbox.api_url(),
            "caBundle": {"configMapKeyRef": {"name": AUTHORITY, "key": "ca.crt"}},
        })
    }

    /// Puts into a namespace what a provider reads: the account and the authority.
    pub(crate) async fn introduce_to(&self, cluster: &Cluster, namespace: &str) {
        let authority: PathBuf = self.directory.path().join("ca.crt");
        let authority = std::fs::read_to_string(authority).unwrap();
        for object in [
            json!({
                "apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": "didit-account", "namespace": namespace},
                "stringData": {"email": EMAIL, "password": PASSWORD},
            }),
            json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": AUTHORITY, "namespace": namespace},
                "data": {"ca.crt": authority},
            }),
        ] {
            cluster.apply(&object).await;
        }
    }
}

/// The resources of README.md under "The first resource": the provider and the application.
pub(crate) fn first_resources() -> Vec<Value> {
    let page = include_str!("../../README.md");
    let (_, chapter) = page.split_once("## The first resource\n").unwrap();
    let (chapter, _) = chapter.split_once("\n## ").unwrap();
    let blocks = chapter
        .split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split_once("\n```").unwrap().0);
    blocks
        .map(|block| serde_saphyr::from_str(block).unwrap())
        .collect()
}

/// Applies them as they stand there, and only tells the provider where the sandbox is.
pub(crate) async fn apply_first_resources(cluster: &Cluster, didit: &Didit) {
    for mut resource in first_resources() {
        if resource["kind"] == "IdentityProvider" {
            resource["spec"]["didit"] = didit.spec();
        }
        cluster.apply(&resource).await;
    }
    cluster
        .until_ready("ClientApplication", SHOP, "payments", "True")
        .await;
    let secret = cluster.get("Secret", SHOP, "payments-didit").await.unwrap();
    for key in [
        "client_id",
        "api_key",
        "application_id",
        "organization_id",
        "api_url",
    ] {
        assert!(secret["data"][key].is_string(), "{key}");
    }
}

/// Everything that becomes of resources, with names that end in `suffix`. The provider `didit` and its application
/// `payments` are there already, and so is the shared provider.
pub(crate) async fn live(cluster: &Cluster, suffix: &str) {
    let named = |name: &str| format!("{name}-{suffix}");
    let (through_shared, token) = (named("storefront"), named("reports"));
    cluster
        .until_ready("ClusterIdentityProvider", "", SHARED, "True")
        .await;
    cluster
        .apply(&json!({
            "apiVersion": "keywright.dev/v1alpha1", "kind": "ClientApplication",
            "metadata": {"name": through_shared, "namespace": SHOP},
            "spec": {
                "providerRef": {"kind": "ClusterIdentityProvider", "name": SHARED},
                "secret": {"name": through_shared},
            },
        }))
        .await;
    let access_token = |secret: &str| {
        json!({
            "apiVersion": "keywright.dev/v1alpha1", "kind": "AccessToken",
            "metadata": {"name": token, "namespace": SHOP},
            "spec": {
                "providerRef": {"kind": "IdentityProvider", "name": "didit"},
                "client": {"clientApplicationRef": {"name": "payments"}},
                "revocationPolicy": "OnDeletion",
                "secret": {"name": secret},
            },
        })
    };
    cluster.apply(&access_token(&token)).await;
    cluster
        .until_ready("ClientApplication", SHOP, &through_shared, "True")
        .await;
    cluster.until_ready("AccessToken", SHOP, &token, "True").await;

    let before = value(cluster, &through_shared, "api_key").await;
    let edited = json!({"data": {"api_key": "ZWRpdGVk"}});
    cluster.edit("Secret", SHOP, &through_shared, edited).await;
    eventually("the edited Secret is healed", async || {
        let now = value(cluster, &through_shared, "api_key").await;
        if now == before {
            Ok(())
        } else {
            Err(now.to_string())
        }
    })
    .await;

    let before = value(cluster, &token, "access_token").await;
    let request = json!({"metadata": {"annotations": {"keywright.dev/refresh-requested-at": suffix}}});
    cluster.edit("AccessToken", SHOP, &token, request).await;
    eventually("the token is refreshed", async || {
        let now = value(cluster, &token, "access_token").await;
        if now == before {
            Err("it is the same".to_owned())
        } else {
            Ok(())
        }
    })
    .await;

    let renamed = named("renamed");
    cluster.apply(&access_token(&renamed)).await;
    until_replaced(cluster, SHOP, &token, &renamed).await;

    // What happens a second time is counted up in the same event.
    for suspend in [true, false, true, false] {
        let status = if suspend { "False" } else { "True" };
        let change = json!({"spec": {"suspend": suspend}});
        cluster
            .edit("IdentityProvider", SHOP, "didit", change.clone())
            .await;
        cluster.edit("ClusterIdentityProvider", "", SHARED, change).await;
        cluster
            .until_ready("IdentityProvider", SHOP, "didit", status)
            .await;
        cluster
            .until_ready("ClusterIdentityProvider", "", SHARED, status)
            .await;
    }

    cluster.delete("AccessToken", SHOP, &token).await;
    cluster.delete("ClientApplication", SHOP, &through_shared).await;
}

/// Everything that becomes of an account in a namespace. A person reads the mail and puts the code into a Secret.
pub(crate) async fn sign_up(cluster: &Cluster, didit: &Didit, namespace: &str, suffix: &str) {
    let (name, code) = (format!("account-{suffix}"), format!("code-{suffix}"));
    let (email, renamed) = (format!("{suffix}@corp.example.net"), format!("renamed-{name}"));
    let mut spec = didit.spec();
    spec.as_object_mut().unwrap().remove("accountSecretRef").unwrap();
    cluster
        .apply(&json!({
            "apiVersion": "keywright.dev/v1alpha1", "kind": "IdentityAccount",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "email": email,
                "didit": spec,
                "code": {"secretRef": {"name": code}},
                "secret": {"name": name},
            },
        }))
        .await;
    let mailed = eventually("the mail comes", async || {
        let mails = didit.sandbox.mailbox(&email);
        let code = mails.last().map(|mail| mail.code.clone());
        code.ok_or_else(|| "there is none".to_owned())
    })
    .await;
    cluster
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": code, "namespace": namespace},
            "stringData": {"code": mailed},
        }))
        .await;
    let kind = "IdentityAccount";
    cluster.until_ready(kind, namespace, &name, "True").await;

    let rename = json!({"spec": {"secret": {"name": renamed}}});
    cluster.edit(kind, namespace, &name, rename).await;
    until_replaced(cluster, namespace, &name, &renamed).await;

    // What happens a second time is counted up in the same event.
    for suspend in [true, false, true, false] {
        cluster
            .edit(kind, namespace, &name, json!({"spec": {"suspend": suspend}}))
            .await;
        eventually(&format!("{kind} {name} is suspended: {suspend}"), async || {
            let account = cluster.get(kind, namespace, &name).await.unwrap();
            let status = account["status"].to_string();
            if status.contains("\"reason\":\"Suspended\"") == suspend {
                Ok(())
            } else {
                Err(status)
            }
        })
        .await;
    }
}

async fn until_replaced(cluster: &Cluster, namespace: &str, old: &str, new: &str) {
    eventually(&format!("Secret {new} is in the place of {old}"), async || {
        let (old, new) = (
            cluster.get("Secret", namespace, old).await,
            cluster.get("Secret", namespace, new).await,
        );
        match (old, new) {
            (None, Some(_)) => Ok(()),
            (old, new) => Err(format!("old: {}, new: {}", old.is_some(), new.is_some())),
        }
    })
    .await;
}

/// A provider whose authority nobody vouches for but the values of the chart.
pub(crate) async fn trust_by_values(cluster: &Cluster, didit: &Didit) {
    let mut spec = didit.spec();
    spec.as_object_mut().unwrap().remove("caBundle").unwrap();
    cluster
        .apply(&json!({
            "apiVersion": "keywright.dev/v1alpha1", "kind": "IdentityProvider",
            "metadata": {"name": "without-bundle", "namespace": SHOP},
            "spec": {"didit": spec},
        }))
        .await;
    cluster
        .until_ready("IdentityProvider", SHOP, "without-bundle", "True")
        .await;
}

/// A shared provider whose account is in the operator's namespace, where only the namespace of the workloads is looked
/// after. It says so, and nothing is asked of the API server that the operator has no right to.
pub(crate) async fn name_an_account_that_nobody_looks_after(cluster: &Cluster, didit: &Didit) {
    let (kind, name) = ("ClusterIdentityProvider", "with-account");
    let mut spec = didit.spec();
    let fields = spec.as_object_mut().unwrap();
    fields.remove("accountSecretRef").unwrap();
    fields.insert("accountRef".to_owned(), json!({"name": "ops"}));
    cluster
        .apply(&json!({
            "apiVersion": "keywright.dev/v1alpha1", "kind": kind, "metadata": {"name": name},
            "spec": {"didit": spec, "allowedNamespaces": {"names": [SHOP]}},
        }))
        .await;
    cluster.until_ready(kind, "", name, "False").await;
    let status = cluster.get(kind, "", name).await.unwrap()["status"].to_string();
    assert!(status.contains("AccountNotWatched"), "{status}");
    cluster.delete(kind, "", name).await;
}

async fn value(cluster: &Cluster, secret: &str, key: &str) -> Value {
    let secret = cluster.get("Secret", SHOP, secret).await.unwrap();
    secret["data"][key].clone()
}
