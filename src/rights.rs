//! The one list of what the operator has to be allowed to do in Kubernetes, with the reason for each.
//!
//! The chart's roles and the table in `docs/security.md` say the same, and `keywright doctor` asks the API server about
//! each of them. Whoever adds a call to the Kubernetes API adds its right here.
//!
//! What is not here is not needed: no verb on `pods`, none on `customresourcedefinitions`, no wildcard, no
//! `deletecollection`, no `finalizers` subresource (owner references are written without `blockOwnerDeletion`), and no
//! `update` other than on the Lease.

use crate::api::names::GROUP;

/// Something that the operator has to be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Right {
    /// The API group; empty for the core group.
    pub api_group: &'static str,
    /// The resource, in the plural, with its subresource after a slash.
    pub resource: &'static str,
    /// The verbs, as RBAC spells them.
    pub verbs: &'static [&'static str],
    /// Where it is needed.
    pub place: Place,
    /// The one object that it is needed on, where that is so: a role may be narrowed to it by `resourceNames`.
    pub only: Option<Only>,
    /// The setting it is needed for; none where it is always needed.
    pub needed_for: Option<Setting>,
    /// What for: a sentence for an admin who reads the table.
    pub why: &'static str,
}

/// Where a right is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// In every namespace that is looked after (`--watch-namespaces`): in a `ClusterRole` where that is all of them.
    WatchedNamespaces,
    /// In the operator's own namespace (`--operator-namespace`).
    OperatorNamespace,
    /// In the namespace `default`, where Kubernetes keeps events about objects of the whole cluster.
    DefaultNamespace,
    /// On objects of the whole cluster, so always in a `ClusterRole`.
    Cluster,
}

/// The one object that a right is needed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Only {
    /// The namespace `kube-system`.
    KubeSystem,
    /// The Lease of the election (`--lease-name`).
    Lease,
}

/// A setting without which some rights are not needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Setting {
    /// `--cluster-identity-providers`, which is on when not given.
    ClusterIdentityProviders,
    /// `--leader-election`, which is on when not given.
    LeaderElection,
    /// `--cluster-id` is not given: the cluster has to say who it is.
    NoClusterId,
    /// `--watch-secrets`, which is on when not given.
    SecretWatch,
}

impl Right {
    /// Whether it is needed by an operator that has these settings on.
    pub fn is_needed(&self, verb: &str, is_on: impl Fn(Setting) -> bool) -> bool {
        let watches_secrets = self.resource == "secrets" && ["list", "watch"].contains(&verb);
        self.needed_for.is_none_or(&is_on) && (!watches_secrets || is_on(Setting::SecretWatch))
    }

    /// The resource without its subresource.
    #[must_use]
    pub fn plural(&self) -> &'static str {
        self.resource
            .split_once('/')
            .map_or(self.resource, |(plural, _)| plural)
    }

    /// The subresource, where the right is about one.
    #[must_use]
    pub fn subresource(&self) -> Option<&'static str> {
        self.resource.split_once('/').map(|(_, subresource)| subresource)
    }
}

/// Every right that the operator needs.
pub const RIGHTS: &[Right] = &[
    // Our own kinds.
    always(
        GROUP,
        "clientapplications",
        &["get", "list", "watch"],
        "Sees the resources and their changes. Reads one anew before something that must not happen twice.",
    ),
    always(
        GROUP,
        "clientapplications",
        &["patch"],
        "Puts its finalizer on the resource before an application gets Keywright's mark, and takes it off when that is gone.",
    ),
    always(
        GROUP,
        "clientapplications/status",
        &["patch"],
        "Writes the status.",
    ),
    always(
        GROUP,
        "accesstokens",
        &["get", "list", "watch"],
        "Sees the resources and their changes. Reads one anew before something that must not happen twice.",
    ),
    always(
        GROUP,
        "accesstokens",
        &["patch"],
        "Puts its finalizer on a resource whose token is revoked when it is deleted, and takes it off when that is done.",
    ),
    always(GROUP, "accesstokens/status", &["patch"], "Writes the status."),
    always(
        GROUP,
        "identityaccounts",
        &["get", "list", "watch"],
        "Sees the resources and their changes. Reads one anew before a call that must not be made twice.",
    ),
    always(GROUP, "identityaccounts/status", &["patch"], "Writes the status."),
    always(
        GROUP,
        "identityproviders",
        &["list", "watch"],
        "Sees the providers and their changes.",
    ),
    always(
        GROUP,
        "identityproviders/status",
        &["patch"],
        "Writes the status, and each login before it is made, so that refused passwords are not tried again.",
    ),
    Right {
        api_group: GROUP,
        resource: "clusteridentityproviders",
        verbs: &["list", "watch"],
        place: Place::Cluster,
        only: None,
        needed_for: Some(Setting::ClusterIdentityProviders),
        why: "Sees the shared providers and their changes.",
    },
    Right {
        api_group: GROUP,
        resource: "clusteridentityproviders/status",
        verbs: &["patch"],
        place: Place::Cluster,
        only: None,
        needed_for: Some(Setting::ClusterIdentityProviders),
        why: "Writes the status, and each login before it is made, so that refused passwords are not tried again.",
    },
    // Secrets.
    always(
        "",
        "secrets",
        &["get"],
        "Reads the Secrets that resources name (an account, a client, a CA bundle, a code), and before it writes a Secret \
         whether that belongs to somebody else.",
    ),
    always(
        "",
        "secrets",
        &["create", "patch"],
        "Writes the Secrets that resources ask for, by server-side apply, which needs both.",
    ),
    always(
        "",
        "secrets",
        &["delete"],
        "Removes a Secret that it wrote itself when the resource has got another name for it. Otherwise Kubernetes \
         removes Secrets with their resource.",
    ),
    Right {
        api_group: "",
        resource: "secrets",
        verbs: &["list", "watch"],
        place: Place::WatchedNamespaces,
        only: None,
        needed_for: Some(Setting::SecretWatch),
        why: "Sees as metadata, without data, that a Secret was edited, removed or given other credentials.",
    },
    Right {
        api_group: "",
        resource: "secrets",
        verbs: &["get"],
        place: Place::OperatorNamespace,
        only: None,
        needed_for: Some(Setting::ClusterIdentityProviders),
        why: "Reads the accounts and CA bundles of shared providers.",
    },
    Right {
        api_group: "",
        resource: "secrets",
        verbs: &["list", "watch"],
        place: Place::OperatorNamespace,
        only: None,
        needed_for: Some(Setting::ClusterIdentityProviders),
        why: "Sees as metadata, without data, that a shared provider was given other credentials.",
    },
    // What else is read.
    always(
        "",
        "configmaps",
        &["get"],
        "Reads a CA bundle that a provider names.",
    ),
    Right {
        api_group: "",
        resource: "configmaps",
        verbs: &["get"],
        place: Place::OperatorNamespace,
        only: None,
        needed_for: Some(Setting::ClusterIdentityProviders),
        why: "Reads a CA bundle that a shared provider names.",
    },
    Right {
        api_group: "",
        resource: "namespaces",
        verbs: &["list", "watch"],
        place: Place::Cluster,
        only: None,
        needed_for: Some(Setting::ClusterIdentityProviders),
        why: "Sees the labels of namespaces, which decide who may use a shared provider.",
    },
    Right {
        api_group: "",
        resource: "namespaces",
        verbs: &["get"],
        place: Place::Cluster,
        only: Some(Only::KubeSystem),
        needed_for: Some(Setting::NoClusterId),
        why: "Reads the UID of kube-system once at the start, which tells this cluster's applications from those of others.",
    },
    // What is told, and who leads.
    always(
        "events.k8s.io",
        "events",
        &["create", "patch"],
        "Tells of what happened to a resource, and counts up what happens again.",
    ),
    Right {
        api_group: "events.k8s.io",
        resource: "events",
        verbs: &["create", "patch"],
        place: Place::DefaultNamespace,
        only: None,
        needed_for: Some(Setting::ClusterIdentityProviders),
        why: "Tells of what happened to a shared provider.",
    },
    Right {
        api_group: "coordination.k8s.io",
        resource: "leases",
        verbs: &["get", "update"],
        place: Place::OperatorNamespace,
        only: Some(Only::Lease),
        needed_for: Some(Setting::LeaderElection),
        why: "Settles which replica works, and shows the others that it still does.",
    },
    Right {
        api_group: "coordination.k8s.io",
        resource: "leases",
        verbs: &["create"],
        place: Place::OperatorNamespace,
        only: None,
        needed_for: Some(Setting::LeaderElection),
        why: "Makes the Lease at the first start. RBAC cannot narrow a creation to one name.",
    },
];

/// A right that is needed whatever is set, in every namespace that is looked after.
const fn always(
    api_group: &'static str,
    resource: &'static str,
    verbs: &'static [&'static str],
    why: &'static str,
) -> Right {
    Right {
        api_group,
        resource,
        verbs,
        place: Place::WatchedNamespaces,
        only: None,
        needed_for: None,
        why,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_verb_on_a_resource_in_a_place_stands_there_once() {
        let mut seen = BTreeSet::new();
        for right in RIGHTS {
            assert!(!right.verbs.is_empty(), "{right:?}");
            for verb in right.verbs {
                let known = seen.insert((right.api_group, right.resource, *verb, right.place));
                assert!(known, "{verb} on {} stands there twice", right.resource);
            }
        }
    }

    #[test]
    fn nothing_that_reaches_further_than_the_work_is_asked_for() {
        for right in RIGHTS {
            for verb in right.verbs {
                let known = ["get", "list", "watch", "create", "patch", "update", "delete"];
                assert!(known.contains(verb), "{verb} on {}", right.resource);
            }
            let mutates = right
                .verbs
                .iter()
                .any(|verb| !["get", "list", "watch"].contains(verb));
            let may_be_mutated = [GROUP, "events.k8s.io", "coordination.k8s.io"].contains(&right.api_group)
                || right.resource == "secrets";
            assert!(!mutates || may_be_mutated, "{right:?}");
        }
    }

    #[test]
    fn without_a_watch_of_secrets_they_are_read_by_name_only() {
        for right in RIGHTS.iter().filter(|right| right.resource == "secrets") {
            for verb in right.verbs {
                let by_name = !["list", "watch"].contains(verb);
                assert!(right.is_needed(verb, |_| true));
                let without = right.is_needed(verb, |setting| setting != Setting::SecretWatch);
                assert_eq!(without, by_name, "{verb} in {:?}", right.place);
            }
        }
    }

    #[test]
    fn every_right_says_what_it_is_for() {
        for right in RIGHTS {
            assert!(right.why.ends_with('.') && right.why.len() > 15, "{right:?}");
        }
    }

    #[test]
    fn a_subresource_is_told_from_its_resource() {
        let status = RIGHTS
            .iter()
            .find(|right| right.resource == "accesstokens/status")
            .unwrap();
        assert_eq!(
            (status.plural(), status.subresource()),
            ("accesstokens", Some("status"))
        );
        let secrets = RIGHTS.iter().find(|right| right.resource == "secrets").unwrap();
        assert_eq!((secrets.plural(), secrets.subresource()), ("secrets", None));
    }
}
