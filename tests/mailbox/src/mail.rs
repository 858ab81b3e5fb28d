//! A mail with a code, as an identity API writes it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Whom such mails are from.
pub const SENDER: &str = "no-reply@didit.me";

const BOUNDARY: &str = "=_part_6f1c";

/// RFC 2045 section 6.8 allows lines of 76 characters.
const BASE64_LINE: usize = 76;

/// A mail with a code.
#[derive(Clone, Debug)]
pub struct CodeMail {
    /// The address that it goes to.
    pub to: String,
    /// Its subject line, in ASCII.
    pub subject: String,
    /// The code.
    pub code: String,
    /// When it was sent.
    pub sent_at: Timestamp,
}

impl CodeMail {
    /// The mail as it is sent (RFC 5322): a plain text, and the same in HTML.
    #[must_use]
    pub fn to_message(&self) -> String {
        let Self {
            to,
            subject,
            code,
            sent_at,
        } = self;
        let date = sent_at
            .to_zoned(TimeZone::UTC)
            .strftime("%a, %d %b %Y %H:%M:%S +0000");
        let id = sent_at.as_nanosecond();
        [
            "Received: from mail.didit.me by mx.example.net with ESMTPS".to_owned(),
            format!("Date: {date}"),
            format!("From: Didit <{SENDER}>"),
            format!("To: {to}"),
            format!("Subject: {subject}"),
            format!("Message-ID: <{id}@mail.didit.me>"),
            "MIME-Version: 1.0".to_owned(),
            format!("Content-Type: multipart/alternative; boundary=\"{BOUNDARY}\""),
            String::new(),
            format!("--{BOUNDARY}"),
            "Content-Type: text/plain; charset=utf-8".to_owned(),
            "Content-Transfer-Encoding: quoted-printable".to_owned(),
            String::new(),
            plain_text(code),
            format!("--{BOUNDARY}"),
            "Content-Type: text/html; charset=utf-8".to_owned(),
            "Content-Transfer-Encoding: base64".to_owned(),
            String::new(),
            base64_lines(&html(code)),
            format!("--{BOUNDARY}--"),
            String::new(),
        ]
        .join("\r\n")
    }
}

fn plain_text(code: &str) -> String {
    format!(
        "Hello,\r\n\r\nyour verification code is:\r\n\r\n{code}\r\n\r\nIt is valid for 10 minutes. If you have not =\r\n\
         asked for it, you can ignore this mail =E2=80=93 nothing will happen.\r\n\r\nDidit, order no. #482913\r\n"
    )
}

fn html(code: &str) -> String {
    format!(
        "<!DOCTYPE html><html><head><style>.c{{color:#1A2B3C;letter-spacing:6px}}</style></head><body>\
         <h1>Verify your e-mail address</h1><p>Your verification code is:</p><div class=\"c\"><b>{code}</b></div>\
         <p>It is valid for 10&nbsp;minutes. If you have not asked for it, you can ignore this mail.</p>\
         <p><a href=\"https://didit.me/help?topic=AB12CD\">Help</a></p></body></html>"
    )
}

fn base64_lines(text: &str) -> String {
    let encoded: Vec<char> = STANDARD.encode(text).chars().collect();
    encoded
        .chunks(BASE64_LINE)
        .map(|line| line.iter().collect::<String>())
        .collect::<Vec<_>>()
        .join("\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_short_lines_of_ascii() {
        let mail = CodeMail {
            to: "ops@corp.example.net".to_owned(),
            subject: "Your verification code".to_owned(),
            code: "K7Q2ZD".to_owned(),
            sent_at: "2026-11-24T10:30:45Z".parse().unwrap(),
        };
        let message = mail.to_message();
        assert!(
            message.contains("\r\nDate: Tue, 24 Nov 2026 10:30:45 +0000\r\n"),
            "{message}"
        );
        for line in message.split("\r\n") {
            assert!(
                line.len() <= 100 && line.is_ascii() && !line.contains(['\r', '\n']),
                "{line}"
            );
        }
    }
}
