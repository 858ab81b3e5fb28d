//! Taking secrets out of texts that are about to be shown.

use secrecy::{ExposeSecret, SecretString};
use url::form_urlencoded;

const REPLACEMENT: &str = "***";

/// The secrets that a call knows.
pub(super) struct Scrubber<'a> {
    secrets: Vec<&'a SecretString>,
}

impl<'a> Scrubber<'a> {
    /// Longer secrets are replaced first, so that one which contains another leaves no rest.
    pub(super) fn new(secrets: impl IntoIterator<Item = &'a SecretString>) -> Self {
        let mut secrets: Vec<_> = secrets
            .into_iter()
            .filter(|secret| !secret.expose_secret().is_empty())
            .collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose_secret().len()));
        Self { secrets }
    }

    /// The text with every secret replaced, in plain form and as JSON or a web form would escape it.
    pub(super) fn scrub(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| {
            let plain = secret.expose_secret();
            let encoded: String = form_urlencoded::byte_serialize(plain.as_bytes()).collect();
            let quoted = serde_json::Value::from(plain).to_string();
            [quoted.trim_matches('"'), &encoded, plain]
                .into_iter()
                .filter(|form| !form.is_empty())
                .fold(text, |text, form| text.replace(form, REPLACEMENT))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrub(secrets: &[&str], text: &str) -> String {
        let secrets: Vec<SecretString> = secrets.iter().map(|&secret| secret.into()).collect();
        Scrubber::new(&secrets).scrub(text)
    }

    #[test]
    fn every_occurrence_and_every_form_goes() {
        assert_eq!(scrub(&["hunter2"], "hunter2 is not hunter2!"), "*** is not ***!");
        assert_eq!(
            scrub(&["a\"b\\c"], r#"plain a"b\c quoted a\"b\\c"#),
            "plain *** quoted ***"
        );
        assert_eq!(
            scrub(&["p w&1"], "form p+w%261 plain p w&1"),
            "form *** plain ***"
        );
    }

    #[test]
    fn a_secret_inside_another_leaves_no_rest() {
        assert_eq!(scrub(&["abc", "abcdef"], "abcdef abc"), "*** ***");
    }

    #[test]
    fn an_empty_secret_changes_nothing() {
        assert_eq!(scrub(&["", "x"], "abc"), "abc");
    }
}
