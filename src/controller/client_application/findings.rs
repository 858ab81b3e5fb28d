//! The conditions that are true of a `ClientApplication`.

use k8s_openapi::jiff::Timestamp;

use super::state::{Observed, ProviderView, SecretContent, SecretView};
use super::{desired, token};
use crate::api::client_application::{
    ClientApplicationStatus, KEY_ACCEPTED, Origin, PROVIDER_READY, PROVISIONED, SECRET_SYNCED, SUSPENDED,
};
use crate::api::conditions::{self, Finding, READY, Truth};
use crate::api::token::TOKEN_FRESH;
use crate::identity::{CallError, ErrorKind, INVALID_APPLICATION_ID, KeyVerdict};

/// Reason for [`PROVISIONED`] when the identity API no longer knows the application.
pub(super) const APPLICATION_MISSING: &str = "ApplicationMissing";

/// Reason for [`PROVISIONED`] when the provider does not let this namespace adopt.
pub(super) const ADOPTION_NOT_ALLOWED: &str = "AdoptionNotAllowed";

/// Reason for [`PROVISIONED`] when another resource adopts the application.
pub(super) const APPLICATION_CLAIMED: &str = "ApplicationClaimed";

/// Reason for [`PROVISIONED`] when the account does not see the application that is to be adopted.
pub(super) const APPLICATION_NOT_FOUND: &str = "ApplicationNotFound";

/// Why an application that the spec names was not taken: it does not carry this resource's mark.
pub(super) const NOT_ADOPTED: [&str; 6] = [
    super::adoption::ACCOUNT_NOT_FOUND,
    super::adoption::ACCOUNT_NOT_VERIFIED,
    ADOPTION_NOT_ALLOWED,
    APPLICATION_CLAIMED,
    APPLICATION_NOT_FOUND,
    INVALID_APPLICATION_ID,
];

/// Reason while the provider has not been looked at: nothing is known to be wrong.
pub(super) const PROVIDER_PENDING: &str = "ProviderPending";

/// All conditions. `status` is what is about to be recorded, `halted` what is in the way.
pub(super) fn all(
    observed: &Observed,
    status: &ClientApplicationStatus,
    halted: Option<&Finding>,
    of_token: Vec<Finding>,
    now: Timestamp,
) -> Vec<Finding> {
    let said = |type_| halted.filter(|finding| finding.type_ == type_).cloned();
    let mut stages = vec![
        said(PROVIDER_READY).unwrap_or_else(|| provider(observed, status)),
        missing(observed, status, halted)
            .or_else(|| said(PROVISIONED))
            .unwrap_or_else(|| provisioned(observed, status, halted)),
        said(SECRET_SYNCED).unwrap_or_else(|| secret(observed, status)),
        key(observed, status),
    ];
    stages.extend(of_token);
    let ready = ready(observed, status, halted, &stages, now);
    std::iter::once(ready)
        .chain(stages)
        .chain(said(SUSPENDED))
        .collect()
}

/// What `spec.suspend` means while it is set.
pub(super) fn suspended() -> Finding {
    let message = "spec.suspend is true: nothing is called and nothing is written until it is removed";
    Finding::new(SUSPENDED, Truth::True, "Suspended", message)
}

fn provider(observed: &Observed, status: &ClientApplicationStatus) -> Finding {
    match &observed.provider {
        ProviderView::Ready { .. } => Finding::new(
            PROVIDER_READY,
            Truth::True,
            "Usable",
            "the identity provider can be used",
        ),
        _ => earlier(status, PROVIDER_READY),
    }
}

/// Whether the identity API did not know the application when it was asked last. Only a look at the record says
/// otherwise: nothing that is in the way of one does.
pub(super) fn is_known_missing(observed: &Observed, status: &ClientApplicationStatus) -> bool {
    status.application_id.is_some()
        && (observed.learned.gone
            || observed.learned.application.is_none()
                && conditions::find(&status.conditions, PROVISIONED)
                    .is_some_and(|condition| condition.reason == APPLICATION_MISSING))
}

/// Whether the last look at the application that the spec names came to the result that it is not taken.
pub(super) fn was_not_adopted(status: &ClientApplicationStatus) -> bool {
    status.application_id.is_none()
        && status.pending_creation.is_none()
        && conditions::find(&status.conditions, PROVISIONED)
            .is_some_and(|condition| NOT_ADOPTED.contains(&condition.reason.as_str()))
}

/// What is said of an application that the identity API no longer knows.
pub(super) fn application_missing(id: &str) -> Finding {
    let message = format!(
        "the identity API no longer knows application {id}. The Secret is left as it is. A new application would have another \
         client_id and key, so none is made by itself: delete this resource and create it again for a new one"
    );
    Finding::new(PROVISIONED, Truth::False, APPLICATION_MISSING, message)
}

fn missing(
    observed: &Observed,
    status: &ClientApplicationStatus,
    halted: Option<&Finding>,
) -> Option<Finding> {
    let id = status
        .application_id
        .as_ref()
        .filter(|_| is_known_missing(observed, status))?;
    let mut finding = application_missing(id);
    // What is about the same condition would not be seen otherwise.
    if let Some(halted) =
        halted.filter(|halted| halted.type_ == PROVISIONED && halted.reason != APPLICATION_MISSING)
    {
        finding.message = format!("{}. The last look failed: {}", finding.message, halted.message);
    }
    Some(finding)
}

fn provisioned(observed: &Observed, status: &ClientApplicationStatus, halted: Option<&Finding>) -> Finding {
    let Some(id) = &status.application_id else {
        return match (&status.pending_creation, halted) {
            (Some(_), _) => Finding::new(
                PROVISIONED,
                Truth::Unknown,
                "Creating",
                "the application is being made",
            ),
            (None, Some(_)) if was_not_adopted(status) => earlier(status, PROVISIONED),
            (None, Some(_)) => Finding::new(
                PROVISIONED,
                Truth::False,
                "Waiting",
                "no application has been made yet",
            ),
            (None, None) => earlier(status, PROVISIONED),
        };
    };
    // A deletion and a suspension raise the generation too, and neither is waiting to be applied.
    let is_to_be_applied = observed.resource.deletion.is_none() && observed.spec.suspend != Some(true);
    if let Some(halted) = halted
        && is_to_be_applied
        && status
            .applied_generation
            .is_some_and(|applied| applied != observed.resource.generation)
    {
        let message = format!("the spec has changed and is not applied yet: {}", halted.message);
        return Finding::new(PROVISIONED, Truth::Unknown, "NotApplied", message);
    }
    // Without a look at the record, what was last seen of it still stands.
    if observed.learned.application.is_none() && conditions::find(&status.conditions, PROVISIONED).is_some() {
        return earlier(status, PROVISIONED);
    }
    match status.origin {
        Some(Origin::Adopted) => Finding::new(
            PROVISIONED,
            Truth::True,
            "Adopted",
            format!("application {id} was adopted"),
        ),
        _ => Finding::new(
            PROVISIONED,
            Truth::True,
            "Created",
            format!("application {id} was made for this resource"),
        ),
    }
}

fn secret(observed: &Observed, status: &ClientApplicationStatus) -> Finding {
    let name = &observed.spec.secret.name;
    let deleted = observed.resource.deletion.is_some();
    let idle = deleted || observed.spec.suspend == Some(true);
    // What is valid is nothing to complain of where nothing is to be written.
    if deleted || idle && observed.secret.is_valid() && !observed.secret.is_current() {
        return earlier(status, SECRET_SYNCED);
    }
    let written = |how: &str| match idle || is_known_missing(observed, status) {
        true => String::new(),
        false => format!(" and will be written {how}").trim_end().to_owned(),
    };
    let (reason, message) = match &observed.secret {
        SecretView::Ours {
            content: SecretContent::Current,
            ..
        } => {
            let message = format!("Secret {name} holds the credentials");
            return Finding::new(SECRET_SYNCED, Truth::True, "Written", message);
        }
        SecretView::Ours {
            content: SecretContent::Outdated,
            ..
        } => (
            "SecretOutdated",
            format!(
                "Secret {name} holds valid credentials in an earlier form{}",
                written("as the spec wants it now")
            ),
        ),
        SecretView::Ours {
            content: SecretContent::Edited,
            ..
        } => (
            "SecretEdited",
            format!("Secret {name} was changed by somebody else{}", written("again")),
        ),
        SecretView::Absent if status.application_id.is_none() => (
            "Waiting",
            format!("Secret {name} is written once there is an application"),
        ),
        SecretView::Absent => (
            "SecretMissing",
            format!("Secret {name} does not exist{}", written("")),
        ),
        SecretView::Foreign { owner } => (
            "SecretConflict",
            format!("Secret {name} belongs to {owner} and is not touched. Choose another spec.secret.name"),
        ),
    };
    Finding::new(SECRET_SYNCED, Truth::False, reason, message)
}

fn key(observed: &Observed, status: &ClientApplicationStatus) -> Finding {
    if is_known_missing(observed, status) {
        return match earlier(status, KEY_ACCEPTED) {
            refused if refused.truth == Truth::False => refused,
            _ => Finding::new(
                KEY_ACCEPTED,
                Truth::Unknown,
                "NotChecked",
                "the identity API no longer knows the application, so its key is not tried",
            ),
        };
    }
    match &observed.learned.verdict {
        Some(Ok(KeyVerdict::Accepted)) => Finding::new(
            KEY_ACCEPTED,
            Truth::True,
            "Accepted",
            "the identity API accepts the published key",
        ),
        Some(Ok(KeyVerdict::Refused { message })) => Finding::new(
            KEY_ACCEPTED,
            Truth::False,
            "KeyRefused",
            format!(
                "the identity API refuses the application's key: {message}. Check the application in its console"
            ),
        ),
        // No answer says nothing about the key (contract section 9.1): what was found before still stands.
        Some(Err(error)) => match earlier(status, KEY_ACCEPTED) {
            known if known.truth != Truth::Unknown && !has_new_key(observed) => known,
            _ => not_checked(observed, error),
        },
        None if has_new_key(observed) => Finding::new(
            KEY_ACCEPTED,
            Truth::Unknown,
            "NotChecked",
            "the application has another key than before, which has not been tried yet",
        ),
        None => earlier(status, KEY_ACCEPTED),
    }
}

/// Nobody but this call uses the address of the API that workloads call.
fn not_checked(observed: &Observed, error: &CallError) -> Finding {
    let mut message = error.to_string();
    if error.kind == ErrorKind::NotFound || error.is_unreachable() {
        let reference = &observed.spec.provider_ref;
        message = format!(
            "{message}. Check spec.didit.apiUrl of {} {}",
            reference.kind.as_str(),
            reference.name
        );
    }
    Finding::new(KEY_ACCEPTED, Truth::Unknown, "NotChecked", message)
}

/// Whether the application, or else the Secret, may hold another key than the one that the recorded status is
/// about.
pub(super) fn has_new_key(observed: &Observed) -> bool {
    let Some(judged) = &observed.status.secret else {
        return false;
    };
    let learned = observed.learned.application.as_ref();
    let digest = match (observed.provider.usable(), learned, &observed.secret) {
        (Some(provider), Some(application), _) => {
            desired::application_digest(&observed.resource, provider, application)
        }
        (_, _, SecretView::Ours { published, .. }) => Some(published.application_digest.clone()),
        _ => return false,
    };
    digest.as_ref() != Some(&judged.application_digest)
}

/// Ready is about what workloads read: it stays true while the published credentials are valid, even when a
/// stage has trouble, which its own condition then says.
fn ready(
    observed: &Observed,
    status: &ClientApplicationStatus,
    halted: Option<&Finding>,
    stages: &[Finding],
    now: Timestamp,
) -> Finding {
    let not_ready = |finding: &Finding| {
        Finding::new(
            READY,
            Truth::False,
            finding.reason.clone(),
            finding.message.clone(),
        )
    };
    let has_token = token::published(observed).is_some_and(|token| token.expires_at.0 > now);
    let worthless = stages.iter().find(|finding| {
        finding.truth == Truth::False
            && (finding.type_ == KEY_ACCEPTED
                || finding.reason == APPLICATION_MISSING
                || (finding.type_ == TOKEN_FRESH && !has_token))
    });
    let published = status.application_id.is_some() && observed.secret.is_valid();
    match (published, worthless, halted) {
        (true, Some(worthless), _) => not_ready(worthless),
        (true, None, _) => {
            let mut message = format!(
                "Secret {} holds the credentials of application {}",
                observed.spec.secret.name,
                status.application_id.as_deref().unwrap_or_default()
            );
            if let Some(trouble) = stages.iter().find(|finding| finding.truth != Truth::True) {
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
            Finding::new(READY, Truth::True, "Published", message)
        }
        (false, _, Some(halted)) if halted.reason == PROVIDER_PENDING => Finding {
            truth: Truth::Unknown,
            ..not_ready(halted)
        },
        (false, _, Some(halted)) => not_ready(halted),
        (false, _, None) => {
            let unfinished = stages.iter().find(|finding| finding.truth != Truth::True);
            unfinished.map_or_else(|| earlier(status, READY), not_ready)
        }
    }
}

/// What was recorded, for a stage that this pass has nothing new to say about.
fn earlier(status: &ClientApplicationStatus, type_: &'static str) -> Finding {
    conditions::recorded(&status.conditions, type_)
        .unwrap_or_else(|| Finding::new(type_, Truth::Unknown, "Pending", "not looked at yet"))
}
