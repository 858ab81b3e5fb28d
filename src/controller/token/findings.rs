//! What is true of a token, and what a failure to get one means.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use crate::api::conditions::{Finding, Truth};
use crate::api::token::{LIFETIME_SUFFICIENT, TOKEN_AS_REQUESTED, TOKEN_FRESH, TokenSettings, TokenStatus};
use crate::credential::token::{self, Promise, Refresh};
use crate::identity::ErrorKind;
use crate::identity::token::{OAuthErrorCode, TokenError};

/// Something that keeps a token from being refreshed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// CamelCase reason.
    pub reason: &'static str,
    /// A sentence without a final stop.
    pub message: String,
    /// Whether it may pass by itself.
    pub passes: bool,
    /// How long the server asked to wait.
    pub retry_after: Option<Duration>,
    /// Whether it may concern everybody who uses the provider.
    pub concerns_provider: bool,
}

impl Trouble {
    /// Trouble that somebody has to mend.
    #[must_use]
    pub fn to_mend(reason: &'static str, message: String) -> Self {
        Self {
            reason,
            message,
            passes: false,
            retry_after: None,
            concerns_provider: false,
        }
    }

    /// Trouble that may pass by itself.
    #[must_use]
    pub fn passing(reason: &'static str, message: String) -> Self {
        Self {
            passes: true,
            ..Self::to_mend(reason, message)
        }
    }

    /// What it means that a call about tokens failed.
    #[must_use]
    pub fn of(error: &TokenError, settings: &TokenSettings) -> Self {
        let said = error.to_string();
        if let Some(code) = error.code {
            return Self::of_code(code, &said, settings);
        }
        match &error.call.kind {
            ErrorKind::Unavailable => Self {
                concerns_provider: true,
                ..Self::passing("Unavailable", said)
            },
            ErrorKind::Throttled { retry_after } => Self {
                retry_after: *retry_after,
                ..Self::passing("Throttled", said)
            },
            ErrorKind::Unknown => Self::passing("OutcomeUnknown", said),
            ErrorKind::Malformed => Self::passing("UnexpectedAnswer", said),
            ErrorKind::Braked { .. } => Self {
                concerns_provider: true,
                ..Self::to_mend("CredentialsRefused", said)
            },
            ErrorKind::Misconfigured { reason } => Self::to_mend(reason, said),
            ErrorKind::Unauthorized => Self::to_mend(
                "InvalidClient",
                format!("{said}. Check the client's identifier and its credentials"),
            ),
            ErrorKind::Forbidden => Self::to_mend(
                "Forbidden",
                format!("{said}. Check what this client may do at the server"),
            ),
            ErrorKind::NotFound => Self::to_mend(
                "EndpointNotFound",
                format!("{said}. Check the addresses of the identity provider"),
            ),
            ErrorKind::Rejected => Self::to_mend(
                "Rejected",
                format!("{said}. Correct what the token is asked for with"),
            ),
        }
    }

    fn of_code(code: OAuthErrorCode, said: &str, settings: &TokenSettings) -> Self {
        let (reason, advice) = match code {
            OAuthErrorCode::InvalidClient => (
                "InvalidClient",
                "The server does not accept this client: it is unknown, disabled, or its credentials are others. Correct the client's Secret"
                    .to_owned(),
            ),
            OAuthErrorCode::UnauthorizedClient => (
                "UnauthorizedClient",
                "Allow the client credentials grant for this client at the server".to_owned(),
            ),
            OAuthErrorCode::UnsupportedGrantType => (
                "UnsupportedGrantType",
                "This server does not know the client credentials grant. Check the token endpoint".to_owned(),
            ),
            OAuthErrorCode::InvalidScope => (
                "InvalidScope",
                format!(
                    "Correct scopes (now {}), or allow them for this client at the server",
                    listed(&settings.scopes)
                ),
            ),
            OAuthErrorCode::InvalidTarget => (
                "InvalidTarget",
                format!(
                    "Correct resources or audience (now {}), or allow them for this client at the server",
                    listed(settings.resources.iter().chain(&settings.audience))
                ),
            ),
            OAuthErrorCode::InvalidGrant => (
                "InvalidGrant",
                "The server no longer accepts the refresh token".to_owned(),
            ),
            OAuthErrorCode::InvalidRequest => (
                "InvalidRequest",
                "Check scopes, audience and resources, and the provider's extraParameters".to_owned(),
            ),
        };
        Self::to_mend(reason, format!("{said}. {advice}"))
    }

    /// The finding about the token, with what becomes of the published one and when it is tried again.
    #[must_use]
    pub fn finding(
        &self,
        published: Option<&TokenStatus>,
        retry: Option<Timestamp>,
        now: Timestamp,
    ) -> Finding {
        let mut message = self.message.clone();
        if let Some(retry) = retry {
            message = format!("{message}. Trying again at {retry:.0}");
        }
        let published = match published {
            Some(token) if token.expires_at.0 > now => {
                format!("The published token is valid until {:.0}", token.expires_at.0)
            }
            Some(token) => format!("The published token expired at {:.0}", token.expires_at.0),
            None => "No token is published yet".to_owned(),
        };
        Finding::new(
            TOKEN_FRESH,
            Truth::False,
            self.reason,
            format!("{message}. {published}"),
        )
    }
}

/// The finding about a token with which nothing is wrong.
#[must_use]
pub fn fresh(token: &TokenStatus, refresh: &Refresh) -> Finding {
    Finding::new(
        TOKEN_FRESH,
        Truth::True,
        "Fresh",
        format!(
            "the token expires at {:.0} and is refreshed at {:.0}",
            token.expires_at.0, refresh.at
        ),
    )
}

/// Whether what was granted is what was asked for: a narrower scope is no silence (RFC 6749 section 5.1).
#[must_use]
pub fn as_requested(token: &TokenStatus, settings: &TokenSettings) -> Finding {
    let granted: BTreeSet<_> = match &token.scope {
        // Not named means: as asked.
        None => return as_asked(),
        Some(scope) => scope.split_whitespace().collect(),
    };
    let missing: Vec<_> = settings
        .scopes
        .iter()
        .filter(|scope| !granted.contains(scope.as_str()))
        .collect();
    if missing.is_empty() {
        return as_asked();
    }
    Finding::new(
        TOKEN_AS_REQUESTED,
        Truth::False,
        "ScopeNarrowed",
        format!(
            "the server granted {} and left out {}. Allow that for this client at the server, or ask for less",
            listed(&granted),
            listed(missing)
        ),
    )
}

fn as_asked() -> Finding {
    Finding::new(
        TOKEN_AS_REQUESTED,
        Truth::True,
        "AsRequested",
        "the token has every scope that was asked for",
    )
}

/// Whether tokens live long enough for the promise.
#[must_use]
pub fn lifetime(published: &TokenStatus, promise: &Promise) -> Finding {
    if let Some(short) = token::finding(&super::need::recorded(published), promise) {
        return Finding::new(LIFETIME_SUFFICIENT, Truth::False, short.reason, short.sentence);
    }
    match &published.remark {
        Some(remark) => Finding::new(
            LIFETIME_SUFFICIENT,
            Truth::True,
            remark.reason.clone(),
            remark.message.clone(),
        ),
        None => Finding::new(
            LIFETIME_SUFFICIENT,
            Truth::True,
            "Sufficient",
            "tokens live long enough for minimumRemaining",
        ),
    }
}

/// The scopes that a shared provider does not let a namespace ask for.
#[must_use]
pub fn scopes_not_allowed(settings: &TokenSettings, allowed: Option<&[String]>) -> Option<Trouble> {
    let allowed = allowed?;
    if settings.scopes.is_empty() {
        return Some(Trouble::to_mend(
            "ScopeNotNamed",
            format!(
                "the provider limits what may be asked for, so scopes has to name something of {}",
                listed(allowed)
            ),
        ));
    }
    let denied: Vec<_> = settings
        .scopes
        .iter()
        .filter(|scope| !allowed.contains(scope))
        .collect();
    (!denied.is_empty()).then(|| {
        Trouble::to_mend(
            "ScopeNotAllowed",
            format!(
                "the provider does not allow {}. Ask its administrator to add it to spec.allowedScopes, or ask for less",
                listed(denied)
            ),
        )
    })
}

/// A list for a sentence, short whatever it holds.
fn listed<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> String {
    const SHOWN: usize = 8;
    let items: Vec<String> = items.into_iter().map(|item| item.as_ref().to_owned()).collect();
    match items.len() {
        0 => "none".to_owned(),
        count if count > SHOWN => {
            let shown: Vec<_> = items.into_iter().take(SHOWN).collect();
            format!("{} and {} more", shown.join(", "), count - SHOWN)
        }
        _ => items.join(", "),
    }
}
