//! The management token that an account's Secret holds with `spec.keepToken`: pure, as all of the plan.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use super::state::Observed;
use crate::api::conditions::{Finding, Truth};
use crate::api::provider::DIDIT_AUTH_URL;
use crate::api::token::{FulfilledRequests, TOKEN_FRESH, TokenSettings, TokenStatus};
use crate::controller::accounts::normal;
use crate::controller::token::findings::{fresh, lifetime};
use crate::controller::token::need::{self, Need, Wanted, Why};
use crate::controller::token::pauses::Pause;
use crate::controller::token::{TokenPolicy, promise};

/// Whether a token is wanted.
pub(super) fn is_wanted(observed: &Observed) -> bool {
    observed.spec.keep_token == Some(true)
}

/// What an account's token is asked for with: nothing but the account.
pub(super) fn settings() -> TokenSettings {
    TokenSettings::default()
}

/// Digest of the account, which is what the token follows from.
pub(super) fn request_digest(observed: &Observed) -> String {
    let auth_url = observed.spec.didit.auth_url.as_deref().unwrap_or(DIDIT_AUTH_URL);
    need::digest([normal(auth_url).as_str(), observed.spec.email.as_str()])
}

/// The token that workloads read now.
pub(super) fn published(observed: &Observed) -> Option<&TokenStatus> {
    if !is_wanted(observed) {
        return None;
    }
    let earlier = observed.earlier_secret.as_ref();
    observed
        .secret
        .token()
        .or_else(|| earlier.and_then(|earlier| earlier.token()))
}

/// What is recorded of it.
pub(super) fn status(observed: &Observed, policy: &TokenPolicy, _now: Timestamp) -> Option<TokenStatus> {
    let token = published(observed)?;
    let refresh = need::refresh_of(token, promise(&settings(), policy), &observed.resource.uid);
    Some(TokenStatus {
        refresh_at: Time(refresh.at),
        ..token.clone()
    })
}

/// Why a token has to be got now, if one has to and can be.
pub(super) fn needed(observed: &Observed, policy: &TokenPolicy, now: Timestamp) -> Option<Why> {
    let learned = &observed.learned;
    let is_settled = learned.obtained.is_some()
        || learned.token_published
        || learned.token_trouble.is_some()
        || learned.is_unreadable;
    let is_paused = observed
        .token
        .pause
        .as_ref()
        .is_some_and(|pause| pause.until > now);
    if is_settled || is_paused {
        return None;
    }
    match need(observed, policy, now)? {
        Need::Yes(why) => Some(why),
        Need::No(_) => None,
    }
}

/// Whether the Secret holds a token that nobody wants any more.
pub(super) fn is_unwanted(observed: &Observed) -> bool {
    !is_wanted(observed) && observed.secret.token().is_some()
}

/// When the token has to be looked at again.
pub(super) fn wake(observed: &Observed, policy: &TokenPolicy, now: Timestamp) -> Option<Duration> {
    if !is_wanted(observed) {
        return None;
    }
    let pause = pause(observed, policy, now).map(|pause| pause.until);
    let refresh = match need(observed, policy, now) {
        Some(Need::No(refresh)) => Some(refresh.at),
        Some(Need::Yes(_)) if observed.learned.token_published => Some(now + Duration::from_secs(1)),
        _ => None,
    };
    let expiry = published(observed)
        .map(|token| token.expires_at.0)
        .filter(|at| *at > now);
    [pause, refresh, expiry]
        .into_iter()
        .flatten()
        .min()
        .map(|at| Duration::try_from(at.duration_since(now)).unwrap_or_default() + Duration::from_millis(10))
}

/// Until when no token is asked for, because of a failure in this pass or an earlier one.
pub(super) fn pause(observed: &Observed, policy: &TokenPolicy, now: Timestamp) -> Option<Pause> {
    if !is_wanted(observed) {
        return None;
    }
    let earlier = observed.token.pause.as_ref();
    let Some(trouble) = &observed.learned.token_trouble else {
        return earlier.filter(|pause| pause.until > now).cloned();
    };
    let uid = &observed.resource.uid;
    let published = published(observed).map(|token| {
        let refresh = need::refresh_of(token, promise(&settings(), policy), uid);
        (refresh, token.expires_at.0)
    });
    Some(Pause::after(trouble, earlier, published, uid, now))
}

/// The conditions about the token.
pub(super) fn findings(observed: &Observed, policy: &TokenPolicy, now: Timestamp) -> Vec<Finding> {
    if !is_wanted(observed) {
        return Vec::new();
    }
    let token = published(observed);
    let promise = promise(&settings(), policy);
    let pause = pause(observed, policy, now);
    let trouble = pause.map(|pause| pause.trouble.finding(token, Some(pause.until), now));
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
        .chain(token.map(|token| lifetime(token, &promise)))
        .collect()
}

/// The requests by annotation that are fulfilled now. Didit revokes no tokens, so that a request to revoke comes to its
/// end with a new token.
pub(super) fn fulfilled(observed: &Observed) -> Option<FulfilledRequests> {
    if !is_wanted(observed) {
        return observed.status.fulfilled_requests.clone();
    }
    if observed.learned.token_published {
        let requests = &observed.token.requests;
        return (*requests != FulfilledRequests::default()).then(|| requests.clone());
    }
    observed.status.fulfilled_requests.clone()
}

fn need(observed: &Observed, policy: &TokenPolicy, now: Timestamp) -> Option<Need> {
    if !is_wanted(observed) {
        return None;
    }
    let digest = request_digest(observed);
    let fulfilled = fulfilled(observed);
    let wanted = Wanted {
        uid: &observed.resource.uid,
        promise: promise(&settings(), policy),
        request_digest: &digest,
        requests: &observed.token.requests,
        fulfilled: fulfilled.as_ref(),
    };
    Some(need::need(&wanted, published(observed), now))
}
