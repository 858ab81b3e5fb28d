//! What is true of an identity provider.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::core::Selector;

use crate::api::conditions::{self, Finding, READY, Truth};
use crate::api::provider::{
    AUTHENTICATED, AllowedNamespaces, IdentityProviderStatus, METADATA_RESOLVED, ORGANIZATION_RESOLVED,
    OrganizationStatus,
};
use crate::credential::schedule::within;
use crate::identity::token::Offers;
use crate::identity::{
    BrakeReason, CallError, Capabilities, ErrorKind, IdentityApi, VerifiedAccount, session,
};

/// Calls that an address without an identity API behind it answers first (contract section 2.4).
const LOGIN: [&str; 2] = [session::OPERATION, "verifySecondFactor"];

/// Whether a provider can be used.
pub(super) enum Verdict {
    /// It can.
    Ready(Ready),
    /// The cluster lacks something, or it is not wanted now.
    Unusable(Finding),
    /// The identity API could not be used.
    Failed {
        /// What that means.
        finding: Finding,
        /// What came back.
        error: CallError,
        /// When it is tried again.
        pause: Duration,
    },
}

/// What a provider that can be used is.
#[derive(Clone)]
pub(super) enum Ready {
    /// An account at Didit.
    Didit {
        /// The identity API.
        api: Arc<dyn IdentityApi>,
        /// The account in use.
        account: VerifiedAccount,
    },
    /// An authorization server.
    OAuth2 {
        /// Its issuer, or where tokens are asked for.
        name: String,
        /// What it offers beside tokens.
        offers: Offers,
    },
}

impl Verdict {
    pub(super) fn suspended() -> Self {
        let message = "spec.suspend is true: the identity API is not called until it is removed";
        Self::Unusable(Finding::new(READY, Truth::False, "Suspended", message))
    }

    pub(super) fn failed(error: CallError, pause: Duration, stage: &'static str) -> Self {
        Self::Failed {
            finding: failure(&error, pause, stage),
            error,
            pause,
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        matches!(self, Self::Ready(_))
    }

    /// The status that is true now. What was learned of the account stays while it cannot be asked.
    pub(super) fn status(
        &self,
        recorded: &IdentityProviderStatus,
        generation: Option<i64>,
        now: Timestamp,
    ) -> IdentityProviderStatus {
        let mut status = recorded.clone();
        let findings = match self {
            Self::Ready(Ready::Didit { api, account }) => {
                let organization = &account.organization;
                status.account = Some(account.account.clone());
                status.organization = Some(OrganizationStatus {
                    id: organization.id.clone(),
                    name: organization.name.clone(),
                });
                status.capabilities = capabilities(api.capabilities());
                usable(account)
            }
            Self::Ready(Ready::OAuth2 { name, offers }) => {
                status.account = None;
                status.organization = None;
                status.capabilities = token_capabilities(*offers);
                usable_server(name)
            }
            Self::Unusable(finding) | Self::Failed { finding, .. } => unusable(finding, recorded),
        };
        status.conditions = conditions::merge(&recorded.conditions, &findings, generation, now);
        status.observed_generation = generation;
        status
    }
}

/// What is wrong with the selector of `allowedNamespaces`, which the schema cannot tell.
pub(super) fn unreadable_selector(allowed: Option<AllowedNamespaces>) -> Option<Finding> {
    let problem = Selector::try_from(allowed?.selector?).err()?;
    let message = format!(
        "spec.allowedNamespaces.selector cannot be read and selects nothing: {problem}. An operator is In, NotIn, Exists or DoesNotExist"
    );
    Some(Finding::new(READY, Truth::False, "InvalidSelector", message))
}

fn usable(account: &VerifiedAccount) -> Vec<Finding> {
    let (account, organization) = (&account.account, &account.organization.name);
    vec![
        Finding::new(
            READY,
            Truth::True,
            "Ready",
            format!("{account} manages the applications of organization {organization}"),
        ),
        Finding::new(
            AUTHENTICATED,
            Truth::True,
            "LoginAccepted",
            format!("the login of {account} was accepted"),
        ),
        Finding::new(
            ORGANIZATION_RESOLVED,
            Truth::True,
            "Resolved",
            format!("organization {organization} is used"),
        ),
    ]
}

/// The condition that is in the way is `Ready`'s reason too; of the others nothing new is known.
fn unusable(finding: &Finding, recorded: &IdentityProviderStatus) -> Vec<Finding> {
    let mut findings = vec![Finding::new(
        READY,
        Truth::False,
        finding.reason.clone(),
        finding.message.clone(),
    )];
    for type_ in [AUTHENTICATED, ORGANIZATION_RESOLVED, METADATA_RESOLVED] {
        if finding.type_ == type_ {
            findings.push(finding.clone());
        } else {
            findings.extend(conditions::recorded(&recorded.conditions, type_));
        }
    }
    findings
}

/// `stage` is the condition that is about what was configured.
fn failure(error: &CallError, pause: Duration, stage: &'static str) -> Finding {
    let said = error.to_string();
    let again = within(pause);
    match &error.kind {
        ErrorKind::Braked { reason, until } => {
            let advice = match reason {
                BrakeReason::LoginUnanswered => "If the identity API is down, nothing has to be done",
                BrakeReason::LoginThrottled => {
                    "Didit asks to wait, or the account is locked; a wrong password can look like this too. Check \
                     the password in the account's Secret"
                }
                BrakeReason::LoginRefused | BrakeReason::SecondFactorRequired => {
                    "Correct the account's Secret: it is used as soon as it changes"
                }
            };
            let message = format!(
                "{said}. {advice}. The login is tried again at {until:.0} unless the Secret changes before, since Didit locks \
                 an account after repeated failures"
            );
            Finding::new(AUTHENTICATED, Truth::False, reason.as_str(), message)
        }
        ErrorKind::Misconfigured { reason } => {
            let type_ = if reason.starts_with("Organization") {
                ORGANIZATION_RESOLVED
            } else {
                stage
            };
            Finding::new(type_, Truth::False, *reason, said)
        }
        ErrorKind::Unauthorized => {
            let message = format!("{said}. Check the account at the identity API. Trying again {again}");
            Finding::new(stage, Truth::False, "Unauthorized", message)
        }
        ErrorKind::Forbidden => {
            let message =
                format!("{said}. Check what the account may do in its organization. Trying again {again}");
            Finding::new(organization_or(stage), Truth::False, "Forbidden", message)
        }
        ErrorKind::NotFound => {
            let type_ = if LOGIN.contains(&error.operation) {
                stage
            } else {
                organization_or(stage)
            };
            let message = format!("{said}. Correct {}. Trying again {again}", address(stage));
            Finding::new(type_, Truth::False, "NotFound", message)
        }
        ErrorKind::Throttled { .. } => Finding::new(
            READY,
            Truth::False,
            "Throttled",
            format!("{said}. Trying again {again}"),
        ),
        ErrorKind::Rejected => {
            let message = format!("{said}. Check {}. Trying again {again}", address(stage));
            Finding::new(stage, Truth::False, "Rejected", message)
        }
        ErrorKind::Unavailable if error.is_unreachable() => Finding::new(
            READY,
            Truth::False,
            "Unavailable",
            format!(
                "{said}. Check {}, the network and the proxy. Trying again {again}",
                address(stage)
            ),
        ),
        ErrorKind::Unknown | ErrorKind::Unavailable => Finding::new(
            READY,
            Truth::False,
            "Unavailable",
            format!("{said}. Trying again {again}"),
        ),
        ErrorKind::Malformed => Finding::new(
            READY,
            Truth::False,
            "UnexpectedAnswer",
            format!("{said}. Trying again {again}"),
        ),
    }
}

/// The field that says where the identity API is.
fn address(stage: &'static str) -> &'static str {
    if stage == AUTHENTICATED {
        "spec.didit.authUrl"
    } else {
        "spec.oauth2.issuer or spec.oauth2.endpoints"
    }
}

/// What a missing permission is about: with an account, its organization.
fn organization_or(stage: &'static str) -> &'static str {
    if stage == AUTHENTICATED {
        ORGANIZATION_RESOLVED
    } else {
        stage
    }
}

fn usable_server(name: &str) -> Vec<Finding> {
    vec![
        Finding::new(
            READY,
            Truth::True,
            "Ready",
            format!("tokens can be asked for at {name}"),
        ),
        Finding::new(
            METADATA_RESOLVED,
            Truth::True,
            "Resolved",
            format!("the endpoints of {name} are known"),
        ),
    ]
}

fn token_capabilities(offers: Offers) -> BTreeMap<String, bool> {
    [
        ("IntrospectToken", offers.introspection),
        ("RevokeToken", offers.revocation),
    ]
    .into_iter()
    .map(|(capability, can)| (capability.to_owned(), can))
    .collect()
}

fn capabilities(can: Capabilities) -> BTreeMap<String, bool> {
    [
        ("ReadApiKey", can.read_api_key),
        ("RotateApiKey", can.rotate_api_key),
        ("DeleteApplication", can.delete_application),
    ]
    .into_iter()
    .map(|(capability, can)| (capability.to_owned(), can))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(300);

    #[test]
    fn what_failed_is_said_with_what_to_do_and_when_it_is_tried_again() {
        const LOGIN: &str = "login";
        const DISCOVERY: &str = "discoverMetadata";
        let refused = "id.example could not be reached: the connection was refused";
        for (stage, operation, kind, message, expected) in [
            (
                AUTHENTICATED,
                LOGIN,
                ErrorKind::NotFound,
                "id.example answered 404 Not Found",
                (
                    AUTHENTICATED,
                    "login: id.example answered 404 Not Found. Correct spec.didit.authUrl. Trying again within 5 minutes",
                ),
            ),
            (
                AUTHENTICATED,
                "listOrganizations",
                ErrorKind::NotFound,
                "no",
                (
                    ORGANIZATION_RESOLVED,
                    "listOrganizations: no. Correct spec.didit.authUrl. Trying again within 5 minutes",
                ),
            ),
            (
                AUTHENTICATED,
                "listOrganizations",
                ErrorKind::Forbidden,
                "no",
                (
                    ORGANIZATION_RESOLVED,
                    "listOrganizations: no. Check what the account may do in its organization. Trying again within 5 minutes",
                ),
            ),
            (
                AUTHENTICATED,
                "listOrganizations",
                ErrorKind::Unauthorized,
                "no",
                (
                    AUTHENTICATED,
                    "listOrganizations: no. Check the account at the identity API. Trying again within 5 minutes",
                ),
            ),
            (
                AUTHENTICATED,
                LOGIN,
                ErrorKind::Rejected,
                "no",
                (
                    AUTHENTICATED,
                    "login: no. Check spec.didit.authUrl. Trying again within 5 minutes",
                ),
            ),
            (
                AUTHENTICATED,
                LOGIN,
                ErrorKind::Unavailable,
                refused,
                (
                    READY,
                    "login: id.example could not be reached: the connection was refused. Check spec.didit.authUrl, the network and \
                     the proxy. Trying again within 5 minutes",
                ),
            ),
            (
                AUTHENTICATED,
                LOGIN,
                ErrorKind::Unavailable,
                "id.example answered 500",
                (
                    READY,
                    "login: id.example answered 500. Trying again within 5 minutes",
                ),
            ),
            (
                METADATA_RESOLVED,
                DISCOVERY,
                ErrorKind::Unavailable,
                refused,
                (
                    READY,
                    "discoverMetadata: id.example could not be reached: the connection was refused. Check spec.oauth2.issuer or \
                     spec.oauth2.endpoints, the network and the proxy. Trying again within 5 minutes",
                ),
            ),
        ] {
            let error = CallError {
                operation,
                kind,
                message: message.to_owned(),
            };
            let finding = failure(&error, PAUSE, stage);
            assert_eq!((finding.type_, finding.message.as_str()), expected);
            assert_eq!(finding.truth, Truth::False);
        }
    }
}
