//! Access tokens, refresh tokens and client-credentials tokens.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::{Context, World};
use crate::clock::later;
use crate::secrets;

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TokenKind {
    /// An account's access token.
    Access,
    /// An account's refresh token.
    Refresh,
    /// An application's token by client credentials.
    Client,
}

/// A token that was issued.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    /// The account's address, or the application's UUID.
    pub(crate) subject: String,
    pub(crate) issued_at: Timestamp,
    pub(crate) expires_at: Timestamp,
}

/// The tokens of a login.
#[derive(Clone, Debug)]
pub(crate) struct SessionTokens {
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    /// Seconds.
    pub(crate) expires_in: u64,
}

/// Tokens are swept of expired ones each time their number reaches a multiple of this.
const SWEEP_EVERY: usize = 1024;

impl World {
    /// Issues an access and a refresh token to an account.
    pub(crate) fn issue_session(&mut self, email: &str, context: &Context) -> SessionTokens {
        let lifetime = context.times.access_token_lifetime.get();
        let expires_at = later(context.now, lifetime);
        let access_token = self.issue(TokenKind::Access, email, expires_at, context);
        let refresh_end = later(context.now, context.times.refresh_token_lifetime.get());
        let refresh_token = self.issue(TokenKind::Refresh, email, refresh_end, context);
        SessionTokens {
            access_token,
            refresh_token,
            expires_in: lifetime.as_secs(),
        }
    }

    /// Issues one token.
    pub(crate) fn issue(
        &mut self,
        kind: TokenKind,
        subject: &str,
        expires_at: Timestamp,
        context: &Context,
    ) -> String {
        let claims = json!({
            "iss": "https://didit.me",
            "sub": subject,
            "iat": context.now.as_second(),
            "exp": expires_at.as_second(),
            "jti": Uuid::new_v4(),
        });
        let token = secrets::jwt(context.switches.token_algorithm, &claims);
        if self.tokens.len() % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.tokens.retain(|_, token| token.expires_at > context.now);
        }
        let record = Token {
            kind,
            subject: subject.to_owned(),
            issued_at: context.now,
            expires_at,
        };
        self.tokens.insert(token.clone(), record);
        self.remember(token)
    }

    /// The record of a token that is valid `now`.
    pub(crate) fn token(&self, token: &str, now: Timestamp) -> Option<&Token> {
        self.tokens.get(token).filter(|token| token.expires_at > now)
    }

    /// The account a valid access token belongs to.
    pub(crate) fn bearer(&self, token: &str, now: Timestamp) -> Option<String> {
        self.token(token, now)
            .filter(|token| token.kind == TokenKind::Access)
            .map(|token| token.subject.clone())
            .filter(|email| self.accounts.contains_key(email))
    }
}
