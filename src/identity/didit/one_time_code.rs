//! The code that Didit mails to prove an address (contract section 2.1).

use std::fmt;

use aws_lc_rs::hmac;
use secrecy::{ExposeSecret, SecretString};

/// How many characters a code has (section 2.3).
const LENGTH: usize = 6;

/// A code: six upper-case letters and digits. `Debug` does not show it.
#[derive(Clone)]
pub struct OneTimeCode(SecretString);

impl OneTimeCode {
    /// The code that somebody typed or that was found in a mail. White space around it and between its characters is
    /// taken off, and small letters are made capitals. `None` for what cannot be one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let code: String = text
            .chars()
            .filter(|character| !character.is_whitespace())
            .map(|character| character.to_ascii_uppercase())
            .collect();
        let is_code = code.len() == LENGTH && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_code.then(|| Self(code.into()))
    }

    /// The code itself. Secret bytes.
    #[must_use]
    pub fn secret(&self) -> &SecretString {
        &self.0
    }

    /// A digest that tells this code from others of the same account and may stand in a status: there are so few codes
    /// that a digest without a key would give the code away, so the account's password is the key.
    #[must_use]
    pub fn mark(&self, password: &SecretString, owner_uid: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, password.expose_secret().as_bytes());
        let mut context = hmac::Context::with_key(&key);
        context.update(owner_uid.as_bytes());
        context.update(b"/one-time-code/");
        context.update(self.0.expose_secret().as_bytes());
        let tag = context.sign();
        tag.as_ref()
            .iter()
            .take(16)
            .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
    }
}

impl fmt::Debug for OneTimeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimeCode")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_type_it() {
        for text in ["K7Q2ZD", " k7q2zd\n", "K7Q 2ZD", "\tK7Q2ZD\r\n"] {
            let code = OneTimeCode::parse(text).unwrap();
            assert_eq!(code.secret().expose_secret(), "K7Q2ZD", "{text:?}");
            assert_eq!(format!("{code:?}"), "OneTimeCode");
        }
        for text in ["", "K7Q2Z", "K7Q2ZDX", "K7Q-2ZD", "K7Q2Zé", "K7Q2Z\u{0}"] {
            assert!(OneTimeCode::parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn a_mark_tells_codes_apart_and_follows_from_the_password() {
        let code = OneTimeCode::parse("K7Q2ZD").unwrap();
        let mark = |code: &OneTimeCode, password: &str, uid| code.mark(&password.into(), uid);
        let own = mark(&code, "one", "a");
        assert_eq!(own, mark(&OneTimeCode::parse("k7q2zd").unwrap(), "one", "a"));
        assert_eq!(own.len(), 32);
        assert_ne!(own, mark(&OneTimeCode::parse("K7Q2ZE").unwrap(), "one", "a"));
        assert_ne!(own, mark(&code, "two", "a"));
        assert_ne!(own, mark(&code, "one", "b"));
    }
}
