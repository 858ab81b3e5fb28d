use serde_json::json;

use super::*;
use crate::cli::testing::{condition, now, published, record, token};

fn mixed() -> Vec<Record> {
    let ready = json!({"observedGeneration": 1, "conditions": [condition("Ready", "True", "Published", "")]});
    let conflict = json!({"observedGeneration": 1, "conditions": [condition("Ready", "False", "SecretConflict", "Secret x belongs to nobody")]});
    vec![
        record(
            Kind::ClientApplication,
            "endless",
            json!({"secret": {"name": "endless"}}),
            ready.clone(),
        ),
        record(Kind::AccessToken, "long", json!({}), published(token(7200, 3600))),
        record(Kind::AccessToken, "ended", json!({}), published(token(-60, -300))),
        record(Kind::AccessToken, "short", json!({}), published(token(120, 60))),
        record(Kind::AccessToken, "conflict", json!({}), conflict),
        record(Kind::IdentityProvider, "didit", json!({}), ready.clone()),
        record(Kind::ClusterIdentityProvider, "corp", json!({}), ready),
    ]
}

#[test]
fn what_ends_soonest_stands_first() {
    let report = Report::new(&mixed(), Vec::new(), now());
    let names: Vec<_> = report.credentials.iter().map(|of| of.name.as_str()).collect();
    assert_eq!(names, ["conflict", "ended", "short", "long", "endless"]);
    let names: Vec<_> = report.providers.iter().map(|of| of.name.as_str()).collect();
    assert_eq!(names, ["corp", "didit"]);
    assert_eq!(
        (report.needs_attention, report.outcome()),
        (2, Outcome::NeedsAttention)
    );
}

#[test]
fn a_namespace_is_shown_with_the_shared_providers_that_it_uses() {
    let unread = || vec![NotRead::new(Kind::ClusterIdentityProvider, "forbidden".into())];
    let report = Report::of_namespace(mixed(), unread(), now());
    let names: Vec<_> = report.providers.iter().map(|of| of.name.as_str()).collect();
    assert_eq!(names, ["didit"]);
    assert!(report.not_read.is_empty());

    let spec = json!({"providerRef": {"kind": "ClusterIdentityProvider", "name": "corp"}});
    let mut records = mixed();
    records.push(record(
        Kind::AccessToken,
        "shared",
        spec,
        published(token(60, 30)),
    ));
    let report = Report::of_namespace(records, unread(), now());
    let names: Vec<_> = report.providers.iter().map(|of| of.name.as_str()).collect();
    assert_eq!(names, ["corp", "didit"]);
    assert_eq!(report.not_read.len(), 1);
}

#[test]
fn a_script_learns_whether_it_was_told_everything() {
    let good = vec![record(
        Kind::AccessToken,
        "long",
        json!({}),
        published(token(7200, 3600)),
    )];
    let unread = |kind| NotRead::new(kind, "forbidden".into());
    for (not_read, outcome) in [
        (vec![], Outcome::Good),
        (vec![unread(Kind::ClusterIdentityProvider)], Outcome::Good),
        (vec![unread(Kind::AccessToken)], Outcome::Incomplete),
    ] {
        assert_eq!(Report::new(&good, not_read, now()).outcome(), outcome);
    }
}

#[test]
fn the_fields_for_programs_are_these() {
    let spec = json!({"providerRef": {"kind": "IdentityProvider", "name": "didit"}});
    let records = [record(
        Kind::AccessToken,
        "short",
        spec,
        published(token(120, 60)),
    )];
    let report = serde_json::to_value(Report::new(&records, Vec::new(), now())).unwrap();
    assert_eq!(
        report,
        json!({
            "time": "2026-11-25T12:00:00Z",
            "needsAttention": 0,
            "notRead": [],
            "providers": [],
            "credentials": [{
                "kind": "AccessToken",
                "namespace": "shop",
                "name": "short",
                "state": "Ready",
                "needsAttention": false,
                "reason": "Published",
                "message": "Secret s holds a token",
                "provider": {"kind": "IdentityProvider", "name": "didit"},
                "secret": "s",
                "expiresAt": "2026-11-25T12:02:00Z",
                "secondsLeft": 120,
                "refreshAt": "2026-11-25T12:01:00Z",
            }],
        })
    );
}
