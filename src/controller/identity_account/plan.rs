//! What to do next about an `IdentityAccount`, what is true of it, and when to look again.
//!
//! [`plan`] is pure: the same observation at the same time gives the same plan. It returns one step; the step's
//! evidence is taken in and `plan` is asked again, until there is nothing more to do. What comes next in the sign-up
//! itself is [`decide`]'s.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::state::{CodeView, Inputs, Observed, SecretContent, SecretView, Step};
use super::{findings, token};
use crate::api::conditions::{self, Finding};
use crate::api::identity_account::{IdentityAccountStatus, RegistrationCall};
use crate::api::provider::DIDIT_API_URL;
use crate::controller::owned_secret;
use crate::controller::token::TokenPolicy;
use crate::controller::token::pauses::Pause;
use crate::credential::onboarding::{Facts, Move, Password, Source, Stop, WaitReason, decide};

/// How soon accounts are looked at again that wait until all are known.
const UNTIL_LISTED: Duration = Duration::from_secs(2);

/// How often it is looked whether an address is free, since nobody tells.
const UNTIL_FREE: Duration = Duration::from_secs(300);

/// How often it is looked for a code that a person brings, where Secrets are not watched.
const POLL: Duration = Duration::from_secs(10);

/// What [`plan`] decides.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The next step, or none when this pass has come to its end.
    pub step: Option<Step>,
    /// The status that is true now.
    pub status: IdentityAccountStatus,
    /// When to look again if nothing changes before.
    pub wake: Option<Duration>,
    /// Whether something is in the way.
    pub blocked: bool,
    /// Until when no token is asked for, because of a failure.
    pub token_pause: Option<Pause>,
}

/// How a resource stands, for its conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Situation {
    /// A step is under way.
    Busy,
    /// Something is in the way.
    Halted(Finding),
    /// A code is waited for.
    WaitingForCode,
    /// Nothing can be done before this time.
    Waiting { until: Timestamp, reason: WaitReason },
    /// Nothing is done any more.
    Stopped(Stop),
    /// Everything is as it should be.
    Settled,
}

/// The next move before it is turned into a [`Plan`].
enum Next {
    /// Do this.
    Do(Step),
    /// Wait for so long, or until something changes.
    Rest(Situation, Option<Duration>),
    /// Say nothing new and wait.
    Wait(Duration),
    /// The resource no longer needs us.
    Ended,
}

/// Decides what comes next. `now` is the time of the decision.
#[must_use]
pub fn plan(observed: &Observed, policy: &TokenPolicy, now: Timestamp) -> Plan {
    let plan = |step, status, wake, blocked| Plan {
        step,
        status,
        wake,
        blocked,
        token_pause: token::pause(observed, policy, now),
    };
    match next(observed, policy, now) {
        Next::Ended => plan(None, observed.status.clone(), None, false),
        Next::Wait(wake) => plan(None, observed.status.clone(), Some(wake), false),
        Next::Do(step) => {
            let status = status(observed, &Situation::Busy, policy, now);
            plan(Some(step), status, None, false)
        }
        Next::Rest(situation, wake) => {
            let status = status(observed, &situation, policy, now);
            let blocked =
                matches!(situation, Situation::Halted(_)) || observed.learned.token_trouble.is_some();
            let wake = match situation {
                Situation::Halted(_) | Situation::Settled => sooner(wake, token::wake(observed, policy, now)),
                _ => wake,
            };
            plan(None, status, wake, blocked)
        }
    }
}

fn next(observed: &Observed, policy: &TokenPolicy, now: Timestamp) -> Next {
    if observed.resource.is_deleted {
        return Next::Ended;
    }
    if observed.is_unrecorded {
        return Next::Do(Step::RecordStatus);
    }
    if observed.spec.suspend == Some(true) {
        return Next::Rest(Situation::Halted(findings::suspended()), None);
    }
    if let Some(finding) = owned_secret::claim_refused(
        &observed.spec.secret.name,
        &observed.secret,
        observed.rival.as_deref(),
        observed.learned.secret_refused.as_deref(),
    ) {
        return Next::Rest(Situation::Halted(finding), Some(policy.denied_pause));
    }
    if !observed.recorded.verified && observed.holds_account() {
        return Next::Do(Step::TakeInSaved);
    }
    if observed.recorded.verified && observed.holds_account() {
        return maintain(observed, policy, now);
    }
    let password = match &observed.inputs {
        Inputs::Unusable(finding) => {
            return Next::Rest(
                Situation::Halted(finding.as_ref().clone()),
                Some(policy.denied_pause),
            );
        }
        Inputs::NotNeeded => Password::Present,
        Inputs::Ready { password, .. } => *password,
    };
    if !observed.is_budget_known {
        return Next::Wait(UNTIL_LISTED);
    }
    sign_up(observed, password, now)
}

/// What [`decide`] is asked.
fn facts(observed: &Observed, password: Password) -> Facts<'_> {
    Facts {
        recorded: &observed.recorded,
        password,
        is_published: observed.holds_account(),
        inputs_version: observed.inputs_version(),
        is_own_intent: observed.learned.is_own_intent,
        source: source(observed),
        code: observed.mark(),
        request: observed.code_request.as_deref(),
        login_braked_until: observed.login_braked_until,
        budget: &observed.budget,
    }
}

fn source(observed: &Observed) -> Source {
    match observed.spec.code.mailbox {
        Some(_) => Source::Mailbox,
        None => Source::Person,
    }
}

/// What [`decide`] says of a sign-up whose password is there.
pub(super) fn decides(observed: &Observed, now: Timestamp) -> Move {
    decide(&facts(observed, Password::Present), now)
}

fn sign_up(observed: &Observed, password: Password, now: Timestamp) -> Next {
    let decided = decide(&facts(observed, password), now);
    // What is begun goes on; a password that is made for nothing would only mislead.
    let is_beginning = matches!(
        decided,
        Move::StorePassword | Move::RecordIntent(RegistrationCall::Register)
    );
    if let Some(claimant) = observed.claimant.as_ref().filter(|_| is_beginning) {
        return Next::Rest(
            Situation::Halted(findings::claimed(observed, claimant)),
            Some(UNTIL_FREE),
        );
    }
    if looks_first(observed, decided, now) {
        return Next::Do(Step::LookForCode);
    }
    // A mail that nobody can read is worth nothing, and mails are few.
    if asks_for_mail(decided)
        && let Some((finding, again)) = unreadable(observed)
    {
        return Next::Rest(Situation::Halted(finding.clone()), Some(until_time(again, now)));
    }
    match decided {
        Move::StorePassword => Next::Do(Step::StorePassword),
        Move::RecordIntent(call) => Next::Do(Step::RecordIntent(call)),
        Move::Call(call) => Next::Do(Step::Call(call)),
        Move::RecordAbandoned => Next::Do(Step::Abandon),
        Move::RecoverByLogin | Move::LogIn => Next::Do(Step::LogIn),
        Move::WaitForCode { until } => wait_for_code(observed, until, now),
        Move::Wait { until, reason } => {
            let again = next_look(observed).filter(|_| reason == WaitReason::HourlyBudget);
            let at = again.map_or(until, |again| again.min(until));
            Next::Rest(Situation::Waiting { until, reason }, Some(until_time(at, now)))
        }
        Move::Stop(stop) => {
            let until = observed
                .login_braked_until
                .filter(|_| stop == Stop::SecondFactorRequired);
            Next::Rest(
                Situation::Stopped(stop),
                until.map(|until| until_time(until, now)),
            )
        }
        Move::Settled => Next::Rest(Situation::Settled, None),
    }
}

/// Whether there may be a code that nobody has seen yet. It may have come while no operator ran, and makes another mail
/// needless.
fn looks_first(observed: &Observed, decided: Move, now: Timestamp) -> bool {
    let is_about_codes = match decided {
        Move::WaitForCode { .. } => true,
        Move::RecordIntent(call) => call != RegistrationCall::VerifyEmail,
        Move::Wait { reason, .. } => reason == WaitReason::HourlyBudget,
        _ => false,
    };
    // The mailbox is opened before a mail is sent to it.
    let has_use = observed.recorded.takes_codes(now)
        || (asks_for_mail(decided) && observed.spec.code.mailbox.is_some());
    is_about_codes && observed.code == CodeView::NotLooked && has_use
}

fn asks_for_mail(decided: Move) -> bool {
    matches!(
        decided,
        Move::RecordIntent(RegistrationCall::Register | RegistrationCall::ResendOtp)
    )
}

/// Why the mailbox could not be read, and when it is tried again.
fn unreadable(observed: &Observed) -> Option<(&Finding, Timestamp)> {
    match &observed.code {
        CodeView::Unreadable { finding, again } => Some((finding, *again)),
        CodeView::Later { until, unreadable } => unreadable.as_deref().map(|finding| (finding, *until)),
        _ => None,
    }
}

/// When it is looked for a code again by itself.
fn next_look(observed: &Observed) -> Option<Timestamp> {
    match &observed.code {
        CodeView::Later { until, .. } | CodeView::Unreadable { again: until, .. } => Some(*until),
        CodeView::Absent { again, .. } => *again,
        CodeView::NotLooked | CodeView::There(_) => None,
    }
}

fn wait_for_code(observed: &Observed, until: Timestamp, now: Timestamp) -> Next {
    let at = next_look(observed).map_or(until, |again| again.min(until));
    let wake = until_time(at, now);
    let wake = if observed.is_code_polled {
        wake.min(POLL)
    } else {
        wake
    };
    Next::Rest(Situation::WaitingForCode, Some(wake))
}

/// Keeps the Secret as the spec wants it, and its token fresh.
fn maintain(observed: &Observed, policy: &TokenPolicy, now: Timestamp) -> Next {
    if observed.learned.has_mail && !observed.learned.is_settled {
        return Next::Do(Step::SettleMail);
    }
    if let Inputs::Unusable(finding) = &observed.inputs
        && observed.learned.token_trouble.is_none()
    {
        return Next::Rest(
            Situation::Halted(finding.as_ref().clone()),
            Some(policy.denied_pause),
        );
    }
    if let Some(why) = token::needed(observed, policy, now) {
        return Next::Do(Step::ObtainToken(why));
    }
    if must_rewrite(observed) {
        return Next::Do(Step::RewriteSecret);
    }
    match &observed.status.secret {
        Some(earlier)
            if earlier.name != observed.spec.secret.name
                && observed.secret.is_current()
                && !observed.learned.is_retired =>
        {
            Next::Do(Step::RetireSecret(earlier.name.clone()))
        }
        _ => match observed.strays.first() {
            Some(stray) => Next::Do(Step::RetireStray(stray.clone())),
            None => Next::Rest(Situation::Settled, None),
        },
    }
}

fn must_rewrite(observed: &Observed) -> bool {
    let SecretView::Ours {
        published,
        content: SecretContent::Current,
        ..
    } = &observed.secret
    else {
        return true;
    };
    observed.learned.obtained.is_some()
        || observed.is_password_outdated
        || token::is_unwanted(observed)
        || (published.api_url != api_url(observed) && !observed.learned.is_published)
}

/// The address that takes the API key.
pub(super) fn api_url(observed: &Observed) -> &str {
    observed.spec.didit.api_url.as_deref().unwrap_or(DIDIT_API_URL)
}

fn status(
    observed: &Observed,
    situation: &Situation,
    policy: &TokenPolicy,
    now: Timestamp,
) -> IdentityAccountStatus {
    let generation = Some(observed.resource.generation);
    let mut status = observed.status.clone();
    observed.recorded.write_to(&mut status);
    if let SecretView::Ours {
        published,
        content: SecretContent::Current,
        ..
    } = &observed.secret
    {
        // Until the Secret of an earlier name is removed, it must not be forgotten.
        let replaces_another = status
            .secret
            .as_ref()
            .is_some_and(|earlier| earlier.name != published.name);
        if !replaces_another || observed.learned.is_retired {
            status.secret = Some(published.clone());
        }
    }
    status.token = token::status(observed, policy, now);
    status.fulfilled_requests = token::fulfilled(observed);
    let of_token = token::findings(observed, policy, now);
    let found = findings::all(observed, situation, of_token, now);
    IdentityAccountStatus {
        conditions: conditions::merge(&status.conditions, &found, generation, now),
        observed_generation: generation,
        ..status
    }
}

fn until_time(at: Timestamp, now: Timestamp) -> Duration {
    // A little later, so that the time has come when the wake does.
    Duration::try_from(at.duration_since(now)).unwrap_or_default() + Duration::from_millis(10)
}

fn sooner(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
