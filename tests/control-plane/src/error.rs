//! What can go wrong, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

/// Why a control plane could not be found, built, started or kept running.
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

    /// `KUBEBUILDER_ASSETS` is set, but not to a directory.
    #[error(
        "KUBEBUILDER_ASSETS={0:?} is not a directory: set it to one that holds etcd, kube-apiserver, \
         kube-controller-manager and kubectl, or unset it"
    )]
    Assets(PathBuf),

    /// The programs found do not belong together.
    #[error(
        "kube-apiserver is version {api_server} and kube-controller-manager is version {controller_manager}: \
         put both of one minor version into the KUBEBUILDER_ASSETS directory, or unset KUBEBUILDER_ASSETS"
    )]
    Skew {
        /// Version of the kube-apiserver chosen.
        api_server: semver::Version,
        /// Version of the kube-controller-manager chosen.
        controller_manager: semver::Version,
    },

    /// Programs must be built, and Go cannot be used.
    #[error("{name} must be built, but {problem}. {remedy}")]
    Go {
        /// What must be built.
        name: &'static str,
        /// What to do.
        remedy: &'static str,
        /// What is wrong with Go.
        problem: String,
    },

    /// There is no place to keep what is built.
    #[error("no cache directory: set HOME, or XDG_CACHE_HOME to an absolute path")]
    NoCacheDirectory,

    /// `go build` failed.
    #[error("building the control plane failed ({status}):\n{output}")]
    Build {
        /// How `go build` ended.
        status: ExitStatus,
        /// The last of what it printed.
        output: String,
    },

    /// A program could not be started.
    #[error("cannot start {program:?}: {source}")]
    Spawn {
        /// The program.
        program: PathBuf,
        /// The cause.
        source: io::Error,
    },

    /// A server ended although nobody stopped it.
    #[error("{component} ended unexpectedly ({status}); the end of its log:\n{log}")]
    Exited {
        /// The server's name.
        component: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// The last lines of its log.
        log: String,
    },

    /// A server did not become ready in time.
    #[error("{what} did not happen within {} s (last seen: {last}); the end of the log of {component}:\n{log}", .timeout.as_secs())]
    NotReady {
        /// What was waited for.
        what: &'static str,
        /// How long it was waited for.
        timeout: Duration,
        /// What the last look saw.
        last: String,
        /// The server's name.
        component: &'static str,
        /// The last lines of its log.
        log: String,
    },

    /// Making keys and certificates failed.
    #[error("cannot make the control plane's certificates: {0}")]
    Certificates(#[from] rcgen::Error),

    /// The HTTP client that watches the start could not be made.
    #[error("cannot make an HTTP client for the control plane: {0}")]
    Client(#[from] reqwest::Error),

    /// A kubeconfig of something else would have been overwritten.
    #[error(
        "{0:?} exists and is not a kubeconfig of this control plane: choose another path, or remove the file"
    )]
    ForeignKubeconfig(PathBuf),

    /// The kubeconfig could not be written as YAML.
    #[error("cannot write the kubeconfig: {0}")]
    Kubeconfig(#[from] serde_saphyr::ser::Error),

    /// The shared control plane could not be had.
    #[error("no shared control plane: {0}")]
    Shared(String),
}

impl Error {
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }

    /// Whether another process took a port between its choice and its use.
    pub(crate) fn is_port_taken(&self) -> bool {
        matches!(self, Self::Exited { log, .. } if log.contains("address already in use"))
    }
}
