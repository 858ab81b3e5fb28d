//! The auth host, `https://apx.didit.me/auth/v2` (contract, 1 to 5 and 7).

mod account;
mod applications;
mod login;
mod oauth;
mod organizations;

use std::sync::Arc;

use axum::Router;
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::routing::{any, get, post};
use jiff::Timestamp;

use crate::config::Refusal;
use crate::operation::Operation;
use crate::reply::Reply;
use crate::shared::Shared;
use crate::state::{Context, World};

/// The routes of this host.
pub(crate) fn routes() -> Router<Arc<Shared>> {
    let list = get(applications::list).post(applications::create);
    let item = get(applications::read)
        .patch(applications::update)
        .delete(applications::delete);
    Router::new()
        .route(Operation::Register.path(), post(account::register))
        .route(Operation::ResendOtp.path(), post(account::resend))
        .route(Operation::VerifyEmail.path(), post(account::verify))
        .route(Operation::Login.path(), post(login::login))
        .route(Operation::VerifySecondFactor.path(), post(login::second_factor))
        .route(Operation::ListOrganizations.path(), get(organizations::list))
        .route(Operation::ListApplications.path(), list)
        .route(Operation::GetApplication.path(), item)
        .route(Operation::ClientCredentialsToken.path(), post(oauth::token))
        .route(Operation::Introspect.path(), post(oauth::introspect))
        .route(Operation::AuthenticationSetup.path(), any(authentication_setup))
}

/// Out of reach for programmatic credentials (contract, 7).
async fn authentication_setup(headers: HeaderMap) -> Reply {
    if headers.contains_key(AUTHORIZATION) || headers.contains_key("x-api-key") {
        return Reply::forbidden();
    }
    Reply::detail(
        StatusCode::UNAUTHORIZED,
        "Authentication credentials were not provided.",
    )
}

/// The address of the account whose access token the call carries.
fn caller(headers: &HeaderMap, world: &World, context: &Context) -> Result<String, Reply> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(header) = header else {
        return Err(bad_token(
            "Authentication credentials were not provided.",
            context,
        ));
    };
    let token = header
        .split_once(' ')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    token
        .and_then(|(_, token)| world.bearer(token.trim(), context.now))
        .ok_or_else(|| bad_token("Token is invalid or expired.", context))
}

fn bad_token(text: &str, context: &Context) -> Reply {
    match context.switches.bad_token {
        Refusal::Unauthorized => Reply::detail(StatusCode::UNAUTHORIZED, text)
            .with(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
        Refusal::Forbidden => Reply::detail(StatusCode::FORBIDDEN, text),
    }
}

/// 429 of this host, of which it is not known whether it says when to come back (contract, 9.3).
fn throttled(until: Timestamp, context: &Context) -> Reply {
    let reply = Reply::throttled(context.now, until);
    if context.switches.omit_retry_after {
        reply.without_retry_after()
    } else {
        reply
    }
}
