//! Mails that would have been sent.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A mail with a code, as the mailbox endpoint shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// The address it went to.
    pub to: String,
    /// Its subject line.
    pub subject: String,
    /// The code: six upper-case letters and digits.
    pub code: String,
    /// When it was sent, by the sandbox's clock.
    pub sent_at: Timestamp,
}
