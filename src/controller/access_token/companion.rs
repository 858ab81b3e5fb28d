//! A second Secret, which no workload mounts, for what has to outlive a crash: the refresh token for the next time,
//! and tokens that are to be revoked.
//!
//! It belongs to the resource and goes with it. Most resources never have one.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::core::ObjectMeta;
use secrecy::{ExposeSecret, SecretString};

use crate::api::names::{CREDENTIALS_SECRET_TYPE, FIELD_MANAGER, MANAGED_BY, MANAGED_BY_LABEL};
use crate::controller::ReconcileError;
use crate::controller::owned_secret::Owner;

const REFRESH_TOKEN: &str = "refresh_token";
const REQUEST_DIGEST: &str = "request_digest";
const TO_REVOKE: &str = "to_revoke";

/// Tokens that are to be revoked stand one below the other; a token has no line break.
const SEPARATOR: &str = "\n";

type Entries = BTreeMap<String, ByteString>;

/// The companion Secret of one resource.
pub(super) struct Companion<'a> {
    secrets: Api<Secret>,
    owner: &'a Owner,
}

impl<'a> Companion<'a> {
    pub(super) fn new(secrets: Api<Secret>, owner: &'a Owner) -> Self {
        Self { secrets, owner }
    }

    /// Its name: long enough to be nobody else's.
    fn name(&self) -> String {
        format!("keywright-{}", self.owner.uid)
    }

    /// Takes out the refresh token that was kept for this request. Once this returns, nobody finds it again.
    pub(super) async fn take_refresh_token(
        &self,
        request_digest: &str,
    ) -> Result<Option<SecretString>, ReconcileError> {
        let mut entries = self.read().await?.unwrap_or_default();
        if !entries.contains_key(REFRESH_TOKEN) {
            return Ok(None);
        }
        let taken = take(&mut entries, request_digest);
        self.write(entries).await?;
        Ok(taken)
    }

    /// The refresh token that is kept, without taking it out.
    pub(super) async fn refresh_token(&self) -> Result<Option<SecretString>, ReconcileError> {
        let kept = self
            .read()
            .await?
            .and_then(|mut entries| entries.remove(REFRESH_TOKEN));
        Ok(kept
            .and_then(|kept| String::from_utf8(kept.0).ok())
            .map(SecretString::from))
    }

    /// Keeps a refresh token for the next time.
    pub(super) async fn keep_refresh_token(
        &self,
        token: &SecretString,
        request_digest: &str,
    ) -> Result<(), ReconcileError> {
        let mut entries = self.read().await?.unwrap_or_default();
        entries.insert(REFRESH_TOKEN.to_owned(), bytes(token.expose_secret()));
        entries.insert(REQUEST_DIGEST.to_owned(), bytes(request_digest));
        self.write(entries).await
    }

    /// Keeps a token until it is revoked.
    pub(super) async fn keep_for_revocation(&self, token: &SecretString) -> Result<(), ReconcileError> {
        let mut entries = self.read().await?.unwrap_or_default();
        add_line(&mut entries, token.expose_secret());
        self.write(entries).await
    }

    /// The tokens that are to be revoked.
    pub(super) async fn for_revocation(&self) -> Result<Vec<SecretString>, ReconcileError> {
        let entries = self.read().await?.unwrap_or_default();
        Ok(lines(entries.get(TO_REVOKE))
            .into_iter()
            .map(SecretString::from)
            .collect())
    }

    /// Nothing is left to be revoked.
    pub(super) async fn revoked(&self) -> Result<(), ReconcileError> {
        let mut entries = self.read().await?.unwrap_or_default();
        if entries.remove(TO_REVOKE).is_some() {
            self.write(entries).await?;
        }
        Ok(())
    }

    async fn read(&self) -> Result<Option<Entries>, ReconcileError> {
        let found = self
            .secrets
            .get_opt(&self.name())
            .await
            .map_err(ReconcileError::kube("reading the companion Secret"))?;
        Ok(found
            .filter(|secret| {
                let owners = secret.metadata.owner_references.iter().flatten();
                owners.into_iter().any(|owner| owner.uid == self.owner.uid)
            })
            .map(|secret| secret.data.unwrap_or_default()))
    }

    async fn write(&self, entries: Entries) -> Result<(), ReconcileError> {
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(self.name()),
                namespace: Some(self.owner.namespace.clone()),
                labels: Some([(MANAGED_BY_LABEL.to_owned(), MANAGED_BY.to_owned())].into()),
                owner_references: Some(vec![self.owner.reference()]),
                ..ObjectMeta::default()
            },
            type_: Some(CREDENTIALS_SECRET_TYPE.to_owned()),
            data: Some(entries),
            ..Secret::default()
        };
        self.secrets
            .patch(
                &self.name(),
                &PatchParams::apply(FIELD_MANAGER).force(),
                &Patch::Apply(&secret),
            )
            .await
            .map_err(ReconcileError::kube("writing the companion Secret"))?;
        Ok(())
    }
}

/// Takes out the refresh token. One that was given out for another request is of no use.
fn take(entries: &mut Entries, request_digest: &str) -> Option<SecretString> {
    let (kept, digest) = (entries.remove(REFRESH_TOKEN), entries.remove(REQUEST_DIGEST));
    digest.filter(|digest| digest.0 == request_digest.as_bytes())?;
    String::from_utf8(kept?.0).ok().map(SecretString::from)
}

/// Adds a token that is to be revoked, once.
fn add_line(entries: &mut Entries, token: &str) {
    let mut tokens = lines(entries.get(TO_REVOKE));
    if !tokens.iter().any(|kept| kept == token) {
        tokens.push(token.to_owned());
    }
    entries.insert(TO_REVOKE.to_owned(), bytes(&tokens.join(SEPARATOR)));
}

fn bytes(text: &str) -> ByteString {
    ByteString(text.as_bytes().to_vec())
}

fn lines(entry: Option<&ByteString>) -> Vec<String> {
    let text = entry.map(|bytes| String::from_utf8_lossy(&bytes.0).into_owned());
    text.unwrap_or_default()
        .split(SEPARATOR)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(token: &[u8], digest: &str) -> Entries {
        [
            (REFRESH_TOKEN.to_owned(), ByteString(token.to_vec())),
            (REQUEST_DIGEST.to_owned(), bytes(digest)),
            (TO_REVOKE.to_owned(), bytes("one")),
        ]
        .into()
    }

    #[test]
    fn a_refresh_token_is_taken_out_whether_it_fits_or_not() {
        for (mut entries, expected) in [
            (kept(b"refresh", "digest"), Some("refresh")),
            (kept(b"refresh", "other"), None),
            (kept(b"\xff", "digest"), None),
            (Entries::new(), None),
        ] {
            let taken = take(&mut entries, "digest");
            assert_eq!(taken.as_ref().map(ExposeSecret::expose_secret), expected);
            assert!(!entries.contains_key(REFRESH_TOKEN) && !entries.contains_key(REQUEST_DIGEST));
        }
        let mut entries = kept(b"refresh", "digest");
        take(&mut entries, "digest");
        assert_eq!(
            lines(entries.get(TO_REVOKE)),
            ["one"],
            "what is to be revoked stays"
        );
    }

    #[test]
    fn tokens_that_are_to_be_revoked_stand_there_once() {
        let mut entries = Entries::new();
        for token in ["one", "two", "one", "two"] {
            add_line(&mut entries, token);
        }
        assert_eq!(lines(entries.get(TO_REVOKE)), ["one", "two"]);
        assert!(lines(None).is_empty());
        assert_eq!(lines(Some(&ByteString(b"\n\nthree\n".to_vec()))), ["three"]);
    }
}
