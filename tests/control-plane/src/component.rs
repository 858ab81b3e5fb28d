//! One server process.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Error;
use crate::tool::Tool;

/// Tells the built programs to end by themselves when this process is killed and can stop nothing.
const EXIT_WITH_PARENT: &str = "KEYWRIGHT_EXIT_WITH_PARENT";

/// How much of a log goes into an error.
const LOG_BYTES: u64 = 32 << 10;
const LOG_LINES: usize = 25;

/// How often it is looked whether a process has ended.
const EXIT_POLL: Duration = Duration::from_millis(20);

/// A running server, killed with the value.
#[derive(Debug)]
pub(crate) struct Component {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Component {
    /// Starts a program with its output going to a log file in `directory`.
    pub(crate) fn spawn(
        tool: Tool,
        program: &Path,
        arguments: &[String],
        directory: &Path,
    ) -> Result<Self, Error> {
        let log = directory.join(format!("{}.log", tool.name()));
        let output = File::create(&log).map_err(Error::file("make", &log))?;
        let errors = output.try_clone().map_err(Error::file("open", &log))?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(directory)
            .env(EXIT_WITH_PARENT, std::process::id().to_string())
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            // A group of its own: Ctrl-C in the terminal must not reach the servers before their clients.
            .process_group(0);
        // etcd takes every flag from the environment too.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ETCD_")) {
            command.env_remove(name);
        }
        let child = command.spawn().map_err(|source| Error::Spawn {
            program: program.to_owned(),
            source,
        })?;
        Ok(Self {
            name: tool.name(),
            child,
            log,
        })
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// # Errors
    ///
    /// [`Error::Exited`] if the server has ended.
    pub(crate) fn check(&mut self) -> Result<(), Error> {
        match self.exit_status()? {
            None => Ok(()),
            Some(status) => Err(Error::Exited {
                component: self.name,
                status,
                log: self.log_tail(),
            }),
        }
    }

    fn exit_status(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.child.try_wait().map_err(|source| Error::Spawn {
            program: self.name.into(),
            source,
        })
    }

    /// The last lines of the log.
    pub(crate) fn log_tail(&self) -> String {
        tail(&self.log).unwrap_or_else(|error| format!("(the log cannot be read: {error})"))
    }

    /// Asks the server to end, and kills it if it has not after `grace`.
    pub(crate) async fn stop(mut self, grace: Duration) {
        let begun = Instant::now();
        // Only while it runs is the id surely its own.
        if matches!(self.exit_status(), Ok(None)) {
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        }
        while begun.elapsed() < grace && matches!(self.exit_status(), Ok(None)) {
            tokio::time::sleep(EXIT_POLL).await;
        }
    }
}

impl Drop for Component {
    fn drop(&mut self) {
        // Both do nothing to a process that has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tail(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOG_BYTES)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().rev().take(LOG_LINES).collect();
    Ok(lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use rustix::process::test_kill_process;

    use super::*;

    fn shell(directory: &Path, script: &str) -> Component {
        Component::spawn(
            Tool::Etcd,
            Path::new("/bin/sh"),
            &["-c".to_owned(), script.to_owned()],
            directory,
        )
        .unwrap()
    }

    async fn until_logged(component: &Component, text: &str) {
        while !component.log_tail().contains(text) {
            tokio::time::sleep(EXIT_POLL).await;
        }
    }

    fn exists(id: u32) -> bool {
        test_kill_process(Pid::from_raw(id.try_into().unwrap()).unwrap()).is_ok()
    }

    #[tokio::test]
    async fn an_exit_is_an_error_with_the_end_of_the_log() {
        let directory = tempfile::tempdir().unwrap();
        let script = "i=0; while [ $i -lt 100 ]; do echo line $i; i=$((i+1)); done; echo bind: address already in use >&2; exit 3";
        let mut component = shell(directory.path(), script);
        let error = loop {
            match component.check() {
                Ok(()) => tokio::time::sleep(EXIT_POLL).await,
                Err(error) => break error,
            }
        };
        assert!(error.is_port_taken());
        let text = error.to_string();
        assert!(
            text.starts_with("etcd ended unexpectedly (exit status: 3)"),
            "{text}"
        );
        assert!(
            text.contains("line 99\nbind: address already in use") && !text.contains("line 50\n"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn a_willing_server_ends_by_itself() {
        let directory = tempfile::tempdir().unwrap();
        let script = r#"trap "echo stopping; exit 0" TERM; echo ready; while :; do sleep 0.02; done"#;
        let component = shell(directory.path(), script);
        until_logged(&component, "ready").await;
        let (id, log) = (component.id(), component.log.clone());
        component.stop(Duration::from_secs(60)).await;
        assert!(!exists(id));
        assert!(tail(&log).unwrap().contains("stopping"));
    }

    #[tokio::test]
    async fn an_unwilling_server_is_killed() {
        let directory = tempfile::tempdir().unwrap();
        let component = shell(
            directory.path(),
            r#"trap "" TERM; echo ready; while :; do sleep 0.02; done"#,
        );
        until_logged(&component, "ready").await;
        let id = component.id();
        component.stop(Duration::from_millis(50)).await;
        assert!(!exists(id));
    }

    #[tokio::test]
    async fn a_dropped_server_is_killed() {
        let directory = tempfile::tempdir().unwrap();
        let component = shell(directory.path(), "echo ready; exec sleep 1000");
        until_logged(&component, "ready").await;
        let id = component.id();
        assert!(exists(id));
        drop(component);
        assert!(!exists(id));
    }
}
