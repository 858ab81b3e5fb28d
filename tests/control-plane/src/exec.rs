//! Runs a command while servers run for it, as `exec -- COMMAND` does.

use std::ffi::OsString;
use std::future::Future;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, Command};

use crate::signals::{Signals, Stop};

/// How long the command may take to end after a signal before it is killed.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// A shell's exit code for a process that was ended by signal N is this plus N.
const SIGNALLED: i32 = 128;

/// What a program ends with that could not do what was asked.
pub const FAILURE: u8 = 1;

/// The command that these words name. It ends when its handle is dropped.
///
/// # Errors
///
/// When there are none.
pub fn command(words: &[OsString]) -> Result<Command, String> {
    let (program, arguments) = words.split_first().ok_or("no command was given")?;
    let mut command = Command::new(program);
    command.args(arguments).kill_on_drop(true);
    Ok(command)
}

/// Runs the command to its end, or until a signal or `failure` ends it, and returns its exit code.
///
/// # Errors
///
/// When it cannot be run, or what `failure` says.
pub async fn run(
    command: Command,
    failure: impl Future<Output = String>,
    signals: &mut Signals,
) -> Result<ExitCode, String> {
    let status = Running::spawn(command)?.wait(failure, signals).await?;
    Ok(exit_code(status))
}

struct Running {
    child: Child,
    id: Pid,
    /// Whether the command leads a process group. On a terminal it must not: it stays in the foreground with this
    /// process, so that it can read from it, and gets Ctrl-C from the terminal itself.
    leads_group: bool,
}

impl Running {
    fn spawn(mut command: Command) -> Result<Self, String> {
        let leads_group = !rustix::termios::isatty(std::io::stdin());
        if leads_group {
            command.process_group(0);
        }
        let child = command
            .spawn()
            .map_err(|error| format!("cannot run {}: {error}", command.as_std().get_program().display()))?;
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
        failure: impl Future<Output = String>,
        signals: &mut Signals,
    ) -> Result<ExitStatus, String> {
        tokio::select! {
            status = self.child.wait() => return status.map_err(|error| error.to_string()),
            failure = failure => {
                self.send(Signal::TERM);
                self.end(signals).await?;
                return Err(failure);
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
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(FAILURE))
}
