//! A server that runs beside this program, with its output in a file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::failure::Failure;

/// How many of a log's last lines are shown.
const LOG_LINES: usize = 30;

/// A running server. It is killed when the value is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts it.
    pub(crate) fn start(
        name: &'static str,
        command: &mut Command,
        directory: &Path,
    ) -> Result<Self, Failure> {
        let log = directory.join(format!("{name}.log"));
        let output = File::create(&log).map_err(Failure::file("make", &log))?;
        let errors = output.try_clone().map_err(Failure::file("open", &log))?;
        let child = command
            .process_group(0)
            .kill_on_drop(true)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .map_err(|source| Failure::Spawn {
                program: name.to_owned(),
                source,
            })?;
        Ok(Self { name, child, log })
    }

    /// Waits until it ends although nobody stopped it.
    pub(crate) async fn ended(&mut self) -> Failure {
        let status = self.child.wait().await;
        Failure::said(format!("{} ended ({status:?}):\n{}", self.name, self.tail()))
    }

    /// The last lines of what it wrote.
    pub(crate) fn tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().rev().take(LOG_LINES).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Asks it to end, and kills it if it does not.
    pub(crate) async fn stop(mut self, grace: Duration) {
        if let Some(id) = self.child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)) {
            // An error means that it has just ended.
            let _ = kill_process(id, Signal::TERM);
        }
        if tokio::time::timeout(grace, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }
}
