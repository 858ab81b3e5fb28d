//! Reading a one-time code from a mailbox.
//!
//! Identity APIs that let an account be made by a program send a code to its e-mail address and wait for it
//! (for Didit: contract section 2.1). [`Mailbox::find_code`] looks for that mail over IMAP, and
//! [`Mailbox::settle`] marks or moves it once the code was used. Nothing waits in here: a mail that has not
//! come yet is [`Lookup::Absent`], and the caller looks again later.
//!
//! # Which mail counts
//!
//! - One that the server received later than the time that is given. That time is the identity API's or this
//!   machine's, and the mail's is the mail server's, so [`CLOCK_DIFFERENCE`] is allowed for.
//! - One whose header field `From` has an allowed address. The name beside the address counts for nothing,
//!   and neither does `Sender` or `Reply-To`. Anybody can write a `From`: a forged mail can spoil a try,
//!   and cannot get at anything.
//! - Of several, the newest that holds a code. Whether somebody has read it already does not matter.
//!
//! Looking changes nothing in the mailbox, so it can be done again after a crash.
//!
//! # Which word is the code
//!
//! See `code`: six upper-case letters and digits that stand alone and near a word that says so. Where two
//! words are equally likely, none is taken: a wrong try costs more than another mail.
//!
//! # Bounds
//!
//! Everything ends at [`MailboxConfig::deadline`]. At most 20 mails are looked at, the last that came, and of
//! each no more than 256 KiB; a connection in which the server sends more than 8 MiB is given up. TLS is
//! spoken from the first byte (RFC 8314); there is neither STARTTLS nor plain text.

mod code;
#[cfg(test)]
mod code_tests;
mod config;
mod error;
mod html;
mod imap;
mod lookup;
mod mail;
mod reader;
mod tls;
mod trouble;

pub use config::{AfterRead, MailboxConfig};
pub use error::MailboxError;
pub use lookup::{Absence, CLOCK_DIFFERENCE, FoundCode, Lookup, MailId};
pub use reader::Mailbox;
