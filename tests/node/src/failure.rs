//! What can go wrong.

use std::path::Path;

/// Why it could not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A command ended with an error.
    #[error("`{command}` failed:\n{output}")]
    Command { command: String, output: String },
    /// A program could not be run.
    #[error("cannot run {program}: {source}")]
    Spawn { program: String, source: std::io::Error },
    /// A file could not be used.
    #[error("cannot {action} {path}: {source}")]
    File {
        action: &'static str,
        path: String,
        source: std::io::Error,
    },
    /// Nobody reads what is said.
    #[error("cannot write to stdout: {0}")]
    Output(std::io::Error),
    /// The control plane could not be had.
    #[error(transparent)]
    ControlPlane(#[from] keywright_control_plane::Error),
    /// The sandbox of Didit could not be had.
    #[error("the sandbox: {0}")]
    Sandbox(#[from] keywright_sandbox::SandboxError),
    /// The cluster could not be watched.
    #[error("the cluster: {0}")]
    Kubernetes(#[from] kube::Error),
    /// The operator did not answer.
    #[error("the operator: {0}")]
    Operator(#[from] reqwest::Error),
    /// Anything else, in a sentence.
    #[error("{0}")]
    Said(String),
}

impl Failure {
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::File { action, path, source }
    }

    pub(crate) fn said(text: impl Into<String>) -> Self {
        Self::Said(text.into())
    }
}

/// Fails with a sentence unless something is as it must be.
pub(crate) fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Failure> {
    if holds {
        Ok(())
    } else {
        Err(Failure::Said(otherwise()))
    }
}
