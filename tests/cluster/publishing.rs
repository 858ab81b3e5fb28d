//! From a resource to a mounted key.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use keywright::api::ClientApplication;
use keywright::api::names::{
    CONTENT_DIGEST_ANNOTATION, MANAGED_BY, MANAGED_BY_LABEL, OWNER_ANNOTATION, OWNER_UID_ANNOTATION,
};
use keywright_sandbox::Operation;
use kube::ResourceExt;
use serde_json::json;

use crate::harness::{PATIENCE, World, annotation, client_application, entries, eventually};

#[tokio::test]
async fn a_resource_becomes_a_secret_with_a_key_that_works() {
    let world = World::new("publish").await;
    let _operator = world.operator();
    world.apply_provider().await;
    let manifest = "
        apiVersion: keywright.dev/v1alpha1
        kind: ClientApplication
        metadata: {name: payments}
        spec:
          providerRef: {kind: IdentityProvider, name: didit}
          displayName: payments-prod
          didit: {websiteUrl: https://pay.corp.example.net, redirectUris: [https://pay.corp.example.net/done]}
          secret:
            name: payments-didit
            labels: {team: payments}
            annotations: {corp.example.net/contact: payments}
            keys: {apiKey: DIDIT_API_KEY, clientId: DIDIT_CLIENT_ID}
          deletionPolicy: Retain";
    world.kubectl(&["apply", "-f", "-"], manifest).await;
    world
        .kubectl(
            &[
                "wait",
                "--for=condition=Ready",
                "clientapplication/payments",
                "--timeout=60s",
            ],
            "",
        )
        .await;

    let shown = world
        .kubectl(&["get", "capp", "payments", "--no-headers"], "")
        .await;
    let resource = world.application("payments").await;
    let made = world.sandbox.applications();
    assert_eq!(made.len(), 1);
    let (application, key) = (&made[0], world.sandbox.api_key(made[0].uuid).unwrap());
    let columns: Vec<_> = shown.split_whitespace().take(6).collect();
    assert_eq!(
        columns,
        [
            "payments",
            "True",
            "Published",
            "didit",
            &application.client_id,
            "payments-didit"
        ]
    );
    assert_eq!(application.name, "payments-prod");
    assert_eq!(
        application.website_url.as_deref(),
        Some("https://pay.corp.example.net")
    );
    assert_eq!(application.redirect_uris, ["https://pay.corp.example.net/done"]);

    let secret = world.secret("payments-didit").await.unwrap();
    assert_eq!(
        entries(&secret),
        BTreeMap::from(
            [
                ("DIDIT_API_KEY", key.clone()),
                ("DIDIT_CLIENT_ID", application.client_id.clone()),
                ("application_id", application.uuid.to_string()),
                ("organization_id", application.organization.to_string()),
                ("api_url", world.sandbox.api_url()),
            ]
            .map(|(name, value)| (name.to_owned(), value))
        )
    );
    assert_eq!(world.balance(&key).await, 200);
    describes_its_owner(&secret, &resource);
    reports_what_was_made(
        &resource,
        &secret,
        &application.uuid.to_string(),
        &application.client_id,
    );
    for stage in ["Usable", "Created", "Written", "Accepted"] {
        world.until_event("payments", stage).await;
    }
    assert!(
        world
            .until_event("payments", "Published")
            .await
            .contains("payments-didit")
    );
}

fn describes_its_owner(secret: &Secret, resource: &ClientApplication) {
    let uid = resource.uid().unwrap();
    let labels: Vec<_> = secret
        .labels()
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    assert_eq!(labels, [(MANAGED_BY_LABEL, MANAGED_BY), ("team", "payments")]);
    assert_eq!(annotation(secret, OWNER_UID_ANNOTATION), Some(uid.as_str()));
    assert_eq!(
        annotation(secret, OWNER_ANNOTATION),
        Some("ClientApplication/payments")
    );
    assert_eq!(annotation(secret, "corp.example.net/contact"), Some("payments"));
    assert!(
        annotation(secret, CONTENT_DIGEST_ANNOTATION)
            .unwrap()
            .starts_with("sha256:")
    );
    let [owner] = secret.owner_references() else {
        panic!("{:?}", secret.owner_references())
    };
    assert_eq!(
        (owner.kind.as_str(), owner.name.as_str()),
        ("ClientApplication", "payments")
    );
    assert_eq!((&owner.uid, owner.controller), (&uid, Some(true)));
}

fn reports_what_was_made(resource: &ClientApplication, secret: &Secret, id: &str, client_id: &str) {
    let status = resource.status.as_ref().unwrap();
    assert_eq!(status.application_id.as_deref(), Some(id));
    assert_eq!(status.client_id.as_deref(), Some(client_id));
    assert_eq!(status.pending_creation, None);
    assert_eq!(status.observed_generation, resource.metadata.generation);
    assert_eq!(
        status.secret.as_ref().map(|secret| &secret.uid),
        secret.uid().as_ref()
    );
    let found: Vec<_> = status
        .conditions
        .iter()
        .map(|found| (found.type_.as_str(), found.status.as_str()))
        .collect();
    let expected = [
        "Ready",
        "ProviderReady",
        "Provisioned",
        "SecretSynced",
        "KeyAccepted",
    ];
    assert_eq!(found, expected.map(|type_| (type_, "True")));
}

#[tokio::test]
async fn a_converged_resource_costs_no_call() {
    let world = World::new("converged").await;
    let mut operator = world.operator();
    world.apply_provider().await;
    world.apply(client_application("payments", json!({}))).await;
    world.until_published("payments").await;
    let before = world.sandbox.counters();

    nudge(&world, "first").await;
    assert_eq!(world.sandbox.counters(), before);

    operator.stop().await;
    world.sandbox.clear_calls();
    operator.start_again();
    let provider_check = BTreeMap::from([(Operation::Login, 1), (Operation::ListOrganizations, 1)]);
    eventually("the provider is checked", PATIENCE, async || {
        let counted = world.sandbox.counters();
        if counted == provider_check {
            Ok(())
        } else {
            Err(format!("{counted:?}"))
        }
    })
    .await;
    nudge(&world, "second").await;
    assert_eq!(world.sandbox.counters(), provider_check);
    operator.stop().await;
}

/// A note of somebody else on Secret and resource makes the operator look. Returns once it has.
async fn nudge(world: &World, note: &str) {
    let note = json!({"metadata": {"annotations": {"corp.example.net/note": note}}});
    world.edit::<ClientApplication>("payments", note.clone()).await;
    world.edit::<Secret>("payments-didit", note).await;
    world.until_noticed("payments", "payments-didit").await;
}
