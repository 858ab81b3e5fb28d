//! Runs the command of `control-plane exec`.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use keywright_control_plane::signals::Signals;
use keywright_control_plane::{ControlPlane, exec};

/// Runs the command against the control plane, stops that, and returns the command's exit code.
pub(crate) async fn run(
    mut plane: ControlPlane,
    words: &[OsString],
    mut signals: Signals,
) -> Result<ExitCode, String> {
    let outcome = against(&mut plane, words, &mut signals).await;
    plane.stop().await.map_err(|error| error.to_string())?;
    outcome
}

async fn against(
    plane: &mut ControlPlane,
    words: &[OsString],
    signals: &mut Signals,
) -> Result<ExitCode, String> {
    let path = path_with(plane.kubectl(), std::env::var_os("PATH").as_deref())?;
    let mut command = exec::command(words)?;
    command
        .env("KUBECONFIG", plane.kubeconfig())
        .env("KEYWRIGHT_TEST_KUBECONFIG", plane.kubeconfig())
        .env("PATH", path);
    let failure = async { plane.failure().await.to_string() };
    exec::run(command, failure, signals).await
}

/// `path` with the directory of `kubectl` in front.
fn path_with(kubectl: &Path, path: Option<&OsStr>) -> Result<OsString, String> {
    let first = kubectl.parent().map(Path::to_owned);
    let rest = path.map(std::env::split_paths).into_iter().flatten();
    std::env::join_paths(first.into_iter().chain(rest)).map_err(|error| format!("cannot set PATH: {error}"))
}
