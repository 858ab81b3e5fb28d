//! dotenv files: one `NAME="value"` on each line.
//!
//! Readers differ in what they make of escapes, and agree on plain text in double quotes and on anything in single
//! quotes. So a value gets double quotes where nothing in it could be taken for more than itself, single quotes where
//! something could, and escapes only where single quotes would end too early or a reader takes a backslash in them for an
//! escape. A POSIX shell reads all of it alike and runs nothing: since readers know no escape for a backtick, a value with
//! one always stands in single quotes.

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
        format!("\"{value}\"")
    } else if value.contains('`') || !value.contains(['\'', '\\']) {
        format!("'{}'", singly_quoted(value))
    } else {
        format!("\"{}\"", doubly_quoted(value))
    }
}

/// What single quotes cannot hold stands in double quotes between them.
fn singly_quoted(value: &str) -> String {
    value.chars().fold(String::new(), |mut text, character| {
        match character {
            '\'' => text.push_str(r#"'"'"'"#),
            '\\' => text.push_str(r#"'"\\"'"#),
            other => text.push(other),
        }
        text
    })
}

fn doubly_quoted(value: &str) -> String {
    value.chars().fold(String::new(), |mut text, character| {
        if matches!(character, '"' | '\\' | '$') {
            text.push('\\');
        }
        text.push(character);
        text
    })
}

/// The value of quoted pieces, one after the other. `None` for anything else.
fn unquoted(text: &str) -> Option<String> {
    let mut value = String::new();
    let mut characters = text.chars();
    while let Some(quote) = characters.next() {
        if !matches!(quote, '\'' | '"') {
            return None;
        }
        loop {
            match characters.next()? {
                end if end == quote => break,
                '\\' if quote == '"' => value.push(characters.next()?),
                character => value.push(character),
            }
        }
    }
    Some(value)
}
