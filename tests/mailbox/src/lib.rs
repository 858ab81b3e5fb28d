//! A real IMAP server that others wrote, with one user's mailbox, on 127.0.0.1, for tests and the demo.
//!
//! It is the server of the Go module `github.com/emersion/go-imap`, which keeps mails in memory. It speaks
//! TLS with a certificate of an authority that is made for each run. Mails are put into it by
//! [`MailboxServer::deliver`]; with [`MailboxServer::forward`] it receives what a sandbox of an identity API
//! would have sent.
//!
//! # Where the server comes from
//!
//! It is built once with Go (1.26 or newer) from the pinned module in this package's `go` directory, which
//! takes seconds, and kept in `$XDG_CACHE_HOME/keywright/mailbox-server` (or `~/.cache/...`). That directory
//! may be deleted at any time.
//!
//! # What is left behind
//!
//! Nothing: the server ends with the value or with this process, however that ends, and writes no file.

mod build;
mod error;
mod mail;
mod pki;
mod sandbox;
mod server;

pub use build::built_program;
pub use error::Error;
pub use mail::{CodeMail, SENDER};
pub use server::{Folder, MailboxServer};
