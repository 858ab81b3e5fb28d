//! Contract, 4.

use keywright_sandbox::{ApplicationDelete, Bounds, Config, Creation, NewAccount, Operation, Switches};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Api, EMAIL, PASSWORD, Session, send};

impl Api {
    pub(crate) async fn create(&self, session: &Session, body: Value) -> Answer {
        self.call(Method::POST, &session.applications(), &session.token, body)
            .await
    }
}

#[tokio::test]
async fn an_application_is_created_read_and_changed() {
    let api = Api::usual().await;
    let session = api.login().await;
    let wish = json!({
        "name": "payments-prod",
        "website_url": "https://pay.corp.example.net",
        "redirect_uris": ["https://pay.corp.example.net/a", "https://pay.corp.example.net/b"],
        "description": "keywright: 1",
        "products": ["ignored"],
        "unheard_of": 1,
    });
    let created = api.create(&session, wish).await;
    assert_eq!(created.status, 201);
    assert!(created.text("api_key").starts_with("sk_live_"));
    assert_eq!(created.text("client_id").len(), 22);
    assert_eq!(created.body["terms_url"], Value::Null);
    assert_eq!(created.text("data_location"), "eu");
    assert_eq!(created.body.get("products"), None);
    assert_eq!(created.text("created_at").len(), "2026-03-02T09:15:00Z".len());

    let path = session.application(&created.text("uuid"));
    assert_eq!(api.get(&path, &session.token).await.body, created.body);

    let change = json!({
        "redirect_uris": ["https://pay.corp.example.net/c"],
        "website_url": null,
        "data_location": "us",
        "api_key": "mine",
        "uuid": "mine",
    });
    let changed = api.call(Method::PATCH, &path, &session.token, change).await;
    assert_eq!(changed.status, 200);
    let mut expected = created.body.clone();
    expected["redirect_uris"] = json!(["https://pay.corp.example.net/c"]);
    expected["website_url"] = Value::Null;
    assert_eq!(
        changed.body, expected,
        "the list is replaced whole, null removes, credentials stay"
    );
    assert_eq!(api.get(&path, &session.token).await.body, expected);
}

#[tokio::test]
async fn the_body_of_a_creation_may_be_missing() {
    let api = Api::usual().await;
    let session = api.login().await;
    let request = api
        .request(Method::POST, &session.applications())
        .bearer_auth(&session.token);
    let created = send(request).await;
    assert_eq!(created.status, 201);
    assert_eq!(created.text("name"), "ops App");
    assert_eq!(created.body["redirect_uris"], json!([]));
}

#[tokio::test]
async fn a_get_may_claim_to_carry_json() {
    let api = Api::usual().await;
    let session = api.login().await;
    let request = api
        .request(Method::GET, &session.applications())
        .bearer_auth(&session.token);
    assert_eq!(
        send(request.header("content-type", "application/json"))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn bad_fields_are_named() {
    let api = Api::usual().await;
    let session = api.login().await;
    for (body, field) in [
        (json!({"name": ""}), "name"),
        (json!({"name": null}), "name"),
        (json!({"name": ["x"]}), "name"),
        (json!({"name": "x".repeat(256)}), "name"),
        (json!({"website_url": "pay.corp.example.net"}), "website_url"),
        (json!({"terms_url": "ftp://x.io/"}), "terms_url"),
        (json!({"privacy_url": 7}), "privacy_url"),
        (json!({"redirect_uris": "https://x.io/"}), "redirect_uris"),
        (json!({"redirect_uris": null}), "redirect_uris"),
        (json!({"redirect_uris": [null]}), "redirect_uris"),
        (json!({"data_location": "moon"}), "data_location"),
    ] {
        let answer = api.create(&session, body.clone()).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.body.get(field).is_some(), "{body}: {answer:?}");
    }
    assert_eq!(
        api.create(&session, json!(["x"])).await.body["non_field_errors"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    assert_eq!(
        api.create(&session, json!({"name": "x".repeat(255)}))
            .await
            .status,
        201
    );
}

#[tokio::test]
async fn creation_answers_as_the_switch_says() {
    for (creation_status, status) in [(Creation::Created, 201), (Creation::Ok, 200)] {
        let api = Api::with(Switches {
            creation_status,
            ..Switches::default()
        })
        .await;
        let session = api.login().await;
        assert_eq!(api.create(&session, json!({})).await.status, status);
    }
}

#[tokio::test]
async fn names_may_repeat_unless_the_switch_says_otherwise() {
    for (unique_names, status) in [(false, 201), (true, 400)] {
        let api = Api::with(Switches {
            unique_names,
            ..Switches::default()
        })
        .await;
        let session = api.login().await;
        let first = api.create(&session, json!({"name": "twin"})).await;
        assert_eq!(first.status, 201);
        assert_eq!(api.create(&session, json!({"name": "twin"})).await.status, status);
        let path = session.application(&first.text("uuid"));
        let same = api
            .call(Method::PATCH, &path, &session.token, json!({"name": "twin"}))
            .await;
        assert_eq!(same.status, 200, "its own name is no other's");
    }
}

#[tokio::test]
async fn a_sandbox_sibling_is_made_only_if_the_switch_says_so() {
    for sandbox_sibling in [false, true] {
        let api = Api::with(Switches {
            sandbox_sibling,
            ..Switches::default()
        })
        .await;
        let session = api.login().await;
        let created = api.create(&session, json!({"name": "pair"})).await;
        assert_eq!(created.text("mode"), "live");
        let list = api.get(&session.applications(), &session.token).await.body;
        let sibling = list
            .as_array()
            .unwrap()
            .iter()
            .find(|item| item["mode"] == "sandbox");
        assert_eq!(sibling.is_some(), sandbox_sibling);
        if let Some(sibling) = sibling {
            let path = session.application(sibling["uuid"].as_str().unwrap());
            let record = api.get(&path, &session.token).await;
            assert_eq!(record.text("name"), "pair");
            assert!(record.text("api_key").starts_with("sk_test_"));
        }
    }
}

#[tokio::test]
async fn deletion_is_refused_unless_the_switch_says_otherwise() {
    for (application_delete, status, left) in [
        (ApplicationDelete::Refused, 405, 200),
        (ApplicationDelete::Allowed, 204, 404),
    ] {
        let api = Api::with(Switches {
            application_delete,
            ..Switches::default()
        })
        .await;
        let session = api.login().await;
        let uuid = api.create(&session, json!({})).await.text("uuid");
        let path = session.application(&uuid);
        let junk = send(api.request(Method::DELETE, &path).bearer_auth("junk")).await;
        assert_eq!(junk.status, 401, "credentials come first");
        let answer = send(api.request(Method::DELETE, &path).bearer_auth(&session.token)).await;
        assert_eq!(answer.status, status);
        if status == 405 {
            assert_eq!(answer.text("detail"), "Method \"DELETE\" not allowed.");
        }
        assert_eq!(api.get(&path, &session.token).await.status, left);
    }
}

#[tokio::test]
async fn locations_products_and_room_follow_their_settings() {
    let api = Api::start(Config {
        accounts: vec![NewAccount::new(EMAIL, PASSWORD)],
        bounds: Bounds {
            max_applications: Some(2),
            name_length: 5,
            ..Bounds::default()
        },
        switches: Switches {
            data_locations: vec!["eu".to_owned(), "au".to_owned()],
            products: true,
            ..Switches::default()
        },
        ..Config::default()
    })
    .await;
    let session = api.login().await;
    assert_eq!(api.create(&session, json!({"name": "longer"})).await.status, 400);
    let created = api
        .create(&session, json!({"name": "short", "data_location": "au"}))
        .await;
    assert_eq!(created.text("data_location"), "au");
    assert_eq!(created.body["products"], json!([]));
    let full = api.create(&session, json!({"name": "third"})).await;
    assert_eq!(full.status, 400);
    assert!(full.text("detail").contains("no more than 2"));
    assert_eq!(api.sandbox.count(Operation::CreateApplication), 3);
}

#[tokio::test]
async fn the_setup_routes_of_the_login_product_are_out_of_reach() {
    let api = Api::usual().await;
    let session = api.login().await;
    let path = format!(
        "/auth/v2/organizations/{}/applications/x/authentication/providers/",
        session.organization
    );
    for method in [Method::GET, Method::PUT] {
        assert_eq!(send(api.request(method.clone(), &path)).await.status, 401);
        assert_eq!(
            send(api.request(method, &path).bearer_auth(&session.token))
                .await
                .status,
            403
        );
    }
}
