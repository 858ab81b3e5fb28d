use super::*;

#[tokio::test]
async fn no_secret_is_repeated_or_logged() {
    let log = CapturedLog::start();
    let server = Server::start(|request| {
        let echo = format!("{} {:?} {}", request.line, request.headers, request.body);
        json_answer(400, json!({"detail": echo, "password": [echo]}))
    })
    .await;
    let secrets = ["hunter2-password", "token-abc", "code-123456"].map(SecretString::from);
    let [password, token, code] = &secrets;
    let observed = Arc::new(Observed::default());
    let options = HttpOptions {
        ca_bundle: None,
        deadline: DEFAULT_DEADLINE,
        secrets: vec![password.clone()],
        budget: None,
    };
    let client = HttpClient::new(options, observed.clone()).unwrap();
    let call = call_to(&server.url(), Effect::Changes)
        .bearer(token)
        .secret(code)
        .json(json!({"password": "hunter2-password", "code": "code-123456"}));
    let failure = client.call(call, name_of).await.unwrap_err();

    assert!(
        failure.error.message.contains("Bearer ***"),
        "{}",
        failure.error.message
    );
    assert_eq!(observed.calls(), [("testOperation", "rejected")]);
    let shown = format!("{failure:?} {} {:?} {}", failure.error, failure.error, log.text());
    assert!(log.text().contains("called the identity API"), "{}", log.text());
    for secret in ["hunter2-password", "token-abc", "code-123456"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[tokio::test]
async fn a_secret_that_came_in_an_answer_is_not_repeated_by_a_later_one() {
    let server =
        Server::start(|_| json_answer(400, json!({"detail": "sk_live_1 is the key, not sk_live_2"}))).await;
    let client = client();
    for key in ["sk_live_1", "sk_live_2", "sk_live_1"] {
        client.remember(&key.into());
    }
    let call = call_to(&server.url(), Effect::Changes);
    let message = client.call(call, name_of).await.unwrap_err().error.message;
    assert!(message.ends_with("*** is the key, not ***"), "{message}");
}

#[tokio::test]
async fn a_credential_that_no_header_can_carry_is_not_sent() {
    let server = Server::start(|_| json_answer(200, json!({"name": "ops"}))).await;
    for secret in ["line\nbreak", "bell\u{7}"].map(SecretString::from) {
        let call = call_to(&server.url(), Effect::Changes).bearer(&secret);
        let error = client().call(call, name_of).await.unwrap_err().error;
        assert_eq!(
            error.kind,
            ErrorKind::Misconfigured {
                reason: "InvalidCredential"
            }
        );
        assert_eq!(
            error.message,
            "the credential has characters that an HTTP header cannot carry"
        );
    }
    assert!(server.received().is_empty());
}

#[test]
fn a_ca_bundle_that_cannot_be_used_is_refused() {
    let refused = |pem: &str| {
        let options = HttpOptions {
            ca_bundle: Some(pem.as_bytes().to_vec()),
            deadline: DEFAULT_DEADLINE,
            secrets: Vec::new(),
            budget: None,
        };
        let error = HttpClient::new(options, Arc::new(Observed::default()))
            .err()
            .unwrap();
        assert_eq!(
            error.kind,
            ErrorKind::Misconfigured {
                reason: "InvalidCaBundle"
            },
            "{pem}"
        );
        error.message
    };
    let none = "the CA bundle has no certificate: it needs at least one block that begins with \
                `-----BEGIN CERTIFICATE-----`";
    assert_eq!(refused(""), none);
    assert_eq!(refused("ops"), none);
    let key = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";
    assert_eq!(refused(key), none);
    let not_pem = "certificate 1 of the CA bundle is not valid PEM: it is cut off or not base64";
    assert_eq!(refused("-----BEGIN CERTIFICATE-----\nc2Vj"), not_pem);
    assert_eq!(
        refused("-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n"),
        not_pem
    );
    let not_x509 = "-----BEGIN CERTIFICATE-----\nc2VjcmV0\n-----END CERTIFICATE-----\n";
    assert_eq!(
        refused(not_x509),
        "certificate 1 of the CA bundle is not an X.509 certificate"
    );
}
