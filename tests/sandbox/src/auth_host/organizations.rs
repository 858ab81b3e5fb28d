//! The organizations of an account (contract, 4.1), and who may act in them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use serde_json::{Value, json};
use uuid::Uuid;

use super::caller;
use crate::config::{Foreign, ListShape};
use crate::reply::Reply;
use crate::shared::Shared;
use crate::state::{Access, Context, Organization, World};

pub(super) async fn list(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Result<Reply, Reply> {
    shared.read(|world, context| {
        let account = caller(&headers, world, context)?;
        let views = world
            .organizations_of(&account)
            .into_iter()
            .map(Organization::view)
            .collect();
        Ok(Reply::ok(wrapped(
            views,
            context.switches.organization_list,
            "organizations",
        )))
    })
}

/// The organization of the path, if the caller is its owner or administrator.
pub(super) fn managed(
    headers: &HeaderMap,
    organization: &str,
    world: &World,
    context: &Context,
) -> Result<Uuid, Reply> {
    let account = caller(headers, world, context)?;
    match world.access(&account, organization) {
        (Access::Manager, uuid) => Ok(uuid),
        (Access::Member, _) => Err(Reply::forbidden()),
        (Access::Foreign, _) => Err(match context.switches.foreign_organization {
            Foreign::NotFound => Reply::not_found(),
            Foreign::Forbidden => Reply::forbidden(),
        }),
    }
}

/// A list in the shape the switch asks for.
pub(super) fn wrapped(items: Vec<Value>, shape: ListShape, name: &str) -> Value {
    match shape {
        ListShape::Array => Value::Array(items),
        ListShape::Results => {
            json!({"count": items.len(), "next": null, "previous": null, "results": items})
        }
        ListShape::Named => json!({name: items}),
    }
}
