//! Contract, 8.

use keywright_sandbox::{DestinationDelete, Switches, UnnamedEvents};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Api};

const CONFIG: &str = "/v3/webhook/";
const LIST: &str = "/v3/webhook/destinations/";

impl Api {
    async fn hook(&self, method: Method, path: &str, body: Value) -> Answer {
        self.keyed(method, path, &self.first_key(), body).await
    }

    async fn destination(&self, url: &str) -> Answer {
        let body = json!({"label": "cluster-a", "url": url, "subscribed_events": ["status.updated"]});
        self.hook(Method::POST, LIST, body).await
    }

    async fn legacy_url(&self) -> Value {
        self.hook(Method::GET, CONFIG, Value::Null).await.body["webhook_url"].clone()
    }
}

fn item(destination: &Answer) -> String {
    format!("{LIST}{}/", destination.text("uuid"))
}

#[tokio::test]
async fn the_configuration_is_changed_and_its_secret_rotated() {
    let api = Api::usual().await;
    let before = api.hook(Method::GET, CONFIG, Value::Null).await;
    assert_eq!(before.status, 200);
    let secret = before.text("secret_shared_key");
    assert_eq!(secret.len(), 43);
    let change = json!({"webhook_url": "https://hooks.corp.example.net/x", "webhook_version": "v2", "data_retention_months": 12});
    let after = api.hook(Method::PATCH, CONFIG, change).await;
    assert_eq!(after.status, 200);
    assert_eq!(after.text("webhook_version"), "v2");
    assert_eq!(after.body["data_retention_months"], 12);
    assert_eq!(
        after.text("secret_shared_key"),
        secret,
        "nobody asked for rotation"
    );

    let mut secrets = vec![secret];
    for _ in 0..2 {
        secrets.push(
            api.hook(Method::PATCH, CONFIG, json!({"rotate_secret_key": true}))
                .await
                .text("secret_shared_key"),
        );
    }
    secrets.dedup();
    assert_eq!(secrets.len(), 3, "each call makes another secret");
    let kept = api
        .hook(Method::PATCH, CONFIG, json!({"rotate_secret_key": false}))
        .await;
    assert_eq!(Some(&kept.text("secret_shared_key")), secrets.last());
}

#[tokio::test]
async fn bad_settings_are_named_and_change_nothing() {
    let api = Api::usual().await;
    let before = api.hook(Method::GET, CONFIG, Value::Null).await.body;
    for (body, field) in [
        (json!({"data_retention_months": 0}), "data_retention_months"),
        (json!({"data_retention_months": 121}), "data_retention_months"),
        (json!({"data_retention_months": "12"}), "data_retention_months"),
        (json!({"webhook_version": "v4"}), "webhook_version"),
        (
            json!({"webhook_url": "http://hooks.corp.example.net/"}),
            "webhook_url",
        ),
        (
            json!({"face_retention_policy": "forever"}),
            "face_retention_policy",
        ),
        (json!({"rotate_secret_key": "yes"}), "rotate_secret_key"),
        (
            json!({"rotate_secret_key": true, "webhook_version": "v4"}),
            "webhook_version",
        ),
    ] {
        let answer = api.hook(Method::PATCH, CONFIG, body.clone()).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.body.get(field).is_some(), "{body}: {answer:?}");
    }
    assert_eq!(api.hook(Method::GET, CONFIG, Value::Null).await.body, before);
}

#[tokio::test]
async fn the_legacy_url_follows_the_oldest_enabled_destination() {
    let api = Api::usual().await;
    let (a, b) = ("https://a.corp.example.net/", "https://b.corp.example.net/");
    let first = api.destination(a).await;
    assert_eq!(first.status, 201);
    api.destination(b).await;
    assert_eq!(api.legacy_url().await, a);
    api.hook(Method::PATCH, &item(&first), json!({"enabled": false}))
        .await;
    assert_eq!(api.legacy_url().await, b);
    api.hook(Method::PATCH, &item(&first), json!({"enabled": true}))
        .await;
    assert_eq!(api.legacy_url().await, a);
    assert_eq!(
        api.hook(Method::DELETE, &item(&first), Value::Null).await.status,
        204
    );
    assert_eq!(api.legacy_url().await, b);
}

#[tokio::test]
async fn destinations_show_their_secret_only_one_by_one() {
    let api = Api::usual().await;
    let first = api.destination("https://a.corp.example.net/").await;
    api.destination("https://b.corp.example.net/").await;
    let secret = first.text("secret_shared_key");
    assert_eq!(secret.len(), 43);
    let list = api.hook(Method::GET, LIST, Value::Null).await.body;
    let urls: Vec<_> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|found| found["url"].clone())
        .collect();
    assert_eq!(
        urls,
        ["https://a.corp.example.net/", "https://b.corp.example.net/"],
        "oldest first"
    );
    assert_eq!(list[0].get("secret_shared_key"), None);
    assert_eq!(list[0]["secret_last4"], secret[39..]);
    let read = api.hook(Method::GET, &item(&first), Value::Null).await;
    assert_eq!(read.text("secret_shared_key"), secret);

    let change = json!({"label": "cluster-b", "subscribed_events": ["auth.login", "data.updated"], "uuid": "mine", "rotate_secret_key": true});
    let changed = api.hook(Method::PATCH, &item(&first), change).await;
    assert_eq!(changed.text("label"), "cluster-b");
    assert_eq!(
        changed.body["subscribed_events"],
        json!(["auth.login", "data.updated"]),
        "replaced whole"
    );
    assert_eq!(changed.text("uuid"), first.text("uuid"));
    assert_eq!(
        changed.text("secret_shared_key"),
        secret,
        "there is no rotation here"
    );
}

#[tokio::test]
async fn bad_destinations_are_refused() {
    let api = Api::usual().await;
    let (label, url) = ("x", "https://a.corp.example.net/");
    for (body, field) in [
        (json!({"url": url}), "label"),
        (json!({"label": label}), "url"),
        (
            json!({"label": label, "url": "http://a.corp.example.net/"}),
            "url",
        ),
        (json!({"label": label, "url": "https://10.0.0.7/"}), "url"),
        (json!({"label": label, "url": "https://localhost/"}), "url"),
        (
            json!({"label": label, "url": url, "subscribed_events": []}),
            "subscribed_events",
        ),
        (
            json!({"label": label, "url": url, "subscribed_events": ["status"]}),
            "subscribed_events",
        ),
        (
            json!({"label": label, "url": url, "webhook_version": 3}),
            "webhook_version",
        ),
        (json!({"label": label, "url": url, "enabled": "yes"}), "enabled"),
    ] {
        let answer = api.hook(Method::POST, LIST, body.clone()).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.body.get(field).is_some(), "{body}: {answer:?}");
    }
    let first = api.destination(url).await;
    assert!(
        api.destination(url).await.body["url"][0]
            .as_str()
            .unwrap()
            .contains("already"),
        "unique URL"
    );
    let second = api.destination("https://b.corp.example.net/").await;
    assert_eq!(
        api.hook(Method::PATCH, &item(&second), json!({"url": url}))
            .await
            .status,
        400
    );
    assert_eq!(
        api.hook(Method::PATCH, &item(&first), json!({"url": url}))
            .await
            .status,
        200,
        "its own URL"
    );
}

#[tokio::test]
async fn leaving_out_the_events_means_what_the_switch_says() {
    for (unnamed_events, count) in [(UnnamedEvents::Nothing, 0), (UnnamedEvents::Everything, 10)] {
        let api = Api::with(Switches {
            unnamed_events,
            ..Switches::default()
        })
        .await;
        let body = json!({"label": "x", "url": "https://a.corp.example.net/"});
        let answer = api.hook(Method::POST, LIST, body).await;
        assert_eq!(
            answer.body["subscribed_events"].as_array().map(Vec::len),
            Some(count)
        );
    }
}

#[tokio::test]
async fn a_deleted_destination_is_gone_for_the_api_either_way() {
    for destination_delete in [DestinationDelete::Permanent, DestinationDelete::Soft] {
        let api = Api::with(Switches {
            destination_delete,
            ..Switches::default()
        })
        .await;
        let url = "https://a.corp.example.net/";
        let path = item(&api.destination(url).await);
        assert_eq!(api.hook(Method::DELETE, &path, Value::Null).await.status, 204);
        for (method, body) in [
            (Method::DELETE, Value::Null),
            (Method::GET, Value::Null),
            (Method::PATCH, json!({})),
        ] {
            let answer = api.hook(method, &path, body).await;
            assert_eq!(answer.status, 404);
            assert_eq!(answer.text("detail"), "Webhook destination not found.");
        }
        assert_eq!(api.hook(Method::GET, LIST, Value::Null).await.body, json!([]));
        assert_eq!(api.sandbox.applications()[0].destinations, 0);
        assert_eq!(api.destination(url).await.status, 201, "the URL is free again");
    }
}
