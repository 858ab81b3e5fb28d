//! Everything that has been set up and must be taken down again.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use keywright_control_plane::ControlPlane;
use tempfile::TempDir;
use tokio::process::Command;

use crate::cluster::{self, NAMESPACE, SYSTEM_NAMESPACE};
use crate::failure::Failure;
use crate::kubectl::Kubectl;
use crate::mailbox::Mailbox;
use crate::program::{Casualties, Program, sibling, tail};
use crate::sandbox::Sandbox;
use crate::screen::Screen;

/// How long the operator may finish what it has begun.
const OPERATOR_GRACE: Duration = Duration::from_secs(10);

const SANDBOX_GRACE: Duration = Duration::from_secs(3);

/// What the operator counts for the kubelet. There is none here that a pod would wait for.
pub(crate) const PROPAGATION_BUDGET: &str = "2s";

/// The demo's surroundings.
#[derive(Debug)]
pub(crate) struct Stage {
    /// Value of `KUBECONFIG`, where an existing cluster is used.
    pub(crate) existing: Option<OsString>,
    pub(crate) plane: Option<ControlPlane>,
    pub(crate) kubectl: Option<Kubectl>,
    pub(crate) sandbox: Option<Sandbox>,
    /// Where the sandbox's mails arrive, where one is needed.
    pub(crate) mailbox: Option<Mailbox>,
    pub(crate) operator: Option<Program>,
    /// Whether the resources of `examples/` may be in the cluster.
    pub(crate) applied: bool,
    /// Whether the show is over and all goes on until Ctrl-C, which then is the way to end it.
    pub(crate) staying: bool,
    pub(crate) casualties: Casualties,
    /// Logs, and what else lives as long as the demo.
    directory: TempDir,
}

impl Stage {
    /// # Errors
    /// When what is asked for cannot be done here.
    pub(crate) fn new(cluster: bool, casualties: Casualties) -> Result<Self, Failure> {
        let existing = std::env::var_os("KUBECONFIG").filter(|value| cluster && !value.is_empty());
        if cluster && existing.is_none() {
            return Err(Failure::Said(
                "CLUSTER=1 needs KUBECONFIG, the path of the kubeconfig of the cluster to use: \
                 KUBECONFIG=$HOME/.kube/config CLUSTER=1 make demo"
                    .to_owned(),
            ));
        }
        for folder in ["crds", "examples"] {
            if !Path::new(folder).is_dir() {
                return Err(Failure::Said(format!(
                    "there is no {folder}/ here: run `make demo` at the root of the repository"
                )));
            }
        }
        let directory = tempfile::Builder::new()
            .prefix("keywright-demo-")
            .tempdir()
            .map_err(Failure::file("make a directory in", &std::env::temp_dir()))?;
        Ok(Self {
            existing,
            plane: None,
            kubectl: None,
            sandbox: None,
            mailbox: None,
            operator: None,
            applied: false,
            staying: false,
            casualties,
            directory,
        })
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn operator_log(&self) -> PathBuf {
        self.directory.path().join("operator.log")
    }

    /// The kubectl for the cluster, which is the first thing that is set up.
    pub(crate) fn kubectl(&self) -> Result<&Kubectl, Failure> {
        self.kubectl
            .as_ref()
            .ok_or_else(|| Failure::Said("there is no cluster yet".to_owned()))
    }

    pub(crate) fn sandbox(&self) -> Result<&Sandbox, Failure> {
        self.sandbox
            .as_ref()
            .ok_or_else(|| Failure::Said("there is no sandbox yet".to_owned()))
    }

    pub(crate) fn mailbox(&self) -> Result<&Mailbox, Failure> {
        self.mailbox
            .as_ref()
            .ok_or_else(|| Failure::Said("there is no mailbox yet".to_owned()))
    }

    /// The operator's flags, as a user would write them. In somebody's cluster it keeps to the demo's own
    /// namespace.
    pub(crate) fn operator_flags(&self) -> String {
        let scope = if self.existing.is_some() {
            format!(
                "--watch-namespaces {NAMESPACE} --operator-namespace {NAMESPACE} --cluster-identity-providers false"
            )
        } else {
            format!("--operator-namespace {SYSTEM_NAMESPACE}")
        };
        format!(
            "{scope} --propagation-budget {PROPAGATION_BUDGET} --log-format pretty --metrics-address 127.0.0.1:0 --release-timeout 10s"
        )
    }

    /// Starts the operator with its output going to a file.
    pub(crate) fn start_operator(&mut self) -> Result<(), Failure> {
        let log = self.operator_log();
        let output = File::create(&log).map_err(Failure::file("make", &log))?;
        let errors = output.try_clone().map_err(Failure::file("open", &log))?;
        let mut command = Command::new(sibling("keywright")?);
        command
            .arg("run")
            .args(self.operator_flags().split(' '))
            .env("KUBECONFIG", &self.kubectl()?.kubeconfig)
            .env("NO_COLOR", "1")
            .stdout(output)
            .stderr(errors);
        for variable in ["NO_PROXY", "no_proxy"] {
            command.env(variable, without_proxy(std::env::var(variable).ok()));
        }
        let (program, _) = Program::start("the operator", &mut command, self.casualties.clone())?;
        self.operator = Some(program);
        Ok(())
    }

    /// Says why the demo could not go on, with what helps to find out more.
    pub(crate) async fn explain(&mut self, screen: &mut Screen, failure: &Failure) {
        screen.complain(&failure.to_string());
        if let (true, Some(kubectl)) = (self.applied, &self.kubectl) {
            let resources = kubectl
                .run(&format!("get idacct,idp,capp,atok -n {NAMESPACE} -o wide"))
                .await;
            if let Ok(resources) = resources {
                screen.complain(&format!("what the resources say:\n{resources}"));
            }
        }
        let log = self.operator_log();
        if let Some(lines) = tail(&log) {
            self.directory.disable_cleanup(true);
            screen.complain(&format!(
                "the last lines of the operator's log, {}:\n{lines}",
                log.display()
            ));
        }
    }

    /// Stops and removes everything, users before what they use.
    pub(crate) async fn close(mut self, screen: &mut Screen) -> Result<(), Failure> {
        let mut cleaned = Ok(());
        if let (Some(kubectl), true, true) = (&self.kubectl, self.applied, self.existing.is_some()) {
            let operator_runs = self.operator.as_ref().is_some_and(Program::is_running);
            cleaned = cluster::clean(kubectl, screen, operator_runs).await;
        }
        if let Some(operator) = self.operator.take() {
            operator.stop(OPERATOR_GRACE).await;
        }
        if let Some(mailbox) = self.mailbox.take() {
            mailbox.stop().await;
        }
        if let Some(sandbox) = self.sandbox.take() {
            sandbox.program.stop(SANDBOX_GRACE).await;
        }
        if let Some(plane) = self.plane.take() {
            plane.stop().await?;
        }
        cleaned
    }
}

/// The sandbox is never behind a proxy.
fn without_proxy(present: Option<String>) -> String {
    match present.filter(|hosts| !hosts.is_empty()) {
        Some(hosts) => format!("{hosts},127.0.0.1"),
        None => "127.0.0.1".to_owned(),
    }
}
