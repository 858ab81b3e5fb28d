//! The command line: the operator itself (`run`), and what administrators ask of a cluster that has one.
//!
//! | Command | What it does | In |
//! | --- | --- | --- |
//! | `run` | The operator | `run.rs` |
//! | `status` | Everything at a glance, what ends soonest first | `status/` |
//! | `describe` | One resource with its history, and what happens next | `describe/` |
//! | `refresh` | Asks the operator for a new token now | `refresh.rs` |
//! | `doctor` | Looks for what is wrong, and says how to mend it | `doctor/` |
//! | `crd`, `completion` | What other programs read | `mod.rs` |
//!
//! What these commands conclude is decided by pure functions from what was read and the time. None of them reads a
//! Secret, so none needs to be allowed to.

mod age;
mod connection;
mod describe;
mod doctor;
mod kind;
mod output;
mod record;
mod refresh;
mod run;
mod standing;
mod status;
#[cfg(test)]
mod testing;
mod values;

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;

use crate::api::custom_resource_definitions;

/// The name of the file by which kubectl finds its plugin `keywright`.
const PLUGIN: &str = "kubectl-keywright";

/// Keywright keeps machine credentials on Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "keywright", version, about, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator
    Run(Box<run::RunArgs>),
    /// Show all credentials and providers, what ends soonest first
    Status(status::StatusArgs),
    /// Show one resource with its history, and what happens next
    Describe(describe::DescribeArgs),
    /// Ask the operator to replace a token now
    Refresh(refresh::RefreshArgs),
    /// Look for what is wrong, and say how to mend it
    Doctor(Box<doctor::DoctorArgs>),
    /// Print the custom resource definitions, to be applied with kubectl
    Crd,
    /// Print the completion script of a shell
    Completion {
        /// The shell
        shell: Shell,
    },
}

/// How a command ended that could do its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Nothing needs anybody's attention.
    Good,
    /// Something does. Exit code 1.
    NeedsAttention,
    /// Part of what was asked for could not be found out, which was said. Exit code 2.
    Incomplete,
}

/// Why a command could not do its work, as a sentence. Exit code 2, as for a wrong flag; of `run` it is 1.
type Failure = String;

/// Parses the command line and does what it says.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let matches = command(&arguments).get_matches_from(&arguments);
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let failed = match cli.command {
        Command::Run(_) => ExitCode::FAILURE,
        _ => ExitCode::from(2),
    };
    match obey(cli.command) {
        Ok(Outcome::Good) => ExitCode::SUCCESS,
        Ok(Outcome::NeedsAttention) => ExitCode::from(1),
        Ok(Outcome::Incomplete) => ExitCode::from(2),
        Err(message) => {
            // Nothing is left to be told when the standard error stream is gone.
            let _ = writeln!(std::io::stderr(), "keywright: {message}");
            failed
        }
    }
}

fn obey(command: Command) -> Result<Outcome, Failure> {
    match command {
        Command::Run(args) => run::run(*args).map(|()| Outcome::Good),
        Command::Status(args) => with_runtime(status::status(args))?,
        Command::Describe(args) => with_runtime(describe::describe(args))?,
        Command::Refresh(args) => with_runtime(refresh::refresh(args))?,
        Command::Doctor(args) => with_runtime(doctor::doctor(*args))?,
        Command::Crd => output::text(&custom_resource_definitions_yaml()?).map(|()| Outcome::Good),
        Command::Completion { shell } => output::text(&completion(shell)).map(|()| Outcome::Good),
    }
}

/// The command line under the name by which it was called.
fn command(arguments: &[OsString]) -> clap::Command {
    let called = arguments
        .first()
        .and_then(|program| Path::new(program).file_name());
    let command = Cli::command();
    match called.and_then(|name| name.to_str()) {
        Some(name) if name.starts_with(PLUGIN) => command.bin_name("kubectl keywright"),
        _ => command,
    }
}

fn completion(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "keywright", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The definitions as one YAML stream.
///
/// # Errors
/// When a definition cannot be written as YAML, which would be a defect.
pub fn custom_resource_definitions_yaml() -> Result<String, String> {
    custom_resource_definitions()
        .iter()
        .try_fold(String::new(), |stream, definition| {
            let yaml = serde_saphyr::to_string(definition).map_err(|error| error.to_string())?;
            Ok(format!("{stream}---\n{yaml}"))
        })
}

fn with_runtime<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    // Both kube and reqwest ask for the process-wide provider; only one is ever installed.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("the runtime could not be started: {error}"))?;
    Ok(runtime.block_on(work))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_shows_the_name_by_which_it_was_called() {
        for (program, expected) in [
            ("/usr/local/bin/keywright", "Usage: keywright "),
            ("/usr/local/bin/kubectl-keywright", "Usage: kubectl keywright "),
        ] {
            let arguments = [program, "help"].map(OsString::from);
            let help = command(&arguments)
                .try_get_matches_from(arguments)
                .unwrap_err()
                .to_string();
            assert!(help.contains(expected), "{help}");
        }
    }

    #[test]
    fn every_shell_completes_every_command() {
        for shell in [
            Shell::Bash,
            Shell::Zsh,
            Shell::Fish,
            Shell::PowerShell,
            Shell::Elvish,
        ] {
            let script = completion(shell);
            for command in ["status", "describe", "refresh", "doctor", "crd"] {
                assert!(script.contains(command), "{shell} does not know {command}");
            }
        }
    }
}
