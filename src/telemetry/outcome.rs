//! The closed sets of values that a label named `outcome` can have.

use http::StatusCode;

/// How a reconcile ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Everything is as it should be.
    Completed,
    /// Something else has to happen first, such as a provider becoming ready.
    Waiting,
    /// Somebody else changed the object first; it is looked at anew at once.
    Conflict,
    /// It failed and will be tried again.
    Failed,
    /// It took longer than a reconcile may.
    TimedOut,
    /// It panicked.
    Panicked,
    /// It was dropped before it came to an end.
    Abandoned,
}

impl Outcome {
    /// The value of the label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Waiting => "waiting",
            Self::Conflict => "conflict",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Panicked => "panicked",
            Self::Abandoned => "abandoned",
        }
    }
}

/// How a request to the Kubernetes API ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KubeOutcome {
    /// It was answered as hoped (HTTP 1xx to 3xx).
    Ok,
    /// The thing does not exist (HTTP 404).
    NotFound,
    /// Someone else changed the thing first (HTTP 409).
    Conflict,
    /// The operator's service account may not (HTTP 401 and 403).
    Denied,
    /// Too many requests (HTTP 429).
    Throttled,
    /// The request itself was refused (other HTTP 4xx).
    Rejected,
    /// The API server failed (HTTP 5xx).
    Unavailable,
    /// There was no answer in time.
    TimedOut,
    /// The connection failed.
    Disconnected,
    /// It was not sent, because this replica does not hold the lease.
    Refused,
    /// The caller gave up before there was an answer.
    Abandoned,
}

impl KubeOutcome {
    /// The outcome that an HTTP status stands for.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            404 => Self::NotFound,
            409 => Self::Conflict,
            401 | 403 => Self::Denied,
            429 => Self::Throttled,
            400..500 => Self::Rejected,
            500.. => Self::Unavailable,
            _ => Self::Ok,
        }
    }

    /// The value of the label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Denied => "denied",
            Self::Throttled => "throttled",
            Self::Rejected => "rejected",
            Self::Unavailable => "unavailable",
            Self::TimedOut => "timed_out",
            Self::Disconnected => "disconnected",
            Self::Refused => "refused",
            Self::Abandoned => "abandoned",
        }
    }
}
