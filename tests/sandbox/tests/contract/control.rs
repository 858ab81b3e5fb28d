//! The control endpoints, as someone without the library uses them.

use keywright_sandbox::Config;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Api, PASSWORD, send};

impl Api {
    async fn control(&self, method: Method, path: &str, body: Value) -> Answer {
        let request = self.request(method, &format!("/_sandbox/{path}"));
        send(if body.is_null() {
            request
        } else {
            request.json(&body)
        })
        .await
    }
}

#[tokio::test]
async fn accounts_mail_and_passwords() {
    let api = Api::start(Config::default()).await;
    let account = json!({"email": "dev@corp.example.net", "password": PASSWORD, "organizations": ["shop"], "role": "developer"});
    let created = api.control(Method::POST, "accounts", account.clone()).await;
    assert_eq!(created.status, 201);
    assert_eq!(created.body["organizations"][0]["name"], "shop");
    assert_eq!(created.body["application"], Value::Null);
    assert_eq!(api.control(Method::POST, "accounts", account).await.status, 409);
    for (body, word) in [
        (json!({"password": "x"}), "email"),
        (json!({"email": "x"}), "not an e-mail address"),
        (json!({"email": "a@b.io", "totp_seed": "1!"}), "totp_seed"),
        (json!({"email": "a@b.io", "role": "king"}), "compliance-officer"),
        (json!({"email": "a@b.io", "pasword": "x"}), "unknown field"),
    ] {
        let answer = api.control(Method::POST, "accounts", body.clone()).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.text("error").contains(word), "{body}: {answer:?}");
    }
    let path = "accounts/dev@corp.example.net/password";
    assert_eq!(
        api.control(Method::POST, path, json!({"password": "N3w!password"}))
            .await
            .status,
        204
    );
    assert_eq!(
        api.login_as("dev@corp.example.net", "N3w!password").await.status,
        200
    );
    let nobody = api
        .control(
            Method::POST,
            "accounts/no@x.io/password",
            json!({"password": "x"}),
        )
        .await;
    assert_eq!(nobody.status, 404);

    api.register_from("192.0.2.1", "new+tag@corp.example.net", PASSWORD)
        .await;
    let mails = api
        .control(Method::GET, "mailbox/new%2Btag@corp.example.net", Value::Null)
        .await;
    assert_eq!(mails.body[0]["code"].as_str().unwrap().len(), 6);
    assert!(mails.body[0]["sent_at"].is_string());
}

#[tokio::test]
async fn faults_are_checked_listed_and_cleared() {
    let api = Api::usual().await;
    let rule = json!({"route": "login", "times": null, "fault": {"kind": "status", "status": 503, "retry_after": 5}});
    assert_eq!(api.control(Method::POST, "faults", rule).await.status, 201);
    assert_eq!(api.login_as("x@x.io", "x").await.retry_after(), Some(5));
    let list = api.control(Method::GET, "faults", Value::Null).await.body;
    assert_eq!(list[0]["route"], "login");
    assert_eq!(list[0]["when"], "before");
    assert_eq!(
        api.control(Method::DELETE, "faults", Value::Null).await.status,
        204
    );
    assert_eq!(api.login_as("x@x.io", "x").await.status, 401);
    for (body, words) in [
        (
            json!({"route": "logon", "fault": {"kind": "drop"}}),
            ["unknown operation 'logon'", "createApplication"],
        ),
        (
            json!({"route": "login", "fault": {"kind": "explode"}}),
            ["explode", "garbled"],
        ),
        (
            json!({"route": "login", "fault": {"kind": "status", "status": 7}}),
            ["status", "200 to 599"],
        ),
        (
            json!({"route": "login", "times": 0, "fault": {"kind": "drop"}}),
            ["times", "null for every call"],
        ),
        (
            json!({"route": "login", "when": "during", "fault": {"kind": "drop"}}),
            ["before", "after"],
        ),
        (json!({"fault": {"kind": "drop"}}), ["route", "missing"]),
    ] {
        let answer = api.control(Method::POST, "faults", body.clone()).await;
        assert_eq!(answer.status, 400, "{body}");
        let error = answer.text("error");
        assert!(words.iter().all(|word| error.contains(word)), "{body}: {error}");
    }
}

#[tokio::test]
async fn calls_are_logged_in_order_and_counted() {
    let api = Api::usual().await;
    let session = api.login().await;
    api.get("/auth/v2/nothing/at-all/?api_key=sk_live_x", &session.token)
        .await;
    let calls = api.control(Method::GET, "calls", Value::Null).await.body;
    let seen: Vec<_> = calls
        .as_array()
        .unwrap()
        .iter()
        .map(|call| (&call["operation"], &call["status"]))
        .collect();
    assert_eq!(
        json!(seen),
        json!([["login", 200], ["listOrganizations", 200], [null, 404]])
    );
    assert_eq!(calls[2]["path"], "/auth/v2/…/…/");
    let counters = api.control(Method::GET, "counters", Value::Null).await.body;
    assert_eq!(counters, json!({"login": 1, "listOrganizations": 1}));
    assert_eq!(
        api.control(Method::DELETE, "calls", Value::Null).await.status,
        204
    );
    assert_eq!(
        api.control(Method::GET, "calls", Value::Null).await.body,
        json!([])
    );
    assert_eq!(
        api.control(Method::GET, "counters", Value::Null).await.body,
        json!({})
    );
}

#[tokio::test]
async fn applications_are_changed_and_removed_behind_the_apis_back() {
    let api = Api::usual().await;
    let session = api.login().await;
    let list = api.control(Method::GET, "applications", Value::Null).await.body;
    let uuid = list[0]["uuid"].as_str().unwrap().to_owned();
    let key = api.first_key();
    assert!(!list.to_string().contains(&key), "keys are masked");
    let path = format!("applications/{uuid}");
    let edit = json!({"name": "renamed", "description": "by hand", "redirect_uris": ["https://x.io/"], "website_url": ""});
    assert_eq!(
        api.control(Method::PATCH, &path, edit).await.text("description"),
        "by hand"
    );
    let record = api.get(&session.application(&uuid), &session.token).await;
    assert_eq!(
        (record.text("name"), record.text("api_key")),
        ("renamed".to_owned(), key.clone())
    );
    assert_eq!(
        api.control(Method::PATCH, &path, json!({"nmae": "x"}))
            .await
            .status,
        400
    );

    assert_eq!(api.control(Method::DELETE, &path, Value::Null).await.status, 204);
    assert_eq!(api.control(Method::DELETE, &path, Value::Null).await.status, 404);
    assert_eq!(
        api.get(&session.application(&uuid), &session.token).await.status,
        404
    );
    assert_eq!(
        api.keyed(Method::GET, "/v3/billing/balance/", &key, Value::Null)
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn the_clock_outages_and_switches() {
    let api = Api::usual().await;
    let session = api.login().await;
    let before = api.control(Method::GET, "clock", Value::Null).await.text("now");
    let after = api
        .control(Method::POST, "clock/advance", json!({"seconds": 90_000}))
        .await
        .text("now");
    let (before, after): (jiff::Timestamp, jiff::Timestamp) =
        (before.parse().unwrap(), after.parse().unwrap());
    assert!(after.duration_since(before).as_secs() >= 90_000);
    assert_eq!(
        api.get("/auth/v2/organizations/me/", &session.token).await.status,
        401,
        "a day has passed"
    );
    for seconds in [json!(-1), json!("1h"), json!(1e300)] {
        assert_eq!(
            api.control(Method::POST, "clock/advance", json!({"seconds": seconds}))
                .await
                .status,
            400
        );
    }

    assert_eq!(
        api.control(Method::POST, "outage", json!({"on": true}))
            .await
            .status,
        204
    );
    assert_eq!(api.login_as("x@x.io", "x").await.status, 503);
    assert_eq!(
        api.control(Method::POST, "outage", json!({"on": false}))
            .await
            .status,
        204
    );

    let changed = api
        .control(Method::PATCH, "switches", json!({"wrong_password": "forbidden"}))
        .await;
    assert_eq!(changed.text("wrong_password"), "forbidden");
    assert_eq!(changed.text("wrong_code"), "detail", "the others stay");
    assert_eq!(api.login_as("x@x.io", "x").await.status, 403);
    let unknown = api
        .control(Method::PATCH, "switches", json!({"wrong_passwort": "x"}))
        .await;
    assert!(
        unknown.status == 400 && unknown.text("error").contains("wrong_password"),
        "{unknown:?}"
    );
    assert_eq!(
        api.control(Method::GET, "switches", Value::Null).await.body,
        changed.body
    );
}

#[tokio::test]
async fn the_way_in_is_described_and_wrong_turns_are_explained() {
    let api = Api::usual().await;
    for path in ["/_sandbox", "/_sandbox/"] {
        let overview = send(api.request(Method::GET, path)).await;
        assert_eq!(overview.text("auth_base_path"), "/auth/v2");
    }
    let wrong = api.control(Method::GET, "mail", Value::Null).await;
    assert_eq!(wrong.status, 404);
    assert!(wrong.text("error").contains("GET /_sandbox/mailbox/{email}"));
    assert_eq!(api.sandbox.calls(), [], "controls are no calls of the API");
}
