//! A program that runs beside the demo.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};

use crate::failure::Failure;

/// How many of a log's last lines are shown.
const LOG_LINES: usize = 25;

/// Where it is told that a program ended although nobody stopped it.
pub(crate) type Casualties = mpsc::UnboundedSender<String>;

/// A running program. It is killed when the runtime ends.
#[derive(Debug)]
pub(crate) struct Program {
    id: Option<Pid>,
    ended: watch::Receiver<Option<ExitStatus>>,
}

impl Program {
    /// Starts `command`, which has its streams set up already.
    pub(crate) fn start(
        name: &'static str,
        command: &mut Command,
        casualties: Casualties,
    ) -> Result<(Self, Output), Failure> {
        let mut child = command
            .process_group(0)
            .kill_on_drop(true)
            .stdin(Stdio::null())
            .spawn()
            .map_err(|source| Failure::Spawn {
                program: name.to_owned(),
                source,
            })?;
        let id = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        let stdout = child.stdout.take();
        let (tell, ended) = watch::channel(None);
        tokio::spawn(watch_over(name, child, tell, casualties));
        Ok((Self { id, ended }, stdout))
    }

    /// Whether it has not ended yet.
    pub(crate) fn is_running(&self) -> bool {
        self.ended.borrow().is_none()
    }

    /// Asks it to end, and kills it if it has not after `grace`.
    pub(crate) async fn stop(mut self, grace: Duration) {
        for (signal, patience) in [(Signal::TERM, grace), (Signal::KILL, grace)] {
            let Some(id) = self.id.filter(|_| self.is_running()) else {
                return;
            };
            // An error means that it has just ended.
            let _ = kill_process(id, signal);
            if tokio::time::timeout(patience, self.ended.wait_for(Option::is_some))
                .await
                .is_ok()
            {
                return;
            }
        }
    }
}

/// The standard output of a program, where it is a pipe.
type Output = Option<tokio::process::ChildStdout>;

async fn watch_over(
    name: &'static str,
    mut child: Child,
    tell: watch::Sender<Option<ExitStatus>>,
    casualties: Casualties,
) {
    let Ok(status) = child.wait().await else { return };
    tell.send_replace(Some(status));
    // Nobody listens when the demo is stopping anyway.
    let _ = casualties.send(format!("{name} ended unexpectedly ({status})"));
}

/// A program of the same build, which lies beside this one.
pub(crate) fn sibling(name: &str) -> Result<PathBuf, Failure> {
    let this = std::env::current_exe().map_err(Failure::file("find", Path::new("the running program")))?;
    let program = this.with_file_name(name);
    if program.is_file() {
        return Ok(program);
    }
    Err(Failure::Said(format!(
        "{} does not exist: run `make demo`, or `cargo build --workspace --bins` before",
        program.display()
    )))
}

/// The last lines of a log.
pub(crate) fn tail(log: &Path) -> Option<String> {
    let bytes = std::fs::read(log).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().rev().take(LOG_LINES).collect();
    (!lines.is_empty()).then(|| lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
}
