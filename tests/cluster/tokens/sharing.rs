//! Resources that ask for the same token.

use std::collections::BTreeSet;

use serde_json::json;

use super::reader::Reader;
use super::stage::{LONG, SHORT, SHORT_PROMISE, Stage, access_token, secret_of};

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

#[tokio::test]
async fn five_that_share_cost_one_call_and_are_refreshed_together() {
    let stage = Stage::with_server("shared", SHORT).await;
    stage
        .world
        .apply(stage.server(json!({"shareTokens": true})))
        .await;
    let _operator = stage.operator();
    for name in NAMES {
        stage
            .world
            .apply(access_token(name, json!({"minimumRemaining": "4s"})))
            .await;
    }
    for name in NAMES {
        stage.until_published(name).await;
    }
    let readers = NAMES.map(|name| Reader::of(&stage.world, &secret_of(name)));
    for reader in &readers {
        reader.until(3).await;
    }
    let calls = stage.calls();
    let most = readers.iter().map(|reader| reader.all().len()).max().unwrap();
    assert!(
        usize::try_from(calls).unwrap() <= most + 2,
        "{calls} calls for {most} tokens"
    );
    for reader in &readers {
        reader.always_had(SHORT_PROMISE);
    }
}

#[tokio::test]
async fn five_that_do_not_share_have_five_tokens() {
    let stage = Stage::with_server("apart", LONG).await;
    let _operator = stage.operator();
    assert_eq!(different(&stage).await, 5);
    assert_eq!(stage.calls(), 5);
}

#[tokio::test]
async fn only_the_same_request_is_shared() {
    let stage = Stage::with_server("same", LONG).await;
    stage
        .world
        .apply(stage.server(json!({"shareTokens": true})))
        .await;
    let _operator = stage.operator();
    assert_eq!(different(&stage).await, 1);
    assert_eq!(stage.calls(), 1);
    stage
        .publish("other", json!({"audience": "https://api.corp.example.net"}))
        .await;
    assert_ne!(stage.published("other").await, stage.published("a").await);
    assert_eq!(stage.calls(), 2);
}

async fn different(stage: &Stage) -> usize {
    for name in NAMES {
        stage.world.apply(access_token(name, json!({}))).await;
    }
    let mut tokens = BTreeSet::new();
    for name in NAMES {
        stage.until_published(name).await;
        tokens.insert(stage.published(name).await);
    }
    tokens.len()
}
