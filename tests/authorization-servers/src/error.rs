//! What can go wrong, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

/// Why an authorization server could not be installed, started, kept running or configured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory could not be used.
    #[error("cannot {action} {path:?}: {source}")]
    File {
        /// What was tried, as a verb phrase.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },

    /// There is no place to keep what is installed.
    #[error("no cache directory: set HOME, or XDG_CACHE_HOME to an absolute path")]
    NoCacheDirectory,

    /// A program that a server needs is missing or too old.
    #[error("{server} needs {problem}: {remedy}")]
    Missing {
        /// The server's name.
        server: &'static str,
        /// What is missing, or too old.
        problem: String,
        /// What to do.
        remedy: &'static str,
    },

    /// A download does not have the checksum that is pinned here.
    #[error(
        "{path:?} has SHA-256 {found}, not {expected}: the download is broken or was tampered with; try again"
    )]
    Checksum {
        /// The file.
        path: PathBuf,
        /// The pinned checksum, hexadecimal.
        expected: &'static str,
        /// The file's checksum, hexadecimal.
        found: String,
    },

    /// A program could not be started.
    #[error("cannot start {program:?}: {source}")]
    Spawn {
        /// The program.
        program: PathBuf,
        /// The cause.
        source: io::Error,
    },

    /// A step of an installation failed.
    #[error("{step} failed ({status}):\n{output}")]
    Step {
        /// The step.
        step: &'static str,
        /// How the program ended.
        status: ExitStatus,
        /// The last of what it printed.
        output: String,
    },

    /// A server ended although nobody stopped it.
    #[error("{server} ended unexpectedly ({status}); the end of its log:\n{log}")]
    Exited {
        /// The server's name.
        server: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// The last lines of its log.
        log: String,
    },

    /// A server did not become ready in time.
    #[error("{server} was not ready within {} s; the end of its log:\n{log}", .timeout.as_secs())]
    NotReady {
        /// The server's name.
        server: &'static str,
        /// How long it was waited for.
        timeout: Duration,
        /// The last lines of its log.
        log: String,
    },

    /// Making certificates failed.
    #[error("cannot make a certificate: {0}")]
    Certificates(#[from] rcgen::Error),

    /// Making a client's key failed.
    #[error("cannot make a key for {0}")]
    Key(&'static str),

    /// A request to a server failed before its answer.
    #[error("cannot reach the authorization server: {0}")]
    Http(#[from] reqwest::Error),

    /// A server refused to do what an administrator asked of it.
    #[error("the authorization server refused to {action} ({status}): {answer}")]
    Refused {
        /// What was asked, as a verb phrase.
        action: &'static str,
        /// The HTTP status.
        status: u16,
        /// The beginning of the answer.
        answer: String,
    },

    /// A server answered with something else than expected.
    #[error("the authorization server's answer to the request to {action} has no {field}")]
    Answer {
        /// What was asked, as a verb phrase.
        action: &'static str,
        /// The missing member.
        field: &'static str,
    },

    /// Settings that the server cannot have.
    #[error("{field}: {problem}")]
    Settings {
        /// The field of [`crate::ClientSettings`].
        field: &'static str,
        /// What is wrong, and what to do.
        problem: String,
    },

    /// The description of running servers cannot be used.
    #[error("{path:?} does not describe running authorization servers: {problem}")]
    Description {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },

    /// The shared servers could not be had.
    #[error("no shared authorization servers: {0}")]
    Shared(String),
}

impl Error {
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }

    /// Whether another process took a port between its choice and its use.
    pub(crate) fn is_port_taken(&self) -> bool {
        matches!(self, Self::Exited { log, .. }
            if log.contains("EADDRINUSE") || log.contains("already in use") || log.contains("already bound"))
    }
}
