//! One server process.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::Error;

/// How much of a log goes into an error.
const LOG_BYTES: u64 = 16 << 10;
const LOG_LINES: usize = 25;

/// How often it is looked whether a process has ended.
const EXIT_POLL: Duration = Duration::from_millis(50);

/// Runs a command, and kills it and all it has started when stdin is closed, as it is when the starter dies.
/// The process group is the command's own.
const GUARD: &str = r#"exec 3<&0
{ cat > /dev/null; kill -KILL 0; } <&3 > /dev/null 2>&1 &
exec "$@" < /dev/null 3<&-"#;

/// A running server, killed with the value together with all processes that it has started.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    name: &'static str,
    child: Child,
    /// Open as long as the server is to run.
    _stdin: Option<ChildStdin>,
    log: PathBuf,
}

impl ServerProcess {
    /// Starts a command with its output going to `log`.
    pub(crate) fn spawn(name: &'static str, command: &Command, log: PathBuf) -> Result<Self, Error> {
        let output = File::create(&log).map_err(Error::file("make", &log))?;
        let errors = output.try_clone().map_err(Error::file("open", &log))?;
        let mut child = guarded(command)
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(|source| Error::Spawn {
                program: command.get_program().into(),
                source,
            })?;
        Ok(Self {
            name,
            _stdin: child.stdin.take(),
            child,
            log,
        })
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// # Errors
    ///
    /// [`Error::Exited`] if the server has ended.
    pub(crate) fn check(&mut self) -> Result<(), Error> {
        match self.exit_status()? {
            None => Ok(()),
            Some(status) => Err(Error::Exited {
                server: self.name,
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

    /// Asks the server to end, and waits until it has saved what it has; after `grace` it is killed.
    pub(crate) async fn stop(mut self, grace: Duration) {
        self.signal(Signal::TERM);
        let _ = tokio::time::timeout(grace, async {
            while matches!(self.exit_status(), Ok(None)) {
                tokio::time::sleep(EXIT_POLL).await;
            }
        })
        .await;
    }

    /// An error means that nothing of the group is left.
    fn signal(&self, signal: Signal) {
        let _ = kill_process_group(Pid::from_child(&self.child), signal);
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

fn guarded(command: &Command) -> Command {
    let mut guarded = Command::new("/bin/sh");
    guarded
        .args(["-c", GUARD, "sh"])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => guarded.env(name, value),
            None => guarded.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        guarded.current_dir(directory);
    }
    guarded
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

    fn shell(directory: &Path, script: &str) -> ServerProcess {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).current_dir(directory);
        ServerProcess::spawn("server", &command, directory.join("log")).unwrap()
    }

    /// Waits for a line of digits in the log.
    async fn logged_id(server: &ServerProcess) -> Pid {
        loop {
            if let Ok(id) = server.log_tail().trim().parse() {
                return Pid::from_raw(id).unwrap();
            }
            tokio::time::sleep(EXIT_POLL).await;
        }
    }

    async fn until_gone(id: Pid) {
        while test_kill_process(id).is_ok() {
            tokio::time::sleep(EXIT_POLL).await;
        }
    }

    /// Starts another process, as `kc.sh` does, and tells its id.
    const FORKS: &str = "sleep 1000 & echo $!; wait";

    #[tokio::test]
    async fn a_dropped_server_takes_its_children_with_it() {
        let directory = tempfile::tempdir().unwrap();
        let server = shell(directory.path(), FORKS);
        let id = logged_id(&server).await;
        drop(server);
        until_gone(id).await;
    }

    #[tokio::test]
    async fn a_server_ends_with_its_starter() {
        let directory = tempfile::tempdir().unwrap();
        let mut server = shell(directory.path(), FORKS);
        let id = logged_id(&server).await;
        server._stdin = None;
        until_gone(id).await;
    }

    #[tokio::test]
    async fn a_server_may_save_what_it_has_before_it_ends() {
        let directory = tempfile::tempdir().unwrap();
        let server = shell(
            directory.path(),
            r#"trap "sleep 0.2; touch saved; exit" TERM; echo $$; while :; do sleep 0.02; done"#,
        );
        logged_id(&server).await;
        server.stop(Duration::from_secs(60)).await;
        assert!(directory.path().join("saved").exists());
    }

    #[tokio::test]
    async fn an_exit_is_an_error_with_the_end_of_the_log() {
        let directory = tempfile::tempdir().unwrap();
        let mut server = shell(directory.path(), "echo EADDRINUSE; exit 3");
        let error = loop {
            match server.check() {
                Ok(()) => tokio::time::sleep(EXIT_POLL).await,
                Err(error) => break error,
            }
        };
        assert!(error.is_port_taken());
        let text = error.to_string();
        assert!(
            text.contains("(exit status: 3)") && text.ends_with("EADDRINUSE"),
            "{text}"
        );
    }
}
