//! Whether the operator may do what it has to.

use std::collections::BTreeSet;

use super::facts::{Answer, Deployment, Known, Question, Rights, Whose};
use super::finding::Finding;
use crate::rights::{Only, Place, RIGHTS, Right, Setting};

const CHECK: &str = "rights";

/// The operator's service account, unless another is named.
const SERVICE_ACCOUNT: &str = "keywright";

/// Everything that the API server has to be asked for an operator that is installed like this.
pub(super) fn questions(deployment: &Deployment) -> Vec<Question> {
    let mut seen = BTreeSet::new();
    let all = RIGHTS.iter().flat_map(|right| {
        let is_needed = |verb: &&&str| right.is_needed(verb, |setting| is_on(setting, deployment));
        let verbs = right.verbs.iter().filter(is_needed);
        verbs.flat_map(move |verb| {
            namespaces(right.place, deployment)
                .into_iter()
                .map(move |namespace| Question {
                    right: *right,
                    verb,
                    namespace,
                    name: name(right, deployment),
                })
        })
    });
    all.filter(|of| {
        seen.insert((
            of.right.api_group,
            of.right.resource,
            of.verb,
            of.namespace.clone(),
        ))
    })
    .collect()
}

/// The user whose rights are asked about, where `me` runs this command.
pub(super) fn user(deployment: &Deployment, me: Option<&str>) -> String {
    let of_namespace = format!("system:serviceaccount:{}:", deployment.namespace);
    match &deployment.whose_rights {
        Whose::Own => me.unwrap_or("this user").to_owned(),
        Whose::ServiceAccount(name) => of_namespace + name,
        // In the operator's own pod, whatever its service account is called.
        Whose::Operator => match me.filter(|me| me.starts_with(&of_namespace)) {
            Some(me) => me.to_owned(),
            None => of_namespace + SERVICE_ACCOUNT,
        },
    }
}

fn is_on(setting: Setting, deployment: &Deployment) -> bool {
    match setting {
        Setting::SecretWatch => deployment.watches_secrets,
        Setting::ClusterIdentityProviders => deployment.cluster_identity_providers,
        Setting::LeaderElection => deployment.lease.is_some(),
        Setting::NoClusterId => !deployment.has_cluster_id,
    }
}

fn namespaces(place: Place, deployment: &Deployment) -> Vec<Option<String>> {
    match place {
        Place::WatchedNamespaces if deployment.watch_namespaces.is_empty() => vec![None],
        Place::WatchedNamespaces => deployment.watch_namespaces.iter().cloned().map(Some).collect(),
        Place::OperatorNamespace => vec![Some(deployment.namespace.clone())],
        Place::DefaultNamespace => vec![Some("default".to_owned())],
        Place::Cluster => vec![None],
    }
}

fn name(right: &Right, deployment: &Deployment) -> Option<String> {
    match right.only? {
        Only::KubeSystem => Some("kube-system".to_owned()),
        Only::Lease => deployment.lease.clone(),
    }
}

/// One line when everything is allowed, else one for each thing that is not.
pub(super) fn findings(rights: &Rights, deployment: &Deployment) -> Vec<Finding> {
    let user = &rights.user;
    let answers = match &rights.answers {
        Known::Yes(answers) => answers,
        Known::No(why) => {
            let mend = "ask as somebody who may create subjectaccessreviews, or in the operator's pod: `kubectl exec` \
                        with `/keywright doctor`";
            return vec![Finding::warn(
                CHECK,
                format!("the rights of {user} are not known: {why}"),
                mend,
            )];
        }
    };
    let denied: Vec<&Answer> = answers.iter().filter(|answer| !answer.allowed).collect();
    if denied.is_empty() {
        return vec![Finding::ok(
            CHECK,
            format!("{user} has all {} rights that the operator needs", answers.len()),
        )];
    }
    if denied.len() == answers.len() {
        let mend = "install the chart's roles, or name the operator's service account with --service-account and \
                    --operator-namespace. Where it runs with a kubeconfig, --own-rights";
        return vec![Finding::wrong(
            CHECK,
            format!("{user} has none of the rights that the operator needs"),
            mend,
        )];
    }
    let mut findings: Vec<Finding> = Vec::new();
    for right in RIGHTS {
        let of_right: Vec<_> = denied
            .iter()
            .filter(|answer| answer.question.right == *right)
            .collect();
        if let Some(first) = of_right.first() {
            findings.push(lacking(user, right, &of_right, &first.question, deployment));
        }
    }
    findings
}

fn lacking(
    user: &str,
    right: &Right,
    denied: &[&&Answer],
    first: &Question,
    deployment: &Deployment,
) -> Finding {
    let verbs: Vec<_> = right
        .verbs
        .iter()
        .copied()
        .filter(|verb| denied.iter().any(|answer| answer.question.verb == *verb))
        .collect();
    let places: BTreeSet<_> = denied
        .iter()
        .map(|answer| place(right, answer.question.namespace.as_deref()))
        .collect();
    let places = places.into_iter().collect::<Vec<_>>().join(", ");
    let resource = match right.api_group {
        "" => right.resource.to_owned(),
        group => format!("{}.{group}", right.resource),
    };
    let message = format!(
        "{user} may not {} {resource} {places}. What for: {}",
        verbs.join(", "),
        right.why.trim_end_matches('.')
    );
    let role = match (right.place, first.namespace.is_some()) {
        (Place::Cluster, _) | (_, false) => "ClusterRole",
        _ => "Role",
    };
    let watched = if right.place == Place::WatchedNamespaces && deployment.watch_namespaces.is_empty() {
        ". If it looks after some namespaces only, name them with --watch-namespaces"
    } else {
        ""
    };
    let mend = format!(
        "add to its {role}: apiGroups: [\"{}\"], resources: [\"{}\"], verbs: {verbs:?}{watched}",
        right.api_group, right.resource
    );
    // Nothing but the events themselves is lost.
    if right.resource == "events" {
        Finding::warn(CHECK, message, mend)
    } else {
        Finding::wrong(CHECK, message, mend)
    }
}

fn place(right: &Right, namespace: Option<&str>) -> String {
    match (namespace, right.place) {
        (Some(namespace), _) => format!("in namespace {namespace}"),
        (None, Place::Cluster) => "in the cluster".to_owned(),
        (None, _) => "in all namespaces".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Level;

    fn deployment(watch_namespaces: &[&str]) -> Deployment {
        Deployment {
            namespace: "keywright-system".into(),
            whose_rights: Whose::Operator,
            watch_namespaces: watch_namespaces.iter().map(ToString::to_string).collect(),
            cluster_identity_providers: true,
            watches_secrets: true,
            has_cluster_id: false,
            lease: Some("keywright".into()),
        }
    }

    fn answered(deployment: &Deployment, allowed: impl Fn(&Question) -> bool) -> Vec<Finding> {
        let answers = questions(deployment)
            .into_iter()
            .map(|question| Answer {
                allowed: allowed(&question),
                question,
            })
            .collect();
        let rights = Rights {
            user: "system:serviceaccount:keywright-system:keywright".into(),
            answers: Known::Yes(answers),
        };
        findings(&rights, deployment)
    }

    #[test]
    fn each_namespace_is_asked_about_and_nothing_that_the_settings_do_not_need() {
        let everywhere = questions(&deployment(&[]));
        let secrets = |of: &Question| of.right.resource == "secrets" && of.verb == "get";
        let asked: Vec<_> = everywhere
            .iter()
            .filter(|of| secrets(of))
            .map(|of| of.namespace.clone())
            .collect();
        assert_eq!(asked, [None, Some("keywright-system".to_owned())]);

        let named = questions(&deployment(&["shop", "keywright-system"]));
        let asked: Vec<_> = named
            .iter()
            .filter(|of| secrets(of))
            .filter_map(|of| of.namespace.as_deref())
            .collect();
        assert_eq!(asked, ["shop", "keywright-system"], "each once");

        let small = Deployment {
            cluster_identity_providers: false,
            has_cluster_id: true,
            lease: None,
            ..deployment(&["shop"])
        };
        let asked = questions(&small);
        assert!(
            asked.iter().all(|of| of.namespace.as_deref() == Some("shop")),
            "{asked:#?}"
        );
    }

    #[test]
    fn the_operators_rights_are_asked_about_wherever_the_doctor_runs() {
        let operator = "system:serviceaccount:keywright-system:keywright";
        let in_pod = "system:serviceaccount:keywright-system:release-keywright";
        for (whose_rights, me, expected) in [
            (Whose::Operator, Some("admin"), operator),
            (Whose::Operator, None, operator),
            (
                Whose::Operator,
                Some("system:serviceaccount:shop:default"),
                operator,
            ),
            (Whose::Operator, Some(in_pod), in_pod),
            (
                Whose::ServiceAccount("release-keywright".into()),
                Some("admin"),
                in_pod,
            ),
            (Whose::Own, Some("admin"), "admin"),
        ] {
            let deployment = Deployment {
                whose_rights,
                ..deployment(&[])
            };
            assert_eq!(user(&deployment, me), expected);
        }
    }

    #[test]
    fn a_role_that_is_narrowed_to_one_object_is_enough() {
        let asked = questions(&deployment(&[]));
        let names: BTreeSet<_> = asked
            .iter()
            .filter_map(|of| Some((of.right.resource, of.verb, of.name.as_deref()?)))
            .collect();
        let expected = [
            ("leases", "get", "keywright"),
            ("leases", "update", "keywright"),
            ("namespaces", "get", "kube-system"),
        ];
        assert_eq!(names, expected.into());
    }

    #[test]
    fn a_right_that_is_missing_says_what_it_is_for_and_what_to_add() {
        let found = answered(&deployment(&["shop"]), |of| {
            of.right.resource != "secrets" || of.verb != "patch"
        });
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].level, Level::Wrong);
        let expected = "system:serviceaccount:keywright-system:keywright may not patch secrets in namespace shop. What for: Writes";
        assert!(found[0].message.starts_with(expected), "{found:#?}");
        assert_eq!(
            found[0].mend.as_deref(),
            Some("add to its Role: apiGroups: [\"\"], resources: [\"secrets\"], verbs: [\"patch\"]")
        );
        let found = answered(&deployment(&[]), |of| of.right.resource != "accesstokens");
        let mend = found[0].mend.as_deref().unwrap();
        assert!(
            mend.starts_with("add to its ClusterRole: ") && mend.ends_with("--watch-namespaces"),
            "{mend}"
        );
    }

    #[test]
    fn all_none_and_unknown_are_one_line_each() {
        let all = answered(&deployment(&[]), |_| true);
        assert_eq!((all.len(), all[0].level), (1, Level::Ok));
        let none = answered(&deployment(&[]), |_| false);
        assert_eq!((none.len(), none[0].level), (1, Level::Wrong));
        assert!(none[0].mend.as_deref().unwrap().contains("--service-account"));
        let events = answered(&deployment(&["shop"]), |of| of.right.resource != "events");
        assert!(
            events.iter().all(|finding| finding.level == Level::Warn),
            "{events:#?}"
        );
        let unknown = Rights {
            user: "somebody".into(),
            answers: Known::No("forbidden".into()),
        };
        assert_eq!(findings(&unknown, &deployment(&[]))[0].level, Level::Warn);
    }
}
