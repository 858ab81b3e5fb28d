//! Runs the command of `authorization-servers exec`.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use keywright_authorization_servers::RunningServers;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, Command};

use crate::signals::{Signals, Stop};

/// How long the command may take to end after a signal before it is killed.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// A shell's exit code for a process that was ended by signal N is this plus N.
const SIGNALLED: i32 = 128;

/// Runs the command, stops the servers, and returns the command's exit code.
pub(crate) async fn run(
    mut servers: RunningServers,
    command: &[OsString],
    mut signals: Signals,
) -> Result<ExitCode, String> {
    let outcome = match Running::spawn(&servers, command) {
        Ok(mut running) => running.wait(&mut servers, &mut signals).await,
        Err(error) => Err(error),
    };
    servers.stop().map_err(|error| error.to_string())?;
    Ok(exit_code(outcome?))
}

struct Running {
    child: Child,
    id: Pid,
    /// Whether the command leads a process group. On a terminal it must not: it stays in the foreground with this
    /// process, so that it can read from it, and gets Ctrl-C from the terminal itself.
    leads_group: bool,
}

impl Running {
    fn spawn(servers: &RunningServers, command: &[OsString]) -> Result<Self, String> {
        let (program, arguments) = command.split_first().ok_or("no command was given")?;
        let leads_group = !rustix::termios::isatty(std::io::stdin());
        let mut command = Command::new(program);
        command.args(arguments).kill_on_drop(true);
        for (name, value) in servers.environment() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if leads_group {
            command.process_group(0);
        }
        let child = command
            .spawn()
            .map_err(|error| format!("cannot run {}: {error}", program.display()))?;
        let id = child
            .id()
            .and_then(|id| Pid::from_raw(id.try_into().ok()?))
            .ok_or("the command has no process id")?;
        Ok(Self {
            child,
            id,
            leads_group,
        })
    }

    async fn wait(
        &mut self,
        servers: &mut RunningServers,
        signals: &mut Signals,
    ) -> Result<ExitStatus, String> {
        tokio::select! {
            status = self.child.wait() => return status.map_err(|error| error.to_string()),
            failure = servers.failure() => {
                self.send(Signal::TERM);
                self.end(signals).await?;
                return Err(failure.to_string());
            }
            stop = signals.next() => self.pass_on(stop),
        }
        self.end(signals).await
    }

    /// Waits for a command that was told to end; with the next signal, or after a while, it is killed.
    async fn end(&mut self, signals: &mut Signals) -> Result<ExitStatus, String> {
        tokio::select! {
            status = self.child.wait() => return status.map_err(|error| error.to_string()),
            () = tokio::time::sleep(STOP_GRACE) => {}
            _ = signals.next() => {}
        }
        self.send(Signal::KILL);
        self.child.wait().await.map_err(|error| error.to_string())
    }

    fn pass_on(&self, stop: Stop) {
        match stop {
            // The terminal has sent it to the command as well, and many programs take a second one for impatience.
            Stop::Signal(Signal::INT) if !self.leads_group => {}
            Stop::Signal(signal) => self.send(signal),
            Stop::StdinClosed => self.send(Signal::TERM),
        }
    }

    fn send(&self, signal: Signal) {
        // An error means that the command has ended.
        let _ = if self.leads_group {
            kill_process_group(self.id, signal)
        } else {
            kill_process(self.id, signal)
        };
    }
}

fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| SIGNALLED + signal));
    ExitCode::from(
        code.and_then(|code| u8::try_from(code).ok())
            .unwrap_or(crate::FAILURE),
    )
}
