//! The Secret of a client application: one entry for each of its credentials, named as the user asked.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use secrecy::{ExposeSecret, SecretString};

use super::content::{Content, Member};
use super::digest as content_digest;
use crate::api::secret::SecretKeys;

/// The credentials of a client application, with what a consumer needs to use them.
#[derive(Clone, Debug)]
pub struct ApplicationCredentials {
    /// OAuth 2.0 client identifier.
    pub client_id: String,
    /// The application's key.
    pub api_key: SecretString,
    /// The application's identifier at the identity API.
    pub application_id: String,
    /// The organization's identifier at the identity API.
    pub organization_id: String,
    /// Base address that takes the key.
    pub api_url: String,
}

impl ApplicationCredentials {
    /// The credentials as content that can be written in any layout.
    #[must_use]
    pub fn content(&self) -> Content {
        Content::default()
            .with(Member::ClientId, self.client_id.clone())
            .with(Member::ApiKey, self.api_key.clone())
            .with(Member::ApplicationId, self.application_id.clone())
            .with(Member::OrganizationId, self.organization_id.clone())
            .with(Member::ApiUrl, self.api_url.clone())
    }
}

/// The names of the keys in a Secret, renamed as the user asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyNames {
    client_id: String,
    api_key: String,
    application_id: String,
    organization_id: String,
    api_url: String,
}

impl KeyNames {
    /// The names that follow from `secret.keys`.
    #[must_use]
    pub fn new(keys: Option<&SecretKeys>) -> Self {
        let name = |chosen: fn(&SecretKeys) -> &Option<String>, usual: &str| {
            keys.and_then(|keys| chosen(keys).clone())
                .unwrap_or_else(|| usual.to_owned())
        };
        Self {
            client_id: name(|keys| &keys.client_id, "client_id"),
            api_key: name(|keys| &keys.api_key, "api_key"),
            application_id: name(|keys| &keys.application_id, "application_id"),
            organization_id: name(|keys| &keys.organization_id, "organization_id"),
            api_url: name(|keys| &keys.api_url, "api_url"),
        }
    }

    /// The name of the key that holds the application's key.
    #[must_use]
    pub fn api_key(&self) -> &str {
        &self.api_key
    }

    fn all(&self) -> [&str; 5] {
        [
            &self.client_id,
            &self.api_key,
            &self.application_id,
            &self.organization_id,
            &self.api_url,
        ]
    }
}

/// The Secret's entries. The values are secret bytes: hand them to nothing but the Secret.
#[must_use]
pub fn entries(credentials: &ApplicationCredentials, names: &KeyNames) -> BTreeMap<String, ByteString> {
    let bytes = |text: &str| ByteString(text.as_bytes().to_vec());
    BTreeMap::from([
        (names.client_id.clone(), bytes(&credentials.client_id)),
        (names.api_key.clone(), bytes(credentials.api_key.expose_secret())),
        (names.application_id.clone(), bytes(&credentials.application_id)),
        (names.organization_id.clone(), bytes(&credentials.organization_id)),
        (names.api_url.clone(), bytes(&credentials.api_url)),
    ])
}

/// The digest of these entries: see [`super::digest`].
#[must_use]
pub fn digest(owner_uid: &str, entries: &BTreeMap<String, ByteString>, names: &KeyNames) -> Option<String> {
    content_digest(owner_uid, entries, names.all())
    let mut parts = vec![owner_uid.as_bytes()];
    for name in names.all() {
        parts.push(name.as_bytes());
        parts.push(&entries.get(name)?.0);
    }
    Some(format!("sha256:{}", hex(&parts)))
}

/// A short digest of what shapes a Secret besides its name and its content: type, labels, annotations and the
/// names of its keys. What is said in full and what follows from being absent gives the same.
#[must_use]
pub fn form(template: &SecretTemplate, type_name: &str) -> String {
    let names = KeyNames::new(template.keys.as_ref());
    let mut parts = vec![type_name.as_bytes()];
    parts.extend(names.all().map(str::as_bytes));
    for block in [&template.labels, &template.annotations] {
        // An entry of one block must not pass for one of the next.
        parts.push(b"");
        for (key, value) in block {
            parts.extend([key.as_bytes(), value.as_bytes()]);
        }
    }
    let mut digest = hex(&parts);
    digest.truncate(16);
    digest
}

/// The SHA-256 of the parts in hexadecimal digits; where one ends and the next begins counts.
fn hex(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher
        .finalize()
        .iter()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::credential::secret_content::layout::{Layout, Vocabulary, renamed};

    fn credentials() -> ApplicationCredentials {
        ApplicationCredentials {
            client_id: "client".into(),
            api_key: "sk_test_value".to_owned().into(),
            application_id: "application".into(),
            organization_id: "organization".into(),
            api_url: "https://verification.example/v3".into(),
        }
    }

    #[test]
    fn keys_are_named_as_the_user_asked() {
        let keys = SecretKeys {
            api_key: Some("DIDIT_API_KEY".into()),
            ..SecretKeys::default()
        };
        let names = KeyNames::new(Some(&keys));
        let entries = entries(&credentials(), &names);
        assert_eq!(entries["DIDIT_API_KEY"].0, b"sk_test_value");
        assert_eq!(
            entries.keys().collect::<Vec<_>>(),
            [
                "DIDIT_API_KEY",
                "api_url",
                "application_id",
                "client_id",
                "organization_id"
            ]
        );
    }

    #[test]
    fn whatever_shapes_a_secret_changes_its_form_and_its_name_does_not() {
        let template = |block| serde_json::from_value::<SecretTemplate>(block).unwrap();
        let plain = form(&template(json!({"name": "a"})), "Opaque");
        for same in [
            json!({"name": "b"}),
            json!({"name": "a", "keys": {"apiKey": "api_key"}}),
            json!({"name": "a", "keys": {}}),
        ] {
            assert_eq!(form(&template(same.clone()), "Opaque"), plain, "{same}");
        }
        let other = [
            json!({"name": "a", "labels": {"x": "y"}}),
            json!({"name": "a", "annotations": {"x": "y"}}),
            json!({"name": "a", "labels": {"x": "z"}}),
            json!({"name": "a", "keys": {"apiKey": "key"}}),
            json!({"name": "a", "keys": {"clientId": "key"}}),
        ];
        let mut forms: BTreeSet<_> = other.map(|block| form(&template(block), "Opaque")).into();
        forms.insert(form(&template(json!({"name": "a"})), "keywright.dev/credentials"));
        forms.insert(plain);
        assert_eq!(forms.len(), 7, "{forms:?}");
    }

    #[test]
    fn an_edit_changes_the_digest_and_a_key_of_someone_else_does_not() {
        let names = KeyNames::new(None);
        let written = entries(&credentials(), &names);
        let digest_of = |entries| digest("uid", entries, &names);
        let before = digest_of(&written);

        let mut extended = written.clone();
        extended.insert("theirs".into(), ByteString(b"x".to_vec()));
        assert_eq!(digest_of(&extended), before);

        let mut edited = written.clone();
        edited.insert("api_key".into(), ByteString(b"other".to_vec()));
        assert_ne!(digest_of(&edited), before);

        let mut incomplete = written.clone();
        incomplete.remove("client_id");
        assert_eq!(digest_of(&incomplete), None);
        assert_ne!(digest("another uid", &written, &names), before);
    }

    #[test]
    fn the_general_content_has_the_same_entries_and_the_same_digest() {
        let keys = SecretKeys {
            api_key: Some("DIDIT_API_KEY".into()),
            ..SecretKeys::default()
        };
        let names = KeyNames::new(Some(&keys));
        let plain = entries(&credentials(), &names);

        let layout = Layout::new(Vocabulary::Didit, Vec::new(), renamed(&keys));
        let content = credentials().content();
        let general = crate::credential::secret_content::entries(&content, &layout).unwrap();
        assert_eq!(general, plain);
        assert_eq!(
            content_digest("uid", &general, layout.names(content.members()).unwrap()),
            digest("uid", &plain, &names),
            "an upgrade rewrites no Secret"
        );
    }

    #[test]
    fn credentials_do_not_show_their_key() {
        assert!(!format!("{:?}", credentials()).contains("sk_test_value"));
    }
}
