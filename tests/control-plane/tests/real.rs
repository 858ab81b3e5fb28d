//! A control plane of one's own, from the library.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests may stop at the first surprise, as tests may"
)]

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use keywright_control_plane::{ControlPlane, Options};
use rustix::process::{Pid, test_kill_process};

/// The garbage collector notices changes within seconds; a busy machine may need much longer.
const PATIENCE: Duration = Duration::from_secs(120);

fn kubectl(plane: &ControlPlane, arguments: &[&str]) -> Output {
    Command::new(plane.kubectl())
        .arg("--kubeconfig")
        .arg(plane.kubeconfig())
        .args(arguments)
        .output()
        .unwrap()
}

fn succeed(plane: &ControlPlane, arguments: &[&str]) -> String {
    let output = kubectl(plane, arguments);
    let text = |bytes| String::from_utf8_lossy(bytes).trim().to_owned();
    assert!(
        output.status.success(),
        "kubectl {arguments:?}: {}",
        text(&output.stderr)
    );
    text(&output.stdout)
}

async fn until_gone(plane: &ControlPlane, kind: &str, name: &str) {
    let begun = Instant::now();
    while !succeed(plane, &["get", kind, name, "--ignore-not-found"]).is_empty() {
        assert!(begun.elapsed() < PATIENCE, "{kind} {name} is still there");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn apply(plane: &ControlPlane, directory: &Path, manifest: &str) {
    let file = directory.join("manifest.yaml");
    std::fs::write(&file, manifest).unwrap();
    succeed(plane, &["apply", "-f", file.to_str().unwrap()]);
}

/// Garbage collection and the deletion of namespaces are the controller manager's work.
async fn works_like_a_cluster(plane: &ControlPlane, directory: &Path) {
    succeed(plane, &["create", "configmap", "owner"]);
    let uid = succeed(
        plane,
        &["get", "configmap", "owner", "-o", "jsonpath={.metadata.uid}"],
    );
    apply(
        plane,
        directory,
        &format!(
            "{{apiVersion: v1, kind: Secret, metadata: {{name: owned, ownerReferences: [\
             {{apiVersion: v1, kind: ConfigMap, name: owner, uid: {uid}}}]}}}}"
        ),
    );
    succeed(plane, &["create", "secret", "generic", "free"]);
    succeed(plane, &["delete", "configmap", "owner"]);
    until_gone(plane, "secret", "owned").await;
    succeed(plane, &["get", "secret", "free"]);

    succeed(plane, &["create", "namespace", "brief"]);
    succeed(
        plane,
        &["create", "secret", "generic", "inside", "--namespace", "brief"],
    );
    succeed(plane, &["delete", "namespace", "brief", "--wait=false"]);
    until_gone(plane, "namespace", "brief").await;
}

#[tokio::test]
async fn starts_works_and_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let published = directory.path().join("kubeconfig");
    let options = Options {
        kubeconfig: Some(published.clone()),
        ..Options::default()
    };
    let plane = ControlPlane::start(options).await.unwrap();
    assert_eq!(
        std::fs::read(&published).unwrap(),
        std::fs::read(plane.kubeconfig()).unwrap()
    );
    assert_eq!(
        succeed(&plane, &["auth", "can-i", "*", "*", "--all-namespaces"]),
        "yes"
    );

    works_like_a_cluster(&plane, directory.path()).await;

    let ids = plane.process_ids();
    assert_eq!(ids.len(), 3);
    assert!(ids.iter().all(|id| is_running(*id)));
    let own = plane.kubeconfig().parent().unwrap().to_owned();
    plane.stop().await.unwrap();
    assert!(!ids.iter().any(|id| is_running(*id)));
    assert!(!own.exists());
    assert!(!published.exists());
}

#[tokio::test]
async fn a_wrong_flag_is_an_error_that_shows_the_log() {
    let options = Options {
        api_server_flags: vec!["--no-such-flag=1".to_owned()],
        ..Options::default()
    };
    let error = ControlPlane::start(options).await.unwrap_err().to_string();
    assert!(error.starts_with("kube-apiserver ended unexpectedly"), "{error}");
    assert!(error.contains("unknown flag: --no-such-flag"), "{error}");
}

fn is_running(id: u32) -> bool {
    test_kill_process(Pid::from_raw(id.try_into().unwrap()).unwrap()).is_ok()
}
