use serde_json::{Value, json};

use super::*;
use crate::cli::doctor::finding::Level;
use crate::cli::testing::{at, condition, now, published, record, token};

fn ready() -> Value {
    json!({"observedGeneration": 1, "conditions": [condition("Ready", "True", "Ready", "")]})
}

fn told(records: &[Record]) -> Vec<(Level, String)> {
    findings(records, &[], now())
        .into_iter()
        .map(|of| (of.level, format!("{}: {}", of.check, of.message)))
        .collect()
}

#[test]
fn what_is_well_is_one_line_for_each_check() {
    let records = [
        record(Kind::IdentityProvider, "didit", json!({}), ready()),
        record(Kind::AccessToken, "reports", json!({}), published(token(600, 60))),
        record(
            Kind::AccessToken,
            "asleep",
            json!({"suspend": true}),
            published(token(-600, -900)),
        ),
    ];
    let expected = [
        "providers: ready: 1 of 1",
        "secrets: none of 2 is in conflict",
        "credentials: as they should be: 2 of 2",
    ];
    assert_eq!(told(&records), expected.map(|line| (Level::Ok, line.to_owned())));
}

#[test]
fn a_secret_of_somebody_else_is_told_once_and_as_a_conflict() {
    let status = json!({"observedGeneration": 1, "conditions": [
        condition("Ready", "False", "SecretConflict", "Secret x belongs to somebody else"),
        condition("SecretSynced", "False", "SecretConflict", "Secret x belongs to somebody else"),
    ]});
    let records = [
        record(Kind::IdentityProvider, "didit", json!({}), ready()),
        record(Kind::AccessToken, "reports", json!({}), status),
    ];
    let wrong: Vec<_> = told(&records)
        .into_iter()
        .filter(|(level, _)| *level == Level::Wrong)
        .collect();
    let expected = "secrets: AccessToken shop/reports: Secret x belongs to somebody else";
    assert_eq!(wrong, [(Level::Wrong, expected.to_owned())]);
}

#[test]
fn trouble_is_as_bad_as_its_consequences() {
    let degraded = json!({"observedGeneration": 1, "token": token(600, 60), "conditions": [
        condition("Ready", "True", "Published", ""),
        condition("LifetimeSufficient", "False", "LifetimeTooShort", "lower minimumRemaining"),
    ]});
    for (kind, status, level) in [
        (Kind::AccessToken, degraded, Level::Warn),
        (Kind::AccessToken, published(token(-1, -60)), Level::Wrong),
        (Kind::AccessToken, published(token(60, -120)), Level::Wrong),
        (Kind::AccessToken, Value::Null, Level::Warn),
        (Kind::IdentityProvider, Value::Null, Level::Warn),
        (
            Kind::ClusterIdentityProvider,
            json!({"conditions": [condition("Ready", "False", "Unavailable", "")]}),
            Level::Wrong,
        ),
    ] {
        let records = [record(kind, "a", json!({}), status)];
        let worst = told(&records).into_iter().map(|(level, _)| level).max().unwrap();
        assert_eq!(worst, level, "{records:#?}");
    }
}

#[test]
fn a_brake_says_that_the_secret_has_to_change() {
    let status = json!({
        "conditions": [condition("Ready", "False", "LoginRefused", "the password was refused")],
        "login": {"credentialsVersion": "1", "brake": {"reason": "LoginRefused", "until": at(60).to_string(), "message": "no"}},
    });
    let records = [record(Kind::IdentityProvider, "didit", json!({}), status)];
    let found = findings(&records, &[], now());
    let mend = found[0].mend.as_deref().unwrap();
    assert!(
        mend.starts_with("correct the account's Secret") && mend.ends_with("2026-11-25T12:01:00Z"),
        "{mend}"
    );
}

#[test]
fn what_a_provider_says_is_not_repeated_by_its_users() {
    let spec = json!({"providerRef": {"kind": "IdentityProvider", "name": "didit"}});
    let status = json!({"observedGeneration": 1, "conditions": [
        condition("Ready", "True", "Published", ""),
        condition("ProviderReady", "False", "LoginRefused", "a long sentence"),
    ]});
    let told = told(&[record(Kind::ClientApplication, "payments", spec, status)]);
    let expected =
        "credentials: ClientApplication shop/payments is Degraded: LoginRefused of IdentityProvider didit";
    assert!(told.contains(&(Level::Warn, expected.to_owned())), "{told:#?}");
}

#[test]
fn a_provider_that_does_not_exist_is_told_by_who_names_it() {
    let spec = json!({"providerRef": {"kind": "IdentityProvider", "name": "none"}});
    let says = "IdentityProvider none does not exist. Create it";
    let status = json!({"observedGeneration": 1, "conditions": [
        condition("Ready", "False", "ProviderNotFound", says),
        condition("ProviderReady", "False", "ProviderNotFound", says),
    ]});
    let told = told(&[record(Kind::AccessToken, "reports", spec, status)]);
    assert!(
        told.iter()
            .any(|(level, line)| *level == Level::Wrong && line.contains(says)),
        "{told:#?}"
    );
}

#[test]
fn an_account_that_waits_for_a_person_is_not_wrong() {
    let status = json!({"observedGeneration": 1, "conditions": [
        condition("Ready", "False", "WaitingForCode", "put the code into a Secret"),
    ]});
    let told = told(&[record(Kind::IdentityAccount, "ops", json!({}), status)]);
    let of_account: Vec<_> = told.iter().filter(|(_, line)| line.contains("ops")).collect();
    assert!(matches!(of_account[..], [(Level::Warn, _)]), "{told:#?}");
}

#[test]
fn what_could_not_be_listed_is_one_warning_and_nothing_is_said_of_it() {
    let not_listed = [
        (Kind::AccessToken, "forbidden".into()),
        (Kind::IdentityProvider, "forbidden".into()),
    ];
    let found = findings(&[], &not_listed, now());
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(
        found[0].message,
        "accesstokens, identityproviders could not be listed: forbidden"
    );
    assert_eq!(found[0].level, Level::Warn);
}
