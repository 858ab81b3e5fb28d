use serde_json::json;

use super::*;
use crate::cli::kind::Kind;
use crate::cli::testing::{at, condition, now, published, record, record_with, token};

fn with_conditions(conditions: &serde_json::Value, token: &serde_json::Value) -> Record {
    let status = json!({"observedGeneration": 1, "conditions": conditions, "token": token});
    record(Kind::AccessToken, "reports", json!({}), status)
}

fn assert_stands(record: &Record, state: State, reason: &str) {
    let stands = standing(record, now());
    assert_eq!(
        (stands.state, stands.reason.as_str()),
        (state, reason),
        "{record:#?}"
    );
}

#[test]
fn a_token_that_has_ended_is_told_whatever_the_status_says() {
    assert_stands(
        &record(Kind::AccessToken, "a", json!({}), published(token(-1, -600))),
        State::Expired,
        "Published",
    );
    let refused = condition("TokenFresh", "False", "InvalidClient", "the client was refused");
    let ready = condition("Ready", "True", "Published", "");
    let stands = standing(
        &with_conditions(&json!([ready, refused]), &token(-1, -600)),
        now(),
    );
    assert_eq!(stands.message, "the client was refused");
}

#[test]
fn a_late_refresh_is_told_after_a_minute() {
    for (refresh, state) in [(-60, State::Ready), (-61, State::Overdue), (10, State::Ready)] {
        let stands = standing(
            &record(Kind::AccessToken, "a", json!({}), published(token(600, refresh))),
            now(),
        );
        assert_eq!(stands.state, state);
    }
}

#[test]
fn a_stage_in_trouble_degrades_what_is_ready() {
    let ready = condition("Ready", "True", "Published", "");
    for (stage, state, reason) in [
        (
            condition("LifetimeSufficient", "False", "LifetimeTooShort", ""),
            State::Degraded,
            "LifetimeTooShort",
        ),
        (
            condition("TokenAsRequested", "Unknown", "ScopeNotNamed", ""),
            State::Ready,
            "Published",
        ),
        (
            condition("TokenFresh", "True", "Fresh", ""),
            State::Ready,
            "Published",
        ),
    ] {
        assert_stands(
            &with_conditions(&json!([ready, stage]), &token(600, 60)),
            state,
            reason,
        );
    }
    let not_ready = condition("Ready", "False", "SecretConflict", "");
    assert_stands(
        &with_conditions(&json!([not_ready]), &json!(null)),
        State::NotReady,
        "SecretConflict",
    );
}

#[test]
fn what_nobody_looked_at_is_pending() {
    assert_stands(
        &record(Kind::AccessToken, "a", json!({}), json!(null)),
        State::Pending,
        "Pending",
    );
    let unknown = condition("Ready", "Unknown", "ProviderPending", "");
    assert_stands(
        &with_conditions(&json!([unknown]), &json!(null)),
        State::Pending,
        "ProviderPending",
    );
}

#[test]
fn what_a_person_asked_for_needs_no_attention() {
    let suspended = record(
        Kind::AccessToken,
        "a",
        json!({"suspend": true}),
        published(token(600, 60)),
    );
    let deleting = record_with(
        Kind::AccessToken,
        "a",
        json!({"deletionTimestamp": at(-5).to_string()}),
        json!({}),
        published(token(600, 60)),
    );
    for (record, state) in [(suspended, State::Suspended), (deleting, State::Deleting)] {
        assert_stands(&record, state, "Published");
        assert!(!state.needs_attention());
    }
}

#[test]
fn what_is_left_is_ordered_by_who_is_to_be_looked_at_first() {
    let of = |kind, spec, status| left(&record(kind, "a", spec, status), now());
    let ready = json!({"conditions": [condition("Ready", "True", "Published", "")]});
    let ordered = [
        of(Kind::AccessToken, json!({}), json!(null)),
        of(Kind::AccessToken, json!({}), published(token(-5, -60))),
        of(Kind::AccessToken, json!({}), published(token(5, -60))),
        of(
            Kind::ClientApplication,
            json!({"accessToken": {}}),
            published(token(60, 5)),
        ),
        of(Kind::ClientApplication, json!({}), ready.clone()),
    ];
    assert!(ordered.is_sorted(), "{ordered:?}");
    assert_eq!(ordered[4], Left::Endless);
    assert_eq!(
        of(Kind::ClientApplication, json!({"accessToken": {}}), ready),
        Left::Nothing
    );
}

#[test]
fn a_brake_counts_while_it_is_on() {
    for (until, on) in [(60, true), (-1, false)] {
        let login = json!({"credentialsVersion": "1", "brake": {"reason": "LoginRefused", "until": at(until).to_string(), "message": "no"}});
        let provider = record(
            Kind::IdentityProvider,
            "didit",
            json!({}),
            json!({"login": login}),
        );
        assert_eq!(brake(&provider, now()).is_some(), on);
    }
}
