//! The conditions that are true of a `ClientApplication`.

use super::state::{Observed, ProviderView, SecretContent, SecretView};
use crate::api::client_application::{
    ClientApplicationStatus, KEY_ACCEPTED, Origin, PROVIDER_READY, PROVISIONED, SECRET_SYNCED, SUSPENDED,
};
use crate::api::conditions::{self, Finding, READY, Truth};
use crate::identity::KeyVerdict;

/// Reason for [`PROVISIONED`] when the identity API no longer knows the application.
pub(super) const APPLICATION_MISSING: &str = "ApplicationMissing";

/// Reason while the provider has not been looked at: nothing is known to be wrong.
pub(super) const PROVIDER_PENDING: &str = "ProviderPending";

/// All conditions. `status` is what is about to be recorded, `halted` what is in the way.
pub(super) fn all(
    observed: &Observed,
    status: &ClientApplicationStatus,
    halted: Option<&Finding>,
) -> Vec<Finding> {
    let said = |type_| halted.filter(|finding| finding.type_ == type_).cloned();
    let stages = [
        said(PROVIDER_READY).unwrap_or_else(|| provider(observed, status)),
        said(PROVISIONED).unwrap_or_else(|| provisioned(observed, status, halted)),
        said(SECRET_SYNCED).unwrap_or_else(|| secret(observed, status)),
        key(observed, status),
    ];
    let ready = ready(observed, status, halted, &stages);
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

fn provisioned(observed: &Observed, status: &ClientApplicationStatus, halted: Option<&Finding>) -> Finding {
    let Some(id) = &status.application_id else {
        return match (&status.pending_creation, halted) {
            (Some(_), _) => Finding::new(
                PROVISIONED,
                Truth::Unknown,
                "Creating",
                "the application is being made",
            ),
            (None, Some(_)) => Finding::new(
                PROVISIONED,
                Truth::False,
                "Waiting",
                "no application has been made yet",
            ),
            (None, None) => earlier(status, PROVISIONED),
        };
    };
    if let Some(halted) = halted
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
    match &observed.secret {
        SecretView::Ours {
            content: SecretContent::Current,
            ..
        } => Finding::new(
            SECRET_SYNCED,
            Truth::True,
            "Written",
            format!("Secret {name} holds the credentials"),
        ),
        SecretView::Ours {
            content: SecretContent::Outdated,
            ..
        } => Finding::new(
            SECRET_SYNCED,
            Truth::False,
            "SecretOutdated",
            format!(
                "Secret {name} holds valid credentials in an earlier form and will be written as the spec wants it now"
            ),
        ),
        SecretView::Ours {
            content: SecretContent::Edited,
            ..
        } => Finding::new(
            SECRET_SYNCED,
            Truth::False,
            "SecretEdited",
            format!("Secret {name} was changed by somebody else and will be written again"),
        ),
        SecretView::Absent if status.application_id.is_none() => Finding::new(
            SECRET_SYNCED,
            Truth::False,
            "Waiting",
            format!("Secret {name} is written once there is an application"),
        ),
        SecretView::Absent => Finding::new(
            SECRET_SYNCED,
            Truth::False,
            "SecretMissing",
            format!("Secret {name} does not exist and will be written"),
        ),
        SecretView::Foreign { owner } => Finding::new(
            SECRET_SYNCED,
            Truth::False,
            "SecretConflict",
            format!("Secret {name} belongs to {owner} and is not touched. Choose another spec.secret.name"),
        ),
    }
}

fn key(observed: &Observed, status: &ClientApplicationStatus) -> Finding {
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
            known if known.truth != Truth::Unknown => known,
            _ => Finding::new(KEY_ACCEPTED, Truth::Unknown, "NotChecked", format!("{error}")),
        },
        None => earlier(status, KEY_ACCEPTED),
    }
}

/// Ready is about what workloads read: it stays true while the published credentials are valid, even when a
/// stage has trouble, which its own condition then says.
fn ready(
    observed: &Observed,
    status: &ClientApplicationStatus,
    halted: Option<&Finding>,
    stages: &[Finding],
) -> Finding {
    let not_ready = |finding: &Finding| {
        Finding::new(
            READY,
            Truth::False,
            finding.reason.clone(),
            finding.message.clone(),
        )
    };
    let worthless = stages.iter().find(|finding| {
        finding.truth == Truth::False
            && (finding.type_ == KEY_ACCEPTED || finding.reason == APPLICATION_MISSING)
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
