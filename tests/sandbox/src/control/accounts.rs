//! Accounts and their mail.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;

use super::{Ask, refuse, reply};
use crate::reply::Reply;
use crate::shared::Shared;
use crate::state::{AccountError, NewAccount};

pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    Ask(account): Ask<NewAccount>,
) -> Result<Reply, Reply> {
    let created = shared
        .add_account(account)?
        .map_err(|error| account_error(&error))?;
    Ok(reply(StatusCode::CREATED, &created))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Password {
    password: String,
}

pub(super) async fn set_password(
    State(shared): State<Arc<Shared>>,
    Path(email): Path<String>,
    Ask(Password { password }): Ask<Password>,
) -> Result<Reply, Reply> {
    shared
        .set_password(&email, &password)?
        .map_err(|error| account_error(&error))?;
    Ok(Reply::no_content())
}

pub(super) async fn mailbox(State(shared): State<Arc<Shared>>, Path(email): Path<String>) -> Reply {
    reply(StatusCode::OK, &shared.mailbox(&email))
}

fn account_error(error: &AccountError) -> Reply {
    let status = match error {
        AccountError::Exists(_) => StatusCode::CONFLICT,
        AccountError::Unknown(_) => StatusCode::NOT_FOUND,
        AccountError::Address(_) | AccountError::Seed => StatusCode::BAD_REQUEST,
    };
    refuse(status, &error.to_string())
}
