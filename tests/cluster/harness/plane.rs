//! The control plane that all tests of this process share, with Keywright's definitions in it.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use keywright::api::custom_resource_definitions;
use keywright_control_plane::{Shared, shared};
use kube::api::{Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, ResourceExt};
use tokio::sync::OnceCell;

use super::wait::{PATIENCE, eventually};

/// The control plane; the first call of the process starts it, which takes some seconds.
pub(crate) async fn plane() -> &'static Shared {
    let started = tokio::task::spawn_blocking(shared).await.unwrap();
    started.unwrap_or_else(|error| panic!("the control plane could not be started: {error}"))
}

/// An ordinary client, without the operator's own layers. It belongs to the runtime that it was made in.
pub(crate) async fn client(plane: &Shared) -> Client {
    // Only the first call of the process can succeed, and one is all it takes.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let kubeconfig = Kubeconfig::read_from(plane.kubeconfig()).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .unwrap();
    Client::try_from(config).unwrap()
}

/// Installs Keywright's custom resource definitions, once for each process.
pub(crate) async fn install_definitions(client: &Client) {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    INSTALLED.get_or_init(|| apply_definitions(client)).await;
}

async fn apply_definitions(client: &Client) {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for definition in custom_resource_definitions() {
        let parameters = PatchParams::apply("keywright-tests").force();
        api.patch(&definition.name_any(), &parameters, &Patch::Apply(&definition))
            .await
            .unwrap();
    }
    for definition in custom_resource_definitions() {
        let name = definition.name_any();
        eventually(
            &format!("definition {name} is established"),
            PATIENCE,
            async || {
                let conditions = api
                    .get(&name)
                    .await
                    .unwrap()
                    .status
                    .and_then(|status| status.conditions);
                let established = conditions
                    .iter()
                    .flatten()
                    .any(|condition| condition.type_ == "Established" && condition.status == "True");
                if established {
                    Ok(())
                } else {
                    Err(format!("{conditions:?}"))
                }
            },
        )
        .await;
    }
}

/// Runs kubectl as the administrator. Blocks.
pub(crate) fn kubectl(plane: &Shared, arguments: &[String], input: &str) -> Output {
    use std::io::Write;

    let mut child = kubectl_command(plane.kubectl(), plane.kubeconfig())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A kubectl that does not read its input may have ended already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn kubectl_command(program: &Path, kubeconfig: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("--kubeconfig").arg(kubeconfig);
    command
}
