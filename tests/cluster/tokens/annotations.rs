//! What somebody asks for by annotation.

use keywright::api::names::{REFRESH_REQUESTED_ANNOTATION, REVOKE_REQUESTED_ANNOTATION};
use serde_json::json;

use super::stage::{LONG, Stage};

#[tokio::test]
async fn each_value_refreshes_once_also_across_restarts() {
    let stage = Stage::with_server("refresh", LONG).await;
    let mut operator = stage.operator();
    stage.publish("reports", json!({})).await;
    for (calls, value) in [(2, "2026-01-01T00:00:00Z"), (3, "again")] {
        let earlier = stage.published("reports").await;
        stage
            .annotate("reports", REFRESH_REQUESTED_ANNOTATION, value)
            .await;
        stage.until_replaced("reports", &earlier).await;
        stage.until_fulfilled("reports", Some(value), None).await;
        assert_eq!(stage.calls(), calls);
    }
    let token = stage.published("reports").await;
    operator.kill().await;
    operator.start_again();
    stage.publish("later", json!({})).await;
    assert_eq!(stage.published("reports").await, token);
    assert_eq!(stage.calls(), 4, "the fourth is of another resource");

    // A wish of the time when nobody was there.
    operator.stop().await;
    stage
        .annotate("reports", REFRESH_REQUESTED_ANNOTATION, "meanwhile")
        .await;
    operator.start_again();
    stage.until_replaced("reports", &token).await;
    stage.until_fulfilled("reports", Some("meanwhile"), None).await;
    assert_eq!(stage.calls(), 5);
}

#[tokio::test]
async fn a_revocation_that_the_server_does_not_offer_replaces_the_token_and_says_so() {
    let stage = Stage::with_server("revoke", LONG).await;
    let mut operator = stage.operator();
    stage.publish("reports", json!({})).await;
    let earlier = stage.published("reports").await;
    stage.annotate("reports", REVOKE_REQUESTED_ANNOTATION, "1").await;
    stage.until_replaced("reports", &earlier).await;
    let said = stage.world.until_event("reports", "TokenNotRevoked").await;
    assert!(said.starts_with("the replaced token was not revoked: "), "{said}");
    stage.until_fulfilled("reports", None, Some("1")).await;
    stage.until_published("reports").await;
    assert_eq!(stage.calls(), 2);

    let token = stage.published("reports").await;
    operator.stop().await;
    operator.start_again();
    stage.publish("later", json!({})).await;
    assert_eq!(stage.published("reports").await, token);
    assert_eq!(stage.calls(), 3);
}
