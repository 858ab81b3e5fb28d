//! The rights that the chart gives to the operator are those of `keywright::rights`, and no others.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use keywright::rights::{Only, Place, RIGHTS, Right, Setting};
use keywright_helm::{Helm, chart};
use serde_json::{Value, json};

use crate::region;

/// The namespace of the release.
const RELEASE: &str = "keywright-system";

/// Place of what a ClusterRole grants.
pub(crate) const EVERYWHERE: &str = "*";

/// One verb on one resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Grant {
    /// The namespace, or [`EVERYWHERE`].
    pub(crate) place: String,
    /// The API group; empty for the core group.
    pub(crate) group: String,
    /// The plural, with a subresource after a slash.
    pub(crate) resource: String,
    /// The verb.
    pub(crate) verb: String,
    /// The name that it is about; empty for all.
    pub(crate) only: String,
}

/// What the chart is told about the operator's rights.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// Namespaces to look after; all when empty.
    pub(crate) watch_namespaces: Vec<String>,
    /// Whether Secrets are watched.
    pub(crate) secret_watch: bool,
    /// Whether there are shared providers.
    pub(crate) cluster_identity_providers: bool,
    /// The identifier of the cluster, if it need not be read.
    pub(crate) cluster_id: &'static str,
    /// Whether there is a Lease.
    pub(crate) leader_election: bool,
}

impl Scope {
    /// As values of the chart.
    pub(crate) fn values(&self) -> Value {
        json!({
            "watchNamespaces": self.watch_namespaces,
            "secretWatch": self.secret_watch,
            "clusterIdentityProviders": {"enabled": self.cluster_identity_providers},
            "clusterID": self.cluster_id,
            "leaderElection": {"enabled": self.leader_election},
        })
    }

    /// What the operator needs, run like this by a release `keywright` in this namespace.
    pub(crate) fn needed(&self, release: &str) -> BTreeSet<Grant> {
        let mut needed = BTreeSet::new();
        for right in RIGHTS {
            let is_needed = |verb: &&&str| right.is_needed(verb, |setting| self.has(setting));
            for verb in right.verbs.iter().filter(is_needed) {
                for place in self.places(right, release) {
                    needed.insert(Grant {
                        place,
                        group: right.api_group.to_owned(),
                        resource: right.resource.to_owned(),
                        verb: (*verb).to_owned(),
                        only: name(right.only).to_owned(),
                    });
                }
            }
        }
        let all = needed.clone();
        let everywhere = || EVERYWHERE.to_owned();
        needed.retain(|grant| {
            let wider = Grant {
                place: everywhere(),
                ..grant.clone()
            };
            grant.place == EVERYWHERE || !all.contains(&wider)
        });
        needed
    }

    fn has(&self, setting: Setting) -> bool {
        match setting {
            Setting::ClusterIdentityProviders => self.cluster_identity_providers,
            Setting::LeaderElection => self.leader_election,
            Setting::NoClusterId => self.cluster_id.is_empty(),
            Setting::SecretWatch => self.secret_watch,
        }
    }

    fn places(&self, right: &Right, release: &str) -> Vec<String> {
        match right.place {
            Place::WatchedNamespaces if self.watch_namespaces.is_empty() => vec![EVERYWHERE.to_owned()],
            Place::WatchedNamespaces => self.watch_namespaces.clone(),
            Place::OperatorNamespace => vec![release.to_owned()],
            Place::DefaultNamespace => vec!["default".to_owned()],
            Place::Cluster => vec![EVERYWHERE.to_owned()],
        }
    }
}

fn name(only: Option<Only>) -> &'static str {
    match only {
        None => "",
        Some(Only::KubeSystem) => "kube-system",
        Some(Only::Lease) => "keywright",
    }
}

/// What the rendered bindings grant to the operator's ServiceAccount, the only subject that there may be.
fn granted(manifests: &[Value]) -> BTreeSet<Grant> {
    let account = of_kinds(manifests, &["ServiceAccount"])[0];
    let subjects = json!([{
        "kind": "ServiceAccount",
        "name": account["metadata"]["name"],
        "namespace": account["metadata"]["namespace"],
    }]);
    let roles: BTreeMap<_, _> = of_kinds(manifests, &["Role", "ClusterRole"])
        .into_iter()
        .map(|role| {
            let metadata = &role["metadata"];
            let place = (
                text(&role["kind"]),
                text(&metadata["namespace"]),
                text(&metadata["name"]),
            );
            (place, role)
        })
        .collect();
    let mut granted = BTreeSet::new();
    for binding in of_kinds(manifests, &["RoleBinding", "ClusterRoleBinding"]) {
        assert_eq!(binding["subjects"], subjects, "{binding}");
        let namespace = text(&binding["metadata"]["namespace"]);
        let reference = &binding["roleRef"];
        let role = roles[&(
            text(&reference["kind"]),
            namespace.clone(),
            text(&reference["name"]),
        )];
        let place = if namespace.is_empty() {
            EVERYWHERE
        } else {
            &namespace
        };
        for grant in grants(role, place) {
            assert!(granted.insert(grant.clone()), "granted twice: {grant:?}");
        }
    }
    granted
}

fn grants(role: &Value, place: &str) -> Vec<Grant> {
    let mut grants = Vec::new();
    for rule in list(&role["rules"]) {
        let names = rule.get("resourceNames").map_or(vec![Value::from("")], list);
        for group in list(&rule["apiGroups"]) {
            for resource in list(&rule["resources"]) {
                for verb in list(&rule["verbs"]) {
                    for only in &names {
                        grants.push(Grant {
                            place: place.to_owned(),
                            group: text(&group),
                            resource: text(&resource),
                            verb: text(&verb),
                            only: text(only),
                        });
                    }
                }
            }
        }
    }
    grants
}

fn of_kinds<'a>(manifests: &'a [Value], kinds: &[&str]) -> Vec<&'a Value> {
    let wanted = |manifest: &&Value| {
        manifest["kind"]
            .as_str()
            .is_some_and(|kind| kinds.contains(&kind))
    };
    manifests.iter().filter(wanted).collect()
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn the_chart_grants_what_the_operator_needs_and_nothing_else() {
    let helm = Helm::new(None).await;
    for number in 0..32_u32 {
        let set = |bit: u32| number & (1 << bit) != 0;
        let namespaces = ["shop".to_owned(), "billing".to_owned()];
        let scope = Scope {
            watch_namespaces: if set(0) { namespaces.to_vec() } else { vec![] },
            secret_watch: set(1),
            cluster_identity_providers: set(2),
            cluster_id: if set(3) { "corp" } else { "" },
            leader_election: set(4),
        };
        let manifests = helm.template(&chart(), RELEASE, &scope.values()).unwrap();
        let (granted, needed) = (granted(&manifests), scope.needed(RELEASE));
        let more: Vec<_> = granted.difference(&needed).collect();
        let less: Vec<_> = needed.difference(&granted).collect();
        assert!(more.is_empty(), "{scope:?}: granted without need {more:#?}");
        assert!(less.is_empty(), "{scope:?}: not granted {less:#?}");
    }
}

#[tokio::test]
async fn an_operator_for_some_namespaces_need_not_have_any_right_on_the_whole_cluster() {
    let helm = Helm::new(None).await;
    let values = json!({
        "watchNamespaces": ["shop"],
        "clusterIdentityProviders": {"enabled": false},
        "clusterID": "corp",
        "rbac": {"aggregate": false},
        "crds": {"install": false},
    });
    for manifest in helm.template(&chart(), RELEASE, &values).unwrap() {
        let namespace = &manifest["metadata"]["namespace"];
        assert!(namespace == "shop" || namespace == RELEASE, "{manifest}");
    }
}

#[tokio::test]
async fn roles_for_users_are_about_keywrights_own_kinds_only() {
    let helm = Helm::new(None).await;
    let manifests = helm.template(&chart(), RELEASE, &json!({})).unwrap();
    let bound: Vec<_> = of_kinds(&manifests, &["ClusterRoleBinding"])
        .into_iter()
        .map(|binding| binding["roleRef"]["name"].clone())
        .collect();
    let mut for_users = of_kinds(&manifests, &["ClusterRole"]);
    for_users.retain(|role| !bound.contains(&role["metadata"]["name"]));
    assert_eq!(for_users.len(), 3);
    for role in for_users {
        for Grant {
            group,
            resource,
            verb,
            ..
        } in grants(role, EVERYWHERE)
        {
            assert_eq!(group, "keywright.dev", "{role}");
            assert!(
                verb != "*" && resource != "*" && !resource.contains('/'),
                "{role}"
            );
        }
    }
}

/// The values of the chart without which a right is not needed.
fn setting(right: &Right) -> String {
    let settings = [
        (
            Setting::ClusterIdentityProviders,
            "`clusterIdentityProviders.enabled`",
        ),
        (Setting::LeaderElection, "`leaderElection.enabled`"),
        (Setting::NoClusterId, "an empty `clusterID`"),
        (Setting::SecretWatch, "`secretWatch`"),
    ];
    let is_needed_without = |without: Setting| {
        let mut verbs = right.verbs.iter();
        verbs.any(|verb| right.is_needed(verb, |setting| setting != without))
    };
    let named = settings
        .into_iter()
        .filter(|(setting, _)| !is_needed_without(*setting));
    named.map(|(_, name)| name).collect::<Vec<_>>().join(", ")
}

#[test]
fn the_table_of_rights_has_each_with_its_reason() {
    let mut table =
        "| API group | Resource | Verbs | Where | Only with | Why |\n| --- | --- | --- | --- | --- | --- |\n"
            .to_owned();
    for right in RIGHTS {
        let group = if right.api_group.is_empty() {
            "core"
        } else {
            right.api_group
        };
        let verbs = right.verbs.join(", ");
        let place = match right.place {
            Place::WatchedNamespaces => "Namespaces that are looked after",
            Place::OperatorNamespace => "The operator's namespace",
            Place::DefaultNamespace => "`default`",
            Place::Cluster => "The cluster",
        };
        let only = match right.only {
            None => "",
            Some(Only::KubeSystem) => ", `kube-system` only",
            Some(Only::Lease) => ", its Lease only",
        };
        let setting = setting(right);
        let (resource, why) = (right.resource, right.why);
        writeln!(
            table,
            "| {group} | {resource} | {verbs} | {place}{only} | {setting} | {why} |"
        )
        .unwrap();
    }
    region::assert_is("docs/security.md", "rights", &table);
}
