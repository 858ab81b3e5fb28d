//! What a Secret means that is found under the name that a spec gives.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use proptest::prelude::*;
use secrecy::SecretString;
use serde_json::json;

use super::*;
use crate::credential::secret_content::{Member, Vocabulary};

fn owner() -> Owner {
    Owner {
        api_version: "keywright.dev/v1alpha1".into(),
        kind: "AccessToken".into(),
        namespace: "shop".into(),
        name: "orders".into(),
        uid: "uid-1".into(),
    }
}

fn template(changes: serde_json::Value) -> SecretTemplate {
    let mut whole = json!({"name": "orders-token", "labels": {"team": "orders"}});
    let serde_json::Value::Object(changes) = changes else {
        panic!("not a template")
    };
    whole.as_object_mut().unwrap().extend(changes);
    serde_json::from_value(whole).unwrap()
}

fn token() -> TokenStatus {
    let at = |second: i64| Time(Timestamp::from_second(1_800_000_000 + second).unwrap());
    TokenStatus {
        issued_at: at(0),
        expires_at: at(3600),
        refresh_at: at(3000),
        allowance_seconds: 10,
        token_type: "Bearer".into(),
        scope: None,
        request_digest: "digest".into(),
        fingerprint: "sha256:token".into(),
        remark: None,
    }
}

fn written(template: &SecretTemplate) -> Secret {
    let content = Content::default().with(Member::AccessToken, SecretString::from("t0ken".to_owned()));
    let layout = Layout::of(template, Vocabulary::OAuth2);
    let mut secret = build(&owner(), template, &content, &layout, Some(&token())).unwrap();
    secret.metadata.uid = Some("secret-1".into());
    secret.metadata.resource_version = Some("7".into());
    secret
}

fn annotate(secret: &mut Secret, name: &str, value: Option<&str>) {
    let annotations = secret.metadata.annotations.as_mut().unwrap();
    match value {
        Some(value) => annotations.insert(name.to_owned(), value.to_owned()),
        None => annotations.remove(name),
    };
}

/// What an edit leads to: nothing is recorded of the version that it made.
#[track_caller]
fn edited(edit: impl FnOnce(&mut Secret)) -> SecretView {
    let template = template(json!({}));
    let mut secret = written(&template);
    let recorded = published(&secret, &template, "");
    edit(&mut secret);
    secret.metadata.resource_version = Some("8".into());
    view(&secret, &owner(), &template, Some(&recorded))
}

#[test]
fn what_was_written_is_current_with_its_token() {
    let template = template(json!({}));
    let secret = written(&template);
    for recorded in [None, Some(published(&secret, &template, ""))] {
        let view = view(&secret, &owner(), &template, recorded.as_ref());
        assert!(view.is_current() && view.is_valid());
        assert_eq!(view.token(), Some(&token()));
    }
}

#[test]
fn other_versions_of_the_same_content_are_current() {
    assert!(edited(|_| {}).is_current());
    // What others add is theirs.
    let others = edited(|secret| {
        annotate(secret, "reloader.example/seen", Some("yes"));
        secret
            .data
            .as_mut()
            .unwrap()
            .insert("other".into(), ByteString(b"x".to_vec()));
        secret
            .metadata
            .labels
            .as_mut()
            .unwrap()
            .insert("other".into(), "x".into());
    });
    assert!(others.is_current());
}

#[test]
fn another_form_is_outdated_and_its_token_still_good() {
    let before = template(json!({}));
    let secret = written(&before);
    let recorded = published(&secret, &before, "");
    for changes in [
        json!({"labels": {"team": "checkout"}}),
        json!({"formats": ["Json"]}),
        json!({"keys": {"accessToken": "TOKEN"}}),
        json!({"annotations": {"note": "x"}}),
    ] {
        let view = view(&secret, &owner(), &template(changes.clone()), Some(&recorded));
        assert!(!view.is_current() && view.is_valid(), "{changes}");
        assert_eq!(view.token(), Some(&token()), "{changes}");
    }
}

#[test]
fn an_edit_leads_to_another_token_whatever_was_edited() {
    let data = |secret: &mut Secret, value: &[u8]| {
        secret
            .data
            .as_mut()
            .unwrap()
            .insert("access_token".into(), ByteString(value.to_vec()));
    };
    let later = serde_json::to_string(&TokenStatus {
        expires_at: Time(Timestamp::from_second(4_000_000_000).unwrap()),
        ..token()
    })
    .unwrap();
    for (says, view) in [
        ("the token", edited(|secret| data(secret, b"another"))),
        ("no token", edited(|secret| data(secret, b""))),
        ("bytes that are no text", edited(|secret| data(secret, b"\xff"))),
        ("no data", edited(|secret| secret.data = None)),
        (
            "the digest",
            edited(|secret| annotate(secret, CONTENT_DIGEST_ANNOTATION, Some("sha256:x"))),
        ),
        (
            "no digest",
            edited(|secret| annotate(secret, CONTENT_DIGEST_ANNOTATION, None)),
        ),
        (
            "no names",
            edited(|secret| annotate(secret, CONTENT_KEYS_ANNOTATION, Some(""))),
        ),
        (
            "a later end",
            edited(|secret| annotate(secret, TOKEN_ANNOTATION, Some(&later))),
        ),
        (
            "no record of the token",
            edited(|secret| annotate(secret, TOKEN_ANNOTATION, None)),
        ),
        (
            "a record that is none",
            edited(|secret| annotate(secret, TOKEN_ANNOTATION, Some("{\"issuedAt\": 1"))),
        ),
        (
            "an empty record",
            edited(|secret| annotate(secret, TOKEN_ANNOTATION, Some("{}"))),
        ),
        ("a label of ours", edited(|secret| secret.metadata.labels = None)),
        (
            "the owner reference",
            edited(|secret| secret.metadata.owner_references = None),
        ),
    ] {
        assert!(
            matches!(
                view,
                SecretView::Ours {
                    content: SecretContent::Edited,
                    ..
                }
            ),
            "{says}: {view:?}"
        );
        assert_eq!(view.token(), None, "{says}");
        assert!(!view.is_valid(), "{says}");
    }
}

#[test]
fn a_secret_of_somebody_else_is_foreign_and_its_owner_named() {
    let template = template(json!({}));
    let foreign = |edit: &dyn Fn(&mut Secret)| {
        let mut secret = written(&template);
        edit(&mut secret);
        match view(&secret, &owner(), &template, None) {
            SecretView::Foreign { owner } => owner,
            view => panic!("{view:?}"),
        }
    };
    let bare = |secret: &mut Secret| {
        secret.metadata.annotations = None;
        secret.metadata.labels = None;
        secret.metadata.owner_references = None;
    };
    assert_eq!(foreign(&bare), "somebody else (it names no owner)");
    assert_eq!(
        foreign(&|secret| {
            bare(secret);
            secret.metadata.labels = Some([(MANAGED_BY_LABEL.to_owned(), "Helm".to_owned())].into());
        }),
        "\"Helm\" (its label app.kubernetes.io/managed-by)"
    );
    assert_eq!(
        foreign(&|secret| annotate(secret, OWNER_UID_ANNOTATION, Some("uid-0"))),
        "an earlier AccessToken/orders"
    );
    assert_eq!(
        foreign(&|secret| {
            annotate(secret, OWNER_UID_ANNOTATION, Some("uid-0"));
            annotate(secret, OWNER_ANNOTATION, Some("AccessToken/other"));
        }),
        "AccessToken/other"
    );
    assert_eq!(
        foreign(&|secret| {
            bare(secret);
            secret.metadata.owner_references = Some(vec![OwnerReference {
                kind: "Certificate".into(),
                uid: "uid-9".into(),
                ..owner().reference()
            }]);
        }),
        "Certificate/orders"
    );
}

#[test]
fn a_secret_that_lost_its_annotations_is_ours_by_its_owner_reference() {
    let view = edited(|secret| secret.metadata.annotations = None);
    assert!(matches!(
        view,
        SecretView::Ours {
            content: SecretContent::Edited,
            ..
        }
    ));
}

#[test]
fn what_is_recorded_of_another_secret_of_that_name_counts_for_nothing() {
    let template = template(json!({}));
    let mut secret = written(&template);
    let recorded = published(&secret, &template, "https://old.example");
    secret.metadata.uid = Some("secret-2".into());
    annotate(&mut secret, CONTENT_DIGEST_ANNOTATION, Some("sha256:x"));
    match view(&secret, &owner(), &template, Some(&recorded)) {
        SecretView::Ours {
            published, content, ..
        } => {
            assert_eq!(
                content,
                SecretContent::Edited,
                "though the version is that of the other"
            );
            assert_eq!(published.api_url, "");
        }
        view => panic!("{view:?}"),
    }
}

#[test]
fn a_token_that_turned_out_to_be_lost_is_not_believed_in() {
    let mut view = edited(|_| {});
    view.lose_token();
    assert!(view.is_current() && view.token().is_none());
    view.spoil();
    assert!(!view.is_valid());
}

proptest! {
    #[test]
    fn no_annotation_makes_it_panic_or_pass_for_current(
        name in prop::sample::select(vec![TOKEN_ANNOTATION, CONTENT_DIGEST_ANNOTATION, CONTENT_KEYS_ANNOTATION]),
        value in any::<String>(),
    ) {
        let view = edited(|secret| annotate(secret, name, Some(&value)));
        prop_assert!(!view.is_current());
        prop_assert!(view.token().is_none());
    }
}
