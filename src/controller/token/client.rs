//! The credentials of the client that a token is for, as the cluster holds them.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, ResourceExt};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::findings::Trouble;
use super::hex;
use crate::api::access_token::{ClientSecretReference, TokenClient};
use crate::api::client_application::{ClientApplication, ProviderReference};
use crate::api::names::OWNER_UID_ANNOTATION;
use crate::api::oauth2::{
    ClientAuthentication as Authentication, ClientAuthenticationMethod, SigningAlgorithm,
};
use crate::controller::ReconcileError;
use crate::credential::secret_content::{Layout, Member, Vocabulary, read_back};
use crate::identity::oauth2::{AssertionAlgorithm, AssertionKey, ClientAuthentication, ClientCredentials};

/// The client that a token is for.
#[derive(Clone, Debug)]
pub struct LoadedClient {
    /// Its identifier.
    pub client_id: String,
    /// How it authenticates; `None` for the provider's own account.
    pub credentials: Option<ClientCredentials>,
    /// Tells clients and their credentials apart.
    pub fingerprint: Fingerprint,
}

/// Tells clients and their credentials apart. It follows from secret bytes, so it is not shown and not stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// As part of a key that is kept in memory only.
    #[must_use]
    pub fn as_key(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Fingerprint([REDACTED])")
    }
}

impl LoadedClient {
    /// A client with these credentials.
    #[must_use]
    pub fn new(credentials: ClientCredentials) -> Self {
        with_fingerprint(credentials)
    }
}

/// What decides how a client is loaded, besides the spec.
pub struct Place<'a> {
    /// Client for the Kubernetes API.
    pub kube: &'a Client,
    /// Namespace of the resource.
    pub namespace: &'a str,
    /// The provider that the resource uses.
    pub provider: &'a ProviderReference,
    /// How clients of the provider authenticate unless they say otherwise.
    pub authentication: Option<&'a Authentication>,
    /// The provider's own account, if it has one.
    pub account: Option<&'a str>,
}

/// Reads the client's credentials, or says what is missing.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn load(
    place: &Place<'_>,
    client: &TokenClient,
) -> Result<Result<LoadedClient, Trouble>, ReconcileError> {
    if client.provider_account == Some(true) {
        return Ok(of_account(place));
    }
    match (&client.client_application_ref, &client.secret_ref) {
        (Some(reference), _) => of_application(place, &reference.name).await,
        (None, Some(reference)) => of_secret(place, reference).await,
        (None, None) => Ok(Err(Trouble::to_mend(
            "InvalidClientReference",
            "spec.client needs exactly one of clientApplicationRef, secretRef and providerAccount".to_owned(),
        ))),
    }
}

fn of_account(place: &Place<'_>) -> Result<LoadedClient, Trouble> {
    match place.account {
        Some(account) => Ok(LoadedClient {
            client_id: account.to_owned(),
            credentials: None,
            fingerprint: Fingerprint(format!("account/{account}")),
        }),
        None => Err(Trouble::to_mend(
            "ProviderHasNoAccount",
            format!(
                "identity provider {} has no account of its own. Name a client in spec.client.secretRef",
                place.provider.name
            ),
        )),
    }
}

async fn of_application(
    place: &Place<'_>,
    name: &str,
) -> Result<Result<LoadedClient, Trouble>, ReconcileError> {
    let namespace = place.namespace;
    let api: Api<ClientApplication> = Api::namespaced(place.kube.clone(), namespace);
    let found = api
        .get_opt(name)
        .await
        .map_err(ReconcileError::kube("reading the ClientApplication"))?;
    let Some(application) = found else {
        return Ok(Err(Trouble::to_mend(
            "ClientApplicationNotFound",
            format!(
                "ClientApplication {name} does not exist in namespace {namespace}. Create it, or correct spec.client.clientApplicationRef"
            ),
        )));
    };
    if &application.spec.provider_ref != place.provider {
        return Ok(Err(Trouble::to_mend(
            "ProviderDiffers",
            format!(
                "ClientApplication {name} uses {} {}, and this resource another provider. Name the same in spec.providerRef",
                application.spec.provider_ref.kind.as_str(),
                application.spec.provider_ref.name
            ),
        )));
    }
    let not_ready = || {
        Trouble::passing(
            "ClientApplicationNotReady",
            format!("ClientApplication {name} has no Secret with its credentials yet. Its status tells why"),
        )
    };
    let status = application.status.clone().unwrap_or_default();
    let (Some(client_id), Some(published)) = (status.client_id, status.secret) else {
        return Ok(Err(not_ready()));
    };
    let secrets: Api<Secret> = Api::namespaced(place.kube.clone(), namespace);
    let secret = secrets
        .get_opt(&published.name)
        .await
        .map_err(ReconcileError::kube(
            "reading the Secret of the ClientApplication",
        ))?
        .filter(|secret| secret.annotations().get(OWNER_UID_ANNOTATION) == application.uid().as_ref());
    let layout = Layout::of(&application.spec.secret, Vocabulary::Didit);
    let api_key =
        secret.and_then(|secret| read_back(&secret.data.unwrap_or_default(), &layout, Member::ApiKey));
    Ok(match api_key {
        None => Err(not_ready()),
        Some(api_key) => Ok(with_fingerprint(ClientCredentials {
            client_id,
            authentication: ClientAuthentication::SecretBasic(api_key),
        })),
    })
}

async fn of_secret(
    place: &Place<'_>,
    reference: &ClientSecretReference,
) -> Result<Result<LoadedClient, Trouble>, ReconcileError> {
    let (name, namespace) = (&reference.name, place.namespace);
    let secrets: Api<Secret> = Api::namespaced(place.kube.clone(), namespace);
    let found = secrets
        .get_opt(name)
        .await
        .map_err(ReconcileError::kube("reading the client's Secret"))?;
    let Some(secret) = found else {
        return Ok(Err(Trouble::to_mend(
            "ClientSecretNotFound",
            format!(
                "Secret {namespace}/{name}, which spec.client.secretRef names, does not exist. Create it: \
                 kubectl create secret generic {name} --namespace {namespace} --from-literal=client_id=… --from-file=client_secret=<file>"
            ),
        )));
    };
    let entries = Entries {
        name,
        namespace,
        data: secret.data.unwrap_or_default(),
    };
    Ok(credentials(&entries, reference, place.authentication).map(with_fingerprint))
}

/// The entries of a client's Secret.
struct Entries<'a> {
    name: &'a str,
    namespace: &'a str,
    data: BTreeMap<String, ByteString>,
}

impl Entries<'_> {
    fn optional(&self, key: &str) -> Result<Option<&str>, Trouble> {
        match self.data.get(key).map(|bytes| std::str::from_utf8(&bytes.0)) {
            None => Ok(None),
            Some(Ok(text)) if text.trim().is_empty() => Err(self.incomplete(key, "is empty")),
            // A file that was read into a Secret ends with a line break that is no part of the value.
            Some(Ok(text)) => Ok(Some(text.trim_end_matches(['\r', '\n']))),
            Some(Err(_)) => Err(self.incomplete(key, "is not UTF-8 text")),
        }
    }

    fn required(&self, key: &str, method: &str) -> Result<&str, Trouble> {
        self.optional(key)?.ok_or_else(|| {
            self.incomplete(
                key,
                &format!("is missing, and client authentication by {method} needs it"),
            )
        })
    }

    fn incomplete(&self, key: &str, problem: &str) -> Trouble {
        Trouble::to_mend(
            "ClientSecretIncomplete",
            format!(
                "Secret {}/{}: the key {key:?} {problem}. Put it there, or name another key in spec.client.secretRef.keys",
                self.namespace, self.name
            ),
        )
    }
}

fn credentials(
    entries: &Entries<'_>,
    reference: &ClientSecretReference,
    of_provider: Option<&Authentication>,
) -> Result<ClientCredentials, Trouble> {
    let keys = reference.keys.clone().unwrap_or_default();
    let key = |chosen: &Option<String>, usual: &str| chosen.clone().unwrap_or_else(|| usual.to_owned());
    let basic = Authentication {
        method: ClientAuthenticationMethod::ClientSecretBasic,
        signing_algorithm: None,
        audience: None,
    };
    let how = reference
        .authentication
        .as_ref()
        .or(of_provider)
        .unwrap_or(&basic);
    let method = how.method.as_str();
    let client_id = match &reference.client_id {
        Some(client_id) => client_id.clone(),
        None => entries
            .optional(&key(&keys.client_id, "client_id"))?
            .ok_or_else(|| {
                entries.incomplete(
                    &key(&keys.client_id, "client_id"),
                    "is missing, and spec.client.secretRef.clientId is not set either",
                )
            })?
            .trim()
            .to_owned(),
    };
    let secret = |name: &str| {
        entries
            .required(name, method)
            .map(|text| SecretString::from(text.to_owned()))
    };
    let authentication = match how.method {
        ClientAuthenticationMethod::ClientSecretBasic => {
            ClientAuthentication::SecretBasic(secret(&key(&keys.client_secret, "client_secret"))?)
        }
        ClientAuthenticationMethod::ClientSecretPost => {
            ClientAuthentication::SecretPost(secret(&key(&keys.client_secret, "client_secret"))?)
        }
        ClientAuthenticationMethod::PrivateKeyJwt => {
            let name = key(&keys.private_key, "private_key");
            let algorithm = how.signing_algorithm.map(algorithm);
            let assertion_key = AssertionKey::parse(secret(&name)?, algorithm)
                .map_err(|error| entries.incomplete(&name, &format!("cannot be used: {}", error.message)))?;
            ClientAuthentication::PrivateKeyJwt {
                key: assertion_key,
                key_id: entries
                    .optional(&key(&keys.key_id, "key_id"))?
                    .map(|id| id.trim().to_owned()),
                audience: how.audience.clone(),
            }
        }
        ClientAuthenticationMethod::TlsClientAuth => ClientAuthentication::TlsClientAuth {
            certificate: entries
                .required(&key(&keys.certificate, "tls.crt"), method)?
                .as_bytes()
                .to_vec(),
            key: secret(&key(&keys.certificate_key, "tls.key"))?,
        },
    };
    Ok(ClientCredentials {
        client_id,
        authentication,
    })
}

fn algorithm(wanted: SigningAlgorithm) -> AssertionAlgorithm {
    match wanted {
        SigningAlgorithm::RS256 => AssertionAlgorithm::Rs256,
        SigningAlgorithm::PS256 => AssertionAlgorithm::Ps256,
        SigningAlgorithm::ES256 => AssertionAlgorithm::Es256,
        SigningAlgorithm::EdDSA => AssertionAlgorithm::EdDsa,
    }
}

fn with_fingerprint(credentials: ClientCredentials) -> LoadedClient {
    let mut hasher = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hasher.update((bytes.len() as u64).to_be_bytes());
        hasher.update(bytes);
    };
    part(credentials.client_id.as_bytes());
    match &credentials.authentication {
        ClientAuthentication::SecretBasic(secret) => {
            part(b"client_secret_basic");
            part(secret.expose_secret().as_bytes());
        }
        ClientAuthentication::SecretPost(secret) => {
            part(b"client_secret_post");
            part(secret.expose_secret().as_bytes());
        }
        ClientAuthentication::PrivateKeyJwt {
            key,
            key_id,
            audience,
        } => {
            part(b"private_key_jwt");
            part(key.text().expose_secret().as_bytes());
            part(key.algorithm().name().as_bytes());
            part(key_id.as_deref().unwrap_or_default().as_bytes());
            part(audience.as_deref().unwrap_or_default().as_bytes());
        }
        ClientAuthentication::TlsClientAuth { certificate, key } => {
            part(b"tls_client_auth");
            part(certificate);
            part(key.expose_secret().as_bytes());
        }
    }
    LoadedClient {
        client_id: credentials.client_id.clone(),
        fingerprint: Fingerprint(hex(&hasher.finalize())),
        credentials: Some(credentials),
    }
}
