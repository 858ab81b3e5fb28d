//! Why a mailbox could not be read.

/// Why a mailbox could not be read, typed by what to do about it.
///
/// The message is safe to show: it is one line of bounded length and holds neither the password nor a word
/// of a mail.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MailboxError {
    /// A setting cannot be used. No connection was made.
    #[error("the mailbox's {field} cannot be used: {problem}")]
    Misconfigured {
        /// The setting.
        field: &'static str,
        /// What is wrong with it, and what to do.
        problem: String,
    },

    /// The server could not be reached, or went away, or took too long. Worth another try.
    #[error("the mail server {server} could not be read: {problem}")]
    Unreachable {
        /// Host and port.
        server: String,
        /// What became of the connection.
        problem: String,
    },

    /// The server's certificate was refused, or it does not speak TLS there.
    #[error("no TLS connection to the mail server {server}: {problem}")]
    TlsRefused {
        /// Host and port.
        server: String,
        /// Why, and what to do.
        problem: String,
    },

    /// User name and password were refused. To be tried again only when they have changed or after a long
    /// time, since mail servers lock accounts.
    #[error(
        "the mail server {server} refused the login{}: check the user name and the password; many providers \
         want a password that is made for one program (an app password), and that IMAP is allowed in the \
         account's settings", said(.words)
    )]
    LoginRefused {
        /// Host and port.
        server: String,
        /// What the server said; may be empty.
        words: String,
    },

    /// The server is busy or out of order, by its own account. Worth another try, later.
    #[error("the mail server {server} cannot serve now{}; it is tried again later", said(.words))]
    Unavailable {
        /// Host and port.
        server: String,
        /// What the server said; may be empty.
        words: String,
    },

    /// A folder does not exist or may not be opened.
    #[error(
        "the mail server {server} has no folder {folder:?} for this user: name one that exists (its full name, \
         with the separators of the server), or make it"
    )]
    FolderMissing {
        /// Host and port.
        server: String,
        /// The folder's name.
        folder: String,
    },

    /// The server answers what cannot be understood, or refuses what it should not.
    #[error("the mail server {server} could not be understood at {step}: {problem}; is it an IMAP server?")]
    Protocol {
        /// Host and port.
        server: String,
        /// What was being done: the name of an IMAP command.
        step: &'static str,
        /// What is wrong.
        problem: String,
    },
}

impl MailboxError {
    /// The error as a CamelCase reason for a condition.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Misconfigured { .. } => "MailboxMisconfigured",
            Self::Unreachable { .. } => "MailboxUnreachable",
            Self::TlsRefused { .. } => "MailboxTLSRefused",
            Self::LoginRefused { .. } => "MailboxLoginRefused",
            Self::Unavailable { .. } => "MailboxUnavailable",
            Self::FolderMissing { .. } => "MailboxFolderMissing",
            Self::Protocol { .. } => "MailboxProtocolError",
        }
    }

    /// Whether the password must not be tried again in a hurry.
    #[must_use]
    pub const fn is_login_refused(&self) -> bool {
        matches!(self, Self::LoginRefused { .. })
    }
}

fn said(words: &str) -> String {
    if words.is_empty() {
        String::new()
    } else {
        format!(" ({words})")
    }
}
