use serde_json::{Value, json};

use super::*;
use crate::cli::testing::{at, condition, now, published, record, record_with, token};

fn of(record: &Record, provider: Option<&Record>) -> String {
    next(record, provider, now()).join("\n")
}

fn provider(spec: Value, status: Value) -> Record {
    record(Kind::IdentityProvider, "didit", spec, status)
}

#[test]
fn the_next_thing_is_told_with_its_time() {
    let ready = json!({"observedGeneration": 1, "conditions": [condition("Ready", "True", "Published", "")]});
    let failed =
        json!({"observedGeneration": 1, "conditions": [condition("Ready", "False", "Unavailable", "")]});
    let checked = json!({
        "observedGeneration": 1,
        "conditions": [condition("Ready", "True", "Published", "")],
        "lastCheckedTime": at(-600).to_string(),
    });
    let code = json!({
        "observedGeneration": 1,
        "conditions": [condition("Ready", "False", "CodeSent", "")],
        "codeExpiresAt": at(60).to_string(),
    });
    let creating = json!({
        "observedGeneration": 1,
        "pendingCreation": {"displayName": "payments", "organizationId": "o", "recordedTime": at(-5).to_string()},
    });
    for (record, expected) in [
        (
            record(Kind::AccessToken, "a", json!({}), published(token(3120, 2460))),
            "The token is refreshed at 2026-11-25T12:41:00Z (in 41m). The published one expires at",
        ),
        (
            record(Kind::AccessToken, "a", json!({}), published(token(600, -60))),
            "A refresh is due since 2026-11-25T11:59:00Z (60s ago). The published token stays",
        ),
        (
            record(Kind::AccessToken, "a", json!({}), published(token(-600, -900))),
            "The token expired at 2026-11-25T11:50:00Z (10m ago). A new one is asked for\nA failure that passes by itself",
        ),
        (
            record(Kind::ClientApplication, "a", json!({}), checked),
            "unless told otherwise, last at 2026-11-25T11:50:00Z (10m ago)",
        ),
        (
            record(
                Kind::ClientApplication,
                "a",
                json!({"accessToken": {}}),
                ready.clone(),
            ),
            "A token is asked for",
        ),
        (
            record(Kind::IdentityAccount, "a", json!({}), ready.clone()),
            "Nothing has to be done for it",
        ),
        (
            record(Kind::IdentityAccount, "a", json!({}), code),
            "it is valid until 2026-11-25T12:01:00Z (in 60s)",
        ),
        (
            record(Kind::ClientApplication, "a", json!({}), creating),
            "An application \"payments\" was about to be made",
        ),
        (
            record(Kind::ClientApplication, "a", json!({}), failed.clone()),
            "Unavailable is in the way: its condition says what to do\nA failure that passes by itself",
        ),
        (provider(json!({}), ready), "--provider-check-interval"),
        (
            provider(json!({}), failed),
            "when this resource or a Secret that it reads changes",
        ),
        (
            record(Kind::AccessToken, "a", json!({}), json!(null)),
            "`keywright doctor` tells",
        ),
    ] {
        let told = of(&record, None);
        assert!(told.contains(expected), "{told}");
    }
}

#[test]
fn what_holds_it_back_comes_first() {
    let record = record(Kind::AccessToken, "a", json!({}), published(token(600, -60)));
    let brake = json!({"login": {"credentialsVersion": "1", "brake": {"reason": "LoginRefused", "until": at(2520).to_string(), "message": "401 Unauthorized."}}});
    let told = of(&record, Some(&provider(json!({}), brake)));
    let expected = "The account of IdentityProvider shop/didit is not logged in before 2026-11-25T12:42:00Z (in 42m) \
                    (LoginRefused), unless its Secret changes before: then it is tried at once\n\
                    A refresh is due since";
    assert!(told.starts_with(expected), "{told}");
    let told = of(&record, Some(&provider(json!({"suspend": true}), json!({}))));
    assert!(
        told.starts_with("IdentityProvider shop/didit is suspended"),
        "{told}"
    );
}

#[test]
fn a_request_is_told_until_it_is_done() {
    let asked = |annotations: Value, fulfilled: Value| {
        let mut status = published(token(600, 60));
        status["fulfilledRequests"] = fulfilled;
        record_with(
            Kind::AccessToken,
            "a",
            json!({"annotations": annotations}),
            json!({}),
            status,
        )
    };
    let (refresh, revoke) = (
        "keywright.dev/refresh-requested-at",
        "keywright.dev/revoke-requested-at",
    );
    for (annotations, fulfilled, expected) in [
        (
            json!({refresh: "1"}),
            json!(null),
            Some("A new token is asked for, as was requested"),
        ),
        (json!({refresh: "1"}), json!({"refresh": "1"}), None),
        (
            json!({revoke: "1"}),
            json!({}),
            Some("the published one is revoked, as was requested"),
        ),
        (
            json!({revoke: "1"}),
            json!({"revoking": "1"}),
            Some("The replaced token is revoked, as was requested"),
        ),
    ] {
        let told = of(&asked(annotations, fulfilled), None);
        assert!(expected.is_none_or(|expected| told.contains(expected)), "{told}");
        assert_eq!(told.contains("as was requested"), expected.is_some(), "{told}");
    }
}

#[test]
fn the_end_of_a_resource_says_what_it_waits_for() {
    for (finalizers, expected) in [
        (json!([]), "Kubernetes removes it and its Secret"),
        (
            json!(["other.example.net/x"]),
            "it waits for other.example.net/x, which others put there",
        ),
        (
            json!(["keywright.dev/revoke-token"]),
            "then takes off keywright.dev/revoke-token",
        ),
    ] {
        let metadata = json!({"deletionTimestamp": at(-60).to_string(), "finalizers": finalizers});
        let told = of(
            &record_with(
                Kind::AccessToken,
                "a",
                metadata,
                json!({}),
                published(token(600, 60)),
            ),
            None,
        );
        assert!(told.contains(expected), "{told}");
    }
    let suspended = record(
        Kind::AccessToken,
        "a",
        json!({"suspend": true}),
        published(token(600, 60)),
    );
    let expected = "Nothing, since spec.suspend is true. The token in its Secret expires at 2026-11-25T12:10:00Z (in 10m) \
                    and is not refreshed. Remove spec.suspend to go on";
    assert_eq!(of(&suspended, None), expected);
}
