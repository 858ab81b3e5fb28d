//! The legacy OAuth 2.0 routes (contract, 5).

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::body::{JsonBody, media_type};
use crate::clock::later;
use crate::config::{AccountRefresh, ClientTokenExpiry};
use crate::reply::{FieldErrors, Reply};
use crate::shared::Shared;
use crate::state::{Application, Context, Token, TokenKind, World};

const ISSUER: &str = "https://didit.me";
const FORM: &str = "application/x-www-form-urlencoded";

pub(super) async fn token(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Reply, Reply> {
    shared.change(|world, context| {
        let application = client(&headers, world)?.clone();
        if media_type(&headers) != FORM {
            return Err(invalid_request(&format!("The content type must be {FORM}.")));
        }
        let form = form(&body);
        match form.get("grant_type").map(String::as_str) {
            Some("client_credentials") => Ok(Reply::ok(client_token(world, &application, context))),
            Some("refresh_token") => refresh(world, &form, context),
            Some(_) => Err(oauth_error(
                "unsupported_grant_type",
                "This grant type is not supported.",
            )),
            None => Err(invalid_request("grant_type is required.")),
        }
    })?
}

pub(super) async fn introspect(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Reply, Reply> {
    shared.read(|world, context| {
        let client_id = client(&headers, world)?.client_id.clone();
        let token = match media_type(&headers).as_str() {
            FORM => form(&body).remove("token").filter(|token| !token.is_empty()),
            "application/json" => {
                let token = JsonBody::parse(&body)?.required("token", &mut FieldErrors::default());
                Some(token).filter(|token| !token.is_empty())
            }
            _ => return Err(invalid_request("The content type must be a form or JSON.")),
        };
        let token = token.ok_or_else(|| invalid_request("token is required."))?;
        Ok(Reply::ok(match world.token(&token, context.now) {
            Some(token) if token.kind != TokenKind::Refresh => description(world, token, &client_id),
            _ => json!({"active": false}),
        }))
    })
}

/// The application whose client credentials the call carries (contract, 5.1).
fn client<'a>(headers: &HeaderMap, world: &'a World) -> Result<&'a Application, Reply> {
    basic(headers)
        .and_then(|(id, secret)| world.application_by_client(&id, &secret))
        .ok_or_else(|| {
            let body =
                json!({"error": "invalid_client", "error_description": "Client authentication failed."});
            Reply::json(StatusCode::UNAUTHORIZED, body)
                .with(WWW_AUTHENTICATE, HeaderValue::from_static("Basic"))
        })
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, value) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let decoded = scheme
        .eq_ignore_ascii_case("basic")
        .then(|| STANDARD.decode(value.trim()).ok())??;
    let (id, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

fn form(body: &[u8]) -> HashMap<String, String> {
    form_urlencoded::parse(body).into_owned().collect()
}

fn client_token(world: &mut World, application: &Application, context: &Context) -> Value {
    let lifetime = context.times.client_token_lifetime.get();
    let end = later(context.now, lifetime);
    let claimed = match context.switches.client_token_expiry {
        ClientTokenExpiry::Agrees => end,
        ClientTokenExpiry::TenTimes => later(context.now, lifetime.saturating_mul(10)),
    };
    let subject = application.uuid.to_string();
    let access_token = world.issue(TokenKind::Client, &subject, end, context);
    json!({
        "iss": ISSUER,
        "iat": context.now.as_second(),
        "sub": subject,
        "client_id": application.client_id,
        "organization_id": application.organization,
        "expires_in": lifetime.as_secs(),
        "exp": claimed.as_second(),
        "access_token": access_token,
    })
}

fn refresh(world: &mut World, form: &HashMap<String, String>, context: &Context) -> Result<Reply, Reply> {
    let refused = || oauth_error("invalid_grant", "The refresh token is invalid or expired.");
    let token = form
        .get("refresh_token")
        .ok_or_else(|| invalid_request("refresh_token is required."))?;
    if context.switches.account_refresh == AccountRefresh::Absent {
        return Err(refused());
    }
    let account = world
        .token(token, context.now)
        .filter(|token| token.kind == TokenKind::Refresh)
        .map(|token| token.subject.clone())
        .ok_or_else(refused)?;
    let lifetime = context.times.access_token_lifetime.get();
    let access_token = world.issue(TokenKind::Access, &account, later(context.now, lifetime), context);
    Ok(Reply::ok(json!({
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": lifetime.as_secs(),
        "scope": "",
    })))
}

fn description(world: &World, token: &Token, client_id: &str) -> Value {
    let mut view = json!({
        "active": true,
        "iss": ISSUER,
        "iat": token.issued_at.as_second(),
        "exp": token.expires_at.as_second(),
        "sub": token.subject,
        "client_id": client_id,
    });
    let Some(fields) = view.as_object_mut() else {
        return view;
    };
    if let Some(account) = world.accounts.get(&token.subject) {
        let organization = world
            .organizations_of(&token.subject)
            .first()
            .map(|found| found.uuid);
        fields.insert("identifier".to_owned(), json!(account.email));
        fields.insert("identifier_type".to_owned(), json!("email"));
        fields.insert("organization_id".to_owned(), json!(organization));
        fields.insert(
            "has_2fa_enabled".to_owned(),
            json!(account.totp_seed.is_some() || account.has_passkeys),
        );
    }
    let owner = world
        .applications
        .values()
        .find(|found| found.uuid.to_string() == token.subject);
    if let Some(application) = owner {
        fields.insert("client_id".to_owned(), json!(application.client_id));
        fields.insert("organization_id".to_owned(), json!(application.organization));
    }
    view
}

fn oauth_error(error: &str, description: &str) -> Reply {
    Reply::json(
        StatusCode::BAD_REQUEST,
        json!({"error": error, "error_description": description}),
    )
}

fn invalid_request(description: &str) -> Reply {
    oauth_error("invalid_request", description)
}
