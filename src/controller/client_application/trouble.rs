//! What a call that failed means for a `ClientApplication`, and when it is tried again.

use std::time::Duration;

use super::plan::{Halt, Policy};
use super::state::{Failure, Observed};
use crate::api::client_application::{PROVIDER_READY, PROVISIONED};
use crate::api::conditions::{Finding, Truth};
use crate::credential::schedule::within;
use crate::identity::{ErrorKind, INVALID_APPLICATION_ID};

/// What a call that failed means for the conditions, and when to try again.
pub(super) fn failed(observed: &Observed, failure: &Failure, policy: &Policy) -> Halt {
    let error = &failure.error;
    let said = error.to_string();
    let reference = &observed.spec.provider_ref;
    let provider = format!("{} {}", reference.kind.as_str(), reference.name);
    let backoff = policy.backoff.pause(
        observed.earlier_failures.saturating_add(1),
        &observed.resource.uid,
    );
    match &error.kind {
        ErrorKind::Unavailable => halt(
            PROVIDER_READY,
            Truth::False,
            "Unavailable",
            format!("{said}. Trying again {}", within(backoff)),
            backoff,
        ),
        ErrorKind::Throttled { retry_after } => {
            let wake = retry_after.unwrap_or(backoff).max(backoff);
            let message = format!("{said}. Trying again in {} seconds", wake.as_secs());
            halt(PROVIDER_READY, Truth::False, "Throttled", message, wake)
        }
        // The provider looks for itself and says when its account is tried again.
        ErrorKind::Braked { reason, until } => {
            let message = format!(
                "{said}. The login is tried again at {until:.0} unless the account's Secret changes before"
            );
            halt(
                PROVIDER_READY,
                Truth::False,
                reason.as_str(),
                message,
                policy.denied_pause,
            )
        }
        ErrorKind::Misconfigured {
            reason: reason @ INVALID_APPLICATION_ID,
        } => {
            let message = match &observed.spec.adopt {
                Some(_) => format!(
                    "spec.adopt.applicationId: {}. It cannot change: delete this resource and create it again with the right id",
                    error.message
                ),
                None => said,
            };
            halt(PROVISIONED, Truth::False, reason, message, policy.denied_pause)
        }
        ErrorKind::Misconfigured { reason } => {
            halt(PROVIDER_READY, Truth::False, reason, said, policy.denied_pause)
        }
        ErrorKind::Unauthorized => halt(
            PROVIDER_READY,
            Truth::False,
            "Unauthorized",
            format!("{said}. Check the account of {provider} at the identity API"),
            policy.denied_pause,
        ),
        ErrorKind::Forbidden => halt(
            PROVISIONED,
            Truth::False,
            "Forbidden",
            format!("{said}. Check what the account of {provider} may do in its organization"),
            policy.denied_pause,
        ),
        ErrorKind::NotFound => halt(
            PROVISIONED,
            Truth::False,
            "NotFound",
            format!("{said}. Check the organization of {provider} and its spec.didit.authUrl"),
            policy.denied_pause,
        ),
        ErrorKind::Rejected => {
            let of_fixed = if observed
                .spec
                .didit
                .as_ref()
                .is_some_and(|didit| didit.data_location.is_some())
            {
                ", or, for a field that cannot change, create another ClientApplication"
            } else {
                ""
            };
            halt(
                PROVISIONED,
                Truth::False,
                "Rejected",
                format!(
                    "the identity API refused what the spec asks for: {said}. Correct the spec{of_fixed}"
                ),
                policy.denied_pause,
            )
        }
        ErrorKind::Unknown => halt(
            PROVISIONED,
            Truth::Unknown,
            "OutcomeUnknown",
            format!(
                "{said}. Looking for its outcome {}, before it is tried again",
                within(backoff)
            ),
            backoff,
        ),
        ErrorKind::Malformed => halt(
            PROVISIONED,
            Truth::Unknown,
            "UnexpectedAnswer",
            format!("{said}. Trying again {}", within(backoff)),
            backoff,
        ),
    }
}

pub(super) fn halt(type_: &'static str, truth: Truth, reason: &str, message: String, wake: Duration) -> Halt {
    Halt {
        finding: Finding::new(type_, truth, reason, message),
        wake: Some(wake),
    }
}

/// Whether a call that changes something may take effect all the same. Any other failure is a definite answer.
pub(super) fn may_have_happened(failure: &Failure) -> bool {
    matches!(failure.error.kind, ErrorKind::Unknown | ErrorKind::Malformed)
}
