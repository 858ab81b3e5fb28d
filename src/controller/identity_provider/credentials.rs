//! Reads what a provider's spec refers to: the account's Secret and the CA bundle.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client, ResourceExt};
use secrecy::SecretString;

use super::account::AccountSecret;
use super::kind::Server;
use crate::api::conditions::{Finding, Truth};
use crate::api::oauth2::OAuth2Provider;
use crate::api::provider::{
    AUTHENTICATED, AccountSecretReference, DIDIT_API_URL, DIDIT_AUTH_URL, DiditProvider, METADATA_RESOLVED,
};
use crate::api::secret::CaBundleSource;
use crate::controller::ReconcileError;
use crate::identity::budget::Budget;
use crate::identity::didit::{DiditConfig, OrganizationChoice};

/// An account's credentials as the cluster holds them.
pub(super) struct Credentials {
    email: String,
    password: SecretString,
    totp_seed: Option<SecretString>,
    pub(super) ca_bundle: Option<Vec<u8>>,
    /// Version of the account's Secret, and where it is used: logins are recorded under it.
    pub(super) account_version: String,
    /// Version of everything that was read.
    pub(super) version: String,
}

/// Something that was read, with its version.
pub(in crate::controller) struct Versioned<T> {
    /// What was read.
    pub(in crate::controller) value: T,
    /// UID and resource version of what it was read from.
    pub(in crate::controller) version: String,
}

/// What is to be mended before the provider can be used.
type Unusable = Finding;

impl Credentials {
    /// The configuration of Didit's client.
    pub(super) fn config(
        self,
        spec: &DiditProvider,
        request_timeout: Duration,
        budget: Arc<Budget>,
    ) -> DiditConfig {
        let organization = match &spec.organization {
            None => OrganizationChoice::Only,
            Some(reference) => match (&reference.id, &reference.name) {
                (Some(id), _) => OrganizationChoice::Id(id.clone()),
                (None, Some(name)) => OrganizationChoice::Name(name.clone()),
                (None, None) => OrganizationChoice::Only,
            },
        };
        DiditConfig {
            auth_url: spec.auth_url.clone().unwrap_or_else(|| DIDIT_AUTH_URL.to_owned()),
            api_url: spec.api_url.clone().unwrap_or_else(|| DIDIT_API_URL.to_owned()),
            email: self.email,
            password: self.password,
            totp_seed: self.totp_seed,
            organization,
            ca_bundle: self.ca_bundle,
            allow_insecure: spec.allow_insecure.unwrap_or_default(),
            request_timeout,
            budget: Some(budget),
        }
    }
}

/// The Secrets that a provider reads, as (namespace, name).
pub(super) fn secrets_read(
    server: &Server<'_>,
    account: Option<&AccountSecret>,
    namespace: &str,
) -> HashSet<(String, String)> {
    let ca_bundle = match server {
        Server::Didit(spec) => &spec.ca_bundle,
        Server::OAuth2(spec) => &spec.ca_bundle,
        Server::Neither => &None,
    };
    let account = account.map(|account| &account.reference.name);
    let of_ca_bundle = ca_bundle
        .as_ref()
        .and_then(|source| source.secret_key_ref.as_ref());
    account
        .into_iter()
        .chain(of_ca_bundle.map(|reference| &reference.name))
        .map(|name| (namespace.to_owned(), name.clone()))
        .collect()
}

/// Reads everything, or says what is missing.
pub(super) async fn load(
    client: &Client,
    spec: &DiditProvider,
    account_secret: &AccountSecret,
    namespace: &str,
) -> Result<Result<Credentials, Unusable>, ReconcileError> {
    let reference = &account_secret.reference;
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let found = api
        .get_opt(&reference.name)
        .await
        .map_err(ReconcileError::kube("reading a Secret"))?;
    let Some(secret) = found else {
        return Ok(Err(match account_secret.account() {
            Some(account) => not_written(account, reference, namespace),
            None => no_account_secret(reference, namespace),
        }));
    };
    let version = version(&secret);
    let value = match account_secret.entries(secret, namespace) {
        Ok(entries) => entries,
        Err(foreign) => return Ok(Err(foreign)),
    };
    let secret = Versioned { value, version };
    let ca_bundle = match &spec.ca_bundle {
        None => None,
        Some(source) => match ca_bundle(client, source, namespace, "didit", AUTHENTICATED).await? {
            Ok(bundle) => Some(bundle),
            Err(missing) => return Ok(Err(missing)),
        },
    };
    let auth_url = spec.auth_url.as_deref().unwrap_or(DIDIT_AUTH_URL);
    Ok(account(&secret, reference, namespace, auth_url, ca_bundle))
}

/// The CA bundle of an authorization server, with its version, or what is missing.
pub(super) async fn authorities(
    client: &Client,
    spec: &OAuth2Provider,
    namespace: &str,
) -> Result<Result<(Option<Vec<u8>>, String), Unusable>, ReconcileError> {
    let Some(source) = &spec.ca_bundle else {
        return Ok(Ok((None, String::new())));
    };
    let bundle = ca_bundle(client, source, namespace, "oauth2", METADATA_RESOLVED).await?;
    Ok(bundle.map(|bundle| (Some(bundle.value), bundle.version)))
}

type Entries = BTreeMap<String, ByteString>;

async fn secret(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Option<Versioned<Entries>>, ReconcileError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let found = api
        .get_opt(name)
        .await
        .map_err(ReconcileError::kube("reading a Secret"))?;
    Ok(found.map(|secret| Versioned {
        version: version(&secret),
        value: secret.data.unwrap_or_default(),
    }))
}

/// A CA bundle, or what is missing. `block` is where the spec names it, for a sentence.
pub(in crate::controller) async fn ca_bundle(
    client: &Client,
    source: &CaBundleSource,
    namespace: &str,
    block: &str,
    stage: &'static str,
) -> Result<Result<Versioned<Vec<u8>>, Unusable>, ReconcileError> {
    let (place, key, found) = match (&source.secret_key_ref, &source.config_map_key_ref) {
        (Some(reference), _) => {
            let found = secret(client, namespace, &reference.name).await?;
            let place = format!("Secret {namespace}/{}", reference.name);
            (
                place,
                &reference.key,
                found.map(|found| {
                    pick(
                        found,
                        |entries, key| entries.remove(key).map(|bytes| bytes.0),
                        &reference.key,
                    )
                }),
            )
        }
        (None, Some(reference)) => {
            let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
            let found = api
                .get_opt(&reference.name)
                .await
                .map_err(ReconcileError::kube("reading a ConfigMap"))?;
            let place = format!("ConfigMap {namespace}/{}", reference.name);
            let found = found.map(|map| Versioned {
                version: version(&map),
                value: map,
            });
            (
                place,
                &reference.key,
                found.map(|found| pick(found, config_map_entry, &reference.key)),
            )
        }
        (None, None) => {
            let message =
                format!("spec.{block}.caBundle needs exactly one of secretKeyRef and configMapKeyRef");
            return Ok(Err(Finding::new(stage, Truth::False, "InvalidCaBundle", message)));
        }
    };
    let problem = match found {
        Some(Versioned {
            value: Some(value),
            version,
        }) => return Ok(Ok(Versioned { value, version })),
        Some(Versioned { value: None, .. }) => format!("{place} has no key {key:?}"),
        None => format!("{place} does not exist"),
    };
    let message = format!("spec.{block}.caBundle: {problem}. Put the CA certificates there in PEM form");
    Ok(Err(Finding::new(
        stage,
        Truth::False,
        "CaBundleNotFound",
        message,
    )))
}

fn pick<T>(
    mut found: Versioned<T>,
    entry: impl FnOnce(&mut T, &str) -> Option<Vec<u8>>,
    key: &str,
) -> Versioned<Option<Vec<u8>>> {
    Versioned {
        value: entry(&mut found.value, key),
        version: found.version,
    }
}

fn config_map_entry(map: &mut ConfigMap, key: &str) -> Option<Vec<u8>> {
    let text = map
        .data
        .as_mut()
        .and_then(|data| data.remove(key))
        .map(String::into_bytes);
    text.or_else(|| map.binary_data.as_mut()?.remove(key).map(|bytes| bytes.0))
}

fn version(object: &impl ResourceExt) -> String {
    format!(
        "{}/{}",
        object.uid().unwrap_or_default(),
        object.resource_version().unwrap_or_default()
    )
}

/// Takes the account out of its Secret.
fn account(
    secret: &Versioned<Entries>,
    reference: &AccountSecretReference,
    namespace: &str,
    auth_url: &str,
    ca_bundle: Option<Versioned<Vec<u8>>>,
) -> Result<Credentials, Unusable> {
    let keys = reference.keys.clone().unwrap_or_default();
    let text = |key: &str| secret.value.get(key).map(|bytes| std::str::from_utf8(&bytes.0));
    let required = |key: &str| match text(key) {
        Some(Ok(text)) if !text.trim().is_empty() => Ok(text),
        Some(Ok(_)) => Err(incomplete(reference, namespace, key, "is empty")),
        Some(Err(_)) => Err(incomplete(reference, namespace, key, "is not UTF-8 text")),
        None => Err(incomplete(reference, namespace, key, "is missing")),
    };
    let email = required(keys.email.as_deref().unwrap_or("email"))?
        .trim()
        .to_owned();
    // A file that was read into a Secret ends with a line break that is no part of the password.
    let password = required(keys.password.as_deref().unwrap_or("password"))?.trim_end_matches(['\r', '\n']);
    let seed_key = keys.totp_seed.as_deref().unwrap_or("totpSeed");
    let totp_seed = if secret.value.contains_key(seed_key) {
        Some(required(seed_key)?.trim())
    } else {
        None
    };
    let ca_version = ca_bundle.as_ref().map_or("", |bundle| bundle.version.as_str());
    Ok(Credentials {
        email,
        password: password.to_owned().into(),
        totp_seed: totp_seed.map(|seed| seed.to_owned().into()),
        account_version: format!("{}@{}", secret.version, auth_url.trim_end_matches('/')),
        version: format!("{}/{ca_version}", secret.version),
        ca_bundle: ca_bundle.map(|bundle| bundle.value),
    })
}

fn no_account_secret(reference: &AccountSecretReference, namespace: &str) -> Unusable {
    let name = &reference.name;
    let message = format!(
        "Secret {namespace}/{name}, which spec.didit.accountSecretRef names, does not exist. Create it, with the password on standard input: \
         kubectl create secret generic {name} --namespace {namespace} --from-literal=email=… --from-file=password=/dev/stdin"
    );
    Finding::new(AUTHENTICATED, Truth::False, "SecretNotFound", message)
}

fn not_written(account: &str, reference: &AccountSecretReference, namespace: &str) -> Unusable {
    let message = format!(
        "Secret {namespace}/{} of IdentityAccount {account}, which spec.didit.accountRef names, does not exist. The \
         account's status says why",
        reference.name
    );
    Finding::new(AUTHENTICATED, Truth::False, "SecretNotFound", message)
}

fn incomplete(reference: &AccountSecretReference, namespace: &str, key: &str, problem: &str) -> Unusable {
    let message = format!(
        "Secret {namespace}/{}: the key {key:?} {problem}. Put the account's e-mail address and password there, \
         or name other keys in spec.didit.accountSecretRef.keys",
        reference.name
    );
    Finding::new(AUTHENTICATED, Truth::False, "SecretIncomplete", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::provider::AccountSecretKeys;
    use secrecy::ExposeSecret;

    fn entries(pairs: &[(&str, &[u8])]) -> Versioned<Entries> {
        let value = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), ByteString(value.to_vec())))
            .collect();
        Versioned {
            value,
            version: "uid/7".into(),
        }
    }

    fn reference(keys: Option<AccountSecretKeys>) -> AccountSecretReference {
        AccountSecretReference {
            name: "didit".into(),
            keys,
        }
    }

    #[test]
    fn a_line_break_at_the_end_of_a_file_is_not_part_of_the_password() {
        let secret = entries(&[
            ("email", b"ops@corp.example.net\n"),
            ("password", b" pass word \r\n"),
        ]);
        let account = account(
            &secret,
            &reference(None),
            "shop",
            "https://a.example/auth/v2/",
            None,
        )
        .unwrap_or_else(|finding| panic!("{finding:?}"));
        assert_eq!(account.email, "ops@corp.example.net");
        assert_eq!(account.password.expose_secret(), " pass word ");
        assert_eq!(account.account_version, "uid/7@https://a.example/auth/v2");
    }

    #[test]
    fn what_is_wrong_with_the_secret_is_said_by_key() {
        let keys = AccountSecretKeys {
            email: Some("mail".into()),
            ..AccountSecretKeys::default()
        };
        for (secret, keys, expected) in [
            (
                entries(&[("password", b"x")]),
                None,
                "Secret shop/didit: the key \"email\" is missing.",
            ),
            (
                entries(&[("email", b"a@b"), ("password", b"")]),
                None,
                "Secret shop/didit: the key \"password\" is empty.",
            ),
            (
                entries(&[("email", b"a@b"), ("password", b"\xff")]),
                None,
                "Secret shop/didit: the key \"password\" is not UTF-8 text.",
            ),
            (
                entries(&[("email", b"a@b"), ("password", b"x")]),
                Some(keys),
                "Secret shop/didit: the key \"mail\" is missing.",
            ),
            (
                entries(&[("email", b"a@b"), ("password", b"x"), ("totpSeed", b" ")]),
                None,
                "Secret shop/didit: the key \"totpSeed\" is empty.",
            ),
        ] {
            let Err(finding) = account(
                &secret,
                &reference(keys),
                "shop",
                "https://a.example/auth/v2/",
                None,
            ) else {
                panic!("accepted")
            };
            assert!(finding.message.starts_with(expected), "{}", finding.message);
        }
    }
}
