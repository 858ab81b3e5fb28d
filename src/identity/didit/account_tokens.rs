//! The management token of an account at Didit, as one more kind of access token (contract section 2.5).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use url::Url;

use crate::identity::http::HttpClient;
use crate::identity::probe::probe;
use crate::identity::session::Session;
use crate::identity::token::{
    Introspection, Offers, TokenAnswer, TokenApi, TokenError, TokenKind, TokenRequest,
};
use crate::identity::{CallError, ErrorKind};

/// A login that is more recent than this serves whoever asks for a new token.
const RECENT: Duration = Duration::from_secs(5 * 60);

/// The tokens of the account itself. Each comes from the login that Keywright uses too, so that a Secret with the token
/// costs a login a day and no more.
pub(super) struct AccountTokens {
    pub(super) session: Arc<Session>,
    pub(super) http: Arc<HttpClient>,
    pub(super) allow_insecure: bool,
}

#[async_trait]
impl TokenApi for AccountTokens {
    async fn offers(&self) -> Result<Offers, TokenError> {
        Ok(Offers::default())
    }

    async fn request_token(&self, _request: &TokenRequest) -> Result<TokenAnswer, TokenError> {
        let token = self.session.recent_token(RECENT).await?;
        Ok(TokenAnswer {
            access_token: token.secret().clone(),
            token_type: "Bearer".to_owned(),
            expires_in: i64::try_from(token.expires_in().as_secs()).ok(),
            unreadable_expires_in: None,
            expiry_claim: None,
            issued_at_claim: None,
            scope: None,
            refresh_token: None,
            asked_at: token.asked_at(),
            received_at: token.asked_at(),
            server_date: None,
        })
    }

    async fn introspect(&self, _token: &SecretString) -> Result<Introspection, TokenError> {
        Err(not_offered(
            "introspectToken",
            "IntrospectionNotOffered",
            "introspection",
        ))
    }

    async fn revoke(&self, _token: &SecretString, _kind: TokenKind) -> Result<(), TokenError> {
        Err(not_offered("revokeToken", "RevocationNotOffered", "revocation"))
    }

    async fn probe(&self, url: &Url, token: &SecretString) -> Result<Introspection, TokenError> {
        probe(&self.http, url, token, self.allow_insecure).await
    }
}

fn not_offered(operation: &'static str, reason: &'static str, what: &str) -> TokenError {
    CallError {
        operation,
        kind: ErrorKind::Misconfigured { reason },
        message: format!("Didit offers no {what} for the token of an account"),
    }
    .into()
}
