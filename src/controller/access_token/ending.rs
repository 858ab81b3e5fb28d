//! What to do about an `AccessToken` that is being deleted.

use k8s_openapi::jiff::Timestamp;

use super::plan::{Halt, Next, Policy, later, until, usable};
use super::state::{Observed, Step};
use crate::api::conditions::{Finding, Truth};
use crate::api::token::{RevocationPolicy, TOKEN_FRESH};

/// The token is revoked if the spec wants that, for as long as `--release-timeout` allows.
pub(super) fn next(observed: &Observed, policy: &Policy, now: Timestamp) -> Next {
    let Some(asked) = observed.resource.deletion else {
        return Next::Ended;
    };
    if !observed.resource.has_finalizer {
        return Next::Ended;
    }
    let wanted = observed.spec.token.revocation_policy == Some(RevocationPolicy::OnDeletion);
    let Some(token) = observed
        .published()
        .filter(|token| wanted && token.expires_at.0 > now)
    else {
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
        None => {}
    }
    let end = later(asked, policy.release_timeout);
    let trouble = match (&observed.failure, usable(observed, policy)) {
        (Some(failure), _) => failure.trouble.message.clone(),
        (None, Ok(_)) => return Next::Do(Step::RevokePublished),
        (None, Err(_)) => "the identity provider or the client cannot be used".to_owned(),
    };
    if end <= now {
        return left(&trouble);
    }
    let pause = policy.token.backoff.pause(
        observed.pause.as_ref().map_or(1, |pause| pause.failures + 1),
        &observed.resource.uid,
    );
    let finding = Finding::new(
        TOKEN_FRESH,
        Truth::False,
        "Revoking",
        format!(
            "{trouble}. The token is to be revoked before this resource goes; that is tried until {end:.0}"
        ),
    );
    Next::Halt(Halt::new(finding, Some(pause.min(until(end, now)))))
}
