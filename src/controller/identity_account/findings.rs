//! The conditions that are true of an `IdentityAccount`.

use k8s_openapi::jiff::Timestamp;

use super::plan::Situation;
use super::state::{CodeView, Observed, SecretContent, SecretView};
use super::wording;
use crate::api::client_application::{SECRET_SYNCED, SUSPENDED};
use crate::api::conditions::{self, Finding, READY, Truth};
use crate::api::identity_account::{
    CODE_RECEIVED, CodeMailed, IdentityAccountStatus, LoginNeeded, REGISTERED, RegistrationCall, VERIFIED,
};
use crate::api::token::TOKEN_FRESH;
use crate::controller::index::Place;
use crate::credential::onboarding::{Sending, Stop, WaitReason};

/// Reason of stages that are not reached yet.
const WAITING: &str = "Waiting";

/// What is said of a resource that is not to be touched.
pub(super) fn suspended() -> Finding {
    let message = "spec.suspend is true: nothing is called and nothing is written until it is removed";
    Finding::new(SUSPENDED, Truth::True, "Suspended", message)
}

/// What is said of a resource whose address is another resource's. Names of other namespaces are not told.
pub(super) fn claimed(observed: &Observed, (namespace, name): &Place) -> Finding {
    let who = if *namespace == observed.resource.namespace {
        format!("IdentityAccount {name}, which is older,")
    } else {
        "an older IdentityAccount of another namespace".to_owned()
    };
    let message = format!(
        "{who} has the address {} at this server, and two would lock each other out: nothing is called for this one. \
         Delete one of the two, or create another IdentityAccount with another address",
        observed.spec.email
    );
    Finding::new(REGISTERED, Truth::False, "AddressClaimed", message)
}

/// The conditions in order.
pub(super) fn all(
    observed: &Observed,
    situation: &Situation,
    of_token: Vec<Finding>,
    now: Timestamp,
) -> Vec<Finding> {
    let mut stages = vec![
        registered(observed, situation, now),
        code_received(observed, situation, now),
        verified(observed, situation),
        secret(observed),
    ];
    stages.extend(of_token);
    let ready = ready(observed, situation, &stages, now);
    let mut found = vec![ready];
    if let Situation::Halted(halted) = situation {
        match stages.iter_mut().find(|stage| stage.type_ == halted.type_) {
            Some(stage) => *stage = halted.clone(),
            None => found.push(halted.clone()),
        }
    }
    found.extend(stages);
    found
}

fn registered(observed: &Observed, situation: &Situation, now: Timestamp) -> Finding {
    let recorded = &observed.recorded;
    let email = &observed.spec.email;
    let finding = |truth, reason: &str, message: String| Finding::new(REGISTERED, truth, reason, message);
    if recorded.verified {
        return match earlier(&observed.status, REGISTERED) {
            Some(known) if known.truth == Truth::True => known,
            _ if recorded.sending.is_none() => finding(
                Truth::True,
                "AlreadyRegistered",
                format!("{email} had an account already, and the password opens it"),
            ),
            _ => finding(Truth::True, "Registered", format!("{email} is registered")),
        };
    }
    if let Situation::Stopped(stop) = situation
        && stage_of(*stop) == REGISTERED
    {
        return stopped(observed, *stop, REGISTERED);
    }
    if let Situation::Waiting {
        until,
        reason: WaitReason::HourlyBudget,
    } = situation
    {
        let message = format!(
            "Didit takes five requests for a code in an hour from one IP address, and they are used up by the accounts \
             of this operator, or Didit asked for a pause. A code for {email} is asked for at {until:.0}{}",
            wording::reserve(observed, now)
        );
        return finding(Truth::False, "HourlyBudget", message);
    }
    if let Some(pending) = &recorded.pending
        && pending.call != RegistrationCall::VerifyEmail
    {
        return finding(
            Truth::Unknown,
            "Registering",
            format!("a code for {email} is asked for"),
        );
    }
    if recorded.login_needed == Some(LoginNeeded::AddressTaken) {
        let message = format!(
            "{email} has an account already, or waits for a code with another password; a login tells whether the \
             password fits{}",
            wording::trouble(observed)
        );
        return finding(Truth::Unknown, "AddressTaken", message);
    }
    match &recorded.sending {
        Some(sending) => mailed(observed, sending),
        None => match wording::retry(observed, situation, REGISTERED) {
            Some(message) => finding(Truth::False, "Retrying", message),
            None => finding(Truth::False, WAITING, format!("{email} is not registered yet")),
        },
    }
}

fn mailed(observed: &Observed, sending: &Sending) -> Finding {
    let email = &observed.spec.email;
    let (truth, reason, message) = match sending.mailed {
        CodeMailed::Yes => (
            Truth::True,
            "CodeMailed",
            format!("a code was mailed to {email} at {:.0}", sending.at),
        ),
        CodeMailed::Unknown => (
            Truth::Unknown,
            "AnswerLost",
            format!(
                "a code for {email} was asked for at {:.0}, and what came of it is not known: a mail may be on its way{}",
                sending.at,
                wording::trouble(observed)
            ),
        ),
        CodeMailed::No => (
            Truth::False,
            "MailNotSent",
            format!(
                "Didit could not hand over the mail to {email}. It is tried again; see that the address is right{}",
                wording::trouble(observed)
            ),
        ),
    };
    Finding::new(REGISTERED, truth, reason, message)
}

fn code_received(observed: &Observed, situation: &Situation, now: Timestamp) -> Finding {
    let recorded = &observed.recorded;
    let finding = |truth, reason: &str, message: String| Finding::new(CODE_RECEIVED, truth, reason, message);
    if recorded.verified {
        return match recorded.sending {
            Some(_) => finding(Truth::True, "Accepted", "the code was the right one".to_owned()),
            None => finding(Truth::True, "NotNeeded", "the account needed no code".to_owned()),
        };
    }
    if let Situation::Stopped(stop) = situation
        && stage_of(*stop) == CODE_RECEIVED
    {
        return stopped(observed, *stop, CODE_RECEIVED);
    }
    if recorded
        .pending
        .as_ref()
        .is_some_and(|pending| pending.call == RegistrationCall::VerifyEmail)
    {
        return finding(Truth::True, "Received", "the code is tried".to_owned());
    }
    let Some(sending) = &recorded.sending else {
        return finding(Truth::False, WAITING, "no code was asked for yet".to_owned());
    };
    if recorded.login_needed == Some(LoginNeeded::AnswerLost) {
        let message = "a code was tried, and the answer to it was lost".to_owned();
        return finding(Truth::Unknown, "AnswerLost", message);
    }
    if let Some(message) = wording::retry(observed, situation, CODE_RECEIVED) {
        return finding(Truth::False, "Retrying", message);
    }
    match situation {
        Situation::WaitingForCode => waiting_for_code(observed, sending, now),
        Situation::Waiting {
            until,
            reason: WaitReason::Renewal,
        } => finding(
            Truth::False,
            if sending.refused > 0 {
                "CodeRefused"
            } else {
                "CodeExpired"
            },
            format!("the last code is no longer tried. Another one is asked for at {until:.0}"),
        ),
        _ => earlier(&observed.status, CODE_RECEIVED)
            // That was true before a code was asked for.
            .filter(|known| known.reason != WAITING)
            .unwrap_or_else(|| finding(Truth::False, WAITING, "a code is waited for".to_owned())),
    }
}

fn waiting_for_code(observed: &Observed, sending: &Sending, now: Timestamp) -> Finding {
    let finding = |reason: &str, message: String| Finding::new(CODE_RECEIVED, Truth::False, reason, message);
    let start = wording::code_so_far(observed, sending, now);
    match &observed.code {
        CodeView::Unreadable { finding: found, .. } => {
            finding(&found.reason, format!("{start}; {}", found.message))
        }
        CodeView::Absent { reason, message, .. } => finding(reason, format!("{start}; {message}")),
        CodeView::There(_) if observed.spec.code.mailbox.is_some() => finding(
            "CodeRefused",
            format!("{start}; the newest mail holds a code that was tried already"),
        ),
        CodeView::There(_) => finding(
            "CodeRefused",
            format!(
                "{start}; the Secret holds a code that was tried already. Replace it by the code of the newest mail: {}",
                wording::replace_code(observed)
            ),
        ),
        CodeView::Later { .. } | CodeView::NotLooked => earlier(&observed.status, CODE_RECEIVED)
            .filter(|known| known.truth == Truth::False)
            .unwrap_or_else(|| finding("WaitingForCode", format!("{start}; the mailbox is read"))),
    }
}

fn verified(observed: &Observed, situation: &Situation) -> Finding {
    let recorded = &observed.recorded;
    let email = &observed.spec.email;
    let finding = |truth, reason: &str, message: String| Finding::new(VERIFIED, truth, reason, message);
    if let Situation::Stopped(stop) = situation
        && stage_of(*stop) == VERIFIED
    {
        return stopped(observed, *stop, VERIFIED);
    }
    if recorded.verified {
        let mut message = format!("{email} is verified. Deleting this resource leaves the account at Didit");
        if observed.status.application_id.is_none() {
            message.push_str(
                ". It belongs to several organizations or to none, or has no application, so its Secret holds no \
                 application",
            );
        }
        if let Some(trouble) = &observed.learned.trouble {
            message = format!("{message}. Its credentials could not be read: {trouble}");
        }
        return finding(Truth::True, "Verified", message);
    }
    if let Situation::Waiting {
        until,
        reason: WaitReason::LoginBrake,
    } = situation
    {
        let why = observed.learned.brake.as_deref().unwrap_or("a login was refused");
        return finding(
            Truth::False,
            "LoginBraked",
            format!(
                "{why}. So that the account is not locked, the login is tried again at {until:.0} unless the password \
                 changes before"
            ),
        );
    }
    if recorded.login_needed == Some(LoginNeeded::AnswerLost) {
        let message = format!(
            "the answer to the code was lost; a login tells whether {email} is verified{}",
            wording::trouble(observed)
        );
        return finding(Truth::Unknown, "AnswerLost", message);
    }
    finding(Truth::False, WAITING, format!("{email} is not verified yet"))
}

fn secret(observed: &Observed) -> Finding {
    let name = &observed.spec.secret.name;
    let finding = |truth, reason: &str, message: String| Finding::new(SECRET_SYNCED, truth, reason, message);
    match &observed.secret {
        SecretView::Ours {
            content: SecretContent::Current,
            ..
        } if observed.holds_account() => finding(
            Truth::True,
            "Written",
            format!(
                "Secret {name} holds the account's credentials. It is deleted together with this resource, unless that \
                 is deleted with --cascade=orphan"
            ),
        ),
        SecretView::Ours {
            content: SecretContent::Current,
            ..
        } => finding(
            Truth::False,
            "PasswordStored",
            format!("Secret {name} holds the password, and the rest once the address is verified"),
        ),
        SecretView::Ours {
            content: SecretContent::Outdated,
            ..
        } => finding(
            Truth::False,
            "SecretOutdated",
            format!("Secret {name} holds valid credentials in an earlier form"),
        ),
        SecretView::Ours {
            content: SecretContent::Edited,
            ..
        } => finding(
            Truth::False,
            "SecretEdited",
            format!("Secret {name} was changed by somebody else"),
        ),
        SecretView::Foreign { owner } => finding(
            Truth::False,
            "SecretConflict",
            format!("Secret {name} belongs to {owner} and is not touched. Choose another spec.secret.name"),
        ),
        SecretView::Absent if observed.recorded.verified => finding(
            Truth::False,
            "SecretMissing",
            format!("Secret {name} does not exist"),
        ),
        SecretView::Absent => finding(
            Truth::False,
            WAITING,
            format!("Secret {name} is written in the course of the sign-up"),
        ),
    }
}

/// Ready is about what is read from the Secret: it stays true while the credentials in it are valid.
fn ready(observed: &Observed, situation: &Situation, stages: &[Finding], now: Timestamp) -> Finding {
    let of = |finding: &Finding| {
        // A suspension is the one finding that is in the way while it is true.
        let truth = match finding.truth {
            Truth::Unknown => Truth::Unknown,
            Truth::True | Truth::False => Truth::False,
        };
        Finding::new(READY, truth, finding.reason.clone(), finding.message.clone())
    };
    let has_token = observed
        .secret
        .token()
        .is_some_and(|token| token.expires_at.0 > now);
    let lacks_token = stages
        .iter()
        .find(|stage| stage.type_ == TOKEN_FRESH && stage.truth != Truth::True && !has_token);
    if observed.recorded.verified && observed.holds_account() {
        if let Some(lacking) = lacks_token {
            return of(lacking);
        }
        let mut message = format!(
            "Secret {} holds the credentials of {}",
            observed.spec.secret.name, observed.spec.email
        );
        let halted = match situation {
            Situation::Halted(halted) => Some(halted),
            _ => None,
        };
        if let Some(trouble) = stages.iter().find(|stage| stage.truth != Truth::True) {
            message = format!(
                "{message}; {} is {}: {}",
                trouble.type_,
                trouble.truth.as_str(),
                trouble.reason
            );
        }
        if halted.is_some_and(|halted| halted.type_ == SUSPENDED) {
            message = format!("{message}; suspended, so nothing keeps them up to date");
        }
        return Finding::new(READY, Truth::True, "Published", message);
    }
    if let Situation::Halted(halted) = situation {
        return of(halted);
    }
    if let Situation::Stopped(stop) = situation {
        return of(&stopped(observed, *stop, READY));
    }
    let unfinished = stages.iter().find(|stage| stage.truth != Truth::True);
    unfinished.map_or_else(
        || Finding::new(READY, Truth::Unknown, WAITING, "not looked at yet"),
        of,
    )
}

/// The stage that a stop is about.
fn stage_of(stop: Stop) -> &'static str {
    match stop {
        Stop::AddressTaken
        | Stop::InvalidEmail
        | Stop::WeakPassword
        | Stop::PasswordLost
        | Stop::MailNotSent
        | Stop::RegistrationRefused => REGISTERED,
        Stop::CodeMissing | Stop::CodesRefused => CODE_RECEIVED,
        Stop::PasswordRefused | Stop::SecondFactorRequired => VERIFIED,
    }
}

fn stopped(observed: &Observed, stop: Stop, type_: &'static str) -> Finding {
    Finding::new(type_, Truth::False, stop.as_str(), wording::stop(observed, stop))
}

/// What was recorded, for a stage that this pass has nothing new to say about.
fn earlier(status: &IdentityAccountStatus, type_: &'static str) -> Option<Finding> {
    conditions::recorded(&status.conditions, type_)
}
