//! A release on a real control plane, from its installation to its removal.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use keywright_helm::{Failure, Helm, chart};
use serde_json::{Value, json};

use crate::cluster::{Cluster, eventually};
use crate::life::{self, AUTHORITY, Didit, SHARED, SHOP};
use crate::operator::Operator;
use crate::rights::{Grant, Scope};
use crate::used::used;

/// The namespace of the release.
const RELEASE: &str = "keywright-system";

/// The name of the release, and so of what it installs.
const NAME: &str = "keywright";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_does_its_work_with_the_rights_of_the_chart_and_leaves_what_users_made() {
    let (cluster, didit) = tokio::join!(Cluster::start(RELEASE), Didit::start());
    let helm = Helm::new(Some(cluster.kubeconfig())).await;
    prepare(&cluster, &didit).await;

    let everywhere = Scope {
        watch_namespaces: vec![],
        secret_watch: true,
        cluster_identity_providers: true,
        cluster_id: "",
        leader_election: true,
    };
    definitions_of_somebody_else_are_taken_over_only_when_asked_for(&cluster, &helm).await;
    let said = install(&helm, &chart(), &values(&everywhere, &didit)).unwrap();
    assert!(
        said.contains(&format!("clusteridentityprovider/{SHARED}")),
        "{said}"
    );
    a_strict_namespace_accepts_the_pod(&cluster).await;
    users_have_their_roles(&cluster).await;
    the_server_accepts_what_is_rendered(&cluster, &helm).await;

    let operator = Operator::start(&cluster, RELEASE, NAME).await;
    life::apply_first_resources(&cluster, &didit).await;
    life::live(&cluster, "one").await;
    life::sign_up(&cluster, &didit, SHOP, "one").await;
    let log = operator.stop().await;
    every_right_is_used(&cluster.audit(), &everywhere);
    assert!(!log.to_lowercase().contains("forbidden"), "{log}");

    let before = Standing::of(&cluster).await;
    let next = next_version(cluster.directory());
    let mut other_values = values(&everywhere, &didit);
    other_values["crds"] = json!({"install": false});
    other_values["replicaCount"] = json!(2);
    upgrade(&helm, &next, &other_values).unwrap();
    assert_eq!(
        Standing::of(&cluster).await,
        before,
        "after an upgrade without the definitions"
    );
    upgrade(&helm, &next, &values(&everywhere, &didit)).unwrap();
    assert_eq!(
        Standing::of(&cluster).await,
        before,
        "after an upgrade with the definitions"
    );
    helm.run(&["uninstall", NAME, "--namespace", RELEASE, "--wait"], &json!({}))
        .unwrap();
    assert_eq!(
        Standing::of(&cluster).await,
        before,
        "after the release was removed"
    );
    assert!(
        cluster.get("ClusterRole", "", NAME).await.is_none(),
        "the operator's rights are left"
    );

    // As when the namespace of the release is removed too.
    cluster.delete("Lease", RELEASE, NAME).await;
    let narrow = Scope {
        watch_namespaces: vec![SHOP.to_owned()],
        secret_watch: false,
        ..everywhere
    };
    let (earlier, applications) = (cluster.audit().len(), didit.applications());
    let mut other_values = values(&narrow, &didit);
    other_values["extraCA"] = json!({"configMap": AUTHORITY});
    install(&helm, &chart(), &other_values).unwrap();
    assert_eq!(Standing::of(&cluster).await, before, "after another installation");
    let operator = Operator::start(&cluster, RELEASE, NAME).await;
    life::live(&cluster, "two").await;
    life::sign_up(&cluster, &didit, SHOP, "two").await;
    life::name_an_account_that_nobody_looks_after(&cluster, &didit).await;
    life::trust_by_values(&cluster, &didit).await;
    let log = operator.stop().await;
    every_right_is_used(&cluster.audit()[earlier..], &narrow);
    assert!(!log.to_lowercase().contains("forbidden"), "{log}");
    // One is storefront-two, the other came with the account that was signed up.
    assert_eq!(didit.applications(), applications + 2);
    let _operator = Operator::start(&cluster, RELEASE, NAME).await;
    the_test_of_the_release_passes(&cluster, &helm, &values(&narrow, &didit)).await;
}

/// A definition that somebody has applied with kubectl is not Helm's until an administrator says so.
async fn definitions_of_somebody_else_are_taken_over_only_when_asked_for(cluster: &Cluster, helm: &Helm) {
    let manifests = helm.template(&chart(), RELEASE, &json!({})).unwrap();
    let mut all = manifests.into_iter();
    let mut definition = all
        .find(|manifest| manifest["kind"] == "CustomResourceDefinition")
        .unwrap();
    definition["metadata"]["labels"] = json!({});
    cluster.apply(&definition).await;
    let chart = chart().display().to_string();
    let arguments = [
        "install",
        NAME,
        &chart,
        "--namespace",
        RELEASE,
        "--dry-run=server",
    ];
    let Failure(said) = helm.run(&arguments, &json!({})).unwrap_err();
    assert!(said.contains("invalid ownership metadata"), "{said}");
    let taking = [&arguments[..], &["--take-ownership"]].concat();
    helm.run(&taking, &json!({})).unwrap();
    let name = definition["metadata"]["name"].as_str().unwrap();
    cluster.delete("CustomResourceDefinition", "", name).await;
}

/// The namespaces, and what the providers read in them. Into that of the release come only pods that may do nothing that
/// they need not.
async fn prepare(cluster: &Cluster, didit: &Didit) {
    for (name, labels) in [
        (
            RELEASE,
            json!({"pod-security.kubernetes.io/enforce": "restricted"}),
        ),
        (SHOP, json!({})),
    ] {
        let metadata = json!({"name": name, "labels": labels});
        cluster
            .apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}))
            .await;
        didit.introduce_to(cluster, name).await;
    }
}

/// As an administrator who is in a hurry would set them.
fn values(scope: &Scope, didit: &Didit) -> Value {
    let mut values = scope.values();
    // There is no node, and Helm waits.
    values["replicaCount"] = json!(0);
    values["pace"] = json!({
        "driftInterval": if scope.secret_watch { "1h" } else { "1s" },
        "requestTimeout": "2s",
        "creationSettleTime": "6s",
        "releaseTimeout": "3s",
        "longestBackoff": "1s",
        "propagationBudget": "2s",
    });
    values["firstProvider"] = json!({
        "name": SHARED,
        "spec": {"didit": didit.spec(), "allowedNamespaces": {"names": [SHOP]}},
    });
    values
}

fn install(helm: &Helm, chart: &Path, values: &Value) -> Result<String, Failure> {
    let chart = chart.display().to_string();
    helm.run(
        &["install", NAME, &chart, "--namespace", RELEASE, "--wait"],
        values,
    )
}

fn upgrade(helm: &Helm, chart: &Path, values: &Value) -> Result<String, Failure> {
    let chart = chart.display().to_string();
    helm.run(&["upgrade", NAME, &chart, "--namespace", RELEASE], values)
}

/// The chart as a later release of Keywright would have it.
fn next_version(directory: &Path) -> PathBuf {
    let next = directory.join("next");
    copy(&chart(), &next);
    let about = next.join("Chart.yaml");
    let text = std::fs::read_to_string(&about).unwrap();
    let present = format!("ersion: {}", env!("CARGO_PKG_VERSION"));
    assert!(text.contains(&present));
    std::fs::write(&about, text.replace(&present, "ersion: 99.0.0")).unwrap();
    next
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

/// What `helm test` runs in a pod, run beside the cluster under the same ServiceAccount.
async fn the_test_of_the_release_passes(cluster: &Cluster, helm: &Helm, values: &Value) {
    let chart = chart().display().to_string();
    let only = "templates/tests/doctor.yaml";
    let arguments = [
        "template",
        NAME,
        &chart,
        "--namespace",
        RELEASE,
        "--show-only",
        only,
    ];
    let pod: Value = serde_saphyr::from_str(&helm.run(&arguments, values).unwrap()).unwrap();
    cluster.would_accept(&pod).await.unwrap();
    let account = pod["spec"]["serviceAccountName"].as_str().unwrap();
    let arguments = pod["spec"]["containers"][0]["args"].as_array().unwrap();
    let variables = pod["spec"]["containers"][0]["env"].as_array().unwrap().iter();
    let variables =
        variables.filter_map(|variable| Some((variable["name"].as_str()?, variable["value"].as_str()?)));
    let output = Command::new(env!("CARGO_BIN_EXE_keywright"))
        .args(arguments.iter().map(|argument| argument.as_str().unwrap()))
        .env_clear()
        .envs(variables)
        .env("POD_NAMESPACE", RELEASE)
        .env("KUBECONFIG", cluster.kubeconfig_of(RELEASE, account).await)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("that the operator needs"), "{said}");
    assert_eq!(output.status.code(), Some(0), "{said}");
}

/// What must outlive the release: kind, name and UID of the definitions and of what users made.
#[derive(Debug, PartialEq, Eq)]
struct Standing(BTreeSet<[String; 3]>);

impl Standing {
    async fn of(cluster: &Cluster) -> Self {
        let mut standing = BTreeSet::new();
        for (kind, namespace) in [
            ("CustomResourceDefinition", ""),
            ("ClusterIdentityProvider", ""),
            ("IdentityAccount", SHOP),
            ("IdentityProvider", SHOP),
            ("ClientApplication", SHOP),
            ("Secret", SHOP),
        ] {
            let found = cluster.list(kind, namespace).await;
            assert!(!found.is_empty(), "no {kind}");
            for object in found {
                let text = |field: &str| object["metadata"][field].as_str().unwrap().to_owned();
                // Those of resources that were deleted are collected some time later.
                if kind != "Secret" || text("name") == "payments-didit" {
                    standing.insert([kind.to_owned(), text("name"), text("uid")]);
                }
            }
        }
        Self(standing)
    }
}

async fn a_strict_namespace_accepts_the_pod(cluster: &Cluster) {
    let deployment = cluster.get("Deployment", RELEASE, NAME).await.unwrap();
    let mut pod = deployment["spec"]["template"].clone();
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"]["name"] = json!("pod");
    pod["metadata"]["namespace"] = json!(RELEASE);
    cluster.would_accept(&pod).await.unwrap();
    pod["spec"]["containers"][0]["securityContext"]["capabilities"] = Value::Null;
    let refused = cluster.would_accept(&pod).await.unwrap_err();
    assert!(
        refused.contains("violates PodSecurity \"restricted:latest\""),
        "{refused}"
    );
}

/// What the roles `view`, `edit` and `admin` allow in a namespace, asked of the API server itself.
async fn users_have_their_roles(cluster: &Cluster) {
    for role in ["view", "edit", "admin"] {
        cluster
            .apply(&json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
                "metadata": {"name": role, "namespace": SHOP},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": role}],
            }))
            .await;
    }
    // The last of them to be aggregated.
    eventually("roles are aggregated", async || {
        let allowed = may(cluster, "admin", "create", "identityproviders").await;
        let seen = may(cluster, "view", "list", "accesstokens").await;
        if allowed && seen {
            Ok(())
        } else {
            Err(String::new())
        }
    })
    .await;
    let namespaced = [
        "accesstokens",
        "clientapplications",
        "identityaccounts",
        "identityproviders",
    ];
    for (role, verb, allowed) in [
        ("view", "get", &namespaced[..]),
        ("view", "watch", &namespaced),
        ("view", "patch", &[]),
        ("view", "delete", &[]),
        ("edit", "list", &namespaced),
        ("edit", "create", &namespaced[..2]),
        ("edit", "deletecollection", &namespaced[..2]),
        ("admin", "patch", &namespaced),
        ("admin", "delete", &namespaced),
    ] {
        for resource in namespaced {
            let expected = allowed.contains(&resource);
            let found = may(cluster, role, verb, resource).await;
            assert_eq!(found, expected, "{role} {verb} {resource}");
        }
        assert!(
            !may(cluster, role, "update", &format!("{}/status", namespaced[0])).await,
            "{role}"
        );
    }
    for verb in ["get", "list", "watch"] {
        assert!(
            !may(cluster, "view", verb, "secrets").await,
            "view {verb} secrets"
        );
    }
}

async fn may(cluster: &Cluster, user: &str, verb: &str, resource: &str) -> bool {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let group = if resource == "secrets" {
        ""
    } else {
        "keywright.dev"
    };
    let review = cluster
        .create(&json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "metadata": {},
            "spec": {"user": user, "resourceAttributes": {
                "namespace": SHOP, "group": group, "resource": resource, "subresource": subresource, "verb": verb,
            }},
        }))
        .await;
    review["status"]["allowed"] == true
}

/// Everything that the chart can render, with every switch on, is asked of the API server itself.
async fn the_server_accepts_what_is_rendered(cluster: &Cluster, helm: &Helm) {
    let values = json!({
        "replicaCount": 2,
        "watchNamespaces": [SHOP, "default"],
        "priorityClassName": "system-cluster-critical",
        "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [{"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}]}],
        }}},
        "extraEnv": [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        "proxy": {"https": "http://proxy.example.net:3128"},
        "extraCA": {"secret": "corp-ca"},
        "networkPolicy": {
            "enabled": true,
            "apiServer": {"cidrs": ["10.0.0.1/32"]},
            "identityAPIs": [{"cidr": "203.0.113.7/32"}],
        },
        "firstProvider": {"name": "another", "spec": {"oauth2": {"issuer": "https://auth.corp.example.net"}}},
    });
    let manifests = helm.template(&chart(), RELEASE, &values).unwrap();
    let kinds: BTreeSet<_> = manifests
        .iter()
        .map(|manifest| manifest["kind"].as_str().unwrap())
        .collect();
    assert!(kinds.len() >= 10, "{kinds:?}");
    for manifest in &manifests {
        if let Err(refused) = cluster.would_accept(manifest).await {
            panic!("{manifest}: {refused}");
        }
    }
}

/// What was asked of the API server is what was granted: with one right less, something would have been refused.
fn every_right_is_used(audit: &[Value], scope: &Scope) {
    let needed = scope.needed(RELEASE);
    let used = used(audit, &needed);
    let unused: Vec<&Grant> = needed.difference(&used).collect();
    assert!(unused.is_empty(), "granted and never used: {unused:#?}");
}
