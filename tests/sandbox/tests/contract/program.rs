//! The binary: flags, files, signals, and what it logs.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::support::{PASSWORD, send};

const PROGRAM: &str = env!("CARGO_BIN_EXE_keywright-sandbox");

struct Program {
    child: Child,
    url: String,
}

impl Program {
    fn start(flags: &[&str]) -> Self {
        let mut child = Command::new(PROGRAM)
            .args(["--listen", "127.0.0.1:0"])
            .args(flags)
            .env("RUST_LOG", "trace")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut first)
            .unwrap();
        let url = first.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        assert!(url.starts_with("http"), "it did not start: {first}");
        Self { child, url }
    }

    async fn call(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Value) -> Value {
        let mut request = Client::new().request(method, format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(if body.is_null() {
            request
        } else {
            request.json(&body)
        })
        .await
        .body
    }

    /// Sends a signal, waits for the end, hands back the log.
    fn end(mut self, signal: &str) -> String {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &id])
                .status()
                .unwrap()
                .success()
        );
        let mut log = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut log)
            .unwrap();
        assert!(self.child.wait().unwrap().success(), "{log}");
        log
    }
}

fn refused(flags: &[&str]) -> Output {
    Command::new(PROGRAM).args(flags).output().unwrap()
}

fn text(body: &Value, pointer: &str) -> String {
    body.pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no {pointer}"))
        .to_owned()
}

#[tokio::test]
async fn its_log_shows_every_call_and_no_secret() {
    let seed = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
    let program = Program::start(&["--account", &format!("ops@corp.example.net:{PASSWORD}:{seed}")]);
    let json_post = async |path: &str, body: Value| program.call(Method::POST, path, &[], body).await;
    let mut secrets = vec![PASSWORD.to_owned(), seed.to_owned(), "Wr0ng!horse".to_owned()];

    let new = "new@corp.example.net";
    json_post(
        "/auth/v2/programmatic/register/",
        json!({"email": new, "password": PASSWORD}),
    )
    .await;
    let mails = program
        .call(Method::GET, &format!("/_sandbox/mailbox/{new}"), &[], Value::Null)
        .await;
    let code = text(&mails, "/0/code");
    let verified = json_post(
        "/auth/v2/programmatic/verify-email/",
        json!({"email": new, "code": code}),
    )
    .await;
    let (token, key) = (
        text(&verified, "/access_token"),
        text(&verified, "/application/api_key"),
    );
    secrets.extend([
        code,
        token.clone(),
        text(&verified, "/refresh_token"),
        key.clone(),
    ]);
    let bearer = format!("Bearer {token}");
    let organization = text(&verified, "/organization/uuid");
    let path = format!("/auth/v2/organizations/me/{organization}/applications/");
    let made = program
        .call(
            Method::POST,
            &path,
            &[("authorization", &bearer)],
            json!({"name": "x"}),
        )
        .await;
    secrets.push(text(&made, "/api_key"));
    let login = json!({"email": "ops@corp.example.net", "password": PASSWORD});
    secrets.push(text(
        &json_post("/auth/v2/programmatic/login/", login).await,
        "/temp_token",
    ));
    json_post(
        "/auth/v2/programmatic/login/",
        json!({"email": new, "password": "Wr0ng!horse"}),
    )
    .await;
    let hooks = program
        .call(Method::GET, "/v3/webhook/", &[("x-api-key", &key)], Value::Null)
        .await;
    secrets.push(text(&hooks, "/secret_shared_key"));
    let misplaced = format!("/v3/billing/{key}/?x-api-key={key}");
    program
        .call(Method::GET, &misplaced, &[("x-api-key", &key)], Value::Null)
        .await;
    program
        .call(
            Method::POST,
            "/auth/v2/token/",
            &[("authorization", &bearer)],
            json!({"x": token}),
        )
        .await;

    let log = program.end("-TERM");
    for operation in [
        "register",
        "verifyEmail",
        "login",
        "createApplication",
        "getWebhookConfig",
    ] {
        let line = format!("operation=\"{operation}\"");
        assert!(log.contains(&line), "{line} is missing in {log}");
    }
    assert!(secrets.len() >= 10);
    for secret in secrets {
        assert!(!log.contains(&secret), "a secret is in the log: {secret}");
    }
}

#[tokio::test]
async fn files_and_flags_set_it_up_and_a_signal_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, value: Value| {
        let path = folder.path().join(name);
        std::fs::write(&path, value.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let accounts = write(
        "accounts.json",
        json!([{"email": "file@corp.example.net", "password": "with:colon"}]),
    );
    let faults = write(
        "faults.json",
        json!([{"route": "healthcheck", "fault": {"kind": "garbled"}}]),
    );
    let state = folder.path().join("state.json");
    let state = state.to_str().unwrap();
    let flags = [
        "--accounts-file",
        &accounts,
        "--faults",
        &faults,
        "--state",
        state,
        "--time-scale",
        "3600",
    ];
    let program = Program::start(&flags);
    let login = json!({"email": "file@corp.example.net", "password": "with:colon"});
    let answer = program
        .call(Method::POST, "/auth/v2/programmatic/login/", &[], login.clone())
        .await;
    assert_eq!(answer["expires_in"], 24);
    let health = || program.call(Method::GET, "/system/healthcheck", &[], Value::Null);
    assert_eq!(health().await, Value::Null, "garbled");
    assert_eq!(health().await, json!({"status": "ok"}));
    program.end("-INT");
    assert!(Path::new(state).exists());
    let again = Program::start(&["--state", state]);
    let answer = again
        .call(Method::POST, "/auth/v2/programmatic/login/", &[], login)
        .await;
    assert!(
        answer["access_token"].is_string(),
        "the account is in the state file"
    );
    again.end("-TERM");
}

#[test]
fn mistakes_are_explained() {
    for (flags, words) in [
        (
            &["--accounts-file", "/nowhere/accounts.json"][..],
            "--accounts-file /nowhere/accounts.json",
        ),
        (&["--account", "ops"], "EMAIL:PASSWORD"),
        (&["--wrong-code", "perhaps"], "detail, field, unauthorized"),
        (&["--code-lifetime", "soon"], "write 10m"),
        (
            &["--tls-cert", "/nowhere/a.pem", "--tls-key", "/nowhere/b.pem"],
            "/nowhere/a.pem",
        ),
        (&["--listen", "192.0.2.1:1"], "cannot listen on 192.0.2.1:1"),
    ] {
        let output = refused(flags);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{flags:?}");
        assert!(errors.contains(words), "{flags:?}: {errors}");
    }
}
