//! Runs kubectl, as a user would.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use crate::failure::Failure;
use crate::screen::Screen;
use crate::waiting::patiently;

/// A kubectl and the cluster it speaks to.
#[derive(Clone, Debug)]
pub(crate) struct Kubectl {
    pub(crate) program: PathBuf,
    /// Value of `KUBECONFIG`: one path, or several.
    pub(crate) kubeconfig: OsString,
}

impl Kubectl {
    /// Says the command, runs it, and shows what it printed. Arguments are separated by single spaces.
    pub(crate) async fn show(&self, screen: &mut Screen, arguments: &str) -> Result<(), Failure> {
        let printed = self.announced(screen, arguments).await?;
        screen.output(&printed)
    }

    /// Says the command and runs it.
    pub(crate) async fn announced(&self, screen: &mut Screen, arguments: &str) -> Result<String, Failure> {
        screen.command(&format!("kubectl {arguments}"))?;
        patiently(screen, "still running", self.run(arguments)).await
    }

    /// Runs a command and returns what it printed.
    pub(crate) async fn run(&self, arguments: &str) -> Result<String, Failure> {
        let output = Command::new(&self.program)
            .args(arguments.split(' '))
            .env("KUBECONFIG", &self.kubeconfig)
            // A group of its own: on Ctrl-C it is for the demo to decide what ends when.
            .process_group(0)
            .kill_on_drop(true)
            .stdin(Stdio::null())
            .output()
            .await
            .map_err(|source| Failure::Spawn { program: self.program.display().to_string(), source })?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(Failure::Command {
            command: format!("kubectl {arguments}"),
            output: String::from_utf8_lossy(&output.stderr).trim_end().to_owned(),
        })
    }

    /// Reads one object, or nothing when there is none.
    pub(crate) async fn get(&self, arguments: &str) -> Result<Option<Value>, Failure> {
        let printed = self
            .run(&format!("get {arguments} --ignore-not-found -o json"))
            .await?;
        if printed.trim().is_empty() {
            return Ok(None);
        }
        let unreadable = |error| Failure::Said(format!("kubectl get {arguments} printed no JSON: {error}"));
        serde_json::from_str(&printed).map(Some).map_err(unreadable)
    }
}
