//! Runs a real Kubernetes control plane for tests and the demo. See `control-plane --help`.

mod command;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand};
use keywright_control_plane::exec::FAILURE;
use keywright_control_plane::signals::Signals;
use keywright_control_plane::{ControlPlane, Options, built_directory};

/// A real Kubernetes control plane on 127.0.0.1, for tests and demonstrations.
///
/// etcd, kube-apiserver, kube-controller-manager and kubectl are taken from the directory that
/// KUBEBUILDER_ASSETS names, or from PATH; what is missing is built once with Go and kept in ~/.cache.
#[derive(Debug, Parser)]
#[command(name = "control-plane", version)]
struct Cli {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Build the programs unless they are built already, and print their directory.
    ///
    /// It may serve as KUBEBUILDER_ASSETS.
    Build,
    /// Start a control plane, print `ready <kubeconfig>`, and keep it running until SIGINT or SIGTERM.
    Run(Run),
    /// Start a control plane, run a command against it, stop it, and exit with the command's code.
    ///
    /// The command finds KUBECONFIG and KEYWRIGHT_TEST_KUBECONFIG set, and a kubectl that fits first in PATH.
    Exec(Exec),
}

#[derive(Debug, Args)]
struct Run {
    /// Also write the administrator's kubeconfig to this file, and remove it at the end.
    #[arg(long, value_name = "PATH")]
    kubeconfig: Option<PathBuf>,
    /// Stop when stdin is closed, too: a caller that is killed then takes its control plane with it.
    #[arg(long)]
    until_stdin_closes: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Exec {
    #[command(flatten)]
    common: Common,
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<std::ffi::OsString>,
}

#[derive(Debug, Args)]
struct Common {
    /// Keep the servers' logs and data afterwards, and say where they are.
    #[arg(long, env = "KEYWRIGHT_CONTROL_PLANE_KEEP", value_parser = FalseyValueParser::new())]
    keep: bool,
    /// A flag for kube-apiserver, such as --enable-priority-and-fairness=false; may be repeated.
    #[arg(long = "api-server-flag", value_name = "FLAG", allow_hyphen_values = true)]
    api_server_flags: Vec<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let action = Cli::parse().action;
    let outcome = match Signals::new() {
        Ok(signals) => perform(action, signals).await,
        Err(error) => Err(format!("cannot receive signals: {error}")),
    };
    outcome.unwrap_or_else(|message| {
        let _ = writeln!(std::io::stderr().lock(), "control-plane: {message}");
        ExitCode::from(FAILURE)
    })
}

async fn perform(action: Action, mut signals: Signals) -> Result<ExitCode, String> {
    match action {
        Action::Build => {
            let directory = tokio::select! {
                built = built_directory() => built.map_err(|error| error.to_string())?,
                _ = signals.next() => return Err("interrupted".to_owned()),
            };
            print_line(&directory.display().to_string())?;
            Ok(ExitCode::SUCCESS)
        }
        Action::Run(options) => run(options, signals).await,
        Action::Exec(options) => {
            let plane = start(None, options.common, &mut signals).await?;
            command::run(plane, &options.command, signals).await
        }
    }
}

/// Starts a control plane; a signal meanwhile ends that.
async fn start(
    kubeconfig: Option<PathBuf>,
    common: Common,
    signals: &mut Signals,
) -> Result<ControlPlane, String> {
    let options = Options {
        kubeconfig,
        keep: common.keep,
        api_server_flags: common.api_server_flags,
    };
    tokio::select! {
        started = ControlPlane::start(options) => started.map_err(|error| error.to_string()),
        _ = signals.next() => Err("interrupted before the control plane was ready".to_owned()),
    }
}

async fn run(options: Run, mut signals: Signals) -> Result<ExitCode, String> {
    if options.until_stdin_closes {
        signals.end_with_stdin();
    }
    let kubeconfig = options.kubeconfig.clone();
    let mut plane = start(options.kubeconfig, options.common, &mut signals).await?;
    let path = kubeconfig.as_deref().unwrap_or_else(|| plane.kubeconfig());
    print_line(&format!("ready {}", path.display()))?;
    let failure = tokio::select! {
        failure = plane.failure() => Some(failure),
        _ = signals.next() => None,
    };
    plane.stop().await.map_err(|error| error.to_string())?;
    failure.map_or(Ok(ExitCode::SUCCESS), |error| Err(error.to_string()))
}

fn print_line(line: &str) -> Result<(), String> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .map_err(|error| format!("cannot write to stdout: {error}"))
}
