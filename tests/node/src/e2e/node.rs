//! A node on this machine: containerd, kubelet and, since nobody else would do it, the scheduler.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;

use super::archive::WITNESS;
use super::network::{self, DNS};
use super::server::Server;
use crate::command::{Kubectl, output};
use crate::failure::Failure;
use crate::trial::free_address;
use crate::waiting::until;

/// Its name.
pub(crate) const NAME: &str = "keywright-node";

/// The program exits when the process with this id is gone.
const EXIT_WITH_PARENT: &str = "KEYWRIGHT_EXIT_WITH_PARENT";

/// Much more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(90);

/// How long a server may take to end.
const GRACE: Duration = Duration::from_secs(5);

/// A running node. What it leaves on the machine is put back by [`super::host::Host`].
#[derive(Debug)]
pub(crate) struct Node {
    containerd: Server,
    scheduler: Server,
    kubelet: Server,
}

impl Node {
    /// Starts it with these images, and waits until pods can run.
    pub(crate) async fn start(
        directory: &Path,
        program: &Path,
        images: &[&Path],
        kubectl: &Kubectl,
    ) -> Result<Self, Failure> {
        for name in ["cni", "plugins", "logs"] {
            let path = directory.join(name);
            std::fs::create_dir(&path).map_err(Failure::file("make the directory", &path))?;
        }
        network::configure(&directory.join("cni"), &directory.join("leases"))?;
        let containerd = start_containerd(directory)?;
        until("containerd answers", PATIENCE, async || {
            ctr(directory, &["version"])
                .await
                .map(drop)
                .map_err(|error| error.to_string())
        })
        .await?;
        for image in images {
            let path = image.display().to_string();
            ctr(directory, &["--namespace", "k8s.io", "images", "import", &path]).await?;
        }
        // Their command lines are to name the directory of the run.
        let kubeconfig = directory.join("kubeconfig");
        std::fs::copy(&kubectl.kubeconfig, &kubeconfig).map_err(Failure::file("write", &kubeconfig))?;
        let scheduler = start_scheduler(directory, program, &kubeconfig)?;
        let kubelet = start_kubelet(directory, program, &kubeconfig)?;
        let node = Self {
            containerd,
            scheduler,
            kubelet,
        };
        if let Err(failure) = node.until_ready(kubectl).await {
            return Err(Failure::said(format!(
                "{failure}\nThe kubelet's log:\n{}",
                node.kubelet.tail()
            )));
        }
        Ok(node)
    }

    async fn until_ready(&self, kubectl: &Kubectl) -> Result<(), Failure> {
        until("the node is ready", PATIENCE, async || {
            let node = kubectl
                .get(&format!("node {NAME}"))
                .await
                .map_err(|error| error.to_string())?;
            let conditions = node.pointer("/status/conditions").and_then(Value::as_array);
            let ready = conditions.into_iter().flatten().any(|condition| {
                condition.get("type") == Some(&json!("Ready"))
                    && condition.get("status") == Some(&json!("True"))
            });
            if ready {
                Ok(())
            } else {
                Err(format!("{conditions:?}"))
            }
        })
        .await
    }

    /// Waits until a server ends although nobody stopped it.
    pub(crate) async fn failure(&mut self) -> Failure {
        tokio::select! {
            failure = self.containerd.ended() => failure,
            failure = self.scheduler.ended() => failure,
            failure = self.kubelet.ended() => failure,
        }
    }

    /// The end of the kubelet's log.
    pub(crate) fn kubelet_log(&self) -> String {
        self.kubelet.tail()
    }

    /// Stops the servers.
    pub(crate) async fn stop(self) {
        self.kubelet.stop(GRACE).await;
        self.scheduler.stop(GRACE).await;
        self.containerd.stop(GRACE).await;
    }
}

fn socket(directory: &Path) -> String {
    directory.join("containerd.sock").display().to_string()
}

async fn ctr(directory: &Path, arguments: &[&str]) -> Result<String, Failure> {
    let mut command = Command::new("ctr");
    command.arg("--address").arg(socket(directory)).args(arguments);
    output(&mut command, None).await
}

/// containerd with all its state in the directory, apart from one that may serve this machine.
fn start_containerd(directory: &Path) -> Result<Server, Failure> {
    let at = |name: &str| directory.join(name).display().to_string();
    let plugins = network::plugins()?.display().to_string();
    // Lowering the score of the out-of-memory killer, and AppArmor, are not possible everywhere that root is.
    let config = format!(
        r#"version = 2
root = "{root}"
state = "{state}"

[grpc]
address = "{socket}"

[plugins."io.containerd.internal.v1.opt"]
path = "{opt}"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{WITNESS}"
restrict_oom_score_adj = true
disable_apparmor = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{plugins}"
conf_dir = "{cni}"
"#,
        root = at("containerd"),
        state = at("state"),
        socket = socket(directory),
        opt = at("opt"),
        cni = at("cni"),
    );
    let path = directory.join("containerd.toml");
    std::fs::write(&path, config).map_err(Failure::file("write", &path))?;
    let mut command = Command::new("containerd");
    command.arg("--config").arg(path);
    Server::start("containerd", &mut command, directory)
}

fn start_scheduler(directory: &Path, program: &Path, kubeconfig: &Path) -> Result<Server, Failure> {
    let mut command = tool(program, "kube-scheduler");
    for flag in [
        "kubeconfig",
        "authentication-kubeconfig",
        "authorization-kubeconfig",
    ] {
        command.arg(format!("--{flag}={}", kubeconfig.display()));
    }
    command.args(["--leader-elect=false", "--secure-port=0"]);
    Server::start("kube-scheduler", &mut command, directory)
}

fn start_kubelet(directory: &Path, program: &Path, kubeconfig: &Path) -> Result<Server, Failure> {
    let config = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": "127.0.0.1",
        "port": free_address()?.port(),
        "healthzPort": 0,
        "authentication": {"anonymous": {"enabled": false}, "webhook": {"enabled": false}},
        "authorization": {"mode": "AlwaysAllow"},
        "containerRuntimeEndpoint": format!("unix://{}", socket(directory)),
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": false,
        "failSwapOn": false,
        "clusterDNS": [DNS],
        "clusterDomain": "cluster.local",
        "resolvConf": "",
        "makeIPTablesUtilChains": false,
        "podLogsDir": directory.join("logs"),
        "volumePluginDir": directory.join("plugins"),
        // Images come from files only, so that none may be removed.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        // Nothing is evicted for what others do on this machine.
        "evictionHard": {
            "memory.available": "0%",
            "nodefs.available": "0%",
            "nodefs.inodesFree": "0%",
            "imagefs.available": "0%",
            "imagefs.inodesFree": "0%",
        },
    });
    // What decides how soon a pod sees a changed Secret, syncFrequency and configMapAndSecretChangeDetectionStrategy,
    // is left as it is by default.
    let path = directory.join("kubelet.json");
    std::fs::write(&path, config.to_string()).map_err(Failure::file("write", &path))?;
    let mut command = tool(program, "kubelet");
    command
        .arg(format!("--config={}", path.display()))
        .arg(format!("--kubeconfig={}", kubeconfig.display()))
        .arg(format!("--root-dir={}", directory.join("kubelet").display()))
        .arg(format!("--cert-dir={}", directory.join("pki").display()))
        .arg(format!("--hostname-override={NAME}"));
    Server::start("kubelet", &mut command, directory)
}

fn tool(program: &Path, name: &str) -> Command {
    let mut command = Command::new(program);
    command
        .arg(name)
        .env(EXIT_WITH_PARENT, std::process::id().to_string());
    command
}
