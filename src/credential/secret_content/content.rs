//! What there is to write.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};

/// One thing that a written Secret may hold. The order is the one in which they are written and digested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Member {
    /// An account's e-mail address.
    Email,
    /// An account's password.
    Password,
    /// OAuth 2.0 client identifier.
    ClientId,
    /// The application's key.
    ApiKey,
    /// The application's identifier at the identity API.
    ApplicationId,
    /// The organization's identifier at the identity API.
    OrganizationId,
    /// Base address that takes the key.
    ApiUrl,
    /// The access token.
    AccessToken,
    /// How the token is used (RFC 6749 section 7.1).
    TokenType,
    /// When the token ends: RFC 3339, UTC, whole seconds.
    ExpiresAt,
    /// The scope that was granted, separated by spaces (RFC 6749 section 3.3).
    Scope,
    /// Where tokens are asked for.
    TokenEndpoint,
    /// The authorization server's issuer identifier (RFC 8414 section 2).
    Issuer,
    /// The access token before this one, for who has to accept both.
    PreviousAccessToken,
}

impl Member {
    /// All members, in order.
    pub const ALL: [Self; 14] = [
        Self::Email,
        Self::Password,
        Self::ClientId,
        Self::ApiKey,
        Self::ApplicationId,
        Self::OrganizationId,
        Self::ApiUrl,
        Self::AccessToken,
        Self::TokenType,
        Self::ExpiresAt,
        Self::Scope,
        Self::TokenEndpoint,
        Self::Issuer,
        Self::PreviousAccessToken,
    ];

    /// The usual name of its key, which is also its name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Password => "password",
            Self::ClientId => "client_id",
            Self::ApiKey => "api_key",
            Self::ApplicationId => "application_id",
            Self::OrganizationId => "organization_id",
            Self::ApiUrl => "api_url",
            Self::AccessToken => "access_token",
            Self::TokenType => "token_type",
            Self::ExpiresAt => "expires_at",
            Self::Scope => "scope",
            Self::TokenEndpoint => "token_endpoint",
            Self::Issuer => "issuer",
            Self::PreviousAccessToken => "previous_access_token",
        }
    }

    /// Whether whoever knows the value can act with it.
    #[must_use]
    pub fn is_secret(self) -> bool {
        matches!(
            self,
            Self::Password | Self::ApiKey | Self::AccessToken | Self::PreviousAccessToken
        )
    }
}

/// Values to write, each at most once, in the order of [`Member`]. `Debug` shows which there are and no value.
#[derive(Clone, Debug, Default)]
pub struct Content {
    values: BTreeMap<Member, SecretString>,
}

impl Content {
    /// This content with one value more, or another one.
    #[must_use]
    pub fn with(mut self, member: Member, value: impl Into<SecretString>) -> Self {
        self.values.insert(member, value.into());
        self
    }

    /// Likewise where the value is known; what is unknown is left out and never written as an empty text.
    #[must_use]
    pub fn with_known(self, member: Member, value: Option<impl Into<SecretString>>) -> Self {
        match value {
            Some(value) => self.with(member, value),
            None => self,
        }
    }

    /// This content with the end of its token, as RFC 3339 in UTC with whole seconds, rounded down.
    #[must_use]
    pub fn with_expiry(self, expires_at: Timestamp) -> Self {
        let whole = Timestamp::from_second(expires_at.as_second()).unwrap_or(expires_at);
        self.with(Member::ExpiresAt, whole.to_string())
    }

    /// The value of a member. Secret bytes where the member is a secret.
    #[must_use]
    pub fn get(&self, member: Member) -> Option<&SecretString> {
        self.values.get(&member)
    }

    /// The members that there are, in order.
    pub fn members(&self) -> impl Iterator<Item = Member> + '_ {
        self.values.keys().copied()
    }

    /// Members and bare values, in order. For the formats only.
    pub(super) fn exposed(&self) -> impl Iterator<Item = (Member, &str)> {
        self.values
            .iter()
            .map(|(member, value)| (*member, value.expose_secret()))
    }

    /// The content as one JSON object with the usual names. Bare values: for the format only.
    pub(super) fn json(&self) -> Vec<u8> {
        struct Document<'a>(&'a Content);
        impl Serialize for Document<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map(self.0.exposed().map(|(member, value)| (member.name(), value)))
            }
        }
        // Texts under distinct names: there is nothing that JSON cannot express.
        serde_json::to_vec(&Document(self)).unwrap_or_default()
    }
}
