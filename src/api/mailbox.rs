//! A mailbox that one-time codes are read from.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rule;
use super::secret::CaBundleSource;

/// The port of IMAP over TLS (RFC 8314 section 3.2).
pub const IMAPS_PORT: u16 = 993;
/// The folder that mails arrive in (RFC 9051 section 5.1).
pub const INBOX: &str = "INBOX";

/// A mailbox that is read by IMAP over TLS (RFC 8314). Only mails that are newer than the request for a code are looked
/// at.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Mailbox {
    /// Name of the IMAP server. Its certificate has to be for this name.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[A-Za-z0-9]([-.A-Za-z0-9]*[A-Za-z0-9])?$")
    )]
    pub host: String,

    /// Port of the IMAP server, which speaks TLS from the first byte: 993 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<i32>", range(min = 1, max = 65_535))]
    pub port: Option<u16>,

    /// The Secret with the mailbox's user name and password.
    pub secret_ref: MailboxSecretReference,

    /// Folder to read: `INBOX` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub folder: Option<String>,

    /// Who may send codes: addresses such as `no-reply@didit.me`, or domains such as `didit.me`, which stand for every
    /// address of theirs, and not for those of subdomains. When absent, anybody may; a mail that brings a wrong code costs one of the
    /// few tries of a code.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(
            length(min = 1, max = 254),
            regex(
                pattern = r"^([^@\s]+@)?[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)*$"
            )
        )
    )]
    pub senders: Vec<String>,

    /// CA certificates to trust beside the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<CaBundleSource>,

    /// What becomes of a mail whose code was taken: it is kept as it is when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_read: Option<AfterRead>,
}

/// The Secret with a mailbox's credentials, and the names of its keys.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MailboxSecretReference {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// Names of the Secret's keys, where they differ from `username` and `password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<MailboxSecretKeys>,
}

/// Names of the keys in a mailbox's Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MailboxSecretKeys {
    /// Key that holds the user name: `username` when absent. The key itself may be missing; then the account's e-mail
    /// address is the user name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub username: Option<String>,
    /// Key that holds the password: `password` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub password: Option<String>,
}

/// What becomes of a mail whose code was taken.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[x_kube(validation = rule(
    "(self.action == 'Move') == has(self.folder)",
    "mailbox.afterRead needs folder with action Move, and only then",
))]
#[serde(rename_all = "camelCase")]
pub struct AfterRead {
    /// `Keep`, `MarkSeen` or `Move`.
    pub action: AfterReadAction,

    /// The folder that it is moved to. It has to exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub folder: Option<String>,
}

/// What is done with a mail whose code was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum AfterReadAction {
    /// Nothing.
    Keep,
    /// It is marked as read.
    MarkSeen,
    /// It is moved to another folder.
    Move,
}
