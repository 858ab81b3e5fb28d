//! Register, resend the code, verify the address (contract, 2.1 to 2.3).

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::throttled;
use crate::body::JsonBody;
use crate::config::{RegisteredAddress, ResendPassword, WrongCode};
use crate::peer::Peer;
use crate::reply::{FieldErrors, Reply};
use crate::shared::Shared;
use crate::state::{Application, Context, RegisterError, Registered, World, is_address};

const PUNCTUATION: &str = "!@#$%^&*()_+-=[]{}|;:,.<>?`";

pub(super) async fn register(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    body: Result<JsonBody, Reply>,
) -> Result<Reply, Reply> {
    shared.change(|world, context| {
        take_registration(world, peer, context)?;
        let (email, password) = credentials(&body?)?;
        match world.register(&email, &password, context) {
            Ok(Registered::New) => {
                let message = "Registration successful. Check your email for the verification code.";
                Ok(Reply::json(
                    StatusCode::CREATED,
                    json!({"message": message, "email": email}),
                ))
            }
            Ok(Registered::Again) => Ok(Reply::ok(json!({"message": "A new verification code was sent."}))),
            Err(error) => Err(refuse(&error, context)),
        }
    })?
}

pub(super) async fn resend(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    body: Result<JsonBody, Reply>,
) -> Result<Reply, Reply> {
    shared.change(|world, context| {
        take_registration(world, peer, context)?;
        let body = body?;
        let mut errors = FieldErrors::default();
        let email = address(&body, &mut errors);
        let wanted = context.switches.resend_password == ResendPassword::Required;
        let password = (wanted || body.get("password").is_some())
            .then(|| body.required_verbatim("password", &mut errors));
        errors.check()?;
        world
            .resend(&email, password.as_deref(), context)
            .map(|()| Reply::ok(json!({"message": "A new verification code was sent."})))
            .map_err(|error| refuse(&error, context))
    })?
}

pub(super) async fn verify(
    State(shared): State<Arc<Shared>>,
    body: Result<JsonBody, Reply>,
) -> Result<Reply, Reply> {
    shared.change(|world, context| {
        let body = body?;
        let mut errors = FieldErrors::default();
        let email = address(&body, &mut errors);
        let code = body.required("code", &mut errors);
        if !code.is_empty() && code.chars().count() != 6 {
            errors.add("code", "Ensure this field has exactly 6 characters.");
        }
        errors.check()?;
        let (account, made) = world
            .verify(&email, &code, context)
            .map_err(|_| wrong_code(context))?;
        let tokens = world.issue_session(&account, context);
        let application = made
            .application
            .and_then(|made| world.applications.get(&made.uuid))
            .map(Application::bootstrap_view);
        let mut view = json!({
            "access_token": tokens.access_token,
            "refresh_token": tokens.refresh_token,
            "expires_in": tokens.expires_in,
            "organization": made.organizations.first(),
            "application": application,
        });
        if let (true, Some(fields)) = (context.switches.token_type, view.as_object_mut()) {
            fields.insert("token_type".to_owned(), Value::from("Bearer"));
        }
        Ok(Reply::ok(view))
    })?
}

fn take_registration(world: &mut World, Peer(address): Peer, context: &Context) -> Result<(), Reply> {
    let allowance = world.count_registration(&address.to_string(), context);
    if allowance.allowed {
        Ok(())
    } else {
        Err(throttled(allowance.reset, context))
    }
}

fn credentials(body: &JsonBody) -> Result<(String, String), Reply> {
    let mut errors = FieldErrors::default();
    let email = address(body, &mut errors);
    let password = body.required_verbatim("password", &mut errors);
    if let (false, Some(weakness)) = (password.is_empty(), weakness(&password)) {
        errors.add("password", weakness);
    }
    errors.check().map(|()| (email, password))
}

fn address(body: &JsonBody, errors: &mut FieldErrors) -> String {
    let email = body.required("email", errors);
    if !email.is_empty() && !is_address(&email) {
        errors.add("email", "Enter a valid email address.");
    }
    email
}

/// The first rule that a password breaks (contract, 2.1).
fn weakness(password: &str) -> Option<&'static str> {
    let has = |test: fn(char) -> bool| password.chars().any(test);
    let rules = [
        (
            password.chars().count() >= 8,
            "The password must have at least 8 characters.",
        ),
        (
            has(|c| c.is_ascii_uppercase()),
            "The password must have at least one upper-case letter.",
        ),
        (
            has(|c| c.is_ascii_lowercase()),
            "The password must have at least one lower-case letter.",
        ),
        (
            has(|c| c.is_ascii_digit()),
            "The password must have at least one digit.",
        ),
        (
            has(|c| PUNCTUATION.contains(c)),
            "The password must have at least one special character.",
        ),
    ];
    rules.into_iter().find(|(kept, _)| !kept).map(|(_, text)| text)
}

fn refuse(error: &RegisterError, context: &Context) -> Reply {
    match error {
        RegisterError::Undeliverable => Reply::server_error(),
        RegisterError::TooSoon { until } => throttled(*until, context),
        RegisterError::NothingPending => {
            Reply::bad_request("No registration is pending for these credentials.")
        }
        RegisterError::Taken => {
            let text = "An account with this email already exists.";
            match context.switches.registered_address {
                RegisteredAddress::Field => Reply::field("email", text),
                RegisteredAddress::Detail => Reply::bad_request(text),
                RegisteredAddress::Conflict => Reply::detail(StatusCode::CONFLICT, text),
            }
        }
    }
}

fn wrong_code(context: &Context) -> Reply {
    let text = "Invalid or expired verification code.";
    match context.switches.wrong_code {
        WrongCode::Detail => Reply::bad_request(text),
        WrongCode::Field => Reply::field("code", text),
        WrongCode::Unauthorized => Reply::detail(StatusCode::UNAUTHORIZED, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_broken_rule_is_named() {
        for (password, word) in [
            ("aB1!", "8 characters"),
            ("abcdefg1!", "upper-case"),
            ("ABCDEFG1!", "lower-case"),
            ("Abcdefgh!", "digit"),
            ("Abcdefgh1", "special"),
        ] {
            assert!(weakness(password).unwrap().contains(word), "{password}");
        }
        assert_eq!(weakness("Corr3ct!horse"), None);
    }
}
