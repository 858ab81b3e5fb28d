//! The state file, TLS and stopping.

use std::path::Path;
use std::time::Duration;

use keywright_sandbox::{Config, NewAccount, Sandbox, SandboxError, Tls};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Api, EMAIL, PASSWORD, send};

fn kept(path: &Path) -> Config {
    let accounts = vec![NewAccount::new(EMAIL, PASSWORD)];
    Config {
        accounts,
        state_file: Some(path.to_owned()),
        ..Config::default()
    }
}

#[tokio::test]
async fn everything_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.json");
    let api = Api::start(kept(&file)).await;
    let session = api.login().await;
    let created = api
        .call(
            Method::POST,
            &session.applications(),
            &session.token,
            json!({"name": "kept"}),
        )
        .await;
    let (path, key) = (
        session.application(&created.text("uuid")),
        created.text("api_key"),
    );
    let destination = json!({"label": "x", "url": "https://a.corp.example.net/"});
    api.keyed(Method::POST, "/v3/webhook/destinations/", &key, destination)
        .await;
    api.register_from("192.0.2.1", "new@corp.example.net", PASSWORD)
        .await;
    for _ in 0..5 {
        api.login_as("locked@x.io", "x").await;
    }
    api.sandbox.set_password(EMAIL, "N3w!password").unwrap();
    api.sandbox.advance(Duration::from_secs(300)).unwrap();
    let (before, mut secrets) = (api.sandbox.now(), api.sandbox.known_secrets());
    api.sandbox.stop().await;

    let api = Api::start(kept(&file)).await;
    assert!(api.sandbox.now() >= before, "the clock does not go back");
    assert_eq!(
        api.get(&path, &session.token).await.body,
        created.body,
        "token and application"
    );
    let list = api
        .keyed(Method::GET, "/v3/webhook/destinations/", &key, Value::Null)
        .await;
    assert_eq!(list.body.as_array().map(Vec::len), Some(1), "key and destination");
    assert_eq!(
        api.login_as(EMAIL, PASSWORD).await.status,
        401,
        "the account is not set up again"
    );
    assert_eq!(api.login_as("locked@x.io", "x").await.status, 429, "the lock");
    let code = api.sandbox.mailbox("new@corp.example.net")[0].code.clone();
    let verify = json!({"email": "new@corp.example.net", "code": code});
    assert_eq!(
        api.post("/auth/v2/programmatic/verify-email/", verify)
            .await
            .status,
        200,
        "the code"
    );
    secrets.retain(|secret| secret != PASSWORD);
    let known = api.sandbox.known_secrets();
    assert!(
        secrets.iter().all(|secret| known.contains(secret)),
        "known secrets are known again"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_the_state_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.json");
    Api::start(kept(&file)).await;
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[tokio::test]
async fn a_file_that_is_no_state_is_refused_without_quoting_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.json");
    for text in [
        "",
        "{",
        "[]",
        r#"{"version": 1, "clock_ahead": "PT0S", "world": {"accounts": "hunter2"}}"#,
    ] {
        std::fs::write(&file, text).unwrap();
        let error = Sandbox::start(kept(&file)).await.unwrap_err().to_string();
        assert!(
            error.contains("state.json") && error.contains("move it away"),
            "{error}"
        );
        assert!(!error.contains("hunter2"), "{error}");
    }
    std::fs::write(&file, r#"{"version": 2, "clock_ahead": "PT0S", "world": {}}"#).unwrap();
    let error = Sandbox::start(kept(&file)).await.unwrap_err();
    assert!(matches!(error, SandboxError::Store(_)), "{error}");
}

#[tokio::test]
async fn a_state_that_cannot_be_saved_is_a_server_error() {
    let folder = tempfile::tempdir().unwrap();
    let api = Api::start(kept(&folder.path().join("state.json"))).await;
    folder.close().unwrap();
    assert_eq!(api.login_as(EMAIL, PASSWORD).await.status, 500);
    let nowhere = Sandbox::start(kept(Path::new("/nowhere/at/all/state.json")))
        .await
        .unwrap_err();
    assert!(
        nowhere.to_string().contains("cannot write the state file"),
        "{nowhere}"
    );
}

#[tokio::test]
async fn it_speaks_tls_with_a_certificate_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("tls");
    let own = || Config {
        tls: Tls::SelfSigned {
            directory: directory.clone(),
            names: vec!["sandbox.shop.svc".to_owned()],
        },
        ..Config::default()
    };
    let sandbox = Sandbox::start(own()).await.unwrap();
    let authority = std::fs::read(directory.join("ca.crt")).unwrap();
    let trusting = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(&authority).unwrap()])
        .build()
        .unwrap();
    let health = format!("{}/system/healthcheck", sandbox.url());
    assert!(health.starts_with("https://localhost:"));
    assert_eq!(trusting.get(&health).send().await.unwrap().status(), 200);
    assert!(
        reqwest::Client::new().get(&health).send().await.is_err(),
        "nobody else trusts it"
    );
    sandbox.stop().await;

    let again = Sandbox::start(own()).await.unwrap();
    assert_eq!(
        std::fs::read(directory.join("ca.crt")).unwrap(),
        authority,
        "kept across restarts"
    );
    let by_files = Tls::Files {
        certificate: directory.join("tls.crt"),
        key: directory.join("tls.key"),
    };
    let files = Sandbox::start(Config {
        tls: by_files,
        ..Config::default()
    })
    .await
    .unwrap();
    for sandbox in [again, files] {
        let health = format!("{}/system/healthcheck", sandbox.url());
        assert_eq!(trusting.get(health).send().await.unwrap().status(), 200);
    }
    let missing = Tls::Files {
        certificate: directory.join("none.crt"),
        key: directory.join("tls.key"),
    };
    let error = Sandbox::start(Config {
        tls: missing,
        ..Config::default()
    })
    .await
    .unwrap_err();
    assert!(error.to_string().contains("none.crt"), "{error}");
}

#[tokio::test]
async fn a_stopped_sandbox_frees_its_address() {
    let first = Sandbox::start(Config::default()).await.unwrap();
    let listen = first.address();
    let taken = Sandbox::start(Config {
        listen,
        ..Config::default()
    })
    .await
    .unwrap_err();
    assert!(taken.to_string().contains("choose another"), "{taken}");
    let client = reqwest::Client::new();
    let health = format!("{}/system/healthcheck", first.url());
    assert_eq!(client.get(&health).send().await.unwrap().status(), 200);
    first.stop().await;
    assert!(client.get(&health).send().await.is_err());
    let second = Api::start(Config {
        listen,
        ..Config::default()
    })
    .await;
    assert_eq!(
        send(second.request(Method::GET, "/system/healthcheck"))
            .await
            .status,
        200
    );
}
