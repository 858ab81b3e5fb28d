//! What every call with an API key passes: the rate limit, then the key (contract, 9.1 and 9.3).

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use uuid::Uuid;

use crate::config::{MissingKey, WrongKey};
use crate::limits::Allowance;
use crate::peer::Peer;
use crate::reply::Reply;
use crate::shared::Shared;
use crate::state::{Application, Context, KeyState, World};

/// Who calls: the key, and the address in case there is none.
#[derive(Debug)]
pub(super) struct Caller {
    key: Option<String>,
    peer: IpAddr,
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let key = parts
            .headers
            .get("x-api-key")
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let peer = parts
            .extensions
            .get::<Peer>()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0);
        Ok(Self {
            key: key.filter(|key| !key.is_empty()),
            peer,
        })
    }
}

impl Caller {
    fn counted_by(&self) -> String {
        self.key.clone().unwrap_or_else(|| self.peer.to_string())
    }
}

/// How a route treats a wrong key, according to the older pages (contract, 9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Billing and webhook destinations: 401.
    Management,
    /// Everything else: 403.
    Other,
}

/// Answers a call that changes nothing.
pub(super) fn read(
    shared: &Shared,
    caller: &Caller,
    family: Family,
    act: impl FnOnce(&Application, &Context) -> Result<Reply, Reply>,
) -> Reply {
    let allowance = shared.count_rate(&caller.counted_by(), "read", shared.bounds.reads);
    let outcome = shared.read(|world, context| {
        pass(allowance, context)?;
        let uuid = authorize(caller, family, world, context)?;
        let application = world.applications.get(&uuid).ok_or_else(Reply::not_found)?;
        act(application, context)
    });
    with_limits(outcome, allowance)
}

/// Answers a call that changes something.
pub(super) fn write(
    shared: &Shared,
    caller: &Caller,
    family: Family,
    act: impl FnOnce(&mut World, Uuid, &Context) -> Result<Reply, Reply>,
) -> Reply {
    let allowance = shared.count_rate(&caller.counted_by(), "write", shared.bounds.writes);
    let outcome = shared.change(|world, context| {
        pass(allowance, context)?;
        let uuid = authorize(caller, family, world, context)?;
        act(world, uuid, context)
    });
    with_limits(outcome.unwrap_or_else(|error| Err(error.into())), allowance)
}

fn pass(allowance: Allowance, context: &Context) -> Result<(), Reply> {
    if allowance.allowed {
        Ok(())
    } else {
        Err(Reply::throttled(context.now, allowance.reset))
    }
}

fn authorize(caller: &Caller, family: Family, world: &World, context: &Context) -> Result<Uuid, Reply> {
    let Some(key) = &caller.key else {
        return Err(match context.switches.missing_key {
            MissingKey::Forbidden => Reply::forbidden(),
            MissingKey::Unauthorized => Reply::detail(
                StatusCode::UNAUTHORIZED,
                "Authentication credentials were not provided.",
            ),
        });
    };
    let wrong = || match (context.switches.wrong_key, family) {
        (WrongKey::Newest, _) => Reply::detail(StatusCode::UNAUTHORIZED, "Invalid API key."),
        (WrongKey::Older, Family::Management) => Reply::detail(
            StatusCode::UNAUTHORIZED,
            "You must be authenticated with a valid access token to access this endpoint.",
        ),
        (WrongKey::Older, Family::Other) => Reply::forbidden(),
    };
    let application = world.application_by_key(key).ok_or_else(wrong)?;
    match application.key_state {
        KeyState::Valid => Ok(application.uuid),
        KeyState::Expired => Err(Reply::detail(
            StatusCode::UNAUTHORIZED,
            "This API key has expired.",
        )),
        KeyState::Revoked => Err(wrong()),
        KeyState::Forbidden => Err(Reply::forbidden()),
    }
}

fn with_limits(outcome: Result<Reply, Reply>, allowance: Allowance) -> Reply {
    let reply = outcome.unwrap_or_else(|refusal| refusal);
    let header = HeaderName::from_static;
    reply
        .with(header("x-ratelimit-limit"), HeaderValue::from(allowance.limit))
        .with(
            header("x-ratelimit-remaining"),
            HeaderValue::from(allowance.remaining),
        )
        .with(
            header("x-ratelimit-reset"),
            HeaderValue::from(allowance.reset.as_second()),
        )
}
