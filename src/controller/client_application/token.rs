//! The access token that a `ClientApplication` wants beside its credentials: pure, as all of the plan.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use super::plan::Policy;
use super::state::Observed;
use crate::api::conditions::{Finding, Truth};
use crate::api::token::{FulfilledRequests, TOKEN_FRESH, TokenSettings, TokenStatus};
use crate::controller::token::findings::{Trouble, as_requested, fresh, lifetime, scopes_not_allowed};
use crate::controller::token::need::{self, Need, Wanted, Why};
use crate::controller::token::pauses::Pause;
use crate::controller::token::promise;
use crate::controller::token::service::Obtained;

/// What is asked of the token, where one is wanted.
pub(super) fn settings(observed: &Observed) -> Option<&TokenSettings> {
    observed.spec.access_token.as_ref()
}

/// The token that workloads read now.
pub(super) fn published(observed: &Observed) -> Option<&TokenStatus> {
    settings(observed)?;
    observed.secret.token()
}

/// The token that the Secret is to hold: the one that was obtained, else the one whose bytes stand in it. `annotated` is
/// what the Secret says of its token, and `recognise` finds the bytes that a record is about: whatever somebody did to the
/// Secret, such a token is as good as it was.
pub(super) fn to_write(
    observed: &Observed,
    annotated: Option<&TokenStatus>,
    recognise: impl Fn(&TokenStatus) -> Option<Obtained>,
    now: Timestamp,
) -> Option<Obtained> {
    settings(observed)?;
    match &observed.learned.token.obtained {
        Some(obtained) => Some(obtained.clone()),
        None => standing(observed, annotated, recognise, now),
    }
}

/// The token whose bytes stand in the Secret, where they are good.
pub(super) fn standing(
    observed: &Observed,
    annotated: Option<&TokenStatus>,
    recognise: impl Fn(&TokenStatus) -> Option<Obtained>,
    now: Timestamp,
) -> Option<Obtained> {
    let unexpired = [observed.status.token.as_ref(), annotated]
        .into_iter()
        .flatten()
        .filter(|token| token.expires_at.0 > now);
    observed
        .secret
        .token()
        .into_iter()
        .chain(unexpired)
        .find_map(recognise)
}

/// The token that only the Secret of an earlier name holds. Workloads may read that one still, so that it stays while
/// its token is good.
pub(super) fn left_behind(observed: &Observed, now: Timestamp) -> Option<&TokenStatus> {
    settings(observed)?;
    let earlier = observed.status.secret.as_ref()?;
    let is_left = earlier.name != observed.spec.secret.name
        && !observed.learned.retired
        && published(observed).is_none();
    let token = observed.status.token.as_ref()?;
    (is_left && token.expires_at.0 > now).then_some(token)
}

/// What is recorded of the token that workloads read now.
pub(super) fn status(observed: &Observed, policy: &Policy, now: Timestamp) -> Option<TokenStatus> {
    let settings = settings(observed)?;
    let token = published(observed).or_else(|| left_behind(observed, now))?;
    let refresh = need::refresh_of(token, promise(settings, &policy.token), &observed.resource.uid);
    Some(TokenStatus {
        refresh_at: Time(refresh.at),
        ..token.clone()
    })
}

/// Why a token has to be got now, if one has to and can be.
pub(super) fn needed(observed: &Observed, policy: &Policy, now: Timestamp) -> Option<Why> {
    let learned = &observed.learned.token;
    let is_settled = learned.obtained.is_some() || learned.published || learned.trouble.is_some();
    let is_paused = observed
        .token
        .pause
        .as_ref()
        .is_some_and(|pause| pause.until > now);
    if is_settled || is_paused || !observed.token.can_be_had || denied(observed).is_some() {
        return None;
    }
    match need(observed, policy, now)? {
        Need::Yes(why) => Some(why),
        Need::No(_) => None,
    }
}

/// Whether the Secret holds a token that nobody wants any more.
pub(super) fn is_unwanted(observed: &Observed) -> bool {
    settings(observed).is_none() && observed.secret.token().is_some()
}

/// When the token has to be looked at again.
pub(super) fn wake(observed: &Observed, policy: &Policy, now: Timestamp) -> Option<Duration> {
    settings(observed)?;
    let pause = pause(observed, policy, now).map(|pause| pause.until);
    let refresh = match need(observed, policy, now) {
        Some(Need::No(refresh)) => Some(refresh.at),
        // What was just published is not good for long: the next one is asked for at the next wake.
        Some(Need::Yes(_)) if observed.learned.token.published => Some(now + Duration::from_secs(1)),
        _ => None,
    };
    let expiry = published(observed)
        .or_else(|| left_behind(observed, now))
        .map(|token| token.expires_at.0)
        .filter(|at| *at > now);
    [pause, refresh, expiry]
        .into_iter()
        .flatten()
        .min()
        .map(|at| Duration::try_from(at.duration_since(now)).unwrap_or_default() + Duration::from_millis(10))
}

/// Until when no token is asked for, because of a failure in this pass or an earlier one.
pub(super) fn pause(observed: &Observed, policy: &Policy, now: Timestamp) -> Option<Pause> {
    let settings = settings(observed)?;
    let earlier = observed.token.pause.as_ref();
    let Some(trouble) = &observed.learned.token.trouble else {
        return earlier.filter(|pause| pause.until > now).cloned();
    };
    let uid = &observed.resource.uid;
    let published = published(observed).map(|token| {
        let refresh = need::refresh_of(token, promise(settings, &policy.token), uid);
        (refresh, token.expires_at.0)
    });
    Some(Pause::after(trouble, earlier, published, uid, now))
}

/// The conditions about the token.
pub(super) fn findings(observed: &Observed, policy: &Policy, now: Timestamp) -> Vec<Finding> {
    let Some(settings) = settings(observed) else {
        return Vec::new();
    };
    let token = published(observed);
    let pause = pause(observed, policy, now);
    let trouble = denied(observed).map(|trouble| trouble.finding(token, None, now));
    let trouble = trouble.or_else(|| pause.map(|pause| pause.trouble.finding(token, Some(pause.until), now)));
    let promise = promise(settings, &policy.token);
    let state = match (trouble, token) {
        (Some(trouble), _) => trouble,
        (None, Some(token)) if token.expires_at.0 <= now => Finding::new(
            TOKEN_FRESH,
            Truth::False,
            "Expired",
            format!("the published token expired at {:.0}", token.expires_at.0),
        ),
        (None, Some(token)) => fresh(token, &need::refresh_of(token, promise, &observed.resource.uid)),
        (None, None) => Finding::new(
            TOKEN_FRESH,
            Truth::False,
            "Waiting",
            "no token has been issued yet",
        ),
    };
    std::iter::once(state)
        .chain(token.map(|token| as_requested(token, settings)))
        .chain(token.map(|token| lifetime(token, &promise)))
        .collect()
}

/// The requests by annotation that are fulfilled now. Didit revokes no tokens, so that a request to revoke comes to its
/// end with a new token.
pub(super) fn fulfilled(observed: &Observed) -> Option<FulfilledRequests> {
    settings(observed)?;
    let asked = &observed.token.requests;
    let mut fulfilled = if observed.learned.token.published {
        asked.clone()
    } else {
        observed.status.fulfilled_requests.clone().unwrap_or_default()
    };
    // An annotation that is gone needs no memory.
    if asked.refresh.is_none() {
        fulfilled.refresh = None;
    }
    if asked.revoke.is_none() {
        fulfilled.revoke = None;
    }
    (fulfilled != FulfilledRequests::default()).then_some(fulfilled)
}

fn denied(observed: &Observed) -> Option<Trouble> {
    scopes_not_allowed(settings(observed)?, observed.token.allowed_scopes.as_deref())
}

fn need(observed: &Observed, policy: &Policy, now: Timestamp) -> Option<Need> {
    let settings = settings(observed)?;
    let client_id = observed.status.client_id.as_ref()?;
    let digest = need::request_digest(client_id, settings);
    let fulfilled = fulfilled(observed);
    let wanted = Wanted {
        uid: &observed.resource.uid,
        promise: promise(settings, &policy.token),
        request_digest: &digest,
        requests: &observed.token.requests,
        fulfilled: fulfilled.as_ref(),
    };
    Some(need::need(&wanted, published(observed), now))
}
