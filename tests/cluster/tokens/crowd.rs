//! Many tokens at once.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{StreamExt, stream};
use k8s_openapi::jiff::Timestamp;
use keywright::api::AccessToken;
use keywright_sandbox::Operation;
use kube::ResourceExt;
use kube::api::{ListParams, PostParams};
use serde_json::json;

use super::stage::{LONG, Stage, access_token};
use crate::harness::{World, eventually};

/// Issuing hundreds of tokens takes a while on a small machine.
const CROWD_PATIENCE: Duration = Duration::from_secs(150);

/// What may pass between the operator letting a call go and the sandbox noting it, on a busy machine.
const TRAVEL: f64 = 2.0;

#[tokio::test]
async fn five_hundred_tokens_that_are_made_at_once_do_not_come_due_together() {
    const COUNT: usize = 500;
    let stage = Stage::with_server("crowd", LONG).await;
    let budget = json!({"requestsPerMinute": 6000, "burst": 50, "concurrency": 16});
    stage
        .world
        .apply(stage.server(json!({"requestBudget": budget})))
        .await;
    let settings = stage.settings().with("--propagation-budget", "4m");
    let _operator = stage.world.operator_with(settings.with("--log-filter", "info"));
    create(&stage.world, COUNT).await;
    let tokens = all_published(&stage.world, COUNT).await;
    assert_eq!(stage.calls(), 500, "one call for each");

    // Between 80 and 95 of a hundred parts of what may be used of a day.
    let refreshes: Vec<Timestamp> = tokens
        .iter()
        .map(|token| {
            token
                .status
                .as_ref()
                .unwrap()
                .token
                .as_ref()
                .unwrap()
                .refresh_at
                .0
        })
        .collect();
    let first = refreshes.iter().min().unwrap();
    let last = refreshes.iter().max().unwrap();
    let span = last.duration_since(*first).as_secs_f64();
    assert!(span > LONG.as_secs_f64() / 10.0, "all within {span} seconds");
    // Of fifty windows each would hold ten, and by chance rarely more than thrice that.
    let mut windows: BTreeMap<u8, usize> = BTreeMap::new();
    for refresh in &refreshes {
        let part = refresh.duration_since(*first).as_secs_f64() / span;
        *windows.entry((part * 49.999).floor() as u8).or_default() += 1;
    }
    assert!(windows.values().all(|held| *held <= 30), "{windows:?}");
}

#[tokio::test]
async fn many_tokens_are_asked_for_no_faster_than_the_budget_allows() {
    const COUNT: usize = 60;
    const BURST: f64 = 10.0;
    const RATE: f64 = 5.0;
    let stage = Stage::with_server("budget", LONG).await;
    let _operator = stage.operator();
    create(&stage.world, COUNT).await;
    all_published(&stage.world, COUNT).await;

    let calls: Vec<_> = stage
        .world
        .sandbox
        .calls()
        .into_iter()
        .filter(|call| call.operation == Some(Operation::ClientCredentialsToken))
        .map(|call| call.at)
        .collect();
    assert_eq!(calls.len(), COUNT);
    for (begin, from) in calls.iter().enumerate() {
        for (count, to) in (1..).zip(&calls[begin..]) {
            let window = to.duration_since(*from).as_secs_f64() + TRAVEL;
            let allowed = BURST + RATE * window;
            assert!(f64::from(count) <= allowed, "{count} calls in {window} seconds");
        }
    }
}

async fn create(world: &World, count: usize) {
    let api = world.api::<AccessToken>();
    stream::iter(0..count)
        .map(|number| {
            let token = access_token(&format!("token-{number}"), json!({}));
            let token: AccessToken = serde_json::from_value(token).unwrap();
            let api = api.clone();
            async move { api.create(&PostParams::default(), &token).await.unwrap() }
        })
        .buffer_unordered(32)
        .collect::<Vec<_>>()
        .await;
}

async fn all_published(world: &World, count: usize) -> Vec<AccessToken> {
    eventually("all are published", CROWD_PATIENCE, async || {
        let all = world
            .api::<AccessToken>()
            .list(&ListParams::default())
            .await
            .unwrap()
            .items;
        let waiting: Vec<_> = all
            .iter()
            .filter(|token| token.status.as_ref().is_none_or(|status| status.token.is_none()))
            .map(ResourceExt::name_any)
            .collect();
        if waiting.is_empty() && all.len() == count {
            Ok(all)
        } else {
            tokio::time::sleep(Duration::from_millis(200)).await;
            Err(format!(
                "{} of {} wait, such as {:?}",
                waiting.len(),
                all.len(),
                waiting.first()
            ))
        }
    })
    .await
}
