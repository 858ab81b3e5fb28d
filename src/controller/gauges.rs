//! What metrics show of a resource that writes a Secret.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::client_application::SECRET_SYNCED;
use crate::api::conditions::{self, READY};
use crate::controller::owned_secret::NOT_OURS;
use crate::telemetry::metrics::{Metrics, TokenTimes};

/// Shows the resource at `place` (namespace and name) as its conditions tell of it, and its token.
pub(super) fn set(
    metrics: &Metrics,
    kind: &'static str,
    (namespace, name): (&str, &str),
    times: Option<TokenTimes>,
    conditions: &[Condition],
) {
    let ready = conditions::find(conditions, READY).is_some_and(|condition| condition.status == "True");
    let conflict = conditions::find(conditions, SECRET_SYNCED)
        .is_some_and(|condition| NOT_OURS.contains(&condition.reason.as_str()));
    metrics.set_credential(kind, namespace, name, times);
    metrics.set_resource(kind, namespace, name, ready, conflict);
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use crate::api::conditions::{Finding, Truth, merge};

    #[test]
    fn a_conflict_about_the_secret_and_readiness_are_shown() {
        let labels = "{kind=\"AccessToken\",namespace=\"shop\",name=\"reports\"}";
        for (ready, reason, expected) in [
            (Truth::True, "Written", (1, 0)),
            (Truth::True, "SecretEdited", (1, 0)),
            (Truth::Unknown, "Waiting", (0, 0)),
            (Truth::False, "SecretConflict", (0, 1)),
            (Truth::False, "SecretClaimed", (0, 1)),
            (Truth::False, "SecretRefused", (0, 0)),
        ] {
            let findings = [
                Finding::new(READY, ready, reason, ""),
                Finding::new(SECRET_SYNCED, ready, reason, ""),
            ];
            let conditions = merge(&[], &findings, None, Timestamp::UNIX_EPOCH);
            let metrics = Metrics::new("0");
            set(&metrics, "AccessToken", ("shop", "reports"), None, &conditions);
            let text = metrics.encode(Timestamp::UNIX_EPOCH).unwrap();
            for line in [
                format!("keywright_resource_ready{labels} {}\n", expected.0),
                format!("keywright_secret_conflict{labels} {}\n", expected.1),
            ] {
                assert!(text.contains(&line), "{reason}: {line} not in {text}");
            }
        }
    }
}
