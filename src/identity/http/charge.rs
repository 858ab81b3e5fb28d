//! What the outcome of a call means for the budget of its provider.

use super::call::Failure;
use crate::identity::ErrorKind;
use crate::identity::budget::Outcome;

/// What the call told of the provider; `None` when it was not even sent for a reason of our own.
pub(super) fn charge<T>(result: &Result<T, Failure>) -> Option<Outcome> {
    let Err(failure) = result else {
        return Some(Outcome::Answered);
    };
    let status = failure.status.map(|status| status.as_u16());
    match (&failure.error.kind, status) {
        (ErrorKind::Misconfigured { .. }, _) => None,
        (ErrorKind::Throttled { retry_after }, _) => Some(Outcome::Throttled {
            retry_after: *retry_after,
        }),
        (ErrorKind::Unavailable, _) | (_, None | Some(408 | 500..=599)) => Some(Outcome::Unavailable),
        // Definite answers, and those that came and could not be understood.
        (_, Some(_)) => Some(Outcome::Answered),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::CallError;
    use reqwest::StatusCode;
    use std::time::Duration;

    #[test]
    fn every_answer_counts_as_one_and_every_silence_as_one() {
        let wait = Some(Duration::from_secs(7));
        let throttled = || ErrorKind::Throttled { retry_after: wait };
        let misconfigured = ErrorKind::Misconfigured {
            reason: "InvalidCredential",
        };
        let paused = Outcome::Throttled { retry_after: wait };
        let table = [
            (400, ErrorKind::Rejected, Some(Outcome::Answered)),
            (401, ErrorKind::Unauthorized, Some(Outcome::Answered)),
            (403, ErrorKind::Forbidden, Some(Outcome::Answered)),
            (404, ErrorKind::NotFound, Some(Outcome::Answered)),
            (200, ErrorKind::Malformed, Some(Outcome::Answered)),
            (200, ErrorKind::Unknown, Some(Outcome::Answered)),
            (302, ErrorKind::Malformed, Some(Outcome::Answered)),
            (429, throttled(), Some(paused)),
            (503, throttled(), Some(paused)),
            (503, ErrorKind::Unavailable, Some(Outcome::Unavailable)),
            (500, ErrorKind::Unknown, Some(Outcome::Unavailable)),
            (408, ErrorKind::Unknown, Some(Outcome::Unavailable)),
            // The head of an answer came, and its body did not.
            (200, ErrorKind::Unavailable, Some(Outcome::Unavailable)),
            (0, ErrorKind::Unavailable, Some(Outcome::Unavailable)),
            (0, ErrorKind::Unknown, Some(Outcome::Unavailable)),
            (0, misconfigured, None),
        ];
        for (status, kind, expected) in table {
            let failure = Failure {
                status: StatusCode::from_u16(status).ok(),
                said: None,
                code: None,
                error: CallError {
                    operation: "testOperation",
                    kind: kind.clone(),
                    message: String::new(),
                },
            };
            assert_eq!(charge::<()>(&Err(failure)), expected, "{status} {kind:?}");
        }
        assert_eq!(charge(&Ok(())), Some(Outcome::Answered));
    }
}
