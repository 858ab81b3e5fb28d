use serde_json::{Value, json};

use super::*;
use crate::cli::kind::Kind;
use crate::cli::testing::{at as moment, condition, now, record, record_with, token};

fn event(seconds: i64, reason: &str, series: &Value) -> Event {
    serde_json::from_value(json!({
        "metadata": {"name": reason},
        "eventTime": format!("{:.6}", moment(seconds)),
        "reason": reason,
        "type": "Normal",
        "note": "a sentence",
        "series": series,
    }))
    .unwrap()
}

#[test]
fn events_stand_in_the_order_in_which_they_last_happened() {
    let again = json!({"count": 3, "lastObservedTime": format!("{:.6}", moment(-10))});
    let events = vec![
        event(-60, "Second", &Value::Null),
        event(-600, "Third", &again),
        event(-300, "First", &Value::Null),
    ];
    let told: Vec<_> = happened(events)
        .into_iter()
        .map(|of| (of.time, of.reason, of.count))
        .collect();
    assert_eq!(
        told,
        [
            ("2026-11-25T11:55:00Z".to_owned(), "First".to_owned(), 1),
            ("2026-11-25T11:59:00Z".to_owned(), "Second".to_owned(), 1),
            ("2026-11-25T11:59:50Z".to_owned(), "Third".to_owned(), 3),
        ]
    );
}

#[test]
fn the_fields_for_programs_are_these() {
    let metadata = json!({"annotations": {
        "keywright.dev/refresh-requested-at": "two",
        "keywright.dev/revoke-requested-at": "one",
    }});
    let spec = json!({"providerRef": {"kind": "IdentityProvider", "name": "didit"}, "secret": {"name": "s"}});
    let status = json!({
        "observedGeneration": 1,
        "clientId": "client",
        "conditions": [condition("Ready", "True", "Published", "Secret s holds a token")],
        "token": token(120, 60),
        "fulfilledRequests": {"refresh": "one", "revoke": "one"},
    });
    let brake = json!({"login": {"credentialsVersion": "1", "brake": {"reason": "LoginRefused", "until": moment(60).to_string(), "message": "no"}}});
    let provider = record(Kind::IdentityProvider, "didit", json!({}), brake);
    let record = record_with(Kind::AccessToken, "reports", metadata, spec, status);
    let report = Report::new(
        &record,
        Some(&provider),
        History::Unknown("forbidden".into()),
        now(),
    );
    let mut report = serde_json::to_value(report).unwrap();
    let next = report.as_object_mut().unwrap().remove("next").unwrap();
    assert!(!next.as_array().unwrap().is_empty());
    assert_eq!(
        report,
        json!({
            "time": "2026-11-25T12:00:00Z",
            "kind": "AccessToken",
            "namespace": "shop",
            "name": "reports",
            "createdAt": "2026-11-25T11:00:00Z",
            "state": "Ready",
            "needsAttention": false,
            "reason": "Published",
            "message": "Secret s holds a token",
            "provider": {
                "kind": "IdentityProvider",
                "name": "didit",
                "state": "Pending",
                "loginPause": {"reason": "LoginRefused", "until": "2026-11-25T12:01:00Z", "message": "no"},
            },
            "clientId": "client",
            "secret": "s",
            "secretWritten": false,
            "token": {
                "issuedAt": "2026-11-25T11:50:00Z",
                "refreshAt": "2026-11-25T12:01:00Z",
                "expiresAt": "2026-11-25T12:02:00Z",
                "tokenType": "Bearer",
                "scope": "reports.read",
            },
            "requests": [
                {"what": "refresh", "value": "two", "fulfilled": false},
                {"what": "revoke", "value": "one", "fulfilled": true},
            ],
            "conditions": [{
                "type": "Ready",
                "status": "True",
                "reason": "Published",
                "message": "Secret s holds a token",
                "since": "2026-11-25T11:55:00Z",
            }],
            "events": [],
            "eventsNotRead": "forbidden",
        })
    );
}
