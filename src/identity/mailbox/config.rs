//! Which mailbox is read, and how.

use std::time::Duration;

use secrecy::SecretString;

use super::MailboxError;

/// More than anybody needs; a search names each of them.
const MAX_SENDERS: usize = 16;

/// RFC 5321 section 4.5.3.1 allows an address of 254 characters, and no folder needs more.
const MAX_LENGTH: usize = 254;

/// A mailbox, and which mails in it are of interest.
#[derive(Clone, Debug)]
pub struct MailboxConfig {
    /// Name or IP address of the IMAP server, as its certificate has it.
    pub host: String,
    /// Port on which the server speaks TLS from the first byte; 993 by convention.
    pub port: u16,
    /// The user, as the server knows them: often the e-mail address.
    pub username: String,
    /// The user's password; with many providers one that was made for this program alone.
    pub password: SecretString,
    /// The folder that mails arrive in, most often `INBOX`.
    pub folder: String,
    /// Who may send a code: addresses (`no-reply@example.net`) or domains (`@example.net`, which does not
    /// include its subdomains). With none, everybody may. Upper and lower case are the same.
    pub senders: Vec<String>,
    /// PEM certificates of authorities that are trusted besides those of the system.
    pub ca_bundle: Option<Vec<u8>>,
    /// What becomes of a mail whose code was used.
    pub after_read: AfterRead,
    /// How long one look, or settling a mail, may take in all.
    pub deadline: Duration,
}

/// What becomes of a mail whose code was used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AfterRead {
    /// It stays as it is.
    #[default]
    Keep,
    /// It is marked as read.
    MarkSeen,
    /// It is moved to that folder, which must exist.
    Move(String),
}

impl MailboxConfig {
    /// # Errors
    ///
    /// [`MailboxError::Misconfigured`], naming the first field that cannot be used.
    pub(super) fn check(&self) -> Result<(), MailboxError> {
        check_text("host", &self.host)?;
        check_text("username", &self.username)?;
        check_text("folder", &self.folder)?;
        if let AfterRead::Move(folder) = &self.after_read {
            check_text("folder to move mails to", folder)?;
        }
        if self.senders.len() > MAX_SENDERS {
            return Err(misconfigured("senders", "name at most 16 of them"));
        }
        self.senders.iter().try_for_each(|sender| check_sender(sender))
    }

    /// The server as messages name it.
    pub(super) fn server(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// Whether `address` is one of `senders`, or of a domain among them.
pub(super) fn is_allowed(senders: &[String], address: &str) -> bool {
    let domain = address.rfind('@').and_then(|at| address.get(at..));
    senders.is_empty()
        || senders.iter().any(|sender| {
            let compared = if sender.starts_with('@') {
                domain
            } else {
                Some(address)
            };
            compared.is_some_and(|compared| compared.eq_ignore_ascii_case(sender))
        })
}

fn check_text(field: &'static str, value: &str) -> Result<(), MailboxError> {
    if value.trim().is_empty() {
        return Err(misconfigured(field, "it is empty"));
    }
    if value.len() > MAX_LENGTH || value.chars().any(char::is_control) {
        return Err(misconfigured(
            field,
            "it must be one line of at most 254 characters",
        ));
    }
    Ok(())
}

fn check_sender(sender: &str) -> Result<(), MailboxError> {
    let parts = sender.split_once('@');
    let is_sender = sender.len() <= MAX_LENGTH
        && sender.bytes().all(|byte| byte.is_ascii_graphic())
        && parts.is_some_and(|(_, domain)| !domain.is_empty() && !domain.contains('@'));
    if is_sender {
        return Ok(());
    }
    Err(misconfigured(
        "senders",
        "each must be an address, such as no-reply@example.net, or a domain, such as @example.net",
    ))
}

fn misconfigured(field: &'static str, problem: &str) -> MailboxError {
    MailboxError::Misconfigured {
        field,
        problem: problem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> MailboxConfig {
        MailboxConfig {
            host: "imap.example.net".to_owned(),
            port: 993,
            username: "me".to_owned(),
            password: "hunter2".into(),
            folder: "INBOX".to_owned(),
            senders: Vec::new(),
            ca_bundle: None,
            after_read: AfterRead::Keep,
            deadline: Duration::from_secs(1),
        }
    }

    #[test]
    fn senders_are_addresses_or_domains() {
        let allows = |senders: &[&str], address| {
            let senders: Vec<_> = senders.iter().map(|&sender| sender.to_owned()).collect();
            is_allowed(&senders, address)
        };
        for (senders, address, expected) in [
            (&[][..], "anybody@example.net", true),
            (&["no-reply@didit.me"], "no-reply@didit.me", true),
            (&["no-reply@didit.me"], "No-Reply@Didit.ME", true),
            (&["no-reply@didit.me"], "reply@didit.me", false),
            (&["no-reply@didit.me"], "xno-reply@didit.me", false),
            (&["@didit.me"], "no-reply@didit.me", true),
            (&["@didit.me"], "no-reply@mail.didit.me", false),
            (&["@didit.me"], "no-reply@notdidit.me", false),
            (&["@didit.me"], "no-reply@didit.me.example.net", false),
            (&["@didit.me"], "\"x@didit.me\"@example.net", false),
            (&["@didit.me"], "didit.me", false),
            (&["a@example.net", "@didit.me"], "no-reply@didit.me", true),
        ] {
            assert_eq!(allows(senders, address), expected, "{senders:?} {address}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        assert!(config().check().is_ok());
        let mut cases = Vec::new();
        for sender in [
            "didit.me",
            "",
            "@",
            "a@b@c",
            "Didit <no-reply@didit.me>",
            "a@bücher.example",
        ] {
            let mut config = config();
            config.senders = vec![sender.to_owned()];
            cases.push((config, "senders"));
        }
        let mut many = config();
        many.senders = vec!["a@example.net".to_owned(); 17];
        cases.push((many, "senders"));
        let mut empty = config();
        empty.folder = " ".to_owned();
        cases.push((empty, "folder"));
        let mut broken = config();
        broken.username = "me\r\nA1 DELETE INBOX".to_owned();
        cases.push((broken, "username"));
        let mut target = config();
        target.after_read = AfterRead::Move(String::new());
        cases.push((target, "folder to move mails to"));
        for (config, name) in cases {
            let Err(MailboxError::Misconfigured { field, .. }) = config.check() else {
                panic!("{config:?} passed");
            };
            assert_eq!(field, name);
        }
    }

    #[test]
    fn the_password_does_not_show() {
        assert!(!format!("{:?}", config()).contains("hunter2"));
    }
}
