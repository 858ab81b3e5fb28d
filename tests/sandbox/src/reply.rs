//! Replies in the shapes of Django REST Framework (contract, 4 and 9.2).

use axum::Json;
use axum::http::header::{ALLOW, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::clock::seconds_until;
use crate::store::StoreError;

/// An answer of the API.
#[derive(Debug)]
pub(crate) struct Reply {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Json(Value),
    Html(&'static str),
    Empty,
}

impl Reply {
    /// JSON with this status.
    pub(crate) const fn json(status: StatusCode, body: Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Body::Json(body),
        }
    }

    /// 200 with JSON.
    pub(crate) const fn ok(body: Value) -> Self {
        Self::json(StatusCode::OK, body)
    }

    /// 204.
    pub(crate) const fn no_content() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            headers: Vec::new(),
            body: Body::Empty,
        }
    }

    /// `{"detail": text}`.
    pub(crate) fn detail(status: StatusCode, text: impl Into<String>) -> Self {
        Self::json(status, json!({"detail": text.into()}))
    }

    /// 400 `{"detail": text}`.
    pub(crate) fn bad_request(text: impl Into<String>) -> Self {
        Self::detail(StatusCode::BAD_REQUEST, text)
    }

    /// 400 `{"field": ["text"]}`.
    pub(crate) fn field(name: &str, text: impl Into<String>) -> Self {
        let mut errors = FieldErrors::default();
        errors.add(name, text);
        errors.into_reply()
    }

    /// 403, known caller without the permission.
    pub(crate) fn forbidden() -> Self {
        Self::detail(
            StatusCode::FORBIDDEN,
            "You do not have permission to perform this action.",
        )
    }

    /// 404.
    pub(crate) fn not_found() -> Self {
        Self::detail(StatusCode::NOT_FOUND, "Not found.")
    }

    /// 405.
    pub(crate) fn method_not_allowed(method: &Method) -> Self {
        Self::detail(
            StatusCode::METHOD_NOT_ALLOWED,
            format!("Method \"{method}\" not allowed."),
        )
    }

    /// 429 with `Retry-After`.
    pub(crate) fn throttled(now: Timestamp, until: Timestamp) -> Self {
        let seconds = seconds_until(now, until);
        let text = format!("Request was throttled. Expected available in {seconds} seconds.");
        Self::detail(StatusCode::TOO_MANY_REQUESTS, text).with(RETRY_AFTER, seconds)
    }

    /// 500, the framework's own page.
    pub(crate) const fn server_error() -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            headers: Vec::new(),
            body: Body::Html("<!doctype html><title>Server Error (500)</title><h1>Server Error (500)</h1>"),
        }
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Adds `Allow`.
    pub(crate) fn allowing(self, methods: &'static str) -> Self {
        self.with(ALLOW, HeaderValue::from_static(methods))
    }

    /// Takes `Retry-After` out.
    pub(crate) fn without_retry_after(mut self) -> Self {
        self.headers.retain(|(name, _)| name != RETRY_AFTER);
        self
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = match self.body {
            Body::Json(body) => (self.status, Json(body)).into_response(),
            Body::Html(page) => (self.status, Html(page)).into_response(),
            Body::Empty => self.status.into_response(),
        };
        response.headers_mut().extend(self.headers);
        response
    }
}

/// Validation errors by field, answered as 400.
#[derive(Debug, Default)]
pub(crate) struct FieldErrors(Map<String, Value>);

impl FieldErrors {
    /// Adds a message for a field.
    pub(crate) fn add(&mut self, field: &str, text: impl Into<String>) {
        self.nest(field, json!([text.into()]));
    }

    /// Adds errors of another shape for a field: those of list items are keyed by index.
    pub(crate) fn nest(&mut self, field: &str, errors: Value) {
        self.0.insert(field.to_owned(), errors);
    }

    /// The first error's reply, if there was an error.
    pub(crate) fn check(self) -> Result<(), Reply> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(self.into_reply())
        }
    }

    fn into_reply(self) -> Reply {
        Reply::json(StatusCode::BAD_REQUEST, Value::Object(self.0))
    }
}

impl From<StoreError> for Reply {
    /// The change was made in memory only: 500, and a word to whoever runs the sandbox.
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the state was not saved");
        Self::server_error()
    }
}
