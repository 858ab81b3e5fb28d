//! The operator, installed by its chart and run from its own image.

use std::path::Path;
use std::time::{Duration, Instant};

use k8s_openapi::jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::process::Command;

use super::Prepared;
use crate::command::{Kubectl, output};
use crate::didit::namespace;
use crate::failure::{Failure, ensure};
use crate::memory::Memory;
use crate::waiting::until;

/// Where it is installed.
pub(super) const NAMESPACE: &str = "keywright-system";

const RELEASE: &str = "keywright";

/// Less than the grace period of its pod, after which it would be killed.
const TERMINATION_LIMIT: Duration = Duration::from_secs(20);

/// Installs the chart with its default values, but for the name of the image, in a namespace that admits restricted
/// pods only. Waits until the operator is ready.
pub(super) async fn install(prepared: &Prepared, kubectl: &Kubectl, run: &Path) -> Result<(), Failure> {
    kubectl.apply(&[namespace(NAMESPACE)]).await?;
    let (repository, tag) = prepared.image.repository_and_tag();
    let values = json!({"image": {"repository": repository, "tag": tag, "pullPolicy": "Never"}});
    let path = run.join("values.json");
    std::fs::write(&path, values.to_string()).map_err(Failure::file("write", &path))?;
    let mut command = helm(prepared, kubectl, run);
    command.args([
        "install",
        RELEASE,
        "charts/keywright",
        "--wait",
        "--timeout",
        "120s",
    ]);
    command.arg("--values").arg(path);
    output(&mut command, None).await.map(drop)
}

/// Has the operator look at itself from a pod of its own, as `helm test` does.
pub(super) async fn test(prepared: &Prepared, kubectl: &Kubectl, run: &Path) -> Result<(), Failure> {
    let mut command = helm(prepared, kubectl, run);
    command.args(["test", RELEASE, "--timeout", "60s"]);
    output(&mut command, None).await.map(drop)
}

/// Replaces the operator's pod, as an upgrade does, and waits until the old one has ended. Returns how long that took.
pub(super) async fn replace(kubectl: &Kubectl) -> Result<Duration, Failure> {
    let begun = Instant::now();
    kubectl
        .run(&format!("rollout restart deployment/{RELEASE} -n {NAMESPACE}"))
        .await?;
    kubectl
        .run(&format!(
            "rollout status deployment/{RELEASE} -n {NAMESPACE} --timeout=120s"
        ))
        .await?;
    until("the end of the old pod", TERMINATION_LIMIT, async || {
        let pods = kubectl.run(&format!("get pods -n {NAMESPACE} -o name")).await;
        match pods.map_err(|error| error.to_string())? {
            pods if pods.lines().count() == 1 => Ok(()),
            pods => Err(pods),
        }
    })
    .await?;
    Ok(begun.elapsed())
}

/// Removes it, and waits until its pod has ended by itself.
pub(super) async fn uninstall(prepared: &Prepared, kubectl: &Kubectl, run: &Path) -> Result<(), Failure> {
    let mut command = helm(prepared, kubectl, run);
    command.args(["uninstall", RELEASE, "--wait", "--timeout", "120s"]);
    output(&mut command, None).await?;
    kubectl
        .run(&format!(
            "wait --for=delete pods --all -n {NAMESPACE} --timeout=60s"
        ))
        .await
        .map(drop)
}

fn helm(prepared: &Prepared, kubectl: &Kubectl, run: &Path) -> Command {
    let mut command = Command::new(&prepared.helm);
    command
        // Nothing of the user's own settings.
        .env_clear()
        .env("HOME", run.join("helm"))
        .env("KUBECONFIG", &kubectl.kubeconfig)
        .args(["--namespace", NAMESPACE]);
    command
}

/// How long the operator counts for the kubelet, as the chart sets it.
pub(super) async fn propagation_budget(kubectl: &Kubectl) -> Result<Duration, Failure> {
    let deployment = kubectl
        .get(&format!("deployment {RELEASE} -n {NAMESPACE}"))
        .await?;
    let arguments = deployment
        .pointer("/spec/template/spec/containers/0/args")
        .and_then(Value::as_array);
    let budget = arguments
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .find_map(|argument| argument.strip_prefix("--propagation-budget="));
    let budget = budget.and_then(|budget| budget.parse::<SignedDuration>().ok()?.try_into().ok());
    budget.ok_or_else(|| Failure::said(format!("the chart sets no --propagation-budget: {arguments:?}")))
}

/// The operator's process.
#[derive(Debug)]
pub(super) struct Operator {
    process: u32,
}

impl Operator {
    /// What it takes now.
    pub(super) fn memory(&self) -> Result<Memory, Failure> {
        Memory::of(self.process)
    }
}

/// Fails unless one operator runs, from the very image, without a restart.
pub(super) async fn running(prepared: &Prepared, kubectl: &Kubectl) -> Result<Operator, Failure> {
    let pods = kubectl
        .get(&format!(
            "pods -n {NAMESPACE} -l app.kubernetes.io/name=keywright"
        ))
        .await?;
    let text = |pointer: &str| pods.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let count = pods
        .pointer("/items")
        .and_then(Value::as_array)
        .map_or(0, Vec::len);
    ensure(count == 1, || format!("{count} operators run, not one"))?;
    let image = text("/items/0/status/containerStatuses/0/imageID");
    ensure(image == prepared.image.id, || {
        format!(
            "the operator runs from image {image:?}, not from {}",
            prepared.image.id
        )
    })?;
    let restarts = pods
        .pointer("/items/0/status/containerStatuses/0/restartCount")
        .and_then(Value::as_u64);
    ensure(restarts == Some(0), || {
        format!("the operator was restarted: {restarts:?}")
    })?;
    let uid = text("/items/0/metadata/uid");
    let process =
        process_of(uid).ok_or_else(|| Failure::said(format!("no process of pod {uid} is the operator")))?;
    Ok(Operator { process })
}

/// The process of a pod that runs the operator, by its control group.
fn process_of(uid: &str) -> Option<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter(|entry| {
            let read = |name: &str| std::fs::read_to_string(entry.path().join(name)).unwrap_or_default();
            read("cgroup").contains(&format!("/pod{uid}/")) && read("cmdline").starts_with("/keywright\0")
        })
        .find_map(|entry| entry.file_name().to_str()?.parse().ok())
}
