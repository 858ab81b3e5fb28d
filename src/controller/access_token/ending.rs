//! What to do about an `AccessToken` that is being deleted.

use k8s_openapi::jiff::Timestamp;

use super::plan::{Halt, Next, Policy, later, until, usable};
use super::state::{Observed, Step};
use crate::api::conditions::{Finding, Truth};
use crate::api::token::{RevocationPolicy, TOKEN_FRESH};
use crate::controller::token::findings::Trouble;
use crate::controller::token::pauses::Pause;

/// The token is revoked if the spec wants that, for as long as `--release-timeout` allows.
pub(super) fn next(observed: &Observed, policy: &Policy, now: Timestamp) -> Next {
    let Some(asked) = observed.resource.deletion else {
        return Next::Ended;
    };
    if !observed.resource.has_finalizer {
        return Next::Ended;
    }
    let wanted = observed.spec.token.revocation_policy == Some(RevocationPolicy::OnDeletion);
    // What is recorded and no longer in the Secret lives on at the server all the same.
    let token = observed.published().or(observed.status.token.as_ref());
    let Some(token) = token.filter(|token| wanted && token.expires_at.0 > now) else {
        return Next::Do(Step::RemoveFinalizer { left_behind: None });
    };
    let expires = token.expires_at.0;
    let left = |why: &str| {
        Next::Do(Step::RemoveFinalizer {
            left_behind: Some(format!(
                "the access token was not revoked: {why}. It is valid until {expires:.0}"
            )),
        })
    };
    match &observed.learned.revoked {
        Some(Ok(())) => return Next::Do(Step::RemoveFinalizer { left_behind: None }),
        Some(Err(why)) => return left(why),
        None if observed.published().is_none() => {
            return left("the Secret does not hold it any more");
        }
        None => {}
    }
    let end = later(asked, policy.release_timeout);
    let paused = observed.pause.as_ref().filter(|pause| pause.until > now);
    let trouble = match (&observed.failure, usable(observed, policy), paused) {
        (Some(failure), _, _) => failure.trouble.clone(),
        (None, Ok(_), None) => return Next::Do(Step::RevokePublished),
        (None, Ok(_), Some(paused)) => paused.trouble.clone(),
        (None, Err(_), _) => Trouble::passing(
            "Revoking",
            "the identity provider or the client cannot be used".to_owned(),
        ),
    };
    if end <= now {
        return left(&trouble.message);
    }
    let finding = Finding::new(
        TOKEN_FRESH,
        Truth::False,
        "Revoking",
        format!(
            "{}. The token is to be revoked before this resource goes; that is tried until {end:.0}",
            trouble.message
        ),
    );
    let pause = match paused {
        Some(paused) if observed.failure.is_none() => paused.clone(),
        _ => next_pause(observed, trouble, policy, now),
    };
    Next::Halt(Halt {
        finding,
        wake: Some(until(pause.until.min(end), now)),
        // A provider that cannot be used wakes its users once it can be: nothing is to hold them back then.
        pause: (observed.failure.is_some() || paused.is_some()).then_some(pause),
    })
}

/// The pause after a try that failed: it grows, and is no shorter than the server asked for.
fn next_pause(observed: &Observed, trouble: Trouble, policy: &Policy, now: Timestamp) -> Pause {
    let earlier = observed.pause.as_ref().map_or(0, |pause| pause.failures);
    let failures = earlier.saturating_add(1);
    let own = policy.token.backoff.pause(failures, &observed.resource.uid);
    Pause {
        until: later(now, own.max(trouble.retry_after.unwrap_or_default())),
        trouble,
        failures,
    }
}
