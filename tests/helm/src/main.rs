//! Builds Helm unless that was done before, and prints where it is.

use std::io::Write;
use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match keywright_helm::built_program().await {
        Ok(program) => match writeln!(std::io::stdout(), "{}", program.display()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(error) => {
            // Nothing is left to be told when the standard error stream is gone.
            let _ = writeln!(std::io::stderr(), "helm: {error}");
            ExitCode::FAILURE
        }
    }
}
