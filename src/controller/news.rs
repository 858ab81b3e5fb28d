//! Which conditions are news, and how they are told.

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::events::EventType;

use crate::api::conditions::{self, READY};
use crate::kube_ext::events::Events;

/// Reasons of stages that are on their way: nothing has happened yet.
const UNDER_WAY: [&str; 7] = [
    "Pending",
    "ProviderPending",
    "Waiting",
    "Creating",
    "Registering",
    "PasswordStored",
    "ClientApplicationNotReady",
];

/// The conditions whose status or reason differs from what was `told` last, stages before `Ready`. `Ready` is
/// left out where it only repeats what a stage says.
pub(super) fn news(told: &[Condition], conditions: &[Condition]) -> Vec<Condition> {
    let is_news = |condition: &&Condition| {
        !UNDER_WAY.contains(&condition.reason.as_str())
            && conditions::find(told, &condition.type_).is_none_or(|known| !says_the_same(known, condition))
    };
    let (ready, mut news): (Vec<_>, Vec<_>) = conditions
        .iter()
        .filter(is_news)
        .cloned()
        .partition(|condition| condition.type_ == READY);
    let only_repeated = |ready: &Condition| news.iter().any(|stage| stage.reason == ready.reason);
    let ready: Vec<_> = ready.into_iter().filter(|ready| !only_repeated(ready)).collect();
    news.extend(ready);
    news
}

/// Remembers that `condition` was told.
pub(super) fn remember(told: &mut Vec<Condition>, condition: Condition) {
    told.retain(|known| known.type_ != condition.type_);
    told.push(condition);
}

/// Writes the condition to the log and publishes it as an event about `about`.
pub(super) async fn tell(events: &Events, about: &ObjectReference, condition: &Condition) {
    let Condition {
        type_,
        status,
        reason,
        message,
        ..
    } = condition;
    let kind = if status == "True" {
        tracing::info!(condition = type_, status, reason, "{message}");
        EventType::Normal
    } else {
        tracing::warn!(condition = type_, status, reason, "{message}");
        EventType::Warning
    };
    events.publish(about, kind, reason, type_, message).await;
}

fn says_the_same(one: &Condition, other: &Condition) -> bool {
    (&one.status, &one.reason) == (&other.status, &other.reason)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    fn said(rows: &[(&str, &str, &str)]) -> Vec<Condition> {
        rows.iter()
            .map(|(type_, status, reason)| Condition {
                type_: (*type_).to_owned(),
                status: (*status).to_owned(),
                reason: (*reason).to_owned(),
                message: String::new(),
                observed_generation: None,
                last_transition_time: Time(Timestamp::UNIX_EPOCH),
            })
            .collect()
    }

    #[test]
    fn transitions_are_news_stages_first_and_nothing_twice() {
        let created = ("Provisioned", "True", "Created");
        let refused = ("ProviderReady", "False", "LoginRefused");
        let published = ("Ready", "True", "Published");
        let not_ready = ("Ready", "False", "LoginRefused");
        let missing = ("Ready", "False", "ApplicationMissing");
        for (told, now, expected) in [
            (vec![], vec![published, created], vec![created, published]),
            (vec![created], vec![published, created], vec![published]),
            (vec![published, created], vec![published, created], vec![]),
            (vec![created], vec![not_ready, refused, created], vec![refused]),
            (vec![refused], vec![not_ready, refused], vec![not_ready]),
            (
                vec![],
                vec![
                    ("Ready", "False", "OutcomeUnknown"),
                    ("Provisioned", "Unknown", "OutcomeUnknown"),
                ],
                vec![("Provisioned", "Unknown", "OutcomeUnknown")],
            ),
            (vec![], vec![missing, refused], vec![refused, missing]),
            (
                vec![],
                vec![
                    ("Ready", "Unknown", "ProviderPending"),
                    ("Provisioned", "False", "Waiting"),
                    ("Provisioned", "Unknown", "Creating"),
                    ("KeyAccepted", "Unknown", "Pending"),
                ],
                vec![],
            ),
            (
                vec![("Provisioned", "Unknown", "Creating")],
                vec![("Provisioned", "Unknown", "OutcomeUnknown")],
                vec![("Provisioned", "Unknown", "OutcomeUnknown")],
            ),
        ] {
            assert_eq!(
                news(&said(&told), &said(&now)),
                said(&expected),
                "{told:?} {now:?}"
            );
        }
    }

    #[test]
    fn what_was_told_is_news_again_only_after_something_else() {
        let mut told = said(&[("Provisioned", "False", "Forbidden")]);
        let created = said(&[("Provisioned", "True", "Created")]);
        for condition in news(&told, &created) {
            remember(&mut told, condition);
        }
        assert_eq!(news(&told, &created), []);
        let forbidden = said(&[("Provisioned", "False", "Forbidden")]);
        assert_eq!(news(&told, &forbidden), forbidden);
    }
}
