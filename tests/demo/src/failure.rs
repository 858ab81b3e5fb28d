//! What can go wrong.

/// Why the demo could not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A command ended with an error.
    #[error("`{command}` failed:\n{output}")]
    Command { command: String, output: String },
    /// A program could not be run.
    #[error("cannot run {program}: {source}")]
    Spawn { program: String, source: std::io::Error },
    /// A program ended although nobody stopped it.
    #[error("{0}")]
    Ended(String),
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
    /// The mail server could not be had.
    #[error(transparent)]
    Mailbox(#[from] keywright_mailbox_server::Error),
    /// The sandbox could not be called.
    #[error("calling the sandbox failed: {0}")]
    Sandbox(#[from] reqwest::Error),
    /// Anything else, in a sentence.
    #[error("{0}")]
    Said(String),
}

impl Failure {
    pub(crate) fn file(action: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::File { action, path, source }
    }
}
