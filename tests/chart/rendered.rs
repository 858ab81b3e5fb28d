//! What the chart renders.

use keywright_helm::{Helm, chart};
use serde_json::{Value, json};

const RELEASE: &str = "keywright-system";

async fn rendered(values: Value) -> Vec<Value> {
    Helm::new(None)
        .await
        .template(&chart(), RELEASE, &values)
        .unwrap()
}

fn one<'a>(manifests: &'a [Value], kind: &str) -> &'a Value {
    let found: Vec<_> = manifests
        .iter()
        .filter(|manifest| manifest["kind"] == kind)
        .collect();
    assert_eq!(found.len(), 1, "{kind}");
    found[0]
}

fn kinds(manifests: &[Value]) -> Vec<&str> {
    manifests
        .iter()
        .map(|manifest| manifest["kind"].as_str().unwrap())
        .collect()
}

fn arguments(deployment: &Value) -> Vec<&str> {
    let arguments = deployment
        .pointer("/spec/template/spec/containers/0/args")
        .unwrap();
    arguments
        .as_array()
        .unwrap()
        .iter()
        .map(|argument| argument.as_str().unwrap())
        .collect()
}

/// The variables that have a value, by name.
fn variables(deployment: &Value) -> Vec<(&str, &str)> {
    let variables = deployment
        .pointer("/spec/template/spec/containers/0/env")
        .unwrap();
    let variables = variables.as_array().unwrap().iter();
    variables
        .filter_map(|variable| Some((variable["name"].as_str()?, variable["value"].as_str()?)))
        .collect()
}

fn environment<'a>(deployment: &'a Value, name: &str) -> Option<&'a Value> {
    let variables = deployment
        .pointer("/spec/template/spec/containers/0/env")
        .unwrap();
    let variable = variables
        .as_array()
        .unwrap()
        .iter()
        .find(|variable| variable["name"] == name)?;
    Some(&variable["value"])
}

#[test]
fn the_chart_has_the_version_of_the_operator() {
    let text = std::fs::read_to_string(chart().join("Chart.yaml")).unwrap();
    let about: Value = serde_saphyr::from_str(&text).unwrap();
    for field in ["version", "appVersion"] {
        assert_eq!(about[field], env!("CARGO_PKG_VERSION"), "{field} in Chart.yaml");
    }
}

#[tokio::test]
async fn without_values_the_pod_may_do_nothing_that_it_need_not() {
    let manifests = rendered(json!({})).await;
    let deployment = one(&manifests, "Deployment");
    let pod = &deployment["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    assert!(pod["securityContext"]["runAsUser"].as_u64().unwrap() > 0);
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false);
    assert_eq!(
        container["securityContext"]["capabilities"],
        json!({"drop": ["ALL"]})
    );
    assert_eq!(
        one(&manifests, "ServiceAccount")["automountServiceAccountToken"],
        false
    );
    let image = container["image"].as_str().unwrap();
    assert!(
        image.ends_with(concat!(":", env!("CARGO_PKG_VERSION"))),
        "{image}"
    );
    let silent = [
        "NetworkPolicy",
        "PodMonitor",
        "PrometheusRule",
        "ConfigMap",
        "PodDisruptionBudget",
        "Secret",
    ];
    for kind in silent {
        assert!(!kinds(&manifests).contains(&kind), "{kind}");
    }
}

#[tokio::test]
async fn the_deployment_follows_the_values() {
    let digest = format!("sha256:{}", "0".repeat(64));
    let manifests = rendered(json!({
        "image": {"repository": "registry.example.net/keywright", "digest": digest},
        "imagePullSecrets": [{"name": "registry"}],
        "replicaCount": 2,
        "watchNamespaces": ["shop", "billing", "shop"],
        "secretWatch": false,
        "clusterID": "corp",
        "pace": {"shutdownTimeoutSeconds": 40, "driftInterval": "5m"},
        "log": {"format": "Text", "filter": "info,keywright=debug"},
        "proxy": {"https": "http://proxy.example.net:3128", "except": ".example.net"},
        "extraCA": {"configMap": "corp-ca"},
        "extraEnv": [{"name": "TZ", "value": "UTC"}],
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"operator": "Exists"}],
        "podSecurityContext": {"runAsUser": null, "runAsGroup": null},
        "podLabels": {"team": "identity"},
        "commonLabels": {"stage": "production"},
    }))
    .await;
    let deployment = one(&manifests, "Deployment");
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(
        pod["containers"][0]["image"],
        format!("registry.example.net/keywright@{digest}")
    );
    let arguments = arguments(deployment);
    for expected in [
        "--drift-interval=5m",
        "--shutdown-timeout=40s",
        "--log-format=text",
        "--log-filter=info,keywright=debug",
    ] {
        assert!(arguments.contains(&expected), "{expected} in {arguments:?}");
    }
    // As variables, so that `keywright doctor` in the pod knows them too.
    for (name, expected) in [
        ("KEYWRIGHT_WATCH_NAMESPACES", "billing,shop"),
        ("KEYWRIGHT_WATCH_SECRETS", "false"),
        ("KEYWRIGHT_CLUSTER_IDENTITY_PROVIDERS", "true"),
        ("KEYWRIGHT_CLUSTER_ID", "corp"),
        ("KEYWRIGHT_LEADER_ELECTION", "true"),
        ("KEYWRIGHT_LEASE_NAME", "keywright"),
    ] {
        assert_eq!(environment(deployment, name).unwrap(), expected, "{name}");
    }
    assert_eq!(pod["terminationGracePeriodSeconds"], 50);
    assert_eq!(
        environment(deployment, "HTTPS_PROXY").unwrap(),
        "http://proxy.example.net:3128"
    );
    assert_eq!(environment(deployment, "NO_PROXY").unwrap(), ".example.net");
    assert_eq!(
        environment(deployment, "SSL_CERT_DIR").unwrap(),
        pod["containers"][0]["volumeMounts"][0]["mountPath"]
            .as_str()
            .unwrap()
    );
    assert_eq!(environment(deployment, "TZ").unwrap(), "UTC");
    assert_eq!(pod["volumes"][0]["configMap"]["name"], "corp-ca");
    assert_eq!(pod["priorityClassName"], "system-cluster-critical");
    assert!(pod["securityContext"].get("runAsUser").is_none_or(Value::is_null));
    assert_eq!(pod["topologySpreadConstraints"].as_array().unwrap().len(), 2);
    assert_eq!(
        deployment["spec"]["template"]["metadata"]["labels"]["team"],
        "identity"
    );
    assert_eq!(
        one(&manifests, "PodDisruptionBudget")["spec"]["maxUnavailable"],
        1
    );
    for manifest in &manifests {
        assert_eq!(
            manifest["metadata"]["labels"]["stage"], "production",
            "{manifest}"
        );
    }
}

#[tokio::test]
async fn the_operator_takes_every_flag_and_variable_that_the_chart_gives() {
    let help = std::process::Command::new(env!("CARGO_BIN_EXE_keywright"))
        .args(["run", "--help"])
        .env_clear()
        .output()
        .unwrap();
    let help = String::from_utf8_lossy(&help.stdout);
    for values in [
        json!({}),
        json!({"watchNamespaces": ["shop"], "clusterID": "corp", "log": {"filter": "info"}}),
        json!({"leaderElection": {"enabled": false}}),
    ] {
        let manifests = rendered(values).await;
        let deployment = one(&manifests, "Deployment");
        let mut arguments = arguments(deployment);
        let variables = variables(deployment);
        // It would overlook one of another name.
        for (name, _) in &variables {
            assert!(help.contains(&format!("[env: {name}=")), "{name}");
        }
        // The port may be taken here.
        arguments.retain(|argument| !argument.starts_with("--metrics-address="));
        // It has no cluster to run on, and says so only when it has understood everything.
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_keywright"))
            .args(arguments)
            .arg("--metrics-address=127.0.0.1:0")
            .env_clear()
            .envs(variables)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("no Kubernetes configuration was found"), "{said}");
    }
}

#[tokio::test]
async fn a_label_stands_once_and_the_selector_is_the_charts() {
    let (name, part) = ("app.kubernetes.io/name", "app.kubernetes.io/part-of");
    // A key that stood twice would not be read here.
    let manifests = rendered(json!({
        "commonLabels": {name: "theirs", part: "platform", "team": "platform"},
        "podLabels": {name: "theirs", "team": "identity"},
        "podAnnotations": {"kubectl.kubernetes.io/default-container": "sidecar"},
        "metrics": {
            "podMonitor": {"enabled": true, "labels": {"team": "monitoring"}},
            "prometheusRule": {"enabled": true, "labels": {"team": "monitoring"}},
            "dashboard": {"enabled": true, "labels": {"team": "monitoring"}},
        },
    }))
    .await;
    let deployment = one(&manifests, "Deployment");
    let pod = &deployment["spec"]["template"]["metadata"];
    assert_eq!(pod["labels"][name], "keywright");
    assert_eq!(deployment["spec"]["selector"]["matchLabels"][name], "keywright");
    assert_eq!(pod["labels"]["team"], "identity");
    assert_eq!(
        pod["annotations"]["kubectl.kubernetes.io/default-container"],
        "sidecar"
    );
    for manifest in &manifests {
        let labels = &manifest["metadata"]["labels"];
        assert_eq!(labels[name], "keywright", "{manifest}");
        assert_eq!(labels[part], "platform", "{manifest}");
    }
    for kind in ["PodMonitor", "PrometheusRule", "ConfigMap"] {
        assert_eq!(
            one(&manifests, kind)["metadata"]["labels"]["team"],
            "monitoring",
            "{kind}"
        );
    }
}

#[tokio::test]
async fn names_of_digits_are_names() {
    let values = json!({
        "fullnameOverride": "7",
        "nameOverride": "8",
        "commonLabels": {"stage": "1"},
        "watchNamespaces": ["123"],
        "clusterID": "5",
        "serviceAccount": {"name": "6"},
        "priorityClassName": "9",
        "extraCA": {"secret": "10"},
        "firstProvider": {"name": "11", "spec": {"didit": {}}},
    });
    let manifests = Helm::new(None).await.template(&chart(), "123", &values).unwrap();
    for manifest in &manifests {
        texts(&manifest["metadata"]);
        for place in [
            "/roleRef",
            "/subjects",
            "/spec/selector",
            "/spec/template/metadata",
        ] {
            manifest.pointer(place).map(texts);
        }
        for rule in manifest["rules"].as_array().into_iter().flatten() {
            texts(rule);
        }
    }
    let deployment = one(&manifests, "Deployment");
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(pod["serviceAccountName"], "6");
    assert_eq!(pod["priorityClassName"], "9");
    assert_eq!(pod["volumes"][0]["secret"]["secretName"], "10");
    let of = |name| environment(deployment, name).unwrap();
    assert_eq!(of("KEYWRIGHT_WATCH_NAMESPACES"), "123");
    assert_eq!(of("KEYWRIGHT_CLUSTER_ID"), "5");
    assert_eq!(of("KEYWRIGHT_LEASE_NAME"), "7");
}

/// All of it is text.
fn texts(value: &Value) {
    match value {
        Value::Object(fields) => fields.values().for_each(texts),
        Value::Array(items) => items.iter().for_each(texts),
        _ => assert!(value.is_string(), "{value}"),
    }
}

#[tokio::test]
async fn without_an_election_no_two_replicas_ever_run() {
    let manifests = rendered(json!({"leaderElection": {"enabled": false}})).await;
    assert_eq!(
        one(&manifests, "Deployment")["spec"]["strategy"],
        json!({"type": "Recreate"})
    );
}

#[tokio::test]
async fn the_network_policy_names_all_that_is_reached() {
    let manifests = rendered(json!({"networkPolicy": {
        "enabled": true,
        "apiServer": {"cidrs": ["10.0.0.1/32"], "ports": [6443]},
        "identityAPIs": [{"cidr": "203.0.113.7/32"}, {"cidr": "2001:db8::/64", "ports": [8443]}],
        "metricsFrom": [{"namespaceSelector": {"matchLabels": {"monitoring": "yes"}}}],
        "extraEgress": [{"to": [{"podSelector": {}}]}],
    }}))
    .await;
    let spec = &one(&manifests, "NetworkPolicy")["spec"];
    let (deployment, selected) = (one(&manifests, "Deployment"), &spec["podSelector"]);
    assert_eq!(deployment["spec"]["selector"], *selected);
    assert_eq!(spec["policyTypes"], json!(["Ingress", "Egress"]));
    let tcp = |cidr: &str, port: u16| json!({"to": [{"ipBlock": {"cidr": cidr}}], "ports": [{"port": port, "protocol": "TCP"}]});
    let names = json!({
        "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}],
        "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}],
    });
    assert_eq!(
        spec["egress"],
        json!([
            tcp("10.0.0.1/32", 6443),
            names,
            tcp("203.0.113.7/32", 443),
            tcp("2001:db8::/64", 8443),
            {"to": [{"podSelector": {}}]},
        ])
    );
    assert_eq!(
        spec["ingress"],
        json!([{
            "ports": [{"port": "metrics", "protocol": "TCP"}],
            "from": [{"namespaceSelector": {"matchLabels": {"monitoring": "yes"}}}],
        }])
    );
}

#[tokio::test]
async fn definitions_can_be_left_out_and_are_never_deleted() {
    let definitions = |manifests: &[Value]| -> Vec<Value> {
        let all = manifests
            .iter()
            .filter(|manifest| manifest["kind"] == "CustomResourceDefinition");
        all.cloned().collect()
    };
    let installed = definitions(&rendered(json!({})).await);
    assert_eq!(
        installed.len(),
        keywright::api::custom_resource_definitions().len()
    );
    for definition in installed {
        assert_eq!(
            definition["metadata"]["annotations"]["helm.sh/resource-policy"],
            "keep"
        );
    }
    assert!(definitions(&rendered(json!({"crds": {"install": false}})).await).is_empty());
}

#[tokio::test]
async fn what_watches_the_operator_is_there_when_it_is_asked_for() {
    let manifests = rendered(json!({"metrics": {
        "port": 9090,
        "podMonitor": {"enabled": true, "labels": {"prometheus": "corp"}},
    }}))
    .await;
    let monitor = one(&manifests, "PodMonitor");
    assert_eq!(monitor["metadata"]["labels"]["prometheus"], "corp");
    let deployment = one(&manifests, "Deployment");
    assert_eq!(monitor["spec"]["selector"], deployment["spec"]["selector"]);
    assert!(arguments(deployment).contains(&"--metrics-address=[::]:9090"));
    let port = &deployment["spec"]["template"]["spec"]["containers"][0]["ports"][0];
    assert_eq!(
        *port,
        json!({"name": "metrics", "containerPort": 9090, "protocol": "TCP"})
    );

    // What they are made of is under `files/`, as others write it.
    for (value, file, kind, place) in [
        ("prometheusRule", "alerts.yaml", "PrometheusRule", "/spec/groups"),
        ("dashboard", "dashboard.json", "ConfigMap", "/data/keywright.json"),
    ] {
        let written = std::fs::read_to_string(chart().join("files").join(file));
        let values = json!({"metrics": {value: {"enabled": true}}});
        match (
            written,
            Helm::new(None).await.template(&chart(), RELEASE, &values),
        ) {
            (Ok(text), Ok(manifests)) => {
                let expected: Value = serde_saphyr::from_str(&text).unwrap();
                let present = one(&manifests, kind).pointer(place).unwrap();
                match present.as_str() {
                    Some(text) => assert_eq!(serde_json::from_str::<Value>(text).unwrap(), expected),
                    None => assert_eq!(*present, expected["groups"]),
                }
            }
            (Err(_), Err(refused)) => assert!(refused.0.contains(&format!("files/{file} is missing"))),
            (written, rendered) => panic!("{file}: {written:?}, {rendered:?}"),
        }
    }
}

/// A shell reads on until the word that ends a document stands alone on its line.
#[test]
fn the_commands_of_the_notes_can_be_pasted() {
    let notes = std::fs::read_to_string(chart().join("templates/NOTES.txt")).unwrap();
    let begun = notes.matches("<<'END'").count();
    let ended = notes.lines().filter(|line| *line == "END").count();
    assert!(begun > 0);
    assert_eq!(begun, ended, "{notes}");
}
