//! Sentences of conditions: what is, and what to do.

use k8s_openapi::jiff::Timestamp;

use super::plan::Situation;
use super::state::Observed;
use crate::api::conditions;
use crate::api::identity_account::CODE_KEY;
use crate::api::names::CODE_REQUESTED_ANNOTATION;
use crate::credential::onboarding::{Caller, MOST_TRIES, Sending, Stop, WaitReason};
use crate::identity::mailbox::MailboxError;

/// The name and the key of the Secret that a person puts the code in.
pub(super) fn code_secret(observed: &Observed) -> Option<(&str, &str)> {
    let reference = observed.spec.code.secret_ref.as_ref()?;
    Some((&reference.name, reference.key.as_deref().unwrap_or(CODE_KEY)))
}

/// The command that brings the code.
pub(super) fn create_code(observed: &Observed) -> String {
    let (name, key) = code_secret(observed).unwrap_or_default();
    let namespace = &observed.resource.namespace;
    format!("kubectl create secret generic {name} --namespace {namespace} --from-literal={key}=…")
}

/// The command that brings another code.
pub(super) fn replace_code(observed: &Observed) -> String {
    let namespace = &observed.resource.namespace;
    format!(
        "{} --dry-run=client --output=yaml | kubectl apply --namespace {namespace} --filename=-",
        create_code(observed)
    )
}

/// Why a mailbox cannot be read, and where its password stands.
pub(super) fn mailbox_refused(observed: &Observed, error: &MailboxError) -> String {
    let secret = observed
        .spec
        .code
        .mailbox
        .as_ref()
        .map(|mailbox| mailbox.secret_ref.name.as_str());
    let namespace = &observed.resource.namespace;
    format!(
        "{error}. Both stand in Secret {namespace}/{}; when it changes, the login is tried at once",
        secret.unwrap_or_default()
    )
}

/// How to get a code in an hour whose calls are used up but for the one that is kept for whoever asks by hand.
pub(super) fn reserve(observed: &Observed, now: Timestamp) -> String {
    match observed.budget.wait(Caller::Person, now) {
        None => format!(". One is kept for whoever asks: {}", ask_for_code(observed)),
        Some(_) => String::new(),
    }
}

/// The command that asks for another code.
pub(super) fn ask_for_code(observed: &Observed) -> String {
    let (namespace, name) = (&observed.resource.namespace, &observed.resource.name);
    format!(
        "kubectl annotate identityaccount {name} --namespace {namespace} --overwrite {CODE_REQUESTED_ANNOTATION}=\"$(date)\""
    )
}

/// What became of the codes for the newest mail, and how long its code is good.
pub(super) fn code_so_far(observed: &Observed, sending: &Sending, now: Timestamp) -> String {
    let end = sending.lapses();
    let validity = if now < end {
        format!("the code that was mailed ends at {end:.0}")
    } else {
        format!("the code that was mailed should have ended at {end:.0}, and is tried all the same")
    };
    match (sending.refused, &observed.learned.trouble) {
        (0, _) => validity,
        (count, Some(trouble)) => {
            format!("{count} of {MOST_TRIES} codes for the newest mail were refused ({trouble}); {validity}")
        }
        (count, None) => {
            format!("{count} of {MOST_TRIES} codes for the newest mail were refused; {validity}")
        }
    }
}

/// What went wrong with a call in this pass.
pub(super) fn trouble(observed: &Observed) -> String {
    match &observed.learned.trouble {
        Some(trouble) => format!(" ({trouble})"),
        None => String::new(),
    }
}

/// Why a call is tried again, and when. What an earlier pass said of it under the condition `type_` still stands.
pub(super) fn retry(observed: &Observed, situation: &Situation, type_: &str) -> Option<String> {
    let Situation::Waiting {
        until,
        reason: WaitReason::Retry,
    } = situation
    else {
        return None;
    };
    let end = format!(". Trying again at {until:.0}");
    match &observed.learned.trouble {
        Some(trouble) => Some(format!("{trouble}{end}")),
        None => conditions::find(&observed.status.conditions, type_)
            .filter(|said| said.message.ends_with(&end))
            .map(|said| said.message.clone())
            .or_else(|| Some(format!("the last call did not come to its end{end}"))),
    }
}

/// Why nothing is tried any more, and what to do.
pub(super) fn stop(observed: &Observed, stop: Stop) -> String {
    let said = observed
        .recorded
        .stopped
        .as_ref()
        .filter(|stopped| !stopped.message.is_empty())
        .map(|stopped| format!("{}; ", stopped.message));
    let advice = stop.advice();
    let command = match stop {
        Stop::CodeMissing | Stop::CodesRefused | Stop::MailNotSent | Stop::RegistrationRefused => {
            format!(": {}", ask_for_code(observed))
        }
        _ => String::new(),
    };
    format!("{}{advice}{command}", said.unwrap_or_default())
}
