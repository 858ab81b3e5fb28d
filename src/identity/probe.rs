//! Trying a token at an API.

use reqwest::{Method, StatusCode};
use secrecy::SecretString;
use url::Url;

use super::CallError;
use super::budget::Permit;
use super::http::{Call, Effect, Endpoint, Failure, HttpClient};
use super::token::{Introspection, TokenError};

const OPERATION: &str = "probeToken";

/// Calls an address with a token: 2xx accepts it, 401 and 403 refuse it.
pub(super) async fn probe(
    http: &HttpClient,
    url: &Url,
    token: &SecretString,
    allow_insecure: bool,
) -> Result<Introspection, TokenError> {
    let url = Endpoint::exact("verification.probeUrl", url.as_str(), allow_insecure).map_err(|error| {
        CallError {
            operation: OPERATION,
            ..error
        }
    })?;
    let call = Call::new(OPERATION, Effect::Reads, Method::GET, url)
        .bearer(token)
        .ignoring_body();
    // Somebody else answers there: that is no business of the server's budget.
    match http.exchange(Permit::unlimited(), call, |_| Ok(())).await {
        Ok(_) => Ok(Introspection::Active),
        Err(failure) if is_denial(&failure) => Ok(Introspection::Inactive {
            message: failure.error.message,
        }),
        Err(failure) => Err(failure.error.into()),
    }
}

fn is_denial(failure: &Failure) -> bool {
    matches!(
        failure.status,
        Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
    )
}
