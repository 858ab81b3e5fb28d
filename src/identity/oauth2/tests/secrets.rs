use super::keys::TestKey;
use super::*;
use crate::identity::http::testing::CapturedLog;

/// Answers with everything that it was sent, as an error.
async fn echo() -> Server {
    Server::start(|request| {
        let decoded: Vec<_> = form(request).into_iter().map(|(_, value)| value).collect();
        let echo = format!("{:?} {} {}", request.headers, request.body, decoded.join(" "));
        json_answer(
            400,
            json!({"error": "invalid_request", "error_description": echo}),
        )
    })
    .await
}

async fn shown(client: &OAuth2) -> String {
    let token = SecretString::from("t0ken-to-check");
    let request = TokenRequest {
        refresh_token: Some("refresh-once".into()),
        ..TokenRequest::default()
    };
    [
        format!(
            "{:?}",
            client.request_token(&TokenRequest::default()).await.unwrap_err()
        ),
        format!("{:?}", client.request_token(&request).await.unwrap_err()),
        format!("{:?}", client.introspect(&token).await.unwrap_err()),
        format!(
            "{:?}",
            client.revoke(&token, TokenKind::Refresh).await.unwrap_err()
        ),
    ]
    .join("\n")
}

#[tokio::test]
async fn an_error_repeats_no_secret_that_was_sent() {
    let log = CapturedLog::start();
    let server = echo().await;
    let key = TestKey::p256();
    let authentications = [
        ClientAuthentication::SecretBasic(SECRET.into()),
        ClientAuthentication::SecretPost(SECRET.into()),
        ClientAuthentication::PrivateKeyJwt {
            key: AssertionKey::parse(key.pkcs8_pem.into(), None).unwrap(),
            key_id: None,
            audience: None,
        },
    ];
    for authentication in authentications {
        let already = server.received().len();
        let text = shown(&connect(config(&server.url(), authentication))).await;
        assert!(text.contains("***"), "{text}");
        let mut secrets = vec![
            SECRET.to_owned(),
            "t0ken-to-check".to_owned(),
            "refresh-once".to_owned(),
        ];
        for request in server.received().iter().skip(already) {
            secrets.extend(
                request
                    .header("authorization")
                    .map(|basic| basic["Basic ".len()..].to_owned()),
            );
            secrets.extend(
                form(request)
                    .into_iter()
                    .filter(|(name, _)| name == "client_assertion")
                    .map(|(_, assertion)| assertion),
            );
        }
        assert!(secrets.len() == 3 || secrets.len() == 7);
        for secret in secrets {
            let encoded: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            for form in [secret, encoded] {
                assert!(!text.contains(&form), "{form} in {text}");
                assert!(!log.text().contains(&form), "{form} was logged");
            }
        }
    }
}

#[tokio::test]
async fn an_error_repeats_no_token_that_was_received() {
    let server = Server::start(|request| match request.line.as_str() {
        "POST /token" => json_answer(
            200,
            json!({"access_token": "t0ken-1", "refresh_token": "refresh-1"}),
        ),
        _ => json_answer(
            400,
            json!({"error": "t0ken-1", "error_description": "t0ken-1 refresh-1 other"}),
        ),
    })
    .await;
    let client = connect(basic(&server.url()));
    let answer = client.request_token(&TokenRequest::default()).await.unwrap();
    let error = client.introspect(&"other".into()).await.unwrap_err();
    let text = format!("{answer:?} {error:?} {error}");
    for secret in ["t0ken-1", "refresh-1", "other"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[tokio::test]
async fn an_answer_that_is_told_of_repeats_no_secret_that_was_sent() {
    let server = Server::start(|_| {
        let odd = format!("{SECRET} refresh-1 t0ken-1");
        json_answer(
            200,
            json!({"access_token": "t0ken-1", "expires_in": odd, "scope": odd}),
        )
    })
    .await;
    let request = TokenRequest {
        refresh_token: Some("refresh-1".into()),
        ..TokenRequest::default()
    };
    let answer = connect(basic(&server.url()))
        .request_token(&request)
        .await
        .unwrap();
    assert_eq!(answer.unreadable_expires_in.as_deref(), Some("*** *** ***"));
    assert_eq!(answer.scope.as_deref(), Some("*** *** ***"));
}

#[test]
fn a_configuration_shows_no_secret() {
    let key = TestKey::p256();
    let shown = |authentication| format!("{:?}", config("https://idp.example.com", authentication));
    let private = "-----BEGIN PRIVATE KEY-----";
    for text in [
        shown(ClientAuthentication::SecretBasic("hunter2".into())),
        shown(ClientAuthentication::SecretPost("hunter2".into())),
        shown(ClientAuthentication::PrivateKeyJwt {
            key: AssertionKey::parse(key.pkcs8_pem.into(), None).unwrap(),
            key_id: None,
            audience: None,
        }),
        shown(ClientAuthentication::TlsClientAuth {
            certificate: b"hunter2".to_vec(),
            key: format!("{private} hunter2").into(),
        }),
    ] {
        assert!(text.contains("payments:prod"), "{text}");
        assert!(!text.contains("hunter2") && !text.contains(private), "{text}");
    }
}

#[tokio::test]
async fn a_scope_without_end_is_no_answer() {
    let server = Server::start(|_| {
        json_answer(
            200,
            json!({"access_token": "t0ken-1", "scope": "a ".repeat(3000)}),
        )
    })
    .await;
    let error = connect(basic(&server.url()))
        .request_token(&TokenRequest::default())
        .await
        .unwrap_err();
    assert_eq!(error.call.kind, ErrorKind::Malformed);
    assert!(
        error.to_string().contains("`scope` is longer than 4 KiB"),
        "{error}"
    );
}
