//! Replicas, and what probes and Prometheus see of them.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Secret;
use keywright_sandbox::Operation;
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::harness::{Operator, PATIENCE, Settings, World, client_application, eventually};

/// Waits until a replica is up and does not lead.
async fn stands_by(operator: &Operator) {
    eventually("the replica stands by", PATIENCE, async || {
        let (ready, said) = operator.get("/readyz").await?;
        let waiting = operator.log().contains("waiting for the lease");
        if ready == 200 && waiting {
            Ok(())
        } else {
            Err(format!("{ready} {said}"))
        }
    })
    .await;
    assert_eq!(operator.metric("keywright_leader").await, Ok(0.0));
    assert_eq!(operator.get("/livez").await.unwrap().0, 200);
}

async fn holder(world: &World) -> String {
    let leases: Api<Lease> = Api::namespaced(world.client.clone(), &world.operator_namespace);
    leases
        .get("keywright")
        .await
        .unwrap()
        .spec
        .unwrap()
        .holder_identity
        .unwrap_or_default()
}

fn replica(settings: Settings, name: &str) -> Settings {
    settings.with("--replica-name", name)
}

#[tokio::test]
async fn a_standby_takes_over_from_a_leader_that_is_killed() {
    let world = World::new("takeover").await;
    let quick = world
        .settings()
        .with("--lease-duration", "3s")
        .with("--lease-renew-deadline", "2s")
        .with("--lease-retry-period", "500ms");
    let mut first = world.operator_with(replica(quick.clone(), "first"));
    first.leads().await;
    let mut second = world.operator_with(replica(quick, "second"));
    stands_by(&second).await;
    world.apply_provider().await;
    world.apply(client_application("payments", json!({}))).await;
    world.until_published("payments").await;
    assert!(holder(&world).await.starts_with("first_"));

    first.kill().await;
    let lost = world.secret("payments-didit").await.unwrap();
    world.delete::<Secret>("payments-didit").await;
    world
        .until_secret("payments-didit", "is there again", |secret| {
            secret.uid() != lost.uid()
        })
        .await;
    second.leads().await;
    assert!(holder(&world).await.starts_with("second_"));
    assert_eq!(world.sandbox.count(Operation::CreateApplication), 1);
    second.stop().await;
}

#[tokio::test]
async fn a_leader_that_is_asked_to_stop_hands_over_at_once() {
    let world = World::new("handover").await;
    let mut first = world.operator_with(replica(world.settings(), "first"));
    first.leads().await;
    let mut second = world.operator_with(replica(world.settings(), "second"));
    stands_by(&second).await;

    first.stop().await;
    let stopped = Instant::now();
    second.leads().await;
    // A lease that is not released is waited for for 15 seconds.
    assert!(
        stopped.elapsed() < Duration::from_secs(10),
        "{:?}",
        stopped.elapsed()
    );
    assert!(holder(&world).await.starts_with("second_"));

    let mut third = world.operator_with(replica(world.settings(), "third"));
    stands_by(&third).await;
    third.stop().await;
    second.stop().await;
    assert_eq!(holder(&world).await, "");
}

#[tokio::test]
async fn probes_and_metrics_answer() {
    let world = World::new("probes").await;
    let operator = world.operator();
    operator.leads().await;
    world.apply_provider().await;
    world.apply(client_application("payments", json!({}))).await;
    world.until_published("payments").await;
    assert_eq!(operator.get("/livez").await.unwrap().0, 200);
    assert_eq!(operator.get("/readyz").await.unwrap().0, 200);
    assert_eq!(operator.get("/elsewhere").await.unwrap().0, 404);
    let labels = format!(
        r#"kind="IdentityProvider",namespace="{}",name="didit""#,
        world.namespace
    );
    for (series, value) in [
        ("keywright_leader".to_owned(), 1.0),
        (format!("keywright_provider_ready{{{labels}}}"), 1.0),
        (format!("keywright_login_brake{{{labels}}}"), 0.0),
        (r#"keywright_secret_writes_total{controller="client_application"}"#.to_owned(), 1.0),
        (
            r#"keywright_identity_calls_total{provider_type="didit",operation="createApplication",outcome="ok"}"#
                .to_owned(),
            1.0,
        ),
    ] {
        assert_eq!(operator.metric(&series).await, Ok(value), "{series}");
    }
}
