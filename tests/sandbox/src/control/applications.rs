//! Applications, seen and changed behind the API's back.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use uuid::Uuid;

use super::{Ask, refuse, reply};
use crate::reply::Reply;
use crate::shared::Shared;
use crate::state::ApplicationEdit;

pub(super) async fn list(State(shared): State<Arc<Shared>>) -> Reply {
    reply(StatusCode::OK, &shared.applications())
}

pub(super) async fn edit(
    State(shared): State<Arc<Shared>>,
    Path(uuid): Path<String>,
    Ask(edit): Ask<ApplicationEdit>,
) -> Result<Reply, Reply> {
    let record = shared
        .edit_application(parsed(&uuid)?, edit)?
        .ok_or_else(unknown)?;
    Ok(reply(StatusCode::OK, &record))
}

pub(super) async fn remove(
    State(shared): State<Arc<Shared>>,
    Path(uuid): Path<String>,
) -> Result<Reply, Reply> {
    let removed = shared.remove_application(parsed(&uuid)?)?;
    if removed {
        Ok(Reply::no_content())
    } else {
        Err(unknown())
    }
}

fn parsed(uuid: &str) -> Result<Uuid, Reply> {
    Uuid::try_parse(uuid).map_err(|_| unknown())
}

fn unknown() -> Reply {
    refuse(
        StatusCode::NOT_FOUND,
        "no application has this uuid; GET /_sandbox/applications lists them",
    )
}
