//! Why a token is needed, and which requests are the same.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use proptest::prelude::*;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn published() -> TokenStatus {
    TokenStatus {
        issued_at: Time(at(0)),
        expires_at: Time(at(3600)),
        refresh_at: Time(at(3000)),
        allowance_seconds: 10,
        token_type: "Bearer".into(),
        scope: None,
        request_digest: "digest".into(),
        fingerprint: "sha256:token".into(),
        remark: None,
    }
}

fn asks(refresh: Option<&str>, revoke: Option<&str>, revoking: Option<&str>) -> FulfilledRequests {
    FulfilledRequests {
        refresh: refresh.map(str::to_owned),
        revoke: revoke.map(str::to_owned),
        revoking: revoking.map(str::to_owned),
    }
}

#[test]
fn each_request_by_annotation_is_fulfilled_once_and_comes_first() {
    let none = asks(None, None, None);
    let refresh = asks(Some("a"), None, None);
    let revoke = asks(None, Some("a"), None);
    let both = asks(Some("a"), Some("a"), None);
    for (asked, done, digest, expected) in [
        (&none, None, "digest", None),
        (&none, None, "other", Some(Why::RequestChanged)),
        (&refresh, None, "digest", Some(Why::RefreshRequested)),
        (&refresh, None, "other", Some(Why::RefreshRequested)),
        (&refresh, Some(&refresh), "digest", None),
        (&refresh, Some(&refresh), "other", Some(Why::RequestChanged)),
        (
            &refresh,
            Some(&asks(Some("b"), None, None)),
            "digest",
            Some(Why::RefreshRequested),
        ),
        (&revoke, None, "digest", Some(Why::RevocationRequested)),
        (&revoke, Some(&revoke), "digest", None),
        (&revoke, Some(&asks(None, None, Some("a"))), "digest", None),
        (
            &revoke,
            Some(&asks(None, None, Some("b"))),
            "digest",
            Some(Why::RevocationRequested),
        ),
        (&both, None, "digest", Some(Why::RevocationRequested)),
        (&both, Some(&refresh), "other", Some(Why::RevocationRequested)),
    ] {
        let wanted = Wanted {
            uid: "uid-1",
            promise: Promise::new(Duration::from_secs(60)),
            request_digest: digest,
            requests: asked,
            fulfilled: done,
        };
        let found = match need(&wanted, Some(&published()), at(60)) {
            Need::Yes(why) => Some(why),
            Need::No(_) => None,
        };
        assert_eq!(found, expected, "{asked:?} {done:?} {digest}");
        let without = match need(&wanted, None, at(60)) {
            Need::Yes(why) => why,
            Need::No(_) => panic!("nothing is published"),
        };
        let expected = expected
            .filter(|why| why.needs_new())
            .unwrap_or(Why::NonePublished);
        assert_eq!(without, expected, "{asked:?} {done:?}");
    }
}

#[test]
fn an_empty_annotation_asks_for_nothing() {
    let annotations = |value: &str| {
        [
            (REFRESH_REQUESTED_ANNOTATION.to_owned(), value.to_owned()),
            (REVOKE_REQUESTED_ANNOTATION.to_owned(), value.to_owned()),
        ]
        .into()
    };
    assert_eq!(requests(&annotations("")), asks(None, None, None));
    assert_eq!(
        requests(&annotations("now")),
        asks(Some("now"), Some("now"), None)
    );
    assert_eq!(requests(&BTreeMap::new()), asks(None, None, None));
}

#[test]
fn what_ends_soonest_is_the_most_urgent_after_what_was_never_published() {
    let token = published();
    let urgencies = [
        urgency(None, at(0)),
        urgency(Some(&token), at(0)),
        Urgency::EndsAt(at(4000)),
        Urgency::Whenever,
    ];
    assert!(urgencies.is_sorted());
    assert_eq!(
        urgency(Some(&token), at(3600)),
        Urgency::NeverSynced,
        "expired is as good as none"
    );
}

fn settings(scopes: &[&str], resources: &[&str], audience: Option<&str>) -> TokenSettings {
    TokenSettings {
        scopes: scopes.iter().map(|text| (*text).to_owned()).collect(),
        resources: resources.iter().map(|text| (*text).to_owned()).collect(),
        audience: audience.map(str::to_owned),
        ..TokenSettings::default()
    }
}

#[test]
fn only_what_the_server_is_asked_makes_another_request() {
    let usual = request_digest("client", &settings(&["a", "b"], &["urn:x"], None));
    let same = request_digest("client", &settings(&["b", "a", "b"], &["urn:x"], None));
    assert_eq!(usual, same, "in whatever order they stand");
    let mut with_promise = settings(&["a", "b"], &["urn:x"], None);
    with_promise.revocation_policy = Some(crate::api::token::RevocationPolicy::OnDeletion);
    assert_eq!(usual, request_digest("client", &with_promise));
    for other in [
        request_digest("another", &settings(&["a", "b"], &["urn:x"], None)),
        request_digest("client", &settings(&["a"], &["urn:x"], None)),
        request_digest("client", &settings(&["a b"], &["urn:x"], None)),
        request_digest("client", &settings(&["a", "b", "urn:x"], &[], None)),
        request_digest("client", &settings(&["a", "b"], &["urn:x"], Some("x"))),
    ] {
        assert_ne!(usual, other);
    }
}

proptest! {
    #[test]
    fn a_list_never_passes_for_another(
        scopes in prop::collection::btree_set("[a-z]{1,3}", 0..4),
        resources in prop::collection::btree_set("[a-z]{1,3}", 0..4),
        other in prop::collection::btree_set("[a-z]{1,3}", 0..4),
    ) {
        let of = |scopes: &std::collections::BTreeSet<String>, resources: &std::collections::BTreeSet<String>| {
            request_digest("client", &TokenSettings {
                scopes: scopes.iter().cloned().collect(),
                resources: resources.iter().cloned().collect(),
                ..TokenSettings::default()
            })
        };
        prop_assert_eq!(of(&scopes, &resources) == of(&other, &resources), scopes == other);
        prop_assert_eq!(of(&scopes, &resources) == of(&resources, &scopes), scopes == resources);
    }
}
