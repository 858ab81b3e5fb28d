//! What has to be known of an authorization server, and of the client that asks it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::assertion::AssertionKey;
use crate::identity::budget::Budget;
use crate::identity::http::{DEFAULT_DEADLINE, Endpoint};
use crate::identity::{CallError, ErrorKind};

/// Parameters of a token request that have a meaning of their own, so that nobody else may set them.
const RESERVED_PARAMETERS: [&str; 9] = [
    "audience",
    "client_assertion",
    "client_assertion_type",
    "client_id",
    "client_secret",
    "grant_type",
    "refresh_token",
    "resource",
    "scope",
];

/// An authorization server, whoever asks it.
#[derive(Clone, Debug)]
pub struct OAuth2Config {
    /// The issuer identifier (RFC 8414 section 2), exactly as the server spells it. Its metadata tells the
    /// endpoints.
    pub issuer: Option<String>,
    /// Endpoints that are used instead of those in the metadata.
    pub endpoints: ManualEndpoints,
    /// Parameters that go with each token request. They are shown to users and hold no secrets.
    pub extra_parameters: BTreeMap<String, String>,
    /// Certificate authorities that are trusted besides those of the system, as PEM.
    pub ca_bundle: Option<Vec<u8>>,
    /// Permits addresses that begin with `http://`.
    pub allow_insecure: bool,
    /// How long one call may take in all.
    pub request_timeout: Duration,
    /// The budget that all clients of the server share. Without one, calls are made at once.
    pub budget: Option<Arc<Budget>>,
}

/// Addresses of an authorization server, used exactly as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ManualEndpoints {
    /// The token endpoint (RFC 6749 section 3.2). With it no issuer is needed.
    pub token: Option<String>,
    /// The introspection endpoint (RFC 7662).
    pub introspection: Option<String>,
    /// The revocation endpoint (RFC 7009).
    pub revocation: Option<String>,
}

/// A client of an authorization server.
#[derive(Clone, Debug)]
pub struct ClientCredentials {
    /// The client identifier (RFC 6749 section 2.2).
    pub client_id: String,
    /// How the client proves that it is the one.
    pub authentication: ClientAuthentication,
}

/// How a client is authenticated, under the names of RFC 7591 section 2 and RFC 8705.
#[derive(Clone)]
pub enum ClientAuthentication {
    /// `client_secret_basic`: the secret in the `Authorization` header (RFC 6749 section 2.3.1).
    SecretBasic(SecretString),
    /// `client_secret_post`: the secret in the body.
    SecretPost(SecretString),
    /// `private_key_jwt`: a signed assertion (RFC 7523 section 2.2).
    PrivateKeyJwt {
        /// The key that signs.
        key: AssertionKey,
        /// The `kid` by which the server finds the public key. Before that of a JWK.
        key_id: Option<String>,
        /// The assertion's `aud`. By default the issuer, or the token endpoint where there is no issuer.
        audience: Option<String>,
    },
    /// `tls_client_auth`: a certificate in the TLS handshake (RFC 8705 section 2.1).
    TlsClientAuth {
        /// The certificate and then those that lead to its authority, as PEM.
        certificate: Vec<u8>,
        /// The certificate's private key as PEM.
        key: SecretString,
    },
}

impl fmt::Debug for ClientAuthentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SecretBasic(_) => f.debug_tuple("SecretBasic").finish_non_exhaustive(),
            Self::SecretPost(_) => f.debug_tuple("SecretPost").finish_non_exhaustive(),
            Self::PrivateKeyJwt {
                key,
                key_id,
                audience,
            } => f
                .debug_struct("PrivateKeyJwt")
                .field("key", key)
                .field("key_id", key_id)
                .field("audience", audience)
                .finish(),
            Self::TlsClientAuth { .. } => f.debug_struct("TlsClientAuth").finish_non_exhaustive(),
        }
    }
}

impl OAuth2Config {
    /// Didit's routes for the tokens of an application (contract section 5), which have no metadata and no
    /// revocation. `auth_url` is the auth host's base address. The application's API key is the client secret, by
    /// `client_secret_basic`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`] with reason `InvalidEndpoint` or `InsecureEndpoint`.
    pub fn didit(auth_url: &str, allow_insecure: bool) -> Result<Self, CallError> {
        let auth = Endpoint::parse("authUrl", auth_url, allow_insecure)?;
        Ok(Self {
            issuer: None,
            endpoints: ManualEndpoints {
                token: Some(auth.route(&["token"]).into()),
                introspection: Some(auth.route(&["introspect"]).into()),
                revocation: None,
            },
            extra_parameters: BTreeMap::new(),
            ca_bundle: None,
            allow_insecure,
            request_timeout: DEFAULT_DEADLINE,
            budget: None,
        })
    }

    /// Whether the parts fit together; addresses, keys and certificates are checked where they are read.
    pub(super) fn check(&self) -> Result<(), CallError> {
        if self.issuer.is_none() && self.endpoints.token.is_none() {
            return Err(misconfigured(
                "EndpointMissing",
                "there is no token endpoint: give `issuer`, or `endpoints.token` for a server without metadata"
                    .to_owned(),
            ));
        }
        if let Some(name) = self
            .extra_parameters
            .keys()
            .find(|name| RESERVED_PARAMETERS.contains(&name.as_str()))
        {
            return Err(misconfigured(
                "ReservedParameter",
                format!(
                    "`extraParameters` must not set `{name}`, which each token request sets itself; remove it there"
                ),
            ));
        }
        if self.extra_parameters.contains_key("") {
            return Err(misconfigured(
                "ReservedParameter",
                "`extraParameters` has a parameter without a name; give it one or remove it".to_owned(),
            ));
        }
        Ok(())
    }
}

impl ClientCredentials {
    /// Whether something is there at all; keys and certificates are checked where they are read.
    pub(super) fn check(&self) -> Result<(), CallError> {
        let incomplete = |what: &str| misconfigured("IncompleteCredentials", format!("the {what} is empty"));
        if self.client_id.is_empty() {
            return Err(incomplete("client identifier"));
        }
        match &self.authentication {
            ClientAuthentication::SecretBasic(secret) | ClientAuthentication::SecretPost(secret)
                if secret.expose_secret().is_empty() =>
            {
                Err(incomplete("client secret"))
            }
            _ => Ok(()),
        }
    }
}

/// An error of what a client is made from.
pub(super) fn misconfigured(reason: &'static str, message: String) -> CallError {
    CallError {
        operation: "connect",
        kind: ErrorKind::Misconfigured { reason },
        message,
    }
}
