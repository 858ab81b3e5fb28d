//! The cluster that the demo plays on.

use std::ffi::{OsStr, OsString};

use keywright_control_plane::{ControlPlane, Options, built_directory};

use crate::failure::Failure;
use crate::kubectl::Kubectl;
use crate::screen::Screen;
use crate::waiting::patiently;

/// The namespace of `examples/`.
pub(crate) const NAMESPACE: &str = "keywright-demo";

/// Where an installed Keywright has its Lease, unless it was told otherwise.
pub(crate) const SYSTEM_NAMESPACE: &str = "keywright-system";

/// Starts a control plane. It says itself what it does while it has to be built.
pub(crate) async fn start(screen: &mut Screen) -> Result<(ControlPlane, Kubectl), Failure> {
    screen.note("etcd, kube-apiserver and kube-controller-manager, on 127.0.0.1, without nodes.")?;
    let begun = std::time::Instant::now();
    let plane = ControlPlane::start(Options::default()).await?;
    screen.note(&format!("Ready after {:.1} s.", begun.elapsed().as_secs_f32()))?;
    let kubectl = Kubectl {
        program: plane.kubectl().to_owned(),
        kubeconfig: plane.kubeconfig().as_os_str().to_owned(),
    };
    Ok((plane, kubectl))
}

/// The cluster that `KUBECONFIG` names, if the demo would not get in anybody's way there.
pub(crate) async fn existing(screen: &mut Screen, kubeconfig: OsString) -> Result<Kubectl, Failure> {
    refuse_missing(&kubeconfig)?;
    let program = match which::which("kubectl") {
        Ok(program) => program,
        Err(_) => {
            screen.note(
                "There is no kubectl in PATH, so one is built with Go, once; that takes several minutes.",
            )?;
            built_directory().await?.join("kubectl")
        }
    };
    let kubectl = Kubectl { program, kubeconfig };
    let context = kubectl.announced(screen, "config current-context").await?;
    screen.output(&context)?;
    patiently(
        screen,
        "waiting for the cluster",
        kubectl.run("get --raw /readyz --request-timeout=15s"),
    )
    .await?;
    refuse_installed(&kubectl).await?;
    refuse_used(&kubectl).await?;
    Ok(kubectl)
}

/// Of a file that does not exist kubectl says nothing: for it, there is only no context.
fn refuse_missing(kubeconfig: &OsStr) -> Result<(), Failure> {
    let paths: Vec<_> = std::env::split_paths(kubeconfig)
        .filter(|path| !path.as_os_str().is_empty())
        .collect();
    if paths.iter().any(|path| path.exists()) {
        return Ok(());
    }
    let named = paths.into_iter().next().unwrap_or_default();
    Err(Failure::Said(format!(
        "KUBECONFIG: {} does not exist. Name the kubeconfig of the cluster to use: \
         KUBECONFIG=$HOME/.kube/config CLUSTER=1 make demo",
        named.display()
    )))
}

/// Two operators for the same resources would work against each other.
async fn refuse_installed(kubectl: &Kubectl) -> Result<(), Failure> {
    let lease = kubectl
        .get(&format!("lease keywright -n {SYSTEM_NAMESPACE}"))
        .await?;
    match lease
        .as_ref()
        .and_then(|lease| lease.pointer("/spec/holderIdentity")?.as_str())
    {
        None | Some("") => Ok(()),
        Some(holder) => Err(Failure::Said(format!(
            "Keywright already runs in this cluster: {holder} holds the Lease keywright of namespace {SYSTEM_NAMESPACE}. \
             Choose another cluster; or, if it was removed and only the Lease is left, delete that: \
             kubectl delete lease keywright -n {SYSTEM_NAMESPACE}"
        ))),
    }
}

/// What is there already may be somebody's, and would be deleted at the end.
async fn refuse_used(kubectl: &Kubectl) -> Result<(), Failure> {
    match kubectl.get(&format!("namespace {NAMESPACE}")).await? {
        None => Ok(()),
        Some(_) => Err(Failure::Said(format!(
            "namespace {NAMESPACE} exists already, and the demo removes what it works with. If nothing in it is needed, \
             delete it: kubectl delete namespace {NAMESPACE}"
        ))),
    }
}

/// Removes what the demo has made in an existing cluster, while the operator still runs if it can.
pub(crate) async fn clean(
    kubectl: &Kubectl,
    screen: &mut Screen,
    operator_runs: bool,
) -> Result<(), Failure> {
    if operator_runs {
        // What does not go in an orderly way is released below.
        let _ = kubectl
            .show(screen, &format!("delete capp --all -n {NAMESPACE} --timeout=30s"))
            .await;
    }
    let left = kubectl
        .run(&format!("get capp -n {NAMESPACE} -o name"))
        .await
        .unwrap_or_default();
    for name in left.lines() {
        let patch = r#"{"metadata":{"finalizers":null}}"#;
        kubectl
            .show(
                screen,
                &format!("patch {name} -n {NAMESPACE} --type=merge -p {patch}"),
            )
            .await?;
    }
    kubectl
        .show(
            screen,
            &format!("delete namespace {NAMESPACE} --ignore-not-found --timeout=120s"),
        )
        .await?;
    screen.note(
        "The custom resource definitions stay. `kubectl delete -f crds/` removes them, together with all resources \
         of these kinds in the cluster.",
    )
}
