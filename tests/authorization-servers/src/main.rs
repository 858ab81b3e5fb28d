//! Runs real authorization servers for tests. See `authorization-servers --help`.

mod command;

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use keywright_authorization_servers::{Missing, RunningServers, install};
use keywright_control_plane::exec::FAILURE;
use keywright_control_plane::signals::Signals;

/// Keycloak and oidc-provider on 127.0.0.1, for tests.
///
/// They are downloaded once and kept in ~/.cache. Keycloak needs Java 17, oidc-provider Node 20; a server whose Java
/// or Node is missing is left out, unless CI=true is set.
#[derive(Debug, Parser)]
#[command(name = "authorization-servers", version)]
struct Cli {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Install the servers unless they are installed already.
    Install,
    /// Start the servers, print `ready <directory>`, and keep them running until SIGINT or SIGTERM.
    ///
    /// The directory may be the value of KEYWRIGHT_TEST_AUTHORIZATION_SERVERS.
    Run(Run),
    /// Start the servers, run a command, stop them, and exit with the command's code.
    ///
    /// The command finds KEYWRIGHT_TEST_AUTHORIZATION_SERVERS set to a directory that describes the servers, and
    /// KEYWRIGHT_TEST_KEYCLOAK and KEYWRIGHT_TEST_OIDC_PROVIDER to their URLs.
    Exec(Exec),
}

#[derive(Debug, Args)]
struct Run {
    /// Stop when stdin is closed, too: a caller that is killed then takes its servers with it.
    #[arg(long)]
    until_stdin_closes: bool,
}

#[derive(Debug, Args)]
struct Exec {
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<std::ffi::OsString>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let action = Cli::parse().action;
    let outcome = match Signals::new() {
        Ok(signals) => perform(action, signals).await,
        Err(error) => Err(format!("cannot receive signals: {error}")),
    };
    outcome.unwrap_or_else(|message| {
        let _ = writeln!(std::io::stderr().lock(), "authorization-servers: {message}");
        ExitCode::from(FAILURE)
    })
}

async fn perform(action: Action, mut signals: Signals) -> Result<ExitCode, String> {
    match action {
        Action::Install => {
            tokio::select! {
                installed = install(missing()) => installed.map_err(|error| error.to_string())?,
                _ = signals.next() => return Err("interrupted".to_owned()),
            };
            Ok(ExitCode::SUCCESS)
        }
        Action::Run(options) => run(&options, signals).await,
        Action::Exec(options) => {
            let servers = start(&mut signals).await?;
            command::run(servers, &options.command, signals).await
        }
    }
}

/// In CI, a test that is left out is a test that fails.
fn missing() -> Missing {
    if std::env::var("CI").as_deref() == Ok("true") {
        Missing::Fail
    } else {
        Missing::Skip
    }
}

/// Starts the servers; a signal meanwhile ends that.
async fn start(signals: &mut Signals) -> Result<RunningServers, String> {
    tokio::select! {
        started = RunningServers::start(missing()) => started.map_err(|error| error.to_string()),
        _ = signals.next() => Err("interrupted before the servers were ready".to_owned()),
    }
}

async fn run(options: &Run, mut signals: Signals) -> Result<ExitCode, String> {
    if options.until_stdin_closes {
        signals.end_with_stdin();
    }
    let mut servers = start(&mut signals).await?;
    print_line(&format!("ready {}", servers.directory().display()))?;
    let failure = tokio::select! {
        failure = servers.failure() => Some(failure),
        _ = signals.next() => None,
    };
    servers.stop().map_err(|error| error.to_string())?;
    failure.map_or(Ok(ExitCode::SUCCESS), |error| Err(error.to_string()))
}

fn print_line(line: &str) -> Result<(), String> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .map_err(|error| format!("cannot write to stdout: {error}"))
}
