//! Passwords for new accounts.

use rand::seq::{IndexedRandom, SliceRandom};
use secrecy::SecretString;

/// How many characters a password has: 190 bits of chance.
const LENGTH: usize = 32;

const UPPER_CASE: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const LOWER_CASE: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
const DIGITS: &[u8] = b"0123456789";

/// Those of Didit's that stand unquoted in most files that a password may be copied to.
const PUNCTUATION: &[u8] = b"_-+=.,:@%^";

/// A new password that keeps Didit's rules by construction: at least 8 characters, with an upper-case letter, a
/// lower-case letter, a digit and a punctuation character among them (contract section 2.1).
#[must_use]
pub fn generate() -> SecretString {
    // Seeded from the operating system; a generator that is made for secrets.
    let mut random = rand::rng();
    let classes = [UPPER_CASE, LOWER_CASE, DIGITS, PUNCTUATION];
    let all = classes.concat();
    let mut password: Vec<char> = classes
        .into_iter()
        .chain(std::iter::repeat(all.as_slice()))
        .take(LENGTH)
        .filter_map(|class| class.choose(&mut random))
        .map(|byte| char::from(*byte))
        .collect();
    password.shuffle(&mut random);
    password.into_iter().collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn every_password_keeps_the_rules_and_is_new() {
        const ALLOWED: &str = "!@#$%^&*()_+-=[]{}|;:,.<>?";
        let mut seen = BTreeSet::new();
        for _ in 0..2000 {
            let secret = generate();
            let password = secret.expose_secret();
            assert_eq!(password.len(), 32);
            for (what, test) in [
                ("upper case", (|c| c.is_ascii_uppercase()) as fn(char) -> bool),
                ("lower case", |c| c.is_ascii_lowercase()),
                ("a digit", |c| c.is_ascii_digit()),
                ("punctuation", |c| ALLOWED.contains(c)),
            ] {
                assert!(password.chars().any(test), "{what}: {password}");
            }
            let is_allowed = |c: char| c.is_ascii_alphanumeric() || ALLOWED.contains(c);
            assert!(password.chars().all(is_allowed), "{password}");
            assert!(seen.insert(password.to_owned()), "the same password twice");
        }
    }

    #[test]
    fn no_place_is_kept_for_one_class() {
        let first: BTreeSet<bool> = (0..200)
            .filter_map(|_| generate().expose_secret().chars().next())
            .map(|c| c.is_ascii_uppercase())
            .collect();
        assert_eq!(first.len(), 2);
    }
}
