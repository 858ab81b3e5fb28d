use serde_json::json;

use super::*;
use crate::identity::http::testing::{Received, Reply, Server, json as answer};

const ID: &str = "7c1f3a52-0f2d-4f0b-8f57-0e6a4a3b9c02";

fn organizations() -> Value {
    json!([{"uuid": "0b0e8f0e-58a0-4a6d-9f0c-5f1d8a1c1e01", "name": "ops"}])
}

/// A server that answers login and organizations properly, except for the route whose line begins so.
async fn server(route: &'static str, status: u16, body: Value) -> Server {
    Server::start(move |request: &Received| -> Reply {
        if request.line == route {
            answer(status, &body)
        } else if request.line == "POST /programmatic/login/" {
            answer(
                200,
                json!({"access_token": "token", "expires_in": 86400, "message": "Login successful"}),
            )
        } else {
            answer(200, organizations())
        }
    })
    .await
}

fn client(server: &Server) -> Didit {
    connect(config(server.url(), server.url()))
}

fn applications_route() -> String {
    "/organizations/me/0b0e8f0e-58a0-4a6d-9f0c-5f1d8a1c1e01/applications/".to_owned()
}

fn understood(server: &Server, why: &str) -> String {
    format!("{} could not be understood: {why}", server.host())
}

#[tokio::test]
async fn a_login_answer_that_is_not_one_is_malformed() {
    let lifetime =
        "the answer's `expires_in` is not a whole number of seconds between one second and one year";
    for (body, why) in [
        (json!([]), "the answer is not a JSON object"),
        (json!({"expires_in": 5}), "the answer has no `access_token`"),
        (
            json!({"access_token": "", "expires_in": 5}),
            "the answer's `access_token` is empty",
        ),
        (
            json!({"access_token": "a\nb", "expires_in": 5}),
            "the answer's `access_token` has characters that an HTTP header cannot carry",
        ),
        (json!({"access_token": "a"}), "the answer has no `expires_in`"),
        (json!({"access_token": "a", "expires_in": 0}), lifetime),
        (json!({"access_token": "a", "expires_in": -5}), lifetime),
        (json!({"access_token": "a", "expires_in": "86400"}), lifetime),
        (json!({"access_token": "a", "expires_in": 1.5}), lifetime),
        (json!({"access_token": "a", "expires_in": 40_000_000}), lifetime),
        (
            json!({"2fa_required": true, "has_authenticator": true}),
            "the answer has no `temp_token`",
        ),
    ] {
        let server = server("POST /programmatic/login/", 200, body).await;
        let didit = client(&server);
        let error = didit.verify().await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Malformed);
        assert_eq!(error.to_string(), format!("login: {}", understood(&server, why)));
        assert_eq!(didit.session().record().unanswered, 0);
    }
}

#[tokio::test]
async fn a_login_that_is_not_answered_is_unavailable_to_its_callers() {
    let server = server("POST /programmatic/login/", 500, json!({"detail": "Oops."})).await;
    let didit = client(&server);
    let error = didit.create_application(&named("a")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "the creation was never sent");
    assert_eq!(
        error.to_string(),
        format!(
            "login: {} answered 500 Internal Server Error: Oops",
            server.host()
        )
    );
    assert_eq!(didit.session().record().unanswered, 1);
}

#[tokio::test]
async fn a_second_factor_without_a_lifetime_is_used() {
    let server = Server::start(|request: &Received| match request.line.as_str() {
        "POST /programmatic/login/" => answer(
            200,
            json!({"2fa_required": true, "temp_token": "tmp", "has_authenticator": true, "has_passkeys": true}),
        ),
        "POST /2fa/verify/" => answer(200, json!({"access_token": "second", "refresh_token": "r"})),
        _ if request.header("authorization") == Some("Bearer second") => answer(200, organizations()),
        _ => answer(401, json!({"detail": "No."})),
    })
    .await;
    let seed = Some("JBSWY3DPEHPK3PXP".into());
    let didit = connect(DiditConfig {
        totp_seed: seed,
        ..config(server.url(), server.url())
    });
    didit.verify().await.unwrap();
    let sent: Value = serde_json::from_str(&server.received()[1].body).unwrap();
    assert_eq!(sent["temp_token"], "tmp");
    let code = sent["otp_token"].as_str().unwrap();
    assert!(
        code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()),
        "{code}"
    );
}

#[tokio::test]
async fn a_refused_second_factor_repeats_no_secret() {
    let server = Server::start(|request: &Received| match request.line.as_str() {
        "POST /programmatic/login/" => answer(
            200,
            json!({"2fa_required": true, "temp_token": "tmp-token", "has_authenticator": true}),
        ),
        _ => answer(400, json!([format!("no: {}", request.body)])),
    })
    .await;
    let seed = Some("JBSWY3DPEHPK3PXP".into());
    let didit = connect(DiditConfig {
        totp_seed: seed,
        ..config(server.url(), server.url())
    });
    let error = didit.verify().await.unwrap_err();
    assert_eq!(
        error.message,
        format!(
            "the authenticator code was refused: {} answered 400 Bad Request: no: \
             {{\"otp_token\":\"***\",\"temp_token\":\"***\"}}; check that `totpSeed` is this account's and that the \
             clocks agree",
            server.host()
        )
    );
}

#[tokio::test]
async fn organizations_that_make_no_sense_are_malformed() {
    for (body, why) in [
        (json!({"organizations": []}), "the answer is not a list"),
        (json!("none"), "the answer is not a list"),
        (json!([{"name": "ops"}]), "item 1 of the answer has no `uuid`"),
        (
            json!([{"uuid": "a/b", "name": "ops"}]),
            "item 1 of the answer's `uuid` is not an identifier",
        ),
        (
            json!({"results": [{"uuid": "a"}]}),
            "item 1 of the answer has no `name`",
        ),
    ] {
        let server = server("GET /organizations/me/", 200, body).await;
        let error = client(&server).verify().await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Malformed);
        assert_eq!(
            error.to_string(),
            format!("listOrganizations: {}", understood(&server, why))
        );
    }
}

#[tokio::test]
async fn a_list_of_applications_is_read_in_every_wrapper() {
    let items = json!([{"uuid": "a", "name": "one", "description": "d"}, {"uuid": "b", "name": "two", "mode": "live"}]);
    for body in [
        items.clone(),
        json!({"results": items, "next": null}),
        json!({"applications": items}),
    ] {
        let list = list(body).await.1.unwrap();
        let list: Vec<_> = list
            .iter()
            .map(|app| (app.id.as_str(), app.name.as_str(), app.description.as_deref()))
            .collect();
        assert_eq!(list, [("a", "one", Some("d")), ("b", "two", None)]);
    }
}

#[tokio::test]
async fn a_list_that_may_not_be_whole_is_not_taken_for_one() {
    for (body, why) in [
        (json!({}), "the answer is not a list"),
        (json!({"results": {}}), "the answer is not a list"),
        (
            json!({"results": [], "next": "https://apx.didit.me/?page=2"}),
            "the answer is one page of a longer list, which is not expected here",
        ),
        (
            json!([{"uuid": "a", "name": "one"}, {"uuid": "b"}]),
            "item 2 of the answer has no `name`",
        ),
        (
            json!([{"uuid": "a", "name": "one"}, 5]),
            "item 2 of the answer is not a JSON object",
        ),
        (
            json!([{"uuid": "a", "name": "one", "description": 5}]),
            "item 1 of the answer's `description` is not a string",
        ),
    ] {
        let (sentence, list) = list(body).await;
        let error = list.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Malformed);
        assert_eq!(error.message, format!("{sentence}{why}"));
    }
}

/// The list that the client reads from this answer, and how an error about it begins.
async fn list(body: Value) -> (String, Result<Vec<ApplicationSummary>, CallError>) {
    let route: &'static str = format!("GET {}", applications_route()).leak();
    let server = server(route, 200, body).await;
    (understood(&server, ""), client(&server).list_applications().await)
}

#[tokio::test]
async fn a_record_without_its_credentials_is_malformed_or_unknown() {
    let record = json!({"uuid": ID, "client_id": "c", "api_key": "sk_live_secret", "name": "a"});
    let with = |name: &str, value: Value| {
        let mut record = record.clone();
        record[name] = value;
        record
    };
    for (body, why) in [
        (json!([]), "the answer is not a JSON object"),
        (with("client_id", Value::Null), "the answer has no `client_id`"),
        (with("client_id", json!("")), "the answer's `client_id` is empty"),
        (with("api_key", Value::Null), "the answer has no `api_key`"),
        (
            with("api_key", json!(["sk_live_secret"])),
            "the answer's `api_key` is not a string",
        ),
        (
            with("uuid", json!("../x")),
            "the answer's `uuid` is not an identifier",
        ),
        (
            with("redirect_uris", json!("x")),
            "the answer's `redirect_uris` is not a list of strings",
        ),
        (
            with("terms_url", json!(5)),
            "the answer's `terms_url` is not a string",
        ),
    ] {
        let read = server(
            format!("GET {}{ID}/", applications_route()).leak(),
            200,
            body.clone(),
        )
        .await;
        let error = client(&read).read_application(ID).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Malformed);
        assert_eq!(error.message, understood(&read, why));

        let create = server(format!("POST {}", applications_route()).leak(), 201, body).await;
        let error = client(&create).create_application(&named("a")).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unknown);
        let sentence = understood(&create, why);
        assert_eq!(
            error.message,
            format!("{sentence}; whether the request took effect is not known")
        );
    }
    let other = server(
        format!("GET {}other-id/", applications_route()).leak(),
        200,
        record,
    )
    .await;
    let error = client(&other).read_application("other-id").await.unwrap_err();
    assert_eq!(
        error.message,
        understood(&other, "the answer is about another application")
    );
}

#[tokio::test]
async fn requests_carry_only_what_is_set() {
    let record = json!({"uuid": ID, "client_id": "c", "api_key": "k", "name": "a", "redirect_uris": null});
    let server = Server::start(move |request: &Received| match request.line.as_str() {
        "POST /programmatic/login/" => answer(200, json!({"access_token": "t", "expires_in": 60})),
        "GET /organizations/me/" => answer(200, organizations()),
        _ => answer(200, &record),
    })
    .await;
    let didit = client(&server);
    let mut metadata = named("a");
    metadata.data_location = Some("eu".to_owned());
    let made = didit.create_application(&metadata).await.unwrap();
    assert_eq!(made.metadata, named("a"), "null is none");
    didit.update_application(ID, &metadata).await.unwrap();
    didit
        .create_application(&ApplicationMetadata::default())
        .await
        .unwrap();
    let bodies: Vec<_> = server
        .received()
        .into_iter()
        .skip(2)
        .map(|request| (request.line, request.body))
        .collect();
    let route = applications_route();
    assert_eq!(
        bodies,
        [
            (
                format!("POST {route}"),
                r#"{"data_location":"eu","name":"a"}"#.to_owned()
            ),
            (format!("PATCH {route}{ID}/"), r#"{"name":"a"}"#.to_owned()),
            (format!("POST {route}"), "{}".to_owned()),
        ]
    );
}

#[tokio::test]
async fn a_balance_that_is_none_says_nothing_about_the_key() {
    let server = Server::start(|_: &Received| answer(200, json!("Welcome to the hotel's network"))).await;
    let error = client(&server).probe_key(&"sk_live_x".into()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Malformed);
    assert_eq!(
        error.to_string(),
        format!(
            "getBalance: {}",
            understood(&server, "the answer is not a JSON object")
        )
    );
}
