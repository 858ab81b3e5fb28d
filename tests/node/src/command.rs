//! Programs that run to their end, and kubectl among them.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::failure::Failure;

/// Runs a program to its end and returns what it printed.
pub(crate) async fn run<S: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    arguments: &[S],
) -> Result<String, Failure> {
    let mut command = Command::new(program);
    command.args(arguments);
    output(&mut command, None).await
}

/// Runs a command that is set up already, with `input` on its standard input.
pub(crate) async fn output(command: &mut Command, input: Option<&str>) -> Result<String, Failure> {
    let words = command.as_std();
    let program = words.get_program().display().to_string();
    let shown = words.get_args().fold(program.clone(), |shown, word| {
        format!("{shown} {}", word.display())
    });
    let mut child = command
        // A group of its own: on Ctrl-C it is for this program to decide what ends when.
        .process_group(0)
        .kill_on_drop(true)
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| Failure::Spawn { program: program.clone(), source })?;
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        // One that does not read its input says so itself.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let output = child
        .wait_with_output()
        .await
        .map_err(|source| Failure::Spawn { program, source })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Failure::Command {
        command: shown,
        output: format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr).trim_end()
        ),
    })
}

/// A kubectl and the cluster that it speaks to.
#[derive(Clone, Debug)]
pub(crate) struct Kubectl {
    pub(crate) program: PathBuf,
    pub(crate) kubeconfig: PathBuf,
}

impl Kubectl {
    /// Runs a command. Arguments are separated by single spaces.
    pub(crate) async fn run(&self, arguments: &str) -> Result<String, Failure> {
        output(self.command().args(arguments.split(' ')), None).await
    }

    /// Applies objects.
    pub(crate) async fn apply(&self, objects: &[Value]) -> Result<(), Failure> {
        let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": objects});
        output(self.command().args(["apply", "-f", "-"]), Some(&list.to_string()))
            .await
            .map(drop)
    }

    /// Reads one object, or a list.
    pub(crate) async fn get(&self, arguments: &str) -> Result<Value, Failure> {
        let printed = self.run(&format!("get {arguments} -o json")).await?;
        serde_json::from_str(&printed)
            .map_err(|error| Failure::said(format!("kubectl get {arguments} printed no JSON: {error}")))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env("KUBECONFIG", &self.kubeconfig);
        command
    }
}
