//! Login and second factor (contract, 2.4).

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::json;

use super::throttled;
use crate::body::JsonBody;
use crate::clock::later;
use crate::config::{Locked, WrongPassword};
use crate::peer::Peer;
use crate::reply::{FieldErrors, Reply};
use crate::shared::Shared;
use crate::state::{Context, LoginError, LoginOutcome};

pub(super) async fn login(
    State(shared): State<Arc<Shared>>,
    Extension(Peer(peer)): Extension<Peer>,
    body: JsonBody,
) -> Result<Reply, Reply> {
    let mut errors = FieldErrors::default();
    let email = body.required("email", &mut errors);
    let password = body.required_verbatim("password", &mut errors);
    errors.check()?;
    shared.change(
        |world, context| match world.login(&email, &password, peer, context) {
            Ok(LoginOutcome::Tokens(tokens)) => Ok(Reply::ok(json!({
                "access_token": tokens.access_token,
                "refresh_token": tokens.refresh_token,
                "expires_in": tokens.expires_in,
                "message": "Login successful",
            }))),
            Ok(LoginOutcome::SecondFactor {
                temp_token,
                has_authenticator,
                has_passkeys,
            }) => Ok(Reply::ok(json!({
                "2fa_required": true,
                "temp_token": temp_token,
                "has_authenticator": has_authenticator,
                "has_passkeys": has_passkeys,
            }))),
            Err(error) => Err(refuse(&error, context)),
        },
    )?
}

pub(super) async fn second_factor(State(shared): State<Arc<Shared>>, body: JsonBody) -> Result<Reply, Reply> {
    let mut errors = FieldErrors::default();
    let temp_token = body.required("temp_token", &mut errors);
    let code = body.required("otp_token", &mut errors);
    errors.check()?;
    shared.change(
        |world, context| match world.second_factor(&temp_token, &code, context) {
            Some(tokens) => Ok(Reply::ok(json!({
                "access_token": tokens.access_token,
                "refresh_token": tokens.refresh_token,
            }))),
            None => Err(Reply::json(
                StatusCode::BAD_REQUEST,
                json!(["Invalid OTP token."]),
            )),
        },
    )?
}

fn refuse(error: &LoginError, context: &Context) -> Reply {
    match error {
        LoginError::Credentials => {
            let text = "No active account found with the given credentials.";
            match context.switches.wrong_password {
                WrongPassword::Unauthorized => Reply::detail(StatusCode::UNAUTHORIZED, text),
                WrongPassword::Forbidden => Reply::detail(StatusCode::FORBIDDEN, text),
                WrongPassword::Throttled => {
                    throttled(later(context.now, context.times.first_lock.get()), context)
                }
            }
        }
        LoginError::Locked { until } => match context.switches.locked {
            Locked::Throttled => throttled(*until, context),
            Locked::Forbidden => Reply::detail(
                StatusCode::FORBIDDEN,
                "Too many failed attempts. The account is locked.",
            ),
        },
    }
}
