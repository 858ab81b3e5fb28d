//! Reading the answers of an authorization server.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use serde_json::Value;

use crate::identity::http::{Answer, Fields, HttpClient, Unreadable, tidy};
use crate::identity::token::{Introspection, TokenAnswer};

/// Tokens that are longer are not looked into.
const MAX_JWT_BYTES: usize = 64 * 1024;

/// A scope is kept in the status and beside the token: longer than this is none that anybody asked for.
const MAX_SCOPE_BYTES: usize = 4096;

const MAX_SHOWN_CHARACTERS: usize = 60;

/// A successful answer of the token endpoint (RFC 6749 section 5.1).
pub(super) struct Granted {
    access_token: SecretString,
    token_type: String,
    expires_in: Option<Lifetime>,
    claims: Claims,
    scope: Option<String>,
    refresh_token: Option<SecretString>,
}

/// What `expires_in` held.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Lifetime {
    Seconds(i64),
    Unreadable(String),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Claims {
    expiry: Option<i64>,
    issued_at: Option<i64>,
}

/// Reads an answer with a token.
pub(super) fn granted(answer: &Value) -> Result<Granted, Unreadable> {
    let fields = Fields::of_answer(answer)?;
    let access_token = fields.text("access_token")?;
    if !access_token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(fields.wrong("access_token", "has characters that no HTTP header can carry"));
    }
    Ok(Granted {
        access_token: access_token.into(),
        token_type: token_type(&fields)?,
        expires_in: fields.get("expires_in").map(lifetime),
        claims: claims(access_token),
        scope: granted_scope(&fields)?,
        refresh_token: fields
            .get("refresh_token")
            .and_then(Value::as_str)
            .filter(|token| !token.is_empty())
            .map(SecretString::from),
    })
}

impl Granted {
    /// Takes its tokens into what `http` must not repeat, and adds the times. `sent` is what the request held that must
    /// not be repeated either.
    pub(super) fn noted(answer: Answer<Self>, http: &HttpClient, sent: &[&SecretString]) -> TokenAnswer {
        let granted = answer.value;
        http.remember(&granted.access_token);
        if let Some(token) = &granted.refresh_token {
            http.remember(token);
        }
        let (expires_in, unreadable_expires_in) = match granted.expires_in {
            None => (None, None),
            Some(Lifetime::Seconds(seconds)) => (Some(seconds), None),
            Some(Lifetime::Unreadable(text)) => (None, Some(shown(&http.scrub(&text, sent)))),
        };
        TokenAnswer {
            access_token: granted.access_token,
            token_type: granted.token_type,
            expires_in,
            unreadable_expires_in,
            expiry_claim: granted.claims.expiry,
            issued_at_claim: granted.claims.issued_at,
            // It goes into the status, where everybody may read it.
            scope: granted.scope.map(|scope| http.scrub(&scope, sent)),
            refresh_token: granted.refresh_token,
            asked_at: answer.asked_at,
            received_at: answer.received_at,
            server_date: answer.date,
        }
    }
}

/// Reads an introspection answer (RFC 7662 section 2.2).
pub(super) fn introspection(answer: &Value) -> Result<Introspection, Unreadable> {
    let fields = Fields::of_answer(answer)?;
    match fields.get("active") {
        Some(Value::Bool(true)) => Ok(Introspection::Active),
        Some(Value::Bool(false)) => Ok(Introspection::Inactive {
            message: "the authorization server says that the token is not active".to_owned(),
        }),
        Some(_) => Err(fields.wrong("active", "is neither true nor false")),
        None => Err(fields.wrong("active", "is missing")),
    }
}

/// Only bearer tokens can be passed on: of every other type the receiver has to prove something.
fn token_type(fields: &Fields<'_>) -> Result<String, Unreadable> {
    let Some(name) = fields.optional_text("token_type")? else {
        return Ok("Bearer".to_owned());
    };
    if name.eq_ignore_ascii_case("bearer") {
        return Ok(name.to_owned());
    }
    // A name of a type is short and plain; anything else might be a token that went astray.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    Err(fields.wrong(
        "token_type",
        &if (1..=32).contains(&name.len()) && name.bytes().all(plain) {
            format!("is `{name}`; only bearer tokens are supported, so set the client up for those")
        } else {
            "is no known type; only bearer tokens are supported".to_owned()
        },
    ))
}

fn lifetime(value: &Value) -> Lifetime {
    let unreadable = |text: &str| Lifetime::Unreadable(text.to_owned());
    match value {
        Value::Number(_) => match whole(value) {
            Some(seconds) => Lifetime::Seconds(seconds),
            None => unreadable(&value.to_string()),
        },
        Value::String(text) => {
            let text = text.trim();
            // Rust would also read `inf`, `nan` and their like as numbers.
            let numeric = text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
            let number = text
                .parse::<f64>()
                .ok()
                .filter(|number| numeric && number.is_finite());
            match (text.parse::<i64>(), number) {
                (Ok(seconds), _) => Lifetime::Seconds(seconds),
                (Err(_), Some(number)) => Lifetime::Seconds(truncated(number)),
                (Err(_), None) => unreadable(text),
            }
        }
        other => unreadable(&other.to_string()),
    }
}

/// The number without its fraction; what is beyond the range of `i64` is its end.
fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64().map(truncated))
}

fn truncated(number: f64) -> i64 {
    // `as` saturates, which is meant here.
    number.trunc() as i64
}

fn granted_scope(fields: &Fields<'_>) -> Result<Option<String>, Unreadable> {
    match fields.get("scope").and_then(scope) {
        Some(scope) if scope.len() > MAX_SCOPE_BYTES => Err(fields.wrong("scope", "is longer than 4 KiB")),
        scope => Ok(scope),
    }
}

/// A list is what some servers send instead of a string.
fn scope(value: &Value) -> Option<String> {
    match value {
        Value::String(scope) => Some(scope.clone()),
        Value::Array(items) => {
            let scopes: Option<Vec<_>> = items.iter().map(Value::as_str).collect();
            Some(scopes?.join(" "))
        }
        _ => None,
    }
}

/// The times in a token that is a JWT. Nothing in it is checked: the times are a hint, and not trusted.
fn claims(token: &str) -> Claims {
    payload(token).map_or_else(Claims::default, |payload| {
        let time = |name: &str| payload.get(name).filter(|time| time.is_number()).and_then(whole);
        Claims {
            expiry: time("exp"),
            issued_at: time("iat"),
        }
    })
}

fn payload(token: &str) -> Option<Value> {
    if token.len() > MAX_JWT_BYTES {
        return None;
    }
    let mut parts = token.split('.');
    let (_header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

fn shown(text: &str) -> String {
    let line = tidy(text);
    match line.char_indices().nth(MAX_SHOWN_CHARACTERS) {
        None => line,
        Some(_) => line.chars().take(MAX_SHOWN_CHARACTERS - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
