//! Runs the command of `authorization-servers exec`.

use std::ffi::OsString;
use std::process::ExitCode;

use keywright_authorization_servers::RunningServers;
use keywright_control_plane::exec;
use keywright_control_plane::signals::Signals;

/// Runs the command, stops the servers, and returns the command's exit code.
pub(crate) async fn run(
    mut servers: RunningServers,
    words: &[OsString],
    mut signals: Signals,
) -> Result<ExitCode, String> {
    let outcome = against(&mut servers, words, &mut signals).await;
    servers.stop().map_err(|error| error.to_string())?;
    outcome
}

async fn against(
    servers: &mut RunningServers,
    words: &[OsString],
    signals: &mut Signals,
) -> Result<ExitCode, String> {
    let mut command = exec::command(words)?;
    for (name, value) in servers.environment() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let failure = async { servers.failure().await.to_string() };
    exec::run(command, failure, signals).await
}
