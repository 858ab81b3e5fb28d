//! What can go wrong, and what to do about it.

use std::io;

/// Why the mail server could not be built, started or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It could not be built.
    #[error(transparent)]
    Build(#[from] keywright_control_plane::Error),

    /// Making keys and certificates failed.
    #[error("cannot make the mail server's certificates: {0}")]
    Certificates(#[from] rcgen::Error),

    /// It could not be started.
    #[error("cannot start the mail server: {0}")]
    Start(io::Error),

    /// It ended, or printed something else than its addresses; what it said is on stderr.
    #[error("the mail server did not tell its addresses within {0} s; see above for what it said")]
    NoAddresses(u64),

    /// A request to the mail server or to a sandbox failed.
    #[error("a request of the mail server's failed: {0}")]
    Request(#[from] reqwest::Error),

    /// A request to the mail server or to a sandbox was refused.
    #[error("{what} was refused with status {status}: {words}")]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// HTTP status of the answer.
        status: u16,
        /// The answer's body.
        words: String,
    },

    /// An address of a sandbox is none.
    #[error("the sandbox's address is not a URL that paths can be added to: {0}")]
    SandboxAddress(String),
}
