//! The sentences about tokens.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::*;
use crate::api::token::TokenRemark;
use crate::identity::{BrakeReason, CallError};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn error(kind: ErrorKind, code: Option<OAuthErrorCode>) -> TokenError {
    let call = CallError {
        operation: "requestToken",
        kind,
        message: "login.example said no".into(),
    };
    TokenError { call, code }
}

fn published(scope: Option<&str>) -> TokenStatus {
    TokenStatus {
        issued_at: Time(at(0)),
        expires_at: Time(at(3600)),
        refresh_at: Time(at(3000)),
        allowance_seconds: 10,
        token_type: "Bearer".into(),
        scope: scope.map(str::to_owned),
        request_digest: "digest".into(),
        fingerprint: "sha256:token".into(),
        remark: None,
    }
}

fn settings(scopes: &[&str]) -> TokenSettings {
    TokenSettings {
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        ..TokenSettings::default()
    }
}

#[test]
fn each_failure_has_its_reason_and_says_whether_it_passes() {
    for (kind, reason, passes, concerns_provider) in [
        (ErrorKind::Unavailable, "Unavailable", true, true),
        (
            ErrorKind::Throttled { retry_after: None },
            "Throttled",
            true,
            false,
        ),
        (ErrorKind::Unknown, "OutcomeUnknown", true, false),
        (ErrorKind::Malformed, "UnexpectedAnswer", true, false),
        (
            ErrorKind::Braked {
                reason: BrakeReason::LoginRefused,
                until: at(60),
            },
            "CredentialsRefused",
            false,
            true,
        ),
        (
            ErrorKind::Misconfigured {
                reason: "RevocationNotOffered",
            },
            "RevocationNotOffered",
            false,
            false,
        ),
        (ErrorKind::Unauthorized, "InvalidClient", false, false),
        (ErrorKind::Forbidden, "Forbidden", false, false),
        (ErrorKind::NotFound, "EndpointNotFound", false, false),
        (ErrorKind::Rejected, "Rejected", false, false),
    ] {
        let trouble = Trouble::of(&error(kind, None), &settings(&[]));
        assert_eq!(
            (trouble.reason, trouble.passes, trouble.concerns_provider),
            (reason, passes, concerns_provider)
        );
        assert!(trouble.message.starts_with("requestToken: login.example said no"));
        assert!(!trouble.message.ends_with('.'));
    }
    let asked = ErrorKind::Throttled {
        retry_after: Some(Duration::from_secs(7)),
    };
    assert_eq!(
        Trouble::of(&error(asked, None), &settings(&[])).retry_after,
        Some(Duration::from_secs(7))
    );
}

#[test]
fn a_code_of_the_server_says_more_than_the_status_of_the_answer() {
    for (code, reason) in [
        (OAuthErrorCode::InvalidClient, "InvalidClient"),
        (OAuthErrorCode::UnauthorizedClient, "UnauthorizedClient"),
        (OAuthErrorCode::UnsupportedGrantType, "UnsupportedGrantType"),
        (OAuthErrorCode::InvalidScope, "InvalidScope"),
        (OAuthErrorCode::InvalidTarget, "InvalidTarget"),
        (OAuthErrorCode::InvalidGrant, "InvalidGrant"),
        (OAuthErrorCode::InvalidRequest, "InvalidRequest"),
    ] {
        for kind in [ErrorKind::Unauthorized, ErrorKind::Rejected] {
            let trouble = Trouble::of(&error(kind, Some(code)), &settings(&["orders:read"]));
            assert_eq!((trouble.reason, trouble.passes), (reason, false));
        }
    }
}

#[test]
fn the_finding_says_what_becomes_of_the_published_token_and_when_it_is_tried_again() {
    let trouble = Trouble::passing("Unavailable", "login.example is away".into());
    let token = published(None);
    for (published, retry, now, expected) in [
        (
            Some(&token),
            Some(at(30)),
            at(0),
            "login.example is away. Trying again at 2027-01-15T08:00:30Z. The published token is valid until 2027-01-15T09:00:00Z",
        ),
        (
            Some(&token),
            None,
            at(3600),
            "login.example is away. The published token expired at 2027-01-15T09:00:00Z",
        ),
        (
            None,
            None,
            at(0),
            "login.example is away. No token is published yet",
        ),
    ] {
        let finding = trouble.finding(published, retry, now);
        assert_eq!(finding.message, expected);
        assert_eq!((finding.type_, finding.truth), (TOKEN_FRESH, Truth::False));
    }
}

#[test]
fn a_scope_is_as_requested_unless_the_server_named_less() {
    for (asked, granted, missing) in [
        (&[][..], None, None),
        (&["a"], None, None),
        (&["a"], Some("a"), None),
        (&["a"], Some("b a"), None),
        (&[], Some("whatever"), None),
        (&["a", "b"], Some("a"), Some("granted a and left out b")),
        (&["a", "b"], Some(""), Some("granted none and left out a, b")),
        (&["read"], Some("reader"), Some("left out read")),
    ] {
        let finding = as_requested(&published(granted), &settings(asked));
        match missing {
            None => assert_eq!(
                (finding.truth, finding.reason.as_str()),
                (Truth::True, "AsRequested")
            ),
            Some(sentence) => {
                assert_eq!(
                    (finding.truth, finding.reason.as_str()),
                    (Truth::False, "ScopeNarrowed")
                );
                assert!(finding.message.contains(sentence), "{}", finding.message);
            }
        }
    }
}

#[test]
fn sentences_stay_short_whatever_the_server_grants() {
    let many: Vec<String> = (0..500).map(|number| format!("scope-{number}")).collect();
    let finding = as_requested(&published(Some(&many.join(" "))), &settings(&["other"]));
    assert!(finding.message.contains("and 492 more"));
    assert!(finding.message.len() < 400, "{}", finding.message.len());
}

#[test]
fn a_life_is_sufficient_or_not_and_its_oddities_are_told() {
    let promise = |seconds| Promise::new(Duration::from_secs(seconds));
    let token = published(None);
    assert_eq!(lifetime(&token, &promise(60)).reason, "Sufficient");
    let short = lifetime(&token, &promise(3600));
    assert_eq!(
        (short.truth, short.reason.as_str()),
        (Truth::False, "LifetimeTooShort")
    );
    let odd = TokenStatus {
        remark: Some(TokenRemark {
            reason: "ClockSkew".into(),
            message: "the clocks differ".into(),
        }),
        ..token
    };
    let found = lifetime(&odd, &promise(60));
    assert_eq!(
        (found.truth, found.reason.as_str(), found.message.as_str()),
        (Truth::True, "ClockSkew", "the clocks differ")
    );
    assert_eq!(
        lifetime(&odd, &promise(3600)).reason,
        "LifetimeTooShort",
        "the worse is told"
    );
}

#[test]
fn a_shared_provider_may_limit_scopes() {
    let allowed = ["a".to_owned(), "b".to_owned()];
    for (asked, allowed, reason) in [
        (&[][..], None, None),
        (&["z"], None, None),
        (&["a"], Some(&allowed[..]), None),
        (&["b", "a"], Some(&allowed[..]), None),
        (&["a", "z"], Some(&allowed[..]), Some("ScopeNotAllowed")),
        (&[], Some(&allowed[..]), Some("ScopeNotNamed")),
        (&["a"], Some(&[][..]), Some("ScopeNotAllowed")),
    ] {
        let found = scopes_not_allowed(&settings(asked), allowed);
        assert_eq!(
            found.as_ref().map(|trouble| trouble.reason),
            reason,
            "{asked:?} {allowed:?}"
        );
        assert!(found.is_none_or(|trouble| !trouble.passes));
    }
}
