//! The clock, outages and the switches.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Ask, refuse, reply};
use crate::config::Switches;
use crate::reply::Reply;
use crate::shared::{Outage, Shared};

pub(super) async fn clock(State(shared): State<Arc<Shared>>) -> Reply {
    now(&shared)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    seconds: f64,
}

pub(super) async fn advance(
    State(shared): State<Arc<Shared>>,
    Ask(Step { seconds }): Ask<Step>,
) -> Result<Reply, Reply> {
    let step = Duration::try_from_secs_f64(seconds).map_err(|_| {
        refuse(
            StatusCode::BAD_REQUEST,
            "seconds: the clock only moves forward; write 0 or more",
        )
    })?;
    shared.advance(step)?;
    Ok(now(&shared))
}

fn now(shared: &Shared) -> Reply {
    Reply::ok(json!({"now": shared.clock.now()}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OutageWish {
    on: bool,
    #[serde(default)]
    mode: Outage,
}

pub(super) async fn outage(
    State(shared): State<Arc<Shared>>,
    Ask(OutageWish { on, mode }): Ask<OutageWish>,
) -> Reply {
    shared.set_outage(on.then_some(mode));
    Reply::no_content()
}

pub(super) async fn switches(State(shared): State<Arc<Shared>>) -> Reply {
    reply(StatusCode::OK, &shared.switches())
}

/// Changes the named switches and leaves the others.
pub(super) async fn change_switches(
    State(shared): State<Arc<Shared>>,
    Ask(wishes): Ask<Map<String, Value>>,
) -> Result<Reply, Reply> {
    let wrong = |error: serde_json::Error| refuse(StatusCode::BAD_REQUEST, &error.to_string());
    let mut merged = serde_json::to_value(shared.switches()).map_err(wrong)?;
    if let Some(fields) = merged.as_object_mut() {
        fields.extend(wishes);
    }
    let changed: Switches = serde_json::from_value(merged).map_err(wrong)?;
    shared.set_switches(changed.clone());
    Ok(reply(StatusCode::OK, &changed))
}
