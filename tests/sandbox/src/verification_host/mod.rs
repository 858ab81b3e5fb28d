//! The verification host, `https://verification.didit.me/v3` (contract, 8 and 9).

mod destinations;
mod guard;
mod webhook;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use serde_json::json;

use crate::operation::Operation;
use crate::reply::Reply;
use crate::shared::Shared;
use guard::{Caller, Family};

/// The routes of this host.
pub(crate) fn routes() -> Router<Arc<Shared>> {
    let config = get(webhook::read).patch(webhook::update);
    let collection = get(destinations::list).post(destinations::create);
    let item = get(destinations::read)
        .patch(destinations::update)
        .delete(destinations::delete);
    Router::new()
        .route(Operation::GetBalance.path(), get(balance))
        .route(Operation::GetWebhookConfig.path(), config)
        .route(Operation::ListWebhookDestinations.path(), collection)
        .route(Operation::GetWebhookDestination.path(), item)
        .route(Operation::Healthcheck.path(), get(health))
}

/// Contract, 9.1.
async fn balance(State(shared): State<Arc<Shared>>, caller: Caller) -> Reply {
    guard::read(&shared, &caller, Family::Management, |_, context| {
        Ok(Reply::ok(json!({
            "balance": context.switches.balance,
            "auto_refill_enabled": false,
            "auto_refill_amount": "0.0000",
            "auto_refill_threshold": "0.0000",
        })))
    })
}

/// Needs no key and has no limit (contract, 9.1).
async fn health() -> Reply {
    Reply::ok(json!({"status": "ok"}))
}
