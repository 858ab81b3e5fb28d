//! The log of calls and its counters.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;

use super::reply;
use crate::reply::Reply;
use crate::shared::Shared;

pub(super) async fn list(State(shared): State<Arc<Shared>>) -> Reply {
    reply(StatusCode::OK, &shared.calls())
}

pub(super) async fn counters(State(shared): State<Arc<Shared>>) -> Reply {
    reply(StatusCode::OK, &shared.counters())
}

pub(super) async fn clear(State(shared): State<Arc<Shared>>) -> Reply {
    shared.call_log().clear();
    Reply::no_content()
}
