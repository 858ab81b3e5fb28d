//! What a check found.

use serde::Serialize;

use crate::cli::output::Tone;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// It may be as it should be, or could not be found out.
    Warn,
    /// It is not as it should be.
    Wrong,
}

impl Level {
    /// Its name in both forms of output.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Wrong => "wrong",
        }
    }

    /// Its colour.
    pub(super) fn tone(self) -> Tone {
        match self {
            Self::Ok => Tone::Good,
            Self::Warn => Tone::Warning,
            Self::Wrong => Tone::Bad,
        }
    }
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) level: Level,
    /// What was looked at, in a word or two.
    pub(super) check: &'static str,
    /// A sentence, without a full stop.
    pub(super) message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mend: Option<String>,
}

impl Finding {
    /// It is as it should be.
    pub(super) fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self {
            level: Level::Ok,
            check,
            message: message.into(),
            mend: None,
        }
    }

    /// It may not be as it should be.
    pub(super) fn warn(check: &'static str, message: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            level: Level::Warn,
            mend: Some(mend.into()),
            ..Self::ok(check, message)
        }
    }

    /// It is not as it should be.
    pub(super) fn wrong(check: &'static str, message: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            level: Level::Wrong,
            mend: Some(mend.into()),
            ..Self::ok(check, message)
        }
    }
}

/// Everything that was found. The fields are documented in `docs/command-line.md` and do not change.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// How many are wrong.
    pub(super) wrong: usize,
    /// How many are warnings.
    pub(super) warnings: usize,
    pub(super) findings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(findings: Vec<Finding>) -> Self {
        let count = |level| findings.iter().filter(|finding| finding.level == level).count();
        Self {
            wrong: count(Level::Wrong),
            warnings: count(Level::Warn),
            findings,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_fields_for_programs_are_these() {
        let report = Report::new(vec![
            Finding::ok("lease", "held"),
            Finding::warn("clock", "ahead", "set it"),
            Finding::wrong("rights", "lacks one", "grant it"),
        ]);
        assert_eq!(
            serde_json::to_value(report).unwrap(),
            json!({
                "wrong": 1,
                "warnings": 1,
                "findings": [
                    {"level": "ok", "check": "lease", "message": "held"},
                    {"level": "warn", "check": "clock", "message": "ahead", "mend": "set it"},
                    {"level": "wrong", "check": "rights", "message": "lacks one", "mend": "grant it"},
                ],
            })
        );
    }
}
