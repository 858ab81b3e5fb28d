//! dotenv files: one `NAME="value"` on each line.
//!
//! Readers differ in what they make of escapes, and agree on plain text in double quotes and on anything in single
//! quotes. So a value gets double quotes where nothing in it could be taken for more than itself, single quotes where
//! something could, and escapes only where single quotes would end too early or a reader takes a backslash in them for an
//! escape. A POSIX shell reads all three alike.

use std::fmt::Write;

/// A file with these names and values. Values are single lines.
pub(super) fn file<'a>(variables: impl Iterator<Item = (String, &'a str)>) -> Vec<u8> {
    variables
        .fold(String::new(), |mut text, (name, value)| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{name}={}", quoted(value));
            text
        })
        .into_bytes()
}

/// The value of a variable in a file that [`file`] made.
pub(super) fn value(file: &str, name: &str) -> Option<String> {
    file.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        .and_then(unquoted)
}

fn quoted(value: &str) -> String {
    let is_plain = !value.contains(['"', '\\', '$', '`']);
    if is_plain {
        return format!("\"{value}\"");
    }
    if !value.contains(['\'', '\\']) {
        return format!("'{value}'");
    }
    let escaped = value.chars().fold(String::new(), |mut escaped, character| {
        if matches!(character, '"' | '\\' | '$') {
            escaped.push('\\');
        }
        escaped.push(character);
        escaped
    });
    format!("\"{escaped}\"")
}

fn unquoted(text: &str) -> Option<String> {
    if let Some(inner) = text.strip_prefix('\'') {
        return inner.strip_suffix('\'').map(str::to_owned);
    }
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let mut value = String::new();
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        value.push(if character == '\\' {
            characters.next()?
        } else {
            character
        });
    }
    Some(value)
}
