//! Access tokens, as every authorization server gives them out (RFC 6749).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::jiff::Timestamp;
use secrecy::SecretString;

use super::CallError;
use super::oauth2::ClientCredentials;

/// An authorization server, as one client that may ask it for tokens.
///
/// Every call has a deadline and never panics on what the server answers.
#[async_trait]
pub trait TokenApi: Send + Sync {
    /// What the server offers beside tokens. May look at its metadata, and keeps what it found.
    ///
    /// # Errors
    ///
    /// As [`Self::request_token`], where the server's metadata is needed and cannot be had.
    async fn offers(&self) -> Result<Offers, TokenError>;

    /// Asks for a token by the client credentials grant (RFC 6749 section 4.4), or by a refresh token (section 6)
    /// where the request holds one.
    ///
    /// # Errors
    ///
    /// [`crate::identity::ErrorKind::Unknown`] where a token may have been given out and its answer was lost. A refresh token must
    /// then not be used again.
    async fn request_token(&self, request: &TokenRequest) -> Result<TokenAnswer, TokenError>;

    /// Asks the server whether a token is good (RFC 7662).
    ///
    /// # Errors
    ///
    /// When the server did not say. That says nothing about the token.
    async fn introspect(&self, token: &SecretString) -> Result<Introspection, TokenError>;

    /// Makes a token worthless (RFC 7009). A token that the server does not know counts as revoked.
    ///
    /// # Errors
    ///
    /// When it is not certain that the token is worthless.
    async fn revoke(&self, token: &SecretString, kind: TokenKind) -> Result<(), TokenError>;

    /// Calls the address with the token as bearer token, to learn whether it is accepted there.
    ///
    /// # Errors
    ///
    /// When neither acceptance nor refusal can be told from the answer.
    async fn probe(&self, url: &url::Url, token: &SecretString) -> Result<Introspection, TokenError>;
}

/// An authorization server, of which clients can be made.
pub trait TokenServer: Send + Sync {
    /// A client of this server, without any I/O.
    ///
    /// # Errors
    ///
    /// [`crate::identity::ErrorKind::Misconfigured`] where the credentials cannot be used.
    fn client(&self, credentials: &ClientCredentials) -> Result<Arc<dyn TokenApi>, CallError>;
}

/// What an authorization server offers to a client beside tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offers {
    /// Token introspection (RFC 7662).
    pub introspection: bool,
    /// Token revocation (RFC 7009).
    pub revocation: bool,
}

/// What a token is asked for with.
#[derive(Clone, Debug, Default)]
pub struct TokenRequest {
    /// Scopes (RFC 6749 section 3.3). None asked for leaves the choice to the server.
    pub scopes: Vec<String>,
    /// The `audience` parameter that some vendors want.
    pub audience: Option<String>,
    /// Resource indicators (RFC 8707), in the order in which they are sent.
    pub resources: Vec<String>,
    /// A refresh token to use instead of the client credentials grant.
    pub refresh_token: Option<SecretString>,
    /// How urgent the request is beside others to the same server.
    pub urgency: Urgency,
}

/// Which request goes first where several wait for a server's budget. Smaller goes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Nothing was published yet, or what was published is worthless.
    #[default]
    NeverSynced,
    /// What is published ends then.
    EndsAt(Timestamp),
    /// Nothing depends on it now: clean-up, checks.
    Whenever,
}

/// An answer with a token.
#[derive(Clone, Debug)]
pub struct TokenAnswer {
    /// The token.
    pub access_token: SecretString,
    /// How it is used (RFC 6749 section 7.1), as the server spelled it. `Bearer` where the server gave none: Didit's answers lack it (contract section 5.1).
    pub token_type: String,
    /// `expires_in`: the lifetime in seconds as the server gave it, fraction dropped; whatever it gave, negative and absurd values too.
    pub expires_in: Option<i64>,
    /// What `expires_in` held where that was no number at all: tidied, for a sentence.
    pub unreadable_expires_in: Option<String>,
    /// `exp` of the token, in seconds since 1970, where the token is a JWT that has one (RFC 7519 section 4.1.4). Its signature is not checked.
    pub expiry_claim: Option<i64>,
    /// `iat` of the token, likewise.
    pub issued_at_claim: Option<i64>,
    /// The scope that was granted, where the server named it. Absent means: as asked (RFC 6749 section 5.1).
    pub scope: Option<String>,
    /// A refresh token, where the server gave one.
    pub refresh_token: Option<SecretString>,
    /// When the request was sent, by our clock.
    pub asked_at: Timestamp,
    /// When the answer was there, by our clock.
    pub received_at: Timestamp,
    /// The server's clock when it answered: its `Date` header.
    pub server_date: Option<Timestamp>,
}

impl TokenAnswer {
    /// How long the server took.
    #[must_use]
    pub fn latency(&self) -> Duration {
        Duration::try_from(self.received_at.duration_since(self.asked_at)).unwrap_or_default()
    }
}

/// What a server says of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Introspection {
    /// It is good.
    Active,
    /// It is not.
    Inactive {
        /// What the server said, for a sentence.
        message: String,
    },
}

/// Which token is meant: the `token_type_hint` of RFC 7009.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// An access token.
    Access,
    /// A refresh token.
    Refresh,
}

/// A call about tokens that did not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{call}")]
pub struct TokenError {
    /// The call, with what to do next.
    pub call: CallError,
    /// The error code of RFC 6749 section 5.2 or RFC 8707 section 2, where the server named one.
    pub code: Option<OAuthErrorCode>,
}

impl From<CallError> for TokenError {
    fn from(call: CallError) -> Self {
        Self { call, code: None }
    }
}

/// Error codes that an authorization server answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OAuthErrorCode {
    /// The request lacks something or has something twice.
    InvalidRequest,
    /// The client could not be authenticated: unknown, revoked, or with another secret. Keycloak's 401 with `unauthorized_client` counts as this too.
    InvalidClient,
    /// The refresh token is not good any more.
    InvalidGrant,
    /// The client may not use this grant.
    UnauthorizedClient,
    /// The server does not know this grant.
    UnsupportedGrantType,
    /// A scope is unknown, malformed, or more than the client may have.
    InvalidScope,
    /// A resource or audience is unknown or not allowed (RFC 8707 section 2).
    InvalidTarget,
}

impl OAuthErrorCode {
    /// The code that a server spells like this.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Some(match code {
            "invalid_request" => Self::InvalidRequest,
            "invalid_client" => Self::InvalidClient,
            "invalid_grant" => Self::InvalidGrant,
            "unauthorized_client" => Self::UnauthorizedClient,
            "unsupported_grant_type" => Self::UnsupportedGrantType,
            "invalid_scope" => Self::InvalidScope,
            "invalid_target" => Self::InvalidTarget,
            _ => return None,
        })
    }
}
