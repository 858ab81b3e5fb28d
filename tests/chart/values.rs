//! What the chart says to values that are wrong.

use keywright_helm::{Failure, Helm, chart};
use serde_json::{Value, json};

#[tokio::test]
async fn the_chart_passes_the_strict_lint() {
    let helm = Helm::new(None).await;
    let chart = chart().display().to_string();
    if let Err(Failure(said)) = helm.run(&["lint", "--strict", &chart], &json!({})) {
        panic!("{said}");
    }
}

#[tokio::test]
async fn wrong_values_are_refused_with_their_name() {
    let helm = Helm::new(None).await;
    let digest = "sha256:0123";
    let cases: Vec<(Value, &str)> = vec![
        (
            json!({"replicas": 2}),
            "additional properties 'replicas' not allowed",
        ),
        (
            json!({"replicaCount": "2"}),
            "at '/replicaCount': got string, want integer",
        ),
        (json!({"image": {"digest": digest}}), "at '/image/digest'"),
        (
            json!({"image": {"pullPolicy": "Sometimes"}}),
            "at '/image/pullPolicy'",
        ),
        (
            json!({"watchNamespaces": "shop"}),
            "at '/watchNamespaces': got string, want array",
        ),
        (json!({"watchNamespaces": ["Shop"]}), "at '/watchNamespaces/0'"),
        (
            json!({"secretWatch": "no"}),
            "at '/secretWatch': got string, want boolean",
        ),
        (
            json!({"pace": {"driftInterval": "soon"}}),
            "at '/pace/driftInterval'",
        ),
        (
            json!({"pace": {"driftInterval": 60}}),
            "at '/pace/driftInterval': got number, want string",
        ),
        (
            json!({"pace": {"driftInterval": "0h0s"}}),
            "at '/pace/driftInterval'",
        ),
        (
            json!({"pace": {"driftInterval": "999ms"}}),
            "pace.driftInterval: must be at least 1s",
        ),
        (
            json!({"pace": {"requestTimeout": "1m1s", "creationSettleTime": "3m2s900ms"}}),
            "pace.creationSettleTime: must be at least three times pace.requestTimeout (1m1s), so 183000ms",
        ),
        (json!({"pace": {"concurrency": 0}}), "at '/pace/concurrency'"),
        (json!({"log": {"format": "xml"}}), "at '/log/format'"),
        (json!({"metrics": {"port": 80}}), "at '/metrics/port'"),
        (
            json!({"podLabels": {"team": 1}}),
            "at '/podLabels/team': got number, want string",
        ),
        (
            json!({"extraEnv": [{"value": "1"}]}),
            "at '/extraEnv/0': missing property 'name'",
        ),
        (
            json!({"imagePullSecrets": ["registry"]}),
            "at '/imagePullSecrets/0'",
        ),
        (
            json!({"networkPolicy": {"identityAPIs": [{"cidr": "api.example.net"}]}}),
            "at '/networkPolicy/identityAPIs/0/cidr'",
        ),
        (
            json!({"networkPolicy": {"enabled": true}}),
            "networkPolicy.apiServer.cidrs: name the addresses",
        ),
        (
            json!({"networkPolicy": {"enabled": true, "apiServer": {"cidrs": ["10.0.0.1/32"]}}}),
            "networkPolicy.identityAPIs: name the addresses",
        ),
        (
            json!({"replicaCount": 2, "leaderElection": {"enabled": false}}),
            "without leaderElection.enabled there may be one replica only",
        ),
        (
            json!({"extraCA": {"configMap": "a", "secret": "b"}}),
            "extraCA: set either configMap or secret",
        ),
        (
            json!({"serviceAccount": {"create": false}}),
            "serviceAccount.name: name the ServiceAccount that exists",
        ),
        (
            json!({"firstProvider": {"name": "didit"}}),
            "firstProvider.spec: say how the identity API is reached",
        ),
        (
            json!({"firstProvider": {"name": "didit", "spec": {"didit": {}}}, "clusterIdentityProviders": {"enabled": false}}),
            "firstProvider.name: without clusterIdentityProviders.enabled nobody would look after it",
        ),
    ];
    for (values, expected) in cases {
        match helm.template(&chart(), "keywright-system", &values) {
            Ok(_) => panic!("accepted: {values}"),
            Err(Failure(said)) => assert!(said.contains(expected), "{values}: {said}"),
        }
    }
}
