//! The control endpoints under `/_sandbox/`: what a test, or somebody who tries the sandbox, does to the
//! world behind the API's back. Their JSON is that of the library's types.

mod accounts;
mod applications;
mod calls;
mod faults;
mod rules;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::routing::{get, patch, post};
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::reply::Reply;
use crate::shared::Shared;

const ENDPOINTS: &[&str] = &[
    "POST /_sandbox/accounts",
    "POST /_sandbox/accounts/{email}/password",
    "GET /_sandbox/mailbox/{email}",
    "GET /_sandbox/applications",
    "PATCH /_sandbox/applications/{uuid}",
    "DELETE /_sandbox/applications/{uuid}",
    "GET /_sandbox/faults",
    "POST /_sandbox/faults",
    "DELETE /_sandbox/faults",
    "GET /_sandbox/calls",
    "DELETE /_sandbox/calls",
    "GET /_sandbox/counters",
    "GET /_sandbox/clock",
    "POST /_sandbox/clock/advance",
    "POST /_sandbox/outage",
    "GET /_sandbox/switches",
    "PATCH /_sandbox/switches",
];

/// Whether a path is a control endpoint's.
pub(crate) fn is_control(path: &str) -> bool {
    path == "/_sandbox" || path.starts_with("/_sandbox/")
}

/// The control endpoints.
pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/_sandbox", get(overview))
        .route("/_sandbox/", get(overview))
        .route("/_sandbox/accounts", post(accounts::create))
        .route(
            "/_sandbox/accounts/{email}/password",
            post(accounts::set_password),
        )
        .route("/_sandbox/mailbox/{email}", get(accounts::mailbox))
        .route("/_sandbox/applications", get(applications::list))
        .route(
            "/_sandbox/applications/{uuid}",
            patch(applications::edit).delete(applications::remove),
        )
        .route(
            "/_sandbox/faults",
            get(faults::list).post(faults::add).delete(faults::clear),
        )
        .route("/_sandbox/calls", get(calls::list).delete(calls::clear))
        .route("/_sandbox/counters", get(calls::counters))
        .route("/_sandbox/clock", get(rules::clock))
        .route("/_sandbox/clock/advance", post(rules::advance))
        .route("/_sandbox/outage", post(rules::outage))
        .route(
            "/_sandbox/switches",
            get(rules::switches).patch(rules::change_switches),
        )
        .route(
            "/_sandbox/{*rest}",
            get(unknown)
                .post(unknown)
                .patch(unknown)
                .put(unknown)
                .delete(unknown),
        )
}

async fn overview() -> Json<Value> {
    Json(json!({
        "auth_base_path": "/auth/v2",
        "api_base_path": "/v3",
        "endpoints": ENDPOINTS,
    }))
}

async fn unknown() -> Reply {
    refuse(
        StatusCode::NOT_FOUND,
        &format!("no such control endpoint; there are: {}", ENDPOINTS.join(", ")),
    )
}

/// The body of a control call. Whatever its content type, it is read as JSON.
struct Ask<T>(T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Ask<T> {
    type Rejection = Reply;

    async fn from_request(request: Request, state: &S) -> Result<Self, Reply> {
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|error| refuse(StatusCode::BAD_REQUEST, &error.to_string()))?;
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|error| refuse(StatusCode::BAD_REQUEST, &format!("body: {error}")))
    }
}

/// `{"error": text}`.
fn refuse(status: StatusCode, text: &str) -> Reply {
    Reply::json(status, json!({"error": text}))
}

/// Something that serializes, as a reply.
fn reply(status: StatusCode, value: &impl serde::Serialize) -> Reply {
    match serde_json::to_value(value) {
        Ok(value) => Reply::json(status, value),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}
