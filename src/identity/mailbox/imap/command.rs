//! Commands as they are sent.

use base64::Engine;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use secrecy::zeroize::Zeroizing;

/// Base64 of folder names: no padding, and a comma for the slash (RFC 3501 section 5.1.3).
const FOLDER_BASE64: GeneralPurpose = GeneralPurpose::new(
    &IMAP_MUTF7,
    GeneralPurposeConfig::new().with_encode_padding(false),
);

/// A command without its tag. It is wiped from memory after use, since it may hold a password.
#[derive(Default)]
pub(super) struct Command {
    parts: Vec<Part>,
}

/// A piece of a command.
pub(super) enum Part {
    /// Sent as it is.
    Text(Zeroizing<String>),
    /// Announced by its length, and sent once the server asks for it (RFC 3501 section 4.3).
    Literal(Zeroizing<Vec<u8>>),
}

impl Command {
    pub(super) fn new(text: &str) -> Self {
        Self::default().text(text)
    }

    pub(super) fn text(mut self, text: &str) -> Self {
        self.parts.push(Part::Text(Zeroizing::new(text.to_owned())));
        self
    }

    /// A space and a string: quoted where that can carry it, otherwise a literal.
    pub(super) fn string(self, value: &str) -> Self {
        let quotable = value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        if !quotable {
            let mut command = self.text(" ");
            let literal = Zeroizing::new(value.as_bytes().to_vec());
            command.parts.push(Part::Literal(literal));
            return command;
        }
        let mut quoted = Zeroizing::new(String::with_capacity(
            value.len().saturating_mul(2).saturating_add(3),
        ));
        quoted.push_str(" \"");
        for character in value.chars() {
            if matches!(character, '"' | '\\') {
                quoted.push('\\');
            }
            quoted.push(character);
        }
        quoted.push('"');
        self.text(&quoted)
    }

    /// A space and the name of a folder.
    pub(super) fn folder(self, name: &str) -> Self {
        self.string(&encode_folder(name))
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }
}

/// The name in modified UTF-7 (RFC 3501 section 5.1.3), which servers of both versions of IMAP read.
fn encode_folder(name: &str) -> String {
    let mut encoded = String::new();
    let mut run = String::new();
    for character in name.chars() {
        if character.is_ascii() && !character.is_ascii_control() {
            flush(&mut run, &mut encoded);
            encoded.push(character);
            if character == '&' {
                encoded.push('-');
            }
        } else {
            run.push(character);
        }
    }
    flush(&mut run, &mut encoded);
    encoded
}

fn flush(run: &mut String, encoded: &mut String) {
    if run.is_empty() {
        return;
    }
    let utf16: Vec<u8> = run.encode_utf16().flat_map(u16::to_be_bytes).collect();
    encoded.push('&');
    encoded.push_str(&FOLDER_BASE64.encode(utf16));
    encoded.push('-');
    run.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(command: &Command) -> String {
        command
            .parts()
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.to_string(),
                Part::Literal(bytes) => format!("{{{}}}", bytes.len()),
            })
            .collect()
    }

    #[test]
    fn strings_cannot_break_out_of_their_place() {
        for (value, expected) in [
            ("me", r#"LOGIN "me""#),
            ("", r#"LOGIN """#),
            ("with space", r#"LOGIN "with space""#),
            (r#"q"uo\te"#, r#"LOGIN "q\"uo\\te""#),
            ("line\r\nA2 LOGOUT", "LOGIN {15}"),
            ("pässword", "LOGIN {9}"),
        ] {
            assert_eq!(sent(&Command::new("LOGIN").string(value)), expected, "{value:?}");
        }
    }

    #[test]
    fn folder_names_are_encoded_as_servers_store_them() {
        // The examples of RFC 3501 section 5.1.3, and what mail programs show in other languages.
        for (name, expected) in [
            ("INBOX", "INBOX"),
            ("Fun & Games", "Fun &- Games"),
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("Entwürfe", "Entw&APw-rfe"),
        ] {
            assert_eq!(encode_folder(name), expected);
        }
    }
}
