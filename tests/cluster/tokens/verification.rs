//! New tokens are tried before workloads get them.

use keywright::api::AccessToken;
use keywright::api::names::REFRESH_REQUESTED_ANNOTATION;
use keywright_sandbox::{Fault, FaultRule, Operation};
use serde_json::json;

use super::stage::{LONG, Stage, access_token, secret_of};

#[tokio::test]
async fn a_token_that_is_refused_is_not_published_and_the_last_good_one_stays() {
    let stage = Stage::with_server("refused", LONG).await;
    let _operator = stage.operator();
    let spec = json!({"verification": {"method": "Introspection"}});
    stage.publish("reports", spec.clone()).await;
    assert_eq!(stage.world.sandbox.count(Operation::Introspect), 1);
    let good = stage.world.secret(&secret_of("reports")).await.unwrap();

    let inactive = Fault::Body {
        body: json!({"active": false}),
    };
    stage
        .world
        .sandbox
        .inject(FaultRule::new(Operation::Introspect, inactive).always())
        .unwrap();
    stage.annotate("reports", REFRESH_REQUESTED_ANNOTATION, "1").await;
    let said = stage
        .world
        .until::<AccessToken>("reports", ("TokenFresh", "False", "TokenRefused"))
        .await;
    assert!(
        said.message.contains("so it is not published"),
        "{}",
        said.message
    );
    let ready = stage.world.condition::<AccessToken>("reports", "Ready").await;
    assert_eq!((&*ready.status, &*ready.reason), ("True", "Published"));
    assert_eq!(stage.world.secret(&secret_of("reports")).await.unwrap(), good);
    stage.world.apply(access_token("new", spec)).await;
    stage
        .world
        .until::<AccessToken>("new", ("Ready", "False", "TokenRefused"))
        .await;
    assert!(stage.world.secret(&secret_of("new")).await.is_none());
    assert_eq!(stage.calls(), 3, "each was tried once");

    stage.world.sandbox.clear_faults();
    let earlier = stage.published("reports").await;
    stage.annotate("reports", REFRESH_REQUESTED_ANNOTATION, "2").await;
    stage.until_replaced("reports", &earlier).await;
    stage
        .world
        .until::<AccessToken>("reports", ("TokenFresh", "True", "Fresh"))
        .await;
    assert_eq!(stage.calls(), 4);
}

#[tokio::test]
async fn a_token_that_cannot_be_tried_is_not_published() {
    let stage = Stage::with_server("untried", LONG).await;
    let _operator = stage.operator();
    let away = Fault::Status {
        status: 503,
        body: None,
        retry_after: None,
    };
    stage
        .world
        .sandbox
        .inject(FaultRule::new(Operation::Introspect, away).times(2))
        .unwrap();
    let spec = json!({"verification": {"method": "Introspection"}});
    stage.world.apply(access_token("reports", spec)).await;
    stage
        .world
        .until::<AccessToken>("reports", ("Ready", "False", "VerificationFailed"))
        .await;
    assert!(stage.world.secret(&secret_of("reports")).await.is_none());
    stage.until_published("reports").await;
}
