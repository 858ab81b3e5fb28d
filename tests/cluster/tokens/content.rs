//! What the Secret of a token looks like.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use keywright::api::AccessToken;
use keywright::api::names::{MANAGED_BY, MANAGED_BY_LABEL, OWNER_ANNOTATION, REFRESH_REQUESTED_ANNOTATION};
use kube::ResourceExt;
use serde_json::{Value, json};

use super::stage::{LONG, Stage, access_token, held, secret_of};
use crate::harness::{annotation, entries};

#[tokio::test]
async fn a_resource_becomes_a_secret_with_a_token_that_works() {
    let stage = Stage::with_server("token", LONG).await;
    let _operator = stage.operator();
    let secret = json!({
        "name": "reports-token",
        "labels": {"team": "reports"},
        "annotations": {"corp.example.net/contact": "reports"},
    });
    let resource = stage.publish("reports", json!({"secret": secret})).await;
    let secret = stage.world.secret("reports-token").await.unwrap();
    let recorded = stage.recorded("reports").await;
    let found = entries(&secret);
    stage.is_valid(&found["access_token"], &stage.client_id).await;
    let expected = [
        ("access_token", found["access_token"].clone()),
        ("token_type", "Bearer".to_owned()),
        ("expires_at", recorded.expires_at.0.to_string()),
    ];
    let expected: BTreeMap<_, _> = expected.map(|(key, value)| (key.to_owned(), value)).into();
    assert_eq!(found, expected);
    assert_eq!(
        secret.labels().get(MANAGED_BY_LABEL).map(String::as_str),
        Some(MANAGED_BY)
    );
    assert_eq!(secret.labels().get("team").map(String::as_str), Some("reports"));
    assert_eq!(annotation(&secret, OWNER_ANNOTATION), Some("AccessToken/reports"));
    assert_eq!(annotation(&secret, "corp.example.net/contact"), Some("reports"));
    let [owner] = secret.owner_references() else {
        panic!("{:?}", secret.owner_references())
    };
    assert_eq!(Some(&owner.uid), resource.uid().as_ref());

    let shown = stage
        .world
        .kubectl(&["get", "atok", "reports", "--no-headers"], "")
        .await;
    let columns: Vec<_> = shown.split_whitespace().take(6).collect();
    let (expires, refresh) = (
        recorded.expires_at.0.to_string(),
        recorded.refresh_at.0.to_string(),
    );
    assert_eq!(
        columns,
        ["reports", "True", "Published", "server", &*expires, &*refresh]
    );
    stage.world.until_event("reports", "Published").await;
    // The sandbox's claims say ten times as much as expires_in: the shorter one counts, and it is told.
    let said = stage
        .world
        .condition::<AccessToken>("reports", "LifetimeSufficient")
        .await;
    assert_eq!(said.status, "True", "{}", said.message);
}

#[tokio::test]
async fn every_format_holds_the_token_and_the_one_before_it() {
    let stage = Stage::with_server("formats", LONG).await;
    let _operator = stage.operator();
    let formats = ["Environment", "Json", "Dotenv", "AuthorizationHeader"];
    let secret = json!({"name": "reports-token", "formats": formats, "previousAccessToken": true});
    stage.publish("reports", json!({"secret": secret})).await;
    let first = has_all_formats(&stage, None).await;

    stage.annotate("reports", REFRESH_REQUESTED_ANNOTATION, "1").await;
    stage.until_fulfilled("reports", Some("1"), None).await;
    let second = has_all_formats(&stage, Some(&first)).await;
    assert_ne!(second, first);
    assert_eq!(stage.calls(), 2);
    for token in [&first, &second] {
        stage.is_valid(token, &stage.client_id).await;
    }
}

/// Each format says the same. Returns the token.
async fn has_all_formats(stage: &Stage, previous: Option<&str>) -> String {
    let secret = stage.world.secret("reports-token").await.unwrap();
    let mut found = entries(&secret);
    let document: Value = serde_json::from_str(&found.remove("credentials.json").unwrap()).unwrap();
    let variables = found.remove("credentials.env").unwrap();
    let header = found.remove("authorization").unwrap();

    let token = found["OAUTH2_ACCESS_TOKEN"].clone();
    let recorded = stage.recorded("reports").await;
    let expected = [
        ("access_token", Some(token.as_str())),
        ("token_type", Some("Bearer")),
        ("expires_at", Some(&*recorded.expires_at.0.to_string())),
        ("previous_access_token", previous),
    ];
    let expected: BTreeMap<String, String> = expected
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned())))
        .collect();
    let as_variables: BTreeMap<_, _> = expected
        .iter()
        .map(|(key, value)| (format!("OAUTH2_{}", key.to_uppercase()), value.clone()))
        .collect();
    assert_eq!(found, as_variables);
    assert_eq!(document, json!(expected));
    let read: BTreeMap<_, _> = dotenvy::from_read_iter(variables.as_bytes())
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(read, as_variables);
    assert_eq!(header, format!("Authorization: Bearer {token}"));
    token
}

#[tokio::test]
async fn another_form_of_the_secret_needs_no_other_token() {
    let stage = Stage::with_server("form", LONG).await;
    let mut operator = stage.operator();
    stage.publish("reports", json!({})).await;
    let token = stage.published("reports").await;
    let template = |fields: Value| {
        let mut secret = json!({"name": secret_of("reports")});
        secret
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        access_token("reports", json!({"secret": secret}))
    };
    for (fields, key) in [
        (json!({"keys": {"accessToken": "TOKEN"}}), "TOKEN"),
        (json!({"formats": ["Environment"]}), "OAUTH2_ACCESS_TOKEN"),
        (json!({"labels": {"team": "reports"}}), "access_token"),
    ] {
        // Nobody but the Secret knows the token then.
        operator.stop().await;
        stage.world.apply(template(fields)).await;
        operator.start_again();
        stage
            .world
            .until_secret(
                &secret_of("reports"),
                "has the token in its new place",
                |secret| entries(secret).get(key) == Some(&token),
            )
            .await;
        stage.until_published("reports").await;
    }
    assert_eq!(stage.calls(), 1);

    // Another name is another Secret, with a token of its own; the earlier one goes.
    stage
        .world
        .apply(access_token("reports", json!({"secret": {"name": "other"}})))
        .await;
    stage
        .world
        .until_secret("other", "has a token", |secret| !held(secret).is_empty())
        .await;
    stage.world.until_gone::<Secret>(&secret_of("reports")).await;
    assert_eq!(stage.calls(), 2);
}
