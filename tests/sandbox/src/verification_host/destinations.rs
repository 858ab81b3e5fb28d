//! Webhook destinations (contract, 8.3).

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::Value;
use uuid::Uuid;

use super::guard::{self, Caller, Family};
use super::webhook::public_address;
use crate::body::{JsonBody, choice};
use crate::reply::{FieldErrors, Reply};
use crate::shared::Shared;
use crate::state::{Application, Destination, DestinationInput, EVENTS, VERSIONS};

pub(super) async fn list(State(shared): State<Arc<Shared>>, caller: Caller) -> Reply {
    guard::read(&shared, &caller, Family::Management, |application, _| {
        Ok(Reply::ok(
            application
                .visible_destinations()
                .map(Destination::summary)
                .collect(),
        ))
    })
}

pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    body: Result<JsonBody, Reply>,
) -> Reply {
    guard::write(
        &shared,
        &caller,
        Family::Management,
        |world, application, context| {
            let owner = world
                .applications
                .get(&application)
                .ok_or_else(Reply::not_found)?;
            let body = body?;
            let mut errors = FieldErrors::default();
            let input = input(&body, &mut errors);
            for required in ["label", "url"] {
                if body.get(required).is_none() {
                    errors.add(required, "This field is required.");
                }
            }
            check_unique(owner, &input, None, &mut errors);
            errors.check()?;
            let view = world
                .add_destination(application, input, context)
                .ok_or_else(Reply::not_found)?;
            Ok(Reply::json(StatusCode::CREATED, view))
        },
    )
}

pub(super) async fn read(
    State(shared): State<Arc<Shared>>,
    Path(destination): Path<String>,
    caller: Caller,
) -> Reply {
    guard::read(&shared, &caller, Family::Management, |application, _| {
        existing(application, &destination).map(|found| Reply::ok(found.view()))
    })
}

pub(super) async fn update(
    State(shared): State<Arc<Shared>>,
    Path(destination): Path<String>,
    caller: Caller,
    body: Result<JsonBody, Reply>,
) -> Reply {
    guard::write(
        &shared,
        &caller,
        Family::Management,
        |world, application, context| {
            let owner = world
                .applications
                .get(&application)
                .ok_or_else(Reply::not_found)?;
            let uuid = existing(owner, &destination)?.uuid;
            let mut errors = FieldErrors::default();
            let input = input(&body?, &mut errors);
            check_unique(owner, &input, Some(uuid), &mut errors);
            errors.check()?;
            world
                .update_destination(application, uuid, input, context)
                .map(Reply::ok)
                .ok_or_else(not_found)
        },
    )
}

pub(super) async fn delete(
    State(shared): State<Arc<Shared>>,
    Path(destination): Path<String>,
    caller: Caller,
) -> Reply {
    guard::write(
        &shared,
        &caller,
        Family::Management,
        |world, application, context| {
            let owner = world
                .applications
                .get(&application)
                .ok_or_else(Reply::not_found)?;
            let uuid = existing(owner, &destination)?.uuid;
            world.remove_destination(application, uuid, context);
            Ok(Reply::no_content())
        },
    )
}

/// The destination of the path.
fn existing<'a>(application: &'a Application, destination: &str) -> Result<&'a Destination, Reply> {
    let uuid = Uuid::try_parse(destination).ok();
    application
        .visible_destinations()
        .find(|found| Some(found.uuid) == uuid)
        .ok_or_else(not_found)
}

fn not_found() -> Reply {
    Reply::detail(StatusCode::NOT_FOUND, "Webhook destination not found.")
}

fn input(body: &JsonBody, errors: &mut FieldErrors) -> DestinationInput {
    let url = body.get("url").map(public_address).transpose();
    let url = url.map_err(|text| errors.add("url", text)).ok().flatten();
    let events = body.list("subscribed_events", errors, event);
    if events.as_ref().is_some_and(Vec::is_empty) {
        errors.add("subscribed_events", "This list may not be empty.");
    }
    DestinationInput {
        label: body.optional("label", errors),
        url,
        enabled: body.boolean("enabled", errors),
        version: body.choice("webhook_version", VERSIONS, errors),
        events,
    }
}

fn event(value: &Value) -> Result<String, String> {
    match value.as_str() {
        Some(name) if name.starts_with("auth.") && name.len() > "auth.".len() => Ok(name.to_owned()),
        _ => choice(value, EVENTS),
    }
}

fn check_unique(
    application: &Application,
    input: &DestinationInput,
    except: Option<Uuid>,
    errors: &mut FieldErrors,
) {
    let Some(url) = input.url.as_deref() else { return };
    if application.has_destination_at(url, except) {
        errors.add("url", "A webhook destination with this URL already exists.");
    }
}
