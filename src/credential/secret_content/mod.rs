//! What stands in a written Secret, how it is read back, and how an edit is recognised.
//!
//! A [`Content`] is what there is to write. A [`Layout`] says under which names and in which formats. The formats are
//! those that consumers read without code of their own: one key for each value, names for environment variables, a JSON
//! document, a dotenv file, and a header that is ready to be sent.

pub mod application;
pub mod content;
mod dotenv;
pub mod layout;
mod read_back;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::api::secret::SecretTemplate;

pub use content::{Content, Member};
pub use layout::{Format, Layout, Vocabulary, entries};
pub use read_back::{read_back, recognise};

/// A digest of the named entries of a Secret; keys that others have added do not count. `None` when one of the named is
/// missing.
///
/// The owner's UID goes in first, so that two Secrets with the same credentials have different digests. What
/// is digested holds a key or a token that nobody can guess, so the digest reveals nothing of it.
#[must_use]
pub fn digest<N: AsRef<str>>(
    owner_uid: &str,
    entries: &BTreeMap<String, ByteString>,
    names: impl IntoIterator<Item = N>,
) -> Option<String> {
    let mut parts = vec![owner_uid.as_bytes()];
    for name in names {
        let (name, value) = entries.get_key_value(name.as_ref())?;
        parts.extend([name.as_bytes(), value.0.as_slice()]);
    }
    Some(digest_of(&parts))
}

/// A digest of one token, by which [`recognise`] finds it again in a Secret whatever the key is called. Safe to stand in
/// a status: a token cannot be guessed.
#[must_use]
pub fn fingerprint(owner_uid: &str, token: &SecretString) -> String {
    digest_of(&[
        owner_uid.as_bytes(),
        b"access_token",
        token.expose_secret().as_bytes(),
    ])
}

/// A digest of an application's own credentials, whatever is written beside them and under whatever names. `None` for a
/// content without.
#[must_use]
pub fn application_digest(owner_uid: &str, content: &Content) -> Option<String> {
    content.get(Member::ApiKey)?;
    let mut parts = vec![owner_uid.as_bytes()];
    for (member, value) in content.exposed() {
        let is_application = matches!(
            member,
            Member::ClientId
                | Member::ApiKey
                | Member::ApplicationId
                | Member::OrganizationId
                | Member::ApiUrl
        );
        if is_application {
            parts.extend([member.name().as_bytes(), value.as_bytes()]);
        }
    }
    Some(digest_of(&parts))
}

/// A short digest of what shapes a Secret besides its name and its content: type, labels, annotations, formats and the
/// names of its keys. What is said in full and what follows from being absent gives the same.
#[must_use]
pub fn form(template: &SecretTemplate, type_name: &str) -> String {
    // The vocabulary follows from the provider's kind, which cannot change.
    let layout = Layout::of(template, Vocabulary::OAuth2);
    let mut parts = vec![type_name.to_owned()];
    // Names that clash are refused when the Secret is written.
    parts.extend(layout.names(Member::ALL).unwrap_or_default());
    parts.push(template.previous_access_token.unwrap_or_default().to_string());
    for block in [&template.labels, &template.annotations] {
        // An entry of one block must not pass for one of the next.
        parts.push(String::new());
        parts.extend(block.iter().flat_map(|(key, value)| [key.clone(), value.clone()]));
    }
    let parts: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
    digest_of(&parts)
        .trim_start_matches("sha256:")
        .chars()
        .take(16)
        .collect()
}

/// Each part goes in with its length, so that no two lists of parts are digested alike.
fn digest_of(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let hex = hasher
        .finalize()
        .iter()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    format!("sha256:{hex}")
}
