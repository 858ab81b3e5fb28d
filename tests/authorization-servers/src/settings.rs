//! What a test asks of a client, and what it gets.

use secrecy::SecretString;

use crate::keys::PrivateKey;

/// How a client authenticates at the token endpoint: the values of `token_endpoint_auth_method`
/// (RFC 7591, section 2, and RFC 8705, section 2.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthenticationMethod {
    /// `client_secret_basic`
    ClientSecretBasic,
    /// `client_secret_post`
    ClientSecretPost,
    /// `private_key_jwt`, with assertions signed by this algorithm alone.
    PrivateKeyJwt(SigningAlgorithm),
    /// `tls_client_auth`
    TlsClientAuth,
}

/// An algorithm for client assertions (RFC 7518, section 3.1, and RFC 8037, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigningAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// EdDSA with Ed25519.
    EdDsa,
}

impl SigningAlgorithm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Rs256, Self::Ps256, Self::Es256, Self::EdDsa];

    /// The value of the header parameter `alg`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// What a client is to be like.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// How it authenticates.
    pub method: AuthenticationMethod,
    /// How long its access tokens live, in seconds; unset, the server's own: 300 at Keycloak, 600 at oidc-provider.
    pub access_token_seconds: Option<u32>,
    /// The scopes it may ask for. Empty, it may ask for none.
    pub scopes: Vec<String>,
    /// Whether it gets refresh tokens with its access tokens, against the advice of RFC 6749, section 4.4.3.
    /// Keycloak only.
    pub refresh_tokens: bool,
    /// What all its access tokens have as audience. Keycloak only; at oidc-provider the audience is the resource
    /// that is asked for.
    pub audiences: Vec<String>,
    /// Whether the client itself is an audience of its access tokens. Without that Keycloak answers its questions
    /// about them (RFC 7662) as if they were not active; oidc-provider answers in any case.
    pub in_own_audience: bool,
}

impl ClientSettings {
    /// A client with the server's own life of tokens, and nothing special.
    #[must_use]
    pub const fn new(method: AuthenticationMethod) -> Self {
        Self {
            method,
            access_token_seconds: None,
            scopes: Vec::new(),
            refresh_tokens: false,
            audiences: Vec::new(),
            in_own_audience: false,
        }
    }
}

/// A client that an authorization server knows.
#[derive(Debug, Clone)]
pub struct Client {
    /// Its id, which no other client ever has.
    pub client_id: String,
    /// What it authenticates with.
    pub credential: Credential,
}

/// What a client authenticates with.
#[derive(Debug, Clone)]
pub enum Credential {
    /// For `client_secret_basic` and `client_secret_post`.
    Secret(SecretString),
    /// For `private_key_jwt`.
    PrivateKey(PrivateKey),
    /// For `tls_client_auth`.
    Certificate {
        /// The certificate, PEM.
        certificate: String,
        /// Its key, PKCS #8 as PEM.
        key: SecretString,
    },
}

/// A new name for something on a server that several tests share.
pub(crate) fn unique(prefix: &str) -> String {
    format!("{prefix}-{:032x}", rand::random::<u128>())
}
