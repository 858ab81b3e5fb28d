//! The human words in an error body, made safe to show.

use serde_json::Value;

use super::scrub::Scrubber;

/// How many characters of the server's words are shown.
const MAX_SHOWN: usize = 300;

/// Longer than every code that is registered.
const MAX_CODE: usize = 100;

/// Words are collected up to here; what follows would be cut anyway.
const ENOUGH_BYTES: usize = 4096;

/// The server's words in an error body: one line, bounded, without secrets. `None` where the body is not
/// JSON or says nothing. The shapes are those of Didit's contract section 9.2 and of RFC 6749 section 5.2.
pub(super) fn error_words(body: &[u8], scrubber: &Scrubber<'_>) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let mut sentences = Vec::new();
    collect(&value, "", &mut sentences);
    let words = tidy(&scrubber.scrub(&tidy_whole(&scrubber.scrub(&sentences.join("; ")))));
    (!words.is_empty()).then_some(words)
}

/// The `error` code of an OAuth answer (RFC 6749 section 5.2). `None` for what is no code: codes are visible ASCII.
pub(super) fn error_code(body: &[u8], scrubber: &Scrubber<'_>) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let code = scrubber.scrub(value.get("error")?.as_str()?);
    let is_code = (1..=MAX_CODE).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_graphic());
    is_code.then_some(code)
}

/// One line of at most 300 characters, without characters that could hide or reorder what is shown.
pub(crate) fn tidy(text: &str) -> String {
    let line = tidy_whole(text);
    match line.char_indices().nth(MAX_SHOWN) {
        None => line,
        Some(_) => line.chars().take(MAX_SHOWN - 1).chain(['…']).collect(),
    }
}

fn tidy_whole(text: &str) -> String {
    let visible: String = text
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .filter(|&character| !is_invisible(character))
        .collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Zero-width characters and those that switch the writing direction.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn collect(value: &Value, path: &str, sentences: &mut Vec<String>) {
    if sentences.iter().map(String::len).sum::<usize>() > ENOUGH_BYTES {
        return;
    }
    match value {
        Value::Null => {}
        Value::String(text) => push(text, path, sentences),
        Value::Bool(_) | Value::Number(_) => push(&value.to_string(), path, sentences),
        Value::Array(items) => collect_items(items, path, sentences),
        Value::Object(object) => {
            if let Some(detail) = object.get("detail").filter(|detail| !detail.is_null()) {
                collect(detail, path, sentences);
            } else if let (Some(error), Some(description)) = (
                text_of(object.get("error")),
                text_of(object.get("error_description")),
            ) {
                push(&format!("{error}: {description}"), path, sentences);
            } else if let Some(words) = ["message", "error_description", "error"]
                .iter()
                .find_map(|&name| text_of(object.get(name)))
            {
                push(words, path, sentences);
            } else {
                for (name, inner) in object {
                    collect(inner, &join(path, name), sentences);
                }
            }
        }
    }
}

/// Several messages about one field are one sentence; objects in a list are numbered as fields are.
fn collect_items(items: &[Value], path: &str, sentences: &mut Vec<String>) {
    let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
    if texts.len() == items.len() {
        push(&texts.join(" "), path, sentences);
        return;
    }
    for (index, item) in items.iter().enumerate() {
        collect(item, &join(path, &index.to_string()), sentences);
    }
}

fn text_of(value: Option<&Value>) -> Option<&str> {
    value
        .and_then(Value::as_str)
        .filter(|text| !text.trim().is_empty())
}

fn join(path: &str, name: &str) -> String {
    // The name under which Django REST Framework puts what concerns no single field.
    if name == "non_field_errors" {
        path.to_owned()
    } else if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn push(text: &str, path: &str, sentences: &mut Vec<String>) {
    if text.trim().is_empty() {
        return;
    }
    sentences.push(if path.is_empty() {
        text.to_owned()
    } else {
        format!("{path}: {text}")
    });
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    fn words(body: &str) -> Option<String> {
        error_words(body.as_bytes(), &Scrubber::new([]))
    }

    #[test]
    fn every_shape_of_an_error_body_is_read() {
        for (body, expected) in [
            (r#"{"detail": "Not found."}"#, "Not found."),
            (r#"{"detail": "Expired.", "code": "expired"}"#, "Expired."),
            (r#"{"detail": ["One.", "Two."]}"#, "One. Two."),
            (
                r#"{"email": ["Enter a valid address.", "Too long."]}"#,
                "email: Enter a valid address. Too long.",
            ),
            (
                r#"{"website_url": ["Bad."], "name": "Blank."}"#,
                "name: Blank.; website_url: Bad.",
            ),
            (
                r#"{"redirect_uris": {"0": ["Enter a valid URL."]}}"#,
                "redirect_uris.0: Enter a valid URL.",
            ),
            (
                r#"{"redirect_uris": [{}, {"uri": ["Bad."]}]}"#,
                "redirect_uris.1.uri: Bad.",
            ),
            (r#"{"non_field_errors": ["No."]}"#, "No."),
            (r#"["Invalid OTP token."]"#, "Invalid OTP token."),
            (r#"{"message": "Busy."}"#, "Busy."),
            (r#"{"error": "invalid_client"}"#, "invalid_client"),
            (
                r#"{"error": "invalid_client", "error_description": "Unknown."}"#,
                "invalid_client: Unknown.",
            ),
            (r#"{"error": {"message": "Nested."}}"#, "error: Nested."),
            (r#""just a text""#, "just a text"),
            (r#"{"retries": 3, "ok": false}"#, "ok: false; retries: 3"),
        ] {
            assert_eq!(words(body).as_deref(), Some(expected), "{body}");
        }
    }

    #[test]
    fn a_body_that_says_nothing_is_no_words() {
        for body in [
            "",
            "{}",
            "[]",
            "null",
            r#"{"detail": null}"#,
            r#"{"detail": " "}"#,
            "<html>Bad</html>",
            "{",
        ] {
            assert_eq!(words(body), None, "{body}");
        }
    }

    #[test]
    fn words_are_one_bounded_line() {
        assert_eq!(
            words(r#"{"detail": "a\r\n\tb\u0000c\u001b[31m \u202egnp.exe\u2028d"}"#).as_deref(),
            Some("a b c [31m gnp.exe d")
        );
        let long = words(&format!(r#"{{"detail": "{}"}}"#, "é".repeat(5000))).unwrap();
        assert_eq!(long.chars().count(), 300);
        assert!(long.ends_with("é…"));
        let exact = words(&format!(r#"{{"detail": "{}"}}"#, "x".repeat(300))).unwrap();
        assert_eq!(exact, "x".repeat(300));
    }

    #[test]
    fn secrets_go_before_the_cut_and_in_spite_of_control_characters() {
        let secret = SecretString::from("correct horse");
        let scrubber = Scrubber::new([&secret]);
        let show = |body: &str| error_words(body.as_bytes(), &scrubber).unwrap();
        assert_eq!(
            show(r#"{"password": ["correct horse is weak"]}"#),
            "password: *** is weak"
        );
        assert_eq!(show(r#"{"correct horse": ["x"]}"#), "***: x");
        assert_eq!(show(r#"{"detail": "correct\u0007 horse"}"#), "***");
        let straddling = format!(r#"{{"detail": "{} correct horse"}}"#, "x".repeat(290));
        assert!(!show(&straddling).contains("correct"));
    }

    #[test]
    fn a_hostile_body_costs_little() {
        let wide = format!("[{}]", vec![r#"{"a": ["b", 1]}"#; 20_000].join(","));
        assert!(words(&wide).unwrap().chars().count() <= 300);
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(words(&deep), None);
    }
}
