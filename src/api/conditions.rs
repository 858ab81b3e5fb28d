//! Conditions as Kubernetes API conventions ask for them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

/// The published result can be relied on. On every kind.
pub const READY: &str = "Ready";

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It could not be found out.
    Unknown,
}

impl Truth {
    /// The API's spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// What is true of one stage now. The time of the last transition is not part of it: [`merge`] keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Condition type, CamelCase.
    pub type_: &'static str,
    /// Whether it holds.
    pub truth: Truth,
    /// CamelCase reason that a program may match on.
    pub reason: String,
    /// A sentence that says what is and, where something is wrong, what to do.
    pub message: String,
}

impl Finding {
    /// A finding about the condition `type_`.
    pub fn new(
        type_: &'static str,
        truth: Truth,
        reason: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            type_,
            truth,
            reason: reason.into(),
            message: message.into(),
        }
    }
}

/// The conditions that follow from the earlier ones and what is found now.
///
/// `lastTransitionTime` changes only where the status does, `observedGeneration` always follows. A
/// condition that is not found any more is dropped. The order is that of `findings`.
#[must_use]
pub fn merge(
    earlier: &[Condition],
    findings: &[Finding],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    findings
        .iter()
        .map(|finding| {
            let unchanged = earlier.iter().find(|condition| {
                condition.type_ == finding.type_ && condition.status == finding.truth.as_str()
            });
            Condition {
                type_: finding.type_.to_owned(),
                status: finding.truth.as_str().to_owned(),
                reason: finding.reason.clone(),
                message: finding.message.clone(),
                observed_generation: generation,
                last_transition_time: unchanged.map_or_else(
                    || Time(whole_seconds(now)),
                    |condition| condition.last_transition_time.clone(),
                ),
            }
        })
        .collect()
}

/// The condition of that type.
#[must_use]
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// What is recorded of a condition, to be said again.
#[must_use]
pub fn recorded(conditions: &[Condition], type_: &'static str) -> Option<Finding> {
    find(conditions, type_).map(|condition| {
        let truth = match condition.status.as_str() {
            "True" => Truth::True,
            "False" => Truth::False,
            _ => Truth::Unknown,
        };
        Finding::new(type_, truth, condition.reason.clone(), condition.message.clone())
    })
}

/// The API server keeps whole seconds; anything finer would look like a change at every comparison.
#[must_use]
pub fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_transition_time_moves_only_when_the_status_flips() {
        let ready = [Finding::new(READY, Truth::True, "Published", "a")];
        let first = merge(&[], &ready, Some(1), at(10));
        let again = merge(
            &first,
            &[Finding::new(READY, Truth::True, "Other", "b")],
            Some(2),
            at(20),
        );
        assert_eq!(again[0].last_transition_time, first[0].last_transition_time);
        assert_eq!(
            (again[0].reason.as_str(), again[0].observed_generation),
            ("Other", Some(2))
        );

        let flipped = merge(
            &again,
            &[Finding::new(READY, Truth::False, "Lost", "c")],
            Some(2),
            at(30),
        );
        assert_eq!(flipped[0].last_transition_time, Time(at(30)));
    }

    #[test]
    fn a_condition_that_is_no_longer_found_is_dropped() {
        let first = merge(
            &[],
            &[Finding::new("Provisioned", Truth::True, "Created", "")],
            None,
            at(1),
        );
        assert!(merge(&first, &[], None, at(2)).is_empty());
    }
}
