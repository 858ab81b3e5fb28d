//! Faults.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;

use super::{Ask, refuse, reply};
use crate::faults::FaultRule;
use crate::reply::Reply;
use crate::shared::Shared;

pub(super) async fn list(State(shared): State<Arc<Shared>>) -> Reply {
    reply(StatusCode::OK, &shared.faults().list())
}

pub(super) async fn add(
    State(shared): State<Arc<Shared>>,
    Ask(rule): Ask<FaultRule>,
) -> Result<Reply, Reply> {
    shared
        .inject(rule.clone())
        .map_err(|error| refuse(StatusCode::BAD_REQUEST, &error.to_string()))?;
    Ok(reply(StatusCode::CREATED, &rule))
}

pub(super) async fn clear(State(shared): State<Arc<Shared>>) -> Reply {
    shared.faults().clear();
    Reply::no_content()
}
