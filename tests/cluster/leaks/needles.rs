//! Secrets in all the forms that they could be written in.

use k8s_openapi::ByteString;
use serde_json::Value;
use url::form_urlencoded;

/// A secret to look for. Neither it nor the text around a finding is ever shown.
pub(super) struct Needle {
    /// What it is, for a message.
    what: String,
    forms: Vec<String>,
    whole_word: bool,
}

impl Needle {
    /// A secret long enough not to come up by chance.
    pub(super) fn new(what: impl Into<String>, secret: &str) -> Self {
        assert!(
            secret.len() >= 8,
            "too short to be looked for anywhere: it would be found by chance"
        );
        let mut forms = vec![secret.to_owned()];
        forms.push(Value::from(secret).to_string().trim_matches('"').to_owned());
        forms.push(format!("{secret:?}").trim_matches('"').to_owned());
        let form: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        forms.push(form.replace('+', "%20"));
        forms.push(form);
        for base64 in (0..3).map(|offset| base64_inside(secret, offset)) {
            forms.push(base64.replace('+', "-").replace('/', "_"));
            forms.push(base64);
        }
        forms.push(
            format!("{:?}", secret.as_bytes())
                .trim_matches(['[', ']'])
                .to_owned(),
        );
        forms.sort();
        forms.dedup();
        Self {
            what: what.into(),
            forms,
            whole_word: false,
        }
    }

    /// A short code, which is looked for as a word of its own: its digits may be part of any number.
    pub(super) fn code(what: impl Into<String>, code: &str) -> Self {
        Self {
            what: what.into(),
            forms: vec![code.to_owned()],
            whole_word: true,
        }
    }

    /// What the secret is and in which of its forms it was found, without showing it.
    pub(super) fn find_in(&self, text: &str) -> Option<String> {
        let found = self.forms.iter().position(|form| {
            text.match_indices(form.as_str())
                .any(|(at, _)| !self.whole_word || stands_alone(text, at, form.len()))
        })?;
        Some(format!("{} (form {found} of {})", self.what, self.forms.len()))
    }

    /// Texts that hold the secret in each form.
    pub(super) fn planted(&self) -> impl Iterator<Item = String> {
        self.forms.iter().map(|form| format!("said \"{form}\" and more"))
    }
}

/// Whether neither side goes on with the same word or number.
fn stands_alone(text: &str, at: usize, length: usize) -> bool {
    let goes_on =
        |neighbour: Option<char>| neighbour.is_some_and(|c| c.is_alphanumeric() || ".-_".contains(c));
    let (before, rest) = text.split_at(at);
    !goes_on(before.chars().next_back()) && !goes_on(rest[length..].chars().next())
}

/// What the base64 (RFC 4648 section 4) of any longer text has in common in which the secret begins at this
/// offset, counted modulo 3.
fn base64_inside(secret: &str, offset: usize) -> String {
    let bytes: Vec<u8> = std::iter::repeat_n(0, offset).chain(secret.bytes()).collect();
    let length = bytes.len();
    let Ok(Value::String(whole)) = serde_json::to_value(ByteString(bytes)) else {
        panic!("not a text")
    };
    // A character stands for six bits; those that hold others' bits too depend on the neighbours.
    whole[(offset * 8).div_ceil(6)..length * 8 / 6].to_owned()
}

#[test]
fn a_planted_secret_is_found_in_every_form() {
    let secret = "p/w \"7?>~ö+&";
    let needle = Needle::new("the password", secret);
    assert!(needle.planted().all(|text| needle.find_in(&text).is_some()));
    for (offset, around) in ["", "a", "ab", "abc", "abcd"].iter().enumerate() {
        let text = ByteString(format!("{around}{secret} and more").into_bytes());
        let text = serde_json::to_string(&text).unwrap();
        assert!(needle.find_in(&text).is_some(), "{offset}");
        assert!(
            needle
                .find_in(&text.replace('+', "-").replace('/', "_"))
                .is_some(),
            "{offset}"
        );
    }
    assert!(needle.find_in("p/w \"7?>~").is_none());
}

#[test]
fn a_code_is_found_as_a_word_only() {
    let needle = Needle::code("the code", "123456");
    for text in ["123456", "code=123456,", "{\"otp\":\"123456\"}"] {
        assert!(needle.find_in(text).is_some(), "{text}");
    }
    for text in ["1123456", "12:30:01.123456Z", "12345-123456"] {
        assert!(needle.find_in(text).is_none(), "{text}");
    }
}
