//! Which answers and mishaps mean what: pure functions, so that the whole table can be tested.

use std::time::{Duration, SystemTime};

use k8s_openapi::jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::call::Effect;
use crate::identity::ErrorKind;

/// The longest wait that a `Retry-After` is believed: a mistyped date must not stop a provider for years.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// The same for a login, which may have met a locked account: the longest lock lasts 24 hours (contract section
/// 2.4), and new credentials do not wait for its end.
const LONGEST_LOCK: Duration = Duration::from_secs(24 * 3600);

/// How a call can end without an answer that tells its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mishap {
    /// No byte of the request left: no name, no connection, no TLS.
    NotSent,
    /// The request may have arrived; its outcome was not received.
    Lost,
    /// An answer came that makes no sense: a redirect, too large, not JSON, a missing field.
    Unreadable,
}

/// What a mishap means for a call with this effect.
pub(super) fn mishap_kind(mishap: Mishap, effect: Effect) -> ErrorKind {
    match (mishap, effect) {
        (Mishap::NotSent, _) | (Mishap::Lost, Effect::Reads) => ErrorKind::Unavailable,
        (Mishap::Lost, Effect::Changes | Effect::Authenticates) | (Mishap::Unreadable, Effect::Changes) => {
            ErrorKind::Unknown
        }
        (Mishap::Unreadable, Effect::Reads | Effect::Authenticates) => ErrorKind::Malformed,
    }
}

/// What an answer with this status, which is not a 2xx, means for a call with this effect.
pub(super) fn status_kind(
    status: StatusCode,
    headers: &HeaderMap,
    effect: Effect,
    now: Timestamp,
) -> ErrorKind {
    match status.as_u16() {
        401 => ErrorKind::Unauthorized,
        403 => ErrorKind::Forbidden,
        404 => ErrorKind::NotFound,
        429 => {
            let longest = match effect {
                Effect::Authenticates => LONGEST_LOCK,
                Effect::Reads | Effect::Changes => MAX_RETRY_AFTER,
            };
            ErrorKind::Throttled {
                retry_after: retry_after(headers, now, longest),
            }
        }
        // A server that says when to come back has declined the request; it has not begun it.
        503 => match retry_after(headers, now, MAX_RETRY_AFTER) {
            Some(wait) => ErrorKind::Throttled {
                retry_after: Some(wait),
            },
            None => mishap_kind(Mishap::Lost, effect),
        },
        408 | 500..=599 => mishap_kind(Mishap::Lost, effect),
        400..=499 => ErrorKind::Rejected,
        _ => mishap_kind(Mishap::Unreadable, effect),
    }
}

/// The wait that `Retry-After` asks for (RFC 9110 section 10.2.3), in seconds or as a date. At most
/// `longest`; `None` for a date in the past and for what is neither form.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp, longest: Duration) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().map_or(longest, Duration::from_secs)
    } else {
        let at = httpdate::parse_http_date(text).ok()?;
        at.duration_since(SystemTime::from(now)).ok()?
    };
    Some(wait.min(longest))
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn waiting(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))])
    }

    fn now() -> Timestamp {
        "2026-11-23T10:00:00Z".parse().unwrap()
    }

    fn kinds(status: u16, headers: &HeaderMap) -> [ErrorKind; 3] {
        [Effect::Reads, Effect::Changes, Effect::Authenticates]
            .map(|effect| status_kind(StatusCode::from_u16(status).unwrap(), headers, effect, now()))
    }

    #[test]
    fn a_status_decides_the_kind() {
        use ErrorKind::{
            Forbidden, Malformed, NotFound, Rejected, Throttled, Unauthorized, Unavailable, Unknown,
        };
        let none = HeaderMap::new();
        for status in [400, 402, 405, 409, 410, 415, 418, 422, 451] {
            assert_eq!(kinds(status, &none), [Rejected, Rejected, Rejected], "{status}");
        }
        assert_eq!(kinds(401, &none), [Unauthorized, Unauthorized, Unauthorized]);
        assert_eq!(kinds(403, &none), [Forbidden, Forbidden, Forbidden]);
        assert_eq!(kinds(404, &none), [NotFound, NotFound, NotFound]);
        for status in [408, 500, 502, 503, 504, 599] {
            assert_eq!(kinds(status, &none), [Unavailable, Unknown, Unknown], "{status}");
        }
        for status in [301, 302, 304, 307, 308, 600] {
            assert_eq!(kinds(status, &none), [Malformed, Unknown, Malformed], "{status}");
        }
        let throttled = Throttled { retry_after: None };
        assert_eq!(
            kinds(429, &none),
            [throttled.clone(), throttled.clone(), throttled]
        );
    }

    #[test]
    fn a_wait_is_taken_from_429_and_503_only() {
        let headers = waiting("7");
        let throttled = ErrorKind::Throttled {
            retry_after: Some(Duration::from_secs(7)),
        };
        for status in [429, 503] {
            assert_eq!(
                kinds(status, &headers),
                [throttled.clone(), throttled.clone(), throttled.clone()]
            );
        }
        assert_eq!(kinds(500, &headers)[1], ErrorKind::Unknown);
        assert_eq!(kinds(400, &headers)[0], ErrorKind::Rejected);
    }

    #[test]
    fn both_forms_of_retry_after_are_read() {
        let seconds = |value| retry_after(&waiting(value), now(), MAX_RETRY_AFTER).map(|wait| wait.as_secs());
        assert_eq!(seconds("0"), Some(0));
        assert_eq!(seconds(" 30 "), Some(30));
        assert_eq!(seconds("3600"), Some(3600));
        assert_eq!(seconds("Mon, 23 Nov 2026 10:00:45 GMT"), Some(45));
        assert_eq!(seconds("Monday, 23-Nov-26 10:00:45 GMT"), Some(45));
    }

    #[test]
    fn an_absurd_retry_after_is_capped_or_ignored() {
        let seconds = |value| retry_after(&waiting(value), now(), MAX_RETRY_AFTER).map(|wait| wait.as_secs());
        assert_eq!(seconds("86400"), Some(3600));
        assert_eq!(seconds("99999999999999999999999999"), Some(3600));
        assert_eq!(seconds("Fri, 31 Dec 9999 23:59:59 GMT"), Some(3600));
        assert_eq!(seconds("-5"), None);
        assert_eq!(seconds("1.5"), None);
        assert_eq!(seconds(""), None);
        assert_eq!(seconds("soon"), None);
        assert_eq!(seconds("Mon, 23 Nov 2026 09:59:59 GMT"), None);
    }

    #[test]
    fn a_login_waits_for_the_end_of_the_longest_lock() {
        let throttled = |seconds| ErrorKind::Throttled {
            retry_after: Some(Duration::from_secs(seconds)),
        };
        let headers = waiting("99999999");
        assert_eq!(
            kinds(429, &headers),
            [throttled(3600), throttled(3600), throttled(24 * 3600)]
        );
        assert_eq!(kinds(503, &headers)[2], throttled(3600));
    }

    #[test]
    fn a_mishap_is_unknown_only_where_something_may_have_happened() {
        use ErrorKind::{Malformed, Unavailable, Unknown};
        let all = |mishap| {
            [Effect::Reads, Effect::Changes, Effect::Authenticates].map(|effect| mishap_kind(mishap, effect))
        };
        assert_eq!(all(Mishap::NotSent), [Unavailable, Unavailable, Unavailable]);
        assert_eq!(all(Mishap::Lost), [Unavailable, Unknown, Unknown]);
        assert_eq!(all(Mishap::Unreadable), [Malformed, Unknown, Malformed]);
    }
}
