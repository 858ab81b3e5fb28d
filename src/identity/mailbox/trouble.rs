//! What went wrong, as a user is told.

use std::io;

use secrecy::ExposeSecret;

use super::imap::{Condition, Failure, Status};
use super::{Mailbox, MailboxError};
use crate::identity::http::tidy;

/// Response codes of servers that cannot serve now (RFC 5530, RFC 3501).
const BUSY_CODES: [&str; 4] = ["UNAVAILABLE", "SERVERBUG", "INUSE", "LIMIT"];

/// What is done before a mail is read: until then the server's words cannot be those of a mail.
const BEFORE_MAILS: [&str; 4] = ["its greeting", "LOGIN", "EXAMINE", "SELECT"];

impl Mailbox {
    pub(super) fn login_error(&self, failure: Failure) -> MailboxError {
        match failure {
            Failure::Refused(status) if status.condition == Condition::No && !is_busy(&status) => {
                MailboxError::LoginRefused {
                    server: self.config.server(),
                    words: self.words(&status),
                }
            }
            other => self.error("LOGIN", other),
        }
    }

    pub(super) fn folder_error(&self, step: &'static str, folder: &str, failure: Failure) -> MailboxError {
        match failure {
            Failure::Refused(status) if status.condition == Condition::No && !is_busy(&status) => {
                self.folder_missing(folder)
            }
            other => self.error(step, other),
        }
    }

    /// RFC 3501 section 6.4.7: with TRYCREATE the folder is not there and could be made.
    pub(super) fn move_error(&self, folder: &str, failure: Failure) -> MailboxError {
        match failure {
            Failure::Refused(status) if is_missing(&status) => self.folder_missing(folder),
            other => self.error("UID MOVE", other),
        }
    }

    fn folder_missing(&self, folder: &str) -> MailboxError {
        MailboxError::FolderMissing {
            server: self.config.server(),
            folder: folder.to_owned(),
        }
    }

    pub(super) fn error(&self, step: &'static str, failure: Failure) -> MailboxError {
        let server = self.config.server();
        let protocol = |problem: &str| MailboxError::Protocol {
            server: self.config.server(),
            step,
            problem: problem.to_owned(),
        };
        match failure {
            Failure::TimedOut => self.unreachable(&format!("it did not answer {step} in time")),
            Failure::Lost(kind) => self.unreachable(io_words(kind)),
            Failure::Senseless(problem) => protocol(problem),
            Failure::Refused(status) if status.condition == Condition::Bye || is_busy(&status) => {
                let words = BEFORE_MAILS.contains(&step).then(|| self.words(&status));
                MailboxError::Unavailable {
                    server,
                    words: words.unwrap_or_default(),
                }
            }
            Failure::Refused(_) => protocol("it refuses the command"),
        }
    }

    pub(super) fn unreachable(&self, problem: &str) -> MailboxError {
        MailboxError::Unreachable {
            server: self.config.server(),
            problem: problem.to_owned(),
        }
    }

    /// The server's words, one bounded line without the password.
    fn words(&self, status: &Status) -> String {
        let password = self.config.password.expose_secret();
        let words = if password.is_empty() {
            status.text.clone()
        } else {
            status.text.replace(password, "***")
        };
        tidy(&words)
    }
}

fn is_busy(status: &Status) -> bool {
    BUSY_CODES.iter().any(|code| status.has_code(code))
}

fn is_missing(status: &Status) -> bool {
    ["TRYCREATE", "NONEXISTENT", "CANNOT"]
        .iter()
        .any(|code| status.has_code(code))
}

pub(super) const fn io_words(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            "connection reset"
        }
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "no route to it",
        io::ErrorKind::UnexpectedEof => "the connection was closed",
        io::ErrorKind::TimedOut => "no connection was made in time",
        _ => "no connection could be made; does its name resolve?",
    }
}
