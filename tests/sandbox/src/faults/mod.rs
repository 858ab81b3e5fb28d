//! Faults on demand: what goes wrong, on which operation, how often, and before or after the change.

mod effect;

use std::collections::VecDeque;

use axum::http::HeaderValue;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use effect::Effect;

use crate::operation::{Operation, Route};

/// On which side of the change a fault, a hook or a gate acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// The call arrived; nothing happened yet.
    #[default]
    Before,
    /// The change was made; the answer is not on its way yet.
    After,
}

/// One rule: the next `times` calls of `route` meet `fault`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// The operation, or `*`.
    pub route: Route,
    /// How many matching calls pass unharmed first.
    #[serde(default)]
    pub skip: u32,
    /// How many calls are hit; null means all until the faults are cleared.
    #[serde(default = "once")]
    pub times: Option<u32>,
    /// Whether the change is made.
    #[serde(default)]
    pub when: When,
    /// What goes wrong.
    pub fault: Fault,
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field")]
const fn once() -> Option<u32> {
    Some(1)
}

impl FaultRule {
    /// Hits the next call of `route`, before the change is made.
    #[must_use]
    pub fn new(route: impl Into<Route>, fault: Fault) -> Self {
        Self {
            route: route.into(),
            skip: 0,
            times: Some(1),
            when: When::Before,
            fault,
        }
    }

    /// The change is made, and its answer is replaced.
    #[must_use]
    pub const fn after(mut self) -> Self {
        self.when = When::After;
        self
    }

    /// Hits that many calls.
    #[must_use]
    pub const fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Hits every call until the faults are cleared.
    #[must_use]
    pub const fn always(mut self) -> Self {
        self.times = None;
        self
    }

    /// Lets that many calls pass first.
    #[must_use]
    pub const fn skip(mut self, calls: u32) -> Self {
        self.skip = calls;
        self
    }
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// An answer with this status.
    Status {
        /// 200 to 599.
        status: u16,
        /// Its JSON body; without one `{"detail": …}`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<Value>,
        /// Its `Retry-After`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<RetryAfter>,
    },
    /// The call goes well, but takes longer.
    Delay {
        /// Milliseconds of real time.
        ms: u64,
    },
    /// The connection is closed without an answer.
    Drop,
    /// 200 with JSON that breaks off.
    Garbled,
    /// 200 with a body of this length, sent in chunks. It is valid JSON.
    Oversized {
        /// Bytes.
        bytes: u64,
    },
    /// 200 with this JSON: fields missing, wrong types.
    Body {
        /// The body.
        body: Value,
    },
    /// 302 to another address.
    Redirect {
        /// The value of `Location`.
        location: String,
    },
}

/// A `Retry-After` header. As JSON: a number of seconds, `{"http_date_in": seconds}`, or the header's text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RetryAfter {
    /// Seconds.
    Seconds(u64),
    /// An HTTP date that lies this far ahead of real time.
    HttpDate {
        /// Seconds.
        http_date_in: u64,
    },
    /// This text, whatever it is.
    Text(String),
}

/// The rule cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// No such status.
    #[error("fault.status: {0} is no status of an answer; write a number from 200 to 599")]
    Status(u16),
    /// The header cannot be sent.
    #[error("{0}: holds characters that no header can carry")]
    Header(&'static str),
    /// Nothing would happen.
    #[error("times: 0 hits nothing; write 1 or more, or null for every call")]
    Never,
}

impl FaultRule {
    /// Whether the rule can be carried out.
    pub(crate) fn check(&self) -> Result<(), FaultError> {
        if self.times == Some(0) {
            return Err(FaultError::Never);
        }
        let printable = |text: &str, field| {
            HeaderValue::from_str(text)
                .map(drop)
                .map_err(|_| FaultError::Header(field))
        };
        match &self.fault {
            Fault::Status { status, .. } if !(200..600).contains(status) => Err(FaultError::Status(*status)),
            Fault::Status {
                retry_after: Some(RetryAfter::Text(text)),
                ..
            } => printable(text, "fault.retry_after"),
            Fault::Redirect { location } => printable(location, "fault.location"),
            _ => Ok(()),
        }
    }
}

/// The rules that are still to be met, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: VecDeque<FaultRule>,
}

impl Faults {
    pub(crate) fn add(&mut self, rule: FaultRule) {
        self.rules.push_back(rule);
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(crate) fn list(&self) -> Vec<FaultRule> {
        self.rules.iter().cloned().collect()
    }

    /// The fault this call meets: that of the oldest rule for its operation.
    pub(crate) fn take(&mut self, operation: Operation) -> Option<(When, Fault)> {
        let index = self.rules.iter().position(|rule| rule.route.covers(operation))?;
        let rule = self.rules.get_mut(index)?;
        if rule.skip > 0 {
            rule.skip -= 1;
            return None;
        }
        let met = (rule.when, rule.fault.clone());
        rule.times = rule.times.map(|times| times.saturating_sub(1));
        if rule.times == Some(0) {
            self.rules.remove(index);
        }
        Some(met)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rules_are_met_in_order_and_as_often_as_they_say() {
        let mut faults = Faults::default();
        faults.add(FaultRule::new(Operation::Login, Fault::Drop).times(2).skip(1));
        faults.add(FaultRule::new(Route::Any, Fault::Garbled).after());
        assert_eq!(faults.take(Operation::Login), None, "skipped");
        assert_eq!(
            faults.take(Operation::GetBalance),
            Some((When::After, Fault::Garbled))
        );
        assert_eq!(faults.take(Operation::GetBalance), None);
        assert_eq!(faults.take(Operation::Login), Some((When::Before, Fault::Drop)));
        assert_eq!(faults.take(Operation::Login), Some((When::Before, Fault::Drop)));
        assert_eq!(faults.take(Operation::Login), None);
    }

    #[test]
    fn rules_that_cannot_be_carried_out_are_refused() {
        let status = Fault::Status {
            status: 99,
            body: None,
            retry_after: None,
        };
        assert_eq!(
            FaultRule::new(Route::Any, status).check(),
            Err(FaultError::Status(99))
        );
        assert_eq!(
            FaultRule::new(Route::Any, Fault::Drop).times(0).check(),
            Err(FaultError::Never)
        );
        let location = "https://a\nb".to_owned();
        let redirect = FaultRule::new(Route::Any, Fault::Redirect { location });
        assert_eq!(redirect.check(), Err(FaultError::Header("fault.location")));
    }

    #[test]
    fn a_rule_reads_from_json_with_sensible_defaults() {
        let rule: FaultRule =
            serde_json::from_value(json!({"route": "login", "fault": {"kind": "drop"}})).unwrap();
        assert_eq!(rule, FaultRule::new(Operation::Login, Fault::Drop));
        let unknown = json!({"route": "logon", "fault": {"kind": "drop"}});
        let message = serde_json::from_value::<FaultRule>(unknown)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("createApplication") && message.contains("* for all"),
            "{message}"
        );
    }
}
