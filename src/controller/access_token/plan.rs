//! What to do next about an `AccessToken`, what is true of it, and when to look again.
//!
//! [`plan`] is pure: the same observation at the same time gives the same plan. It returns one step; the step's
//! evidence is taken in and `plan` is asked again, until there is nothing more to do.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::ending;
use super::findings::{self, NOT_REVOKED_YET};
use super::state::{ClientView, Observed, ProviderView, Step, UsableProvider};
use crate::api::access_token::{AccessTokenStatus, CLIENT_READY};
use crate::api::client_application::PROVIDER_READY;
use crate::api::conditions::{self, Finding, Truth};
use crate::api::token::{FulfilledRequests, RevocationPolicy, TokenStatus};
use crate::controller::owned_secret::{SecretContent, SecretView, claim_refused};
use crate::controller::token::findings::{Trouble, scopes_not_allowed};
use crate::controller::token::need::{self, Need, Wanted, Why};
use crate::controller::token::pauses::Pause;
use crate::controller::token::{self, TokenPolicy};
use crate::credential::token::Promise;

/// Pause before another token is asked for when the one just published is due at once.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// The operator's settings that decisions depend on.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Those about tokens.
    pub token: TokenPolicy,
    /// How long a deletion waits for the server before the token is left to expire.
    pub release_timeout: Duration,
}

/// What [`plan`] decides.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The next step, or none when this pass has come to its end.
    pub step: Option<Step>,
    /// The status that is true now.
    pub status: AccessTokenStatus,
    /// When to look again if nothing changes before.
    pub wake: Option<Duration>,
    /// Whether something is in the way.
    pub blocked: bool,
    /// Until when nothing is tried, because of a failure in this pass.
    pub pause: Option<Pause>,
}

/// The next move before it is turned into a [`Plan`].
pub(super) enum Next {
    /// Do this.
    Do(Step),
    /// Something is in the way: say so and wait.
    Halt(Halt),
    /// Say nothing new and wait: what is in the way is not known yet.
    Wait(Duration),
    /// Everything is as it should be until then.
    Done(Timestamp),
    /// The resource no longer needs us.
    Ended,
}

/// What is in the way.
pub(super) struct Halt {
    pub(super) finding: Finding,
    pub(super) wake: Option<Duration>,
    pub(super) pause: Option<Pause>,
}

impl Halt {
    pub(super) fn new(finding: Finding, wake: Option<Duration>) -> Self {
        Self {
            finding,
            wake,
            pause: None,
        }
    }
}

/// Decides what comes next. `now` is the time of the decision.
#[must_use]
pub fn plan(observed: &Observed, policy: &Policy, now: Timestamp) -> Plan {
    let next = if observed.resource.deletion.is_some() {
        ending::next(observed, policy, now)
    } else {
        next(observed, policy, now)
    };
    let plan = |step, status, wake, blocked| Plan {
        step,
        status,
        wake,
        blocked,
        pause: None,
    };
    match next {
        Next::Wait(wake) => plan(None, observed.status.clone(), Some(wake), false),
        Next::Ended => plan(None, observed.status.clone(), None, false),
        Next::Do(step) => plan(Some(step), observed.status.clone(), None, false),
        Next::Halt(halt) => {
            let status = status(observed, policy, Some(&halt.finding), now);
            Plan {
                step: None,
                status,
                wake: sooner(halt.wake, until_expiry(observed, now)),
                blocked: true,
                pause: halt.pause,
            }
        }
        Next::Done(at) => {
            let status = status(observed, policy, None, now);
            let wake = sooner(Some(until(at, now)), until_expiry(observed, now));
            plan(None, status, wake, false)
        }
    }
}

fn next(observed: &Observed, policy: &Policy, now: Timestamp) -> Next {
    if observed.spec.suspend == Some(true) {
        return Next::Halt(Halt::new(findings::suspended(), None));
    }
    if let Some(failure) = &observed.failure {
        return Next::Halt(failed(observed, &failure.trouble, policy, now));
    }
    if let Some(finding) = claim_refused(
        &observed.spec.secret.name,
        &observed.secret,
        observed.rival.as_deref(),
        observed.learned.secret_refused.as_deref(),
    ) {
        return Next::Halt(Halt::new(finding, Some(policy.token.denied_pause)));
    }
    if let Some(step) = finalizer(observed) {
        return Next::Do(step);
    }
    let (provider, client_id) = match usable(observed, policy) {
        Ok(usable) => usable,
        Err(next) => return *next,
    };
    if let Some(trouble) = not_allowed(observed, provider) {
        // Nothing was tried, so there is nothing to pause for: a change of the provider is seen at once.
        let finding = trouble.finding(observed.published(), None, now);
        return Next::Halt(Halt::new(finding, Some(policy.token.denied_pause)));
    }
    if observed.learned.obtained.is_some() {
        return Next::Do(Step::WriteSecret);
    }
    token(observed, provider, client_id, policy, now)
}

/// The token, and the Secret that holds it.
fn token(
    observed: &Observed,
    provider: &UsableProvider,
    client_id: &str,
    policy: &Policy,
    now: Timestamp,
) -> Next {
    let digest = need::request_digest_at(&provider.server_digest, client_id, &observed.spec.token);
    let fulfilled = fulfilled(observed);
    let wanted = Wanted {
        uid: &observed.resource.uid,
        promise: promise(observed, policy),
        request_digest: &digest,
        requests: &observed.resource.requests,
        fulfilled: fulfilled.as_ref(),
    };
    let pause = observed.pause.as_ref().filter(|pause| pause.until > now);
    let unless_paused = |step| match pause {
        // A revocation that fails must not keep a token from being refreshed.
        Some(pause) if pause.trouble.reason == NOT_REVOKED_YET && matches!(step, Step::Obtain { .. }) => {
            Next::Do(step)
        }
        Some(pause) => Next::Halt(paused(observed, pause, policy, now)),
        None => Next::Do(step),
    };
    let revocation = revocation(observed, fulfilled.as_ref());
    match (need::need(&wanted, observed.published(), now), revocation) {
        (Need::Yes(_), Some(step)) if observed.learned.published => Next::Do(step),
        // What was just published is not good for long: the next one is asked for at the next wake, not in a circle.
        (Need::Yes(_), None) if observed.learned.published => Next::Done(later(now, SHORTEST_PAUSE)),
        (Need::Yes(why), _) => unless_paused(Step::Obtain { why }),
        (Need::No(_), _) if !observed.secret.is_current() => Next::Do(Step::WriteSecret),
        (Need::No(_), Some(step)) => unless_paused(step),
        (Need::No(refresh), None) => left_over(observed).map_or(Next::Done(refresh.at), Next::Do),
    }
}

/// Secrets of earlier names, once the one that is wanted stands.
fn left_over(observed: &Observed) -> Option<Step> {
    match &observed.status.secret {
        Some(earlier) if earlier.name != observed.spec.secret.name && !observed.learned.retired => {
            Some(Step::RetireSecret(earlier.name.clone()))
        }
        _ => observed.strays.first().cloned().map(Step::RetireStray),
    }
}

/// The finalizer is on the resource exactly while its deletion revokes a token.
fn finalizer(observed: &Observed) -> Option<Step> {
    let wanted = observed.spec.token.revocation_policy == Some(RevocationPolicy::OnDeletion);
    match (wanted, observed.resource.has_finalizer) {
        (true, false) => Some(Step::AddFinalizer),
        (false, true) => Some(Step::RemoveFinalizer { left_behind: None }),
        _ => None,
    }
}

/// After the new token is published, the one that somebody wants revoked.
fn revocation(observed: &Observed, fulfilled: Option<&FulfilledRequests>) -> Option<Step> {
    let is_half_done = fulfilled.is_some_and(|fulfilled| fulfilled.revoking.is_some());
    (is_half_done && observed.learned.revoked.is_none()).then_some(Step::RevokeReplaced)
}

/// The provider and the client, or what keeps them from being used.
pub(super) fn usable<'a>(
    observed: &'a Observed,
    policy: &Policy,
) -> Result<(&'a UsableProvider, &'a str), Box<Next>> {
    let halt = |finding| Next::Halt(Halt::new(finding, Some(policy.token.denied_pause)));
    let provider = match &observed.provider {
        ProviderView::Usable(provider) => provider,
        // At a start this passes at once; what is recorded stays, unless there is nothing.
        ProviderView::Pending if !observed.status.conditions.is_empty() => {
            return Err(Box::new(Next::Wait(Duration::from_secs(5))));
        }
        ProviderView::Pending => {
            let message = "the identity provider has not been looked at yet";
            let finding = Finding::new(PROVIDER_READY, Truth::Unknown, "ProviderPending", message);
            return Err(Box::new(Next::Halt(Halt::new(
                finding,
                Some(Duration::from_secs(5)),
            ))));
        }
        ProviderView::NotUsable { reason, message } => {
            let finding = Finding::new(PROVIDER_READY, Truth::False, reason.clone(), message.clone());
            return Err(Box::new(halt(finding)));
        }
    };
    match &observed.client {
        ClientView::Ready { client_id } => Ok((provider, client_id)),
        ClientView::NotReady(trouble) => {
            let finding = Finding::new(
                CLIENT_READY,
                Truth::False,
                trouble.reason,
                trouble.message.clone(),
            );
            Err(Box::new(halt(finding)))
        }
    }
}

fn not_allowed(observed: &Observed, provider: &UsableProvider) -> Option<Trouble> {
    let name = &observed.spec.provider_ref.name;
    if observed.spec.client.provider_account == Some(true) {
        if !provider.has_account {
            return Some(Trouble::to_mend(
                "ProviderHasNoAccount",
                format!(
                    "identity provider {name} has no account of its own. Name a client in spec.client.secretRef"
                ),
            ));
        }
        if !provider.allows_account_tokens {
            return Some(Trouble::to_mend(
                "AccountTokenNotAllowed",
                format!(
                    "ClusterIdentityProvider {name} does not give out its account's token. Ask its administrator to set spec.allowAccountTokens"
                ),
            ));
        }
        return None;
    }
    scopes_not_allowed(&observed.spec.token, provider.allowed_scopes.as_deref())
}

/// What a failed try means, and when the next one is made.
fn failed(observed: &Observed, trouble: &Trouble, policy: &Policy, now: Timestamp) -> Halt {
    let uid = &observed.resource.uid;
    let published = observed.published().map(|token| {
        let refresh = need::refresh_of(token, promise(observed, policy), uid);
        (refresh, token.expires_at.0)
    });
    let pause = Pause::after(trouble, observed.pause.as_ref(), published, uid, now);
    paused(observed, &pause, policy, now)
}

fn paused(observed: &Observed, pause: &Pause, policy: &Policy, now: Timestamp) -> Halt {
    Halt {
        finding: findings::of_pause(observed, &promise(observed, policy), pause, now),
        wake: Some(until(pause.until, now)),
        pause: Some(pause.clone()),
    }
}

/// The promise to workloads.
pub(super) fn promise(observed: &Observed, policy: &Policy) -> Promise {
    token::promise(&observed.spec.token, &policy.token)
}

/// The requests by annotation that are fulfilled now. A token that was issued in this pass fulfills both kinds, the
/// second once the replaced one is dealt with.
fn fulfilled(observed: &Observed) -> Option<FulfilledRequests> {
    let mut fulfilled = observed.status.fulfilled_requests.clone().unwrap_or_default();
    let asked = &observed.resource.requests;
    let is_new = observed.learned.why.is_some_and(Why::needs_new);
    if observed.learned.published && is_new {
        fulfilled.refresh.clone_from(&asked.refresh);
    }
    if observed.learned.published && observed.learned.why == Some(Why::RevocationRequested) {
        fulfilled.revoking.clone_from(&asked.revoke);
    }
    if observed.learned.revoked.is_some() {
        fulfilled.revoke = fulfilled.revoking.take();
    }
    // An annotation that is gone needs no memory.
    if asked.refresh.is_none() {
        fulfilled.refresh = None;
    }
    if asked.revoke.is_none() {
        fulfilled.revoke = None;
        fulfilled.revoking = None;
    }
    (fulfilled != FulfilledRequests::default()).then_some(fulfilled)
}

fn status(
    observed: &Observed,
    policy: &Policy,
    halted: Option<&Finding>,
    now: Timestamp,
) -> AccessTokenStatus {
    let generation = Some(observed.resource.generation);
    let mut status = observed.status.clone();
    if let SecretView::Ours {
        published,
        content: SecretContent::Current,
        ..
    } = &observed.secret
    {
        let replaces_another = status
            .secret
            .as_ref()
            .is_some_and(|earlier| earlier.name != published.name);
        // Until the Secret of an earlier name is removed, it must not be forgotten.
        if !replaces_another || observed.learned.retired {
            status.secret = Some(published.clone());
        }
    }
    let promise = promise(observed, policy);
    // A token that is not there any more has no expiry to show.
    status.token = observed.published().map(|token| TokenStatus {
        refresh_at: Time(need::refresh_of(token, promise, &observed.resource.uid).at),
        ..token.clone()
    });
    if let ClientView::Ready { client_id } = &observed.client {
        status.client_id = Some(client_id.clone());
    }
    status.fulfilled_requests = fulfilled(observed);
    status.observed_generation = generation;
    let found = findings::all(observed, &promise, halted, now);
    status.conditions = conditions::merge(&status.conditions, &found, generation, now);
    status
}

/// A token that ends makes `Ready` false, whatever else goes on.
fn until_expiry(observed: &Observed, now: Timestamp) -> Option<Duration> {
    let expires_at = observed.published()?.expires_at.0;
    (expires_at > now).then(|| until(expires_at, now))
}

fn sooner(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// From `now` to `time`, and a little more, so that `time` is over when the wake comes.
pub(super) fn until(time: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(time.duration_since(now)).unwrap_or_default() + Duration::from_millis(10)
}

/// `time` plus `span`, at the end of time if need be.
pub(super) fn later(time: Timestamp, span: Duration) -> Timestamp {
    SignedDuration::try_from(span)
        .ok()
        .and_then(|span| time.checked_add(span).ok())
        .unwrap_or(Timestamp::MAX)
}
