//! What an authorization server's refusals mean.

use reqwest::StatusCode;

use crate::identity::ErrorKind;
use crate::identity::http::Failure;
use crate::identity::token::{OAuthErrorCode, TokenError};

/// The failure with the error code that the server named, which says more than the status does: servers differ in
/// which of 400, 401 and 403 they send (RFC 6749 section 5.2 leaves some of it to them).
pub(super) fn explain(failure: Failure) -> TokenError {
    if failure.status.is_some_and(is_no_endpoint) {
        let mut call = failure.error;
        call.kind = ErrorKind::NotFound;
        return TokenError { call, code: None };
    }
    let code = failure
        .status
        .zip(failure.code.as_deref())
        .and_then(|(status, code)| meant(status, code));
    let mut call = failure.error;
    if let Some(code) = code {
        call.kind = kind(code);
    }
    TokenError { call, code }
}

/// As [`explain`], for revocation, which has a code of its own (RFC 7009 section 2.2.1).
pub(super) fn explain_revocation(failure: Failure) -> TokenError {
    let unsupported = failure.code.as_deref() == Some("unsupported_token_type");
    let mut error = explain(failure);
    if unsupported {
        error
            .call
            .message
            .push_str("; this authorization server does not revoke tokens of this kind");
    }
    error
}

/// Whether the answer is about the address: whatever else it says, no endpoint has looked at the request.
fn is_no_endpoint(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::GONE
    )
}

fn meant(status: StatusCode, code: &str) -> Option<OAuthErrorCode> {
    // Where the server only has too much to do, its words do not make the request wrong.
    let refused = status.is_client_error()
        && !matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
        );
    match OAuthErrorCode::parse(code).filter(|_| refused)? {
        // Keycloak's answer to a wrong secret.
        OAuthErrorCode::UnauthorizedClient if status == StatusCode::UNAUTHORIZED => {
            Some(OAuthErrorCode::InvalidClient)
        }
        code => Some(code),
    }
}

fn kind(code: OAuthErrorCode) -> ErrorKind {
    match code {
        OAuthErrorCode::InvalidClient => ErrorKind::Unauthorized,
        OAuthErrorCode::UnauthorizedClient => ErrorKind::Forbidden,
        OAuthErrorCode::InvalidRequest
        | OAuthErrorCode::InvalidGrant
        | OAuthErrorCode::UnsupportedGrantType
        | OAuthErrorCode::InvalidScope
        | OAuthErrorCode::InvalidTarget => ErrorKind::Rejected,
    }
}
