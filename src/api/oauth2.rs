//! How to reach an OAuth 2.0 authorization server, and how clients authenticate there.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rule;
use super::secret::CaBundleSource;

/// An OAuth 2.0 authorization server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[x_kube(
    validation = rule(
        "has(self.issuer) || (has(self.endpoints) && has(self.endpoints.token))",
        "oauth2 needs issuer, whose metadata names the endpoints, or endpoints.token",
    ),
    validation = rule(
        "(has(self.allowInsecure) && self.allowInsecure) || !has(self.issuer) || self.issuer.startsWith('https://')",
        "oauth2.issuer must start with https://. Only for tests, allowInsecure: true permits http://",
    ),
    validation = rule(
        "(has(self.allowInsecure) && self.allowInsecure) || !has(self.endpoints) || ((!has(self.endpoints.token) || self.endpoints.token.startsWith('https://')) && (!has(self.endpoints.introspection) || self.endpoints.introspection.startsWith('https://')) && (!has(self.endpoints.revocation) || self.endpoints.revocation.startsWith('https://')))",
        "oauth2.endpoints must start with https://. Only for tests, allowInsecure: true permits http://",
    ),
)]
#[serde(rename_all = "camelCase")]
pub struct OAuth2Provider {
    /// The server's issuer identifier, exactly as its metadata spells it. Its metadata is looked for as RFC 8414
    /// says, then as OpenID Connect Discovery says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = rule(
        "isURL(self) && url(self).getScheme() in ['https', 'http'] && !self.contains('?') && !self.contains('#') && !self.contains('@')",
        "oauth2.issuer must be an absolute https address without user name, query or fragment (RFC 8414 section 2)",
    ))]
    pub issuer: Option<String>,

    /// Endpoints given by hand. Each takes the place of the one that the metadata names; with `endpoints.token` and
    /// no `issuer`, no metadata is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<OAuth2Endpoints>,

    /// How clients authenticate, unless an `AccessToken` says it for its own client: by `client_secret_basic` when
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_authentication: Option<ClientAuthentication>,

    /// Further parameters of each token request, for servers that want them. What Keywright sends itself cannot
    /// be set here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32, "additionalProperties" = {"type": "string", "maxLength": 2048}))]
    #[x_kube(validation = rule(
        "self.all(name, !(name in ['grant_type', 'scope', 'audience', 'resource', 'refresh_token', 'client_id', 'client_secret', 'client_assertion', 'client_assertion_type']))",
        "oauth2.extraParameters may not set what Keywright sends itself: grant_type, scope, audience, resource, refresh_token and what authenticates the client",
    ))]
    pub extra_parameters: BTreeMap<String, String>,

    /// CA certificates to trust beside the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<CaBundleSource>,

    /// Permits addresses that start with `http://`, which show client secrets and tokens to everyone on the way.
    /// For tests only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_insecure: Option<bool>,
}

/// Endpoints of an authorization server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OAuth2Endpoints {
    /// Token endpoint (RFC 6749 section 3.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = rule(
        "isURL(self) && url(self).getScheme() in ['https', 'http'] && !self.contains('#') && !self.contains('@')",
        "oauth2.endpoints.token must be an absolute https address without user name or fragment",
    ))]
    pub token: Option<String>,
    /// Introspection endpoint (RFC 7662).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = rule(
        "isURL(self) && url(self).getScheme() in ['https', 'http'] && !self.contains('#') && !self.contains('@')",
        "oauth2.endpoints.introspection must be an absolute https address without user name or fragment",
    ))]
    pub introspection: Option<String>,
    /// Revocation endpoint (RFC 7009).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = rule(
        "isURL(self) && url(self).getScheme() in ['https', 'http'] && !self.contains('#') && !self.contains('@')",
        "oauth2.endpoints.revocation must be an absolute https address without user name or fragment",
    ))]
    pub revocation: Option<String>,
}

/// How a client proves who it is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[x_kube(validation = rule(
    "self.method == 'private_key_jwt' || !(has(self.signingAlgorithm) || has(self.audience))",
    "signingAlgorithm and audience are for method private_key_jwt only",
))]
#[serde(rename_all = "camelCase")]
pub struct ClientAuthentication {
    /// The method, by its name in the OAuth registry: `client_secret_basic`, `client_secret_post`, `private_key_jwt`
    /// (RFC 7523) or `tls_client_auth` (RFC 8705 section 2.1).
    pub method: ClientAuthenticationMethod,
    /// How client assertions are signed. When absent, it follows from the key: `RS256` for an RSA key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_algorithm: Option<SigningAlgorithm>,
    /// Audience of client assertions: the issuer when absent, or the token endpoint where no issuer is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub audience: Option<String>,
}

/// Methods of client authentication, by their names in the OAuth registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum ClientAuthenticationMethod {
    /// Client secret by HTTP Basic (RFC 6749 section 2.3.1).
    #[serde(rename = "client_secret_basic")]
    ClientSecretBasic,
    /// Client secret in the body (RFC 6749 section 2.3.1).
    #[serde(rename = "client_secret_post")]
    ClientSecretPost,
    /// Signed assertion (RFC 7523).
    #[serde(rename = "private_key_jwt")]
    PrivateKeyJwt,
    /// Client certificate (RFC 8705 section 2.1).
    #[serde(rename = "tls_client_auth")]
    TlsClientAuth,
}

impl ClientAuthenticationMethod {
    /// Its name in the OAuth registry.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::TlsClientAuth => "tls_client_auth",
        }
    }
}

/// Signature algorithms of client assertions (RFC 7518 section 3.1, RFC 8037 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "each is the registered algorithm of that name")]
pub enum SigningAlgorithm {
    RS256,
    PS256,
    ES256,
    EdDSA,
}

/// How gently a provider is called. What several providers call as the same account or at the same address is
/// counted for each provider alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestBudget {
    /// Requests in a minute, over time: 300 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<i32>", range(min = 1, max = 600_000))]
    pub requests_per_minute: Option<u32>,
    /// Requests that may go out at once after a quiet time: 10 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<i32>", range(min = 1, max = 10_000))]
    pub burst: Option<u32>,
    /// Requests that may be under way at the same time: 4 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<i32>", range(min = 1, max = 1_000))]
    pub concurrency: Option<u32>,
}
