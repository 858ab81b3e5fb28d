//! What a fault does to a call.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::stream;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use serde_json::{Value, json};

use super::{Fault, RetryAfter};
use crate::clock::later;

/// What becomes of a call that meets a fault.
pub(crate) enum Effect {
    /// It goes on after a while.
    Wait(Duration),
    /// This is its answer.
    Answer(Response),
    /// It gets none.
    Drop,
}

impl Fault {
    /// Carries the fault out.
    pub(crate) fn effect(&self) -> Effect {
        match self {
            Self::Delay { ms } => Effect::Wait(Duration::from_millis(*ms)),
            Self::Drop => Effect::Drop,
            Self::Status {
                status,
                body,
                retry_after,
            } => Effect::Answer(status_answer(*status, body.as_ref(), retry_after.as_ref())),
            Self::Garbled => Effect::Answer(json_text(r#"{"uuid": "7c1f3a52-0f2d-4f0b", "name": "pay"#)),
            Self::Oversized { bytes } => Effect::Answer(oversized(*bytes)),
            Self::Body { body } => Effect::Answer(json_text(body.to_string())),
            Self::Redirect { location } => Effect::Answer(redirect(location)),
        }
    }
}

fn json_text(body: impl Into<Body>) -> Response {
    (
        [(CONTENT_TYPE, HeaderValue::from_static("application/json"))],
        body.into(),
    )
        .into_response()
}

fn status_answer(status: u16, body: Option<&Value>, retry_after: Option<&RetryAfter>) -> Response {
    let text = body.map_or_else(
        || json!({"detail": "Injected fault."}).to_string(),
        Value::to_string,
    );
    let mut response = json_text(text);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let header = match retry_after {
        None => None,
        Some(RetryAfter::Seconds(seconds)) => Some(HeaderValue::from(*seconds)),
        Some(RetryAfter::HttpDate { http_date_in }) => {
            let date = later(Timestamp::now(), Duration::from_secs(*http_date_in));
            let text = DateTimePrinter::new().timestamp_to_rfc9110_string(&date).ok();
            text.and_then(|text| HeaderValue::try_from(text).ok())
        }
        Some(RetryAfter::Text(text)) => HeaderValue::from_str(text).ok(),
    };
    if let Some(header) = header {
        response.headers_mut().insert(RETRY_AFTER, header);
    }
    response
}

fn redirect(location: &str) -> Response {
    let mut response = StatusCode::FOUND.into_response();
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

const CHUNK: u64 = 64 * 1024;
const OPENING: &str = r#"{"padding":""#;
const CLOSING: &str = r#""}"#;

/// A JSON object of exactly this length, or of the shortest possible one.
fn oversized(bytes: u64) -> Response {
    let frame = u64::try_from(OPENING.len() + CLOSING.len()).unwrap_or_default();
    let filler = bytes.saturating_sub(frame);
    let lengths = (0..filler.div_ceil(CHUNK)).map(move |index| (filler - index * CHUNK).min(CHUNK));
    let fill = lengths.map(|length| Bytes::from(vec![b'x'; usize::try_from(length).unwrap_or_default()]));
    let parts = std::iter::once(Bytes::from_static(OPENING.as_bytes()))
        .chain(fill)
        .chain(std::iter::once(Bytes::from_static(CLOSING.as_bytes())))
        .map(Ok::<_, std::convert::Infallible>);
    json_text(Body::from_stream(stream::iter(parts)))
}
