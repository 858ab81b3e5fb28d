//! The workloads: pods that say what they read of the Secret.

use std::path::{Path, PathBuf};

use keywright_witness::{Sighting, digest};
use serde_json::{Value, json};

use super::archive::WITNESS;
use crate::didit::{NAMESPACE, TOKEN_SECRET};

/// Pods that mount the Secret. Each is looked at by the kubelet at its own times.
pub(crate) const READERS: [&str; 4] = ["reader-0", "reader-1", "reader-2", "reader-3"];

/// The pod that reads the Secret from its environment.
pub(crate) const ENVIRONMENT: &str = "environment";

/// The token as a file of a volume.
pub(crate) const MOUNTED: &str = "file:/token/access_token";

/// The token as a single file (`subPath`), which Kubernetes never changes in a running pod.
pub(crate) const FIXED: &str = "file:/fixed/access_token";

/// The token as an environment variable, which never changes either.
pub(crate) const VARIABLE: &str = "env:ACCESS_TOKEN";

/// All of them, as the restricted Pod Security Standard wants them.
pub(crate) fn all() -> Vec<Value> {
    let mounts = json!([
        {"name": "token", "mountPath": "/token", "readOnly": true},
        {"name": "token", "mountPath": "/fixed/access_token", "subPath": "access_token", "readOnly": true},
    ]);
    let mut pods: Vec<_> = READERS
        .iter()
        .map(|name| pod(name, json!({"args": [MOUNTED, FIXED], "volumeMounts": mounts})))
        .collect();
    let variable = json!([{
        "name": "ACCESS_TOKEN",
        "valueFrom": {"secretKeyRef": {"name": TOKEN_SECRET, "key": "access_token"}},
    }]);
    pods.push(pod(ENVIRONMENT, json!({"args": [VARIABLE], "env": variable})));
    pods
}

fn pod(name: &str, more: Value) -> Value {
    let mut container = json!({
        "name": "witness",
        "image": WITNESS,
        "imagePullPolicy": "Never",
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        },
    });
    if let (Some(container), Value::Object(more)) = (container.as_object_mut(), more) {
        container.extend(more);
    }
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": 65532,
                "runAsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": [{"name": "token", "secret": {"secretName": TOKEN_SECRET}}],
        },
    })
}

/// What a pod has read at a place so far.
pub(crate) fn sightings(run: &Path, pod: &str, place: &str) -> Vec<Sighting> {
    let log = log(run, NAMESPACE, pod);
    let all = log.lines().filter_map(|line| line.parse::<Sighting>().ok());
    all.filter(|sighting| sighting.place == place).collect()
}

/// When a pod read this token first, in nanoseconds since the beginning of 1970.
pub(crate) fn first_read(run: &Path, pod: &str, token: &[u8]) -> Option<u128> {
    let wanted = Some(digest(token));
    let all = sightings(run, pod, MOUNTED);
    all.into_iter()
        .find(|sighting| sighting.digest == wanted)
        .map(|sighting| sighting.at)
}

/// What the containers of a pod have written. The kubelet keeps it below `logs/` of the run's directory.
pub(crate) fn log(run: &Path, namespace: &str, pod: &str) -> String {
    let prefix = format!("{namespace}_{pod}");
    let of_pod = entries(&run.join("logs")).filter(|folder| {
        folder
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(&prefix))
    });
    let files = of_pod
        .flat_map(|folder| entries(&folder))
        .flat_map(|container| entries(&container));
    let texts = files.filter_map(|file| std::fs::read_to_string(file).ok());
    texts.fold(String::new(), |mut log, text| {
        // Time, stream and a mark stand before what was written.
        for line in text.lines().filter_map(|line| line.splitn(4, ' ').nth(3)) {
            log.push_str(line);
            log.push('\n');
        }
        log
    })
}

fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let all = std::fs::read_dir(directory).into_iter().flatten().flatten();
    all.map(|entry| entry.path())
}
