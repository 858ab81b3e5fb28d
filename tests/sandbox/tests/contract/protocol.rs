//! Contract, 1 and 9.2: slashes, methods, media types, error shapes.

use keywright_sandbox::{Switches, TrailingSlash};
use reqwest::Method;
use serde_json::json;

use crate::support::{Api, EMAIL, PASSWORD, send};

#[tokio::test]
async fn a_path_without_its_slash_is_treated_as_the_switch_says() {
    for (trailing_slash, read, write) in [
        (TrailingSlash::Strict, 301, 404),
        (TrailingSlash::Lenient, 200, 200),
    ] {
        let api = Api::with(Switches {
            trailing_slash,
            ..Switches::default()
        })
        .await;
        let session = api.login().await;
        let answer = api.get("/auth/v2/organizations/me?x=1", &session.token).await;
        assert_eq!(answer.status, read);
        if read == 301 {
            assert_eq!(answer.header("location"), Some("/auth/v2/organizations/me/?x=1"));
        }
        let body = json!({"email": EMAIL, "password": PASSWORD});
        assert_eq!(api.post("/auth/v2/programmatic/login", body).await.status, write);
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_have_the_frameworks_shape() {
    let api = Api::usual().await;
    for path in [
        "/",
        "/auth/v2/",
        "/auth/v2/nothing/",
        "/auth/v2/nothing",
        "/v3/workflows/",
    ] {
        let answer = send(api.request(Method::GET, path)).await;
        assert_eq!(
            (answer.status, answer.text("detail").as_str()),
            (404, "Not found."),
            "{path}"
        );
    }
    let answer = send(api.request(Method::PUT, "/auth/v2/programmatic/login/")).await;
    assert_eq!(answer.status, 405);
    assert_eq!(answer.text("detail"), "Method \"PUT\" not allowed.");
    assert!(answer.header("allow").unwrap().contains("POST"));
}

#[tokio::test]
async fn bodies_that_are_no_json_are_refused() {
    let api = Api::usual().await;
    let path = "/auth/v2/programmatic/login/";
    let form = send(
        api.request(Method::POST, path)
            .form(&[("email", EMAIL), ("password", PASSWORD)]),
    )
    .await;
    assert_eq!(form.status, 415);
    assert!(form.text("detail").contains("application/x-www-form-urlencoded"));
    let broken = api
        .request(Method::POST, path)
        .header("content-type", "application/json")
        .body("{\"email\":");
    let broken = send(broken).await;
    assert_eq!(broken.status, 400);
    assert!(broken.text("detail").starts_with("JSON parse error"));
    let charset = api
        .request(Method::POST, path)
        .header("content-type", "application/json; charset=utf-8");
    let body = json!({"email": EMAIL, "password": PASSWORD}).to_string();
    assert_eq!(send(charset.body(body)).await.status, 200);
    let huge = api
        .request(Method::POST, path)
        .header("content-type", "application/json")
        .body(vec![b' '; 3 << 20]);
    assert_eq!(send(huge).await.status, 413);
}
