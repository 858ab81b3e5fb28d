//! What a look into the mailbox comes back with, and which mails are looked at.

use std::fmt;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use secrecy::SecretString;

use super::config::is_allowed;
use super::imap::Fetched;
use super::mail;

/// How much the mail server's clock may be behind: a mail that seems this much older still counts.
///
/// It is shorter than the least time between two codes for one address (Didit: 60 seconds, contract section
/// 2.2), so the mail before last is never taken for the last.
pub const CLOCK_DIFFERENCE: Duration = Duration::from_secs(30);

/// What a look into the mailbox comes back with.
#[derive(Debug)]
pub enum Lookup {
    /// A code.
    Found(FoundCode),
    /// None yet, and why.
    Absent(Absence),
}

impl Lookup {
    /// The code, if there is one.
    #[must_use]
    pub fn found(self) -> Option<FoundCode> {
        match self {
            Self::Found(found) => Some(found),
            Self::Absent(_) => None,
        }
    }
}

/// A code and the mail that it was found in.
#[derive(Debug)]
pub struct FoundCode {
    /// The code: six upper-case letters and digits.
    pub code: SecretString,
    /// The mail, for [`super::Mailbox::settle`].
    pub mail: MailId,
    /// When the mail server received the mail.
    pub received: Timestamp,
}

/// Names a mail in its folder for good (RFC 3501 section 2.3.1.1). Not secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailId {
    /// The folder's UIDVALIDITY; with another one, UIDs have been given out anew.
    pub uid_validity: u32,
    /// The mail's UID in the folder.
    pub uid: u32,
}

/// Why there is no code yet. Its text is safe to show and says how many mails were seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// No mail has come since.
    NoMail,
    /// Mails have come, all from other senders.
    OtherSenders {
        /// How many.
        mails: usize,
    },
    /// Mails of allowed senders have come, and none holds what looks like a code.
    NoCode {
        /// How many.
        mails: usize,
    },
    /// The newest mail holds several words that may be the code, none more likely than the others.
    Ambiguous,
}

impl Absence {
    /// The absence as a CamelCase reason for a condition.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NoMail => "NoMail",
            Self::OtherSenders { .. } => "OnlyOtherSenders",
            Self::NoCode { .. } => "NoCodeInMail",
            Self::Ambiguous => "CodeAmbiguous",
        }
    }
}

impl fmt::Display for Absence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMail => formatter.write_str("no mail has come since the code was sent"),
            Self::OtherSenders { mails } => write!(
                formatter,
                "mails have come since the code was sent ({mails}), none of them from an allowed sender"
            ),
            Self::NoCode { mails } => write!(
                formatter,
                "mails of allowed senders have come ({mails}), and none holds six upper-case letters and \
                 digits that look like a code"
            ),
            Self::Ambiguous => formatter.write_str(
                "the newest mail holds several words that may be the code; read it and give the code by hand",
            ),
        }
    }
}

/// A mail that may hold the code.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) uid: u32,
    pub(super) received: Timestamp,
}

/// The mails that may hold the code, newest first, or why there are none.
pub(super) fn candidates(
    mails: &[Fetched],
    senders: &[String],
    newer_than: Timestamp,
) -> Result<Vec<Candidate>, Absence> {
    let earliest = earliest(newer_than);
    let mut newer = 0_usize;
    let mut candidates = Vec::new();
    for fetched in mails {
        let (Some(uid), Some(received)) = (fetched.uid, fetched.received) else {
            continue;
        };
        if received < earliest {
            continue;
        }
        newer = newer.saturating_add(1);
        if is_sender_allowed(fetched.content.as_deref().unwrap_or_default(), senders) {
            candidates.push(Candidate { uid, received });
        }
    }
    candidates.sort_by_key(|mail| std::cmp::Reverse((mail.received, mail.uid)));
    match (candidates.is_empty(), newer) {
        (false, _) => Ok(candidates),
        (true, 0) => Err(Absence::NoMail),
        (true, mails) => Err(Absence::OtherSenders { mails }),
    }
}

/// The earliest time at which a mail counts. Mail servers keep whole seconds.
pub(super) fn earliest(newer_than: Timestamp) -> Timestamp {
    let seconds = i64::try_from(CLOCK_DIFFERENCE.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(newer_than.as_second().saturating_sub(seconds)).unwrap_or(Timestamp::MIN)
}

/// Every address in `From` must be allowed: a mail may name several, and programs show any of them.
fn is_sender_allowed(header: &[u8], senders: &[String]) -> bool {
    let from = mail::from_addresses(header);
    senders.is_empty() || (!from.is_empty() && from.iter().all(|address| is_allowed(senders, address)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(NOW + seconds).unwrap()
    }

    fn fetched(uid: u32, seconds: i64, from: &str) -> Fetched {
        Fetched {
            uid: Some(uid),
            received: Some(at(seconds)),
            content: Some(format!("From: {from}\r\nSubject: x\r\n\r\n").into_bytes()),
        }
    }

    fn order(mails: &[Fetched], senders: &[&str]) -> Result<Vec<u32>, Absence> {
        let senders: Vec<_> = senders.iter().map(|&sender| sender.to_owned()).collect();
        let candidates = candidates(mails, &senders, at(0))?;
        Ok(candidates.into_iter().map(|mail| mail.uid).collect())
    }

    #[test]
    fn the_newest_mail_comes_first_and_old_ones_do_not_count() {
        let mails = [
            fetched(1, -31, "a@didit.me"),
            fetched(2, -30, "a@didit.me"),
            fetched(3, 50, "a@didit.me"),
            fetched(4, 10, "a@didit.me"),
            fetched(5, 50, "a@didit.me"),
        ];
        assert_eq!(order(&mails, &["@didit.me"]), Ok(vec![5, 3, 4, 2]));
        assert_eq!(order(&mails[..1], &["@didit.me"]), Err(Absence::NoMail));
    }

    #[test]
    fn the_address_counts_and_no_name() {
        for (from, allowed) in [
            ("no-reply@didit.me", true),
            ("Didit <no-reply@didit.me>", true),
            ("\"Didit, Inc.\" <NO-REPLY@DIDIT.ME>", true),
            ("=?utf-8?Q?Did=C3=ADt?= <no-reply@didit.me>", true),
            ("\"no-reply@didit.me\" <thief@example.net>", false),
            ("no-reply@didit.me <thief@example.net>", false),
            ("thief@example.net (no-reply@didit.me)", false),
            ("no-reply@didit.me, thief@example.net", false),
            ("no-reply@didit.me\r\nFrom: thief@example.net", false),
            ("thief@example.net\r\nSender: no-reply@didit.me", false),
            ("", false),
        ] {
            let result = order(&[fetched(1, 1, from)], &["no-reply@didit.me"]);
            let expected = if allowed {
                Ok(vec![1])
            } else {
                Err(Absence::OtherSenders { mails: 1 })
            };
            assert_eq!(result, expected, "{from}");
        }
        assert_eq!(order(&[fetched(1, 1, "")], &[]), Ok(vec![1]));
    }

    #[test]
    fn a_mail_without_a_time_does_not_count() {
        let mut mail = fetched(1, 1, "a@didit.me");
        mail.received = None;
        assert_eq!(order(&[mail], &[]), Err(Absence::NoMail));
    }
}
