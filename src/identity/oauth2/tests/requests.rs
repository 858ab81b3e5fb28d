use super::*;

#[tokio::test]
async fn a_token_request_says_everything_that_is_asked_for() {
    let server = token_server().await;
    let mut config = basic(&server.url());
    config.extra_parameters = BTreeMap::from([("vendor_hint".to_owned(), "a b&c".to_owned())]);
    let request = TokenRequest {
        scopes: vec!["read".to_owned(), "write".to_owned()],
        audience: Some("https://api.example.com".to_owned()),
        resources: [
            "https://z.example.com",
            "https://a.example.com",
            "https://m.example.com",
        ]
        .map(str::to_owned)
        .to_vec(),
        ..TokenRequest::default()
    };
    connect(config).request_token(&request).await.unwrap();

    let received = server.received();
    assert_eq!(received[0].line, "POST /token");
    assert_eq!(
        received[0].header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    assert_eq!(received[0].header("accept"), Some("application/json"));
    assert_eq!(
        form(&received[0]),
        pairs(&[
            ("grant_type", "client_credentials"),
            ("scope", "read write"),
            ("audience", "https://api.example.com"),
            ("resource", "https://z.example.com"),
            ("resource", "https://a.example.com"),
            ("resource", "https://m.example.com"),
            ("vendor_hint", "a b&c"),
        ])
    );
}

#[tokio::test]
async fn what_is_not_asked_for_is_not_sent() {
    let server = token_server().await;
    connect(basic(&server.url()))
        .request_token(&TokenRequest::default())
        .await
        .unwrap();
    assert_eq!(
        form(&server.received()[0]),
        pairs(&[("grant_type", "client_credentials")])
    );
}

#[tokio::test]
async fn a_refresh_token_is_used_where_there_is_one() {
    let server =
        Server::start(|_| json_answer(200, json!({"access_token": "t0ken", "refresh_token": "next"}))).await;
    let request = TokenRequest {
        refresh_token: Some("once".into()),
        ..TokenRequest::default()
    };
    let answer = connect(basic(&server.url()))
        .request_token(&request)
        .await
        .unwrap();
    assert_eq!(answer.refresh_token.unwrap().expose_secret(), "next");
    assert_eq!(
        form(&server.received()[0]),
        pairs(&[("grant_type", "refresh_token"), ("refresh_token", "once")])
    );
}

#[tokio::test]
async fn an_answer_tells_the_servers_clock_and_ours() {
    let server = Server::start(|_| {
        let body =
            json!({"access_token": "t0ken", "token_type": "bearer", "expires_in": "60", "scope": ["a", "b"]});
        answer(200, "date: Mon, 23 Nov 2026 10:00:45 GMT\r\n", &body.to_string())
    })
    .await;
    let before = Timestamp::now();
    let answer = connect(basic(&server.url()))
        .request_token(&TokenRequest::default())
        .await
        .unwrap();
    let after = Timestamp::now();
    assert_eq!(answer.access_token.expose_secret(), "t0ken");
    assert_eq!(answer.token_type, "bearer");
    assert_eq!(answer.expires_in, Some(60));
    assert_eq!(answer.scope.as_deref(), Some("a b"));
    assert_eq!(answer.server_date, Some("2026-11-23T10:00:45Z".parse().unwrap()));
    assert!(
        before <= answer.asked_at && answer.asked_at <= answer.received_at && answer.received_at <= after
    );
}

#[tokio::test]
async fn an_odd_lifetime_is_shown_short_and_without_the_token() {
    let server = Server::start(|_| {
        json_answer(
            200,
            json!({"access_token": "t0ken-abc", "expires_in": format!("t0ken-abc\n{}", "x".repeat(200))}),
        )
    })
    .await;
    let answer = connect(basic(&server.url()))
        .request_token(&TokenRequest::default())
        .await
        .unwrap();
    let shown = answer.unreadable_expires_in.unwrap();
    assert_eq!(answer.expires_in, None);
    assert!(shown.starts_with("*** xxx") && shown.ends_with('…'), "{shown}");
    assert_eq!(shown.chars().count(), 60);
}

#[tokio::test]
async fn introspection_asks_as_the_client() {
    for (body, expected) in [
        (json!({"active": true}), Introspection::Active),
        (
            json!({"active": false}),
            Introspection::Inactive {
                message: "the authorization server says that the token is not active".to_owned(),
            },
        ),
    ] {
        let server = Server::start(move |_| json_answer(200, &body)).await;
        let said = connect(basic(&server.url()))
            .introspect(&"t0ken".into())
            .await
            .unwrap();
        assert_eq!(said, expected);
        let received = &server.received()[0];
        assert_eq!(received.line, "POST /introspect");
        assert!(received.header("authorization").unwrap().starts_with("Basic "));
        assert_eq!(form(received), pairs(&[("token", "t0ken")]));
    }
}

#[tokio::test]
async fn introspection_without_a_verdict_is_an_error() {
    let server = Server::start(|_| json_answer(200, json!({"exp": 5}))).await;
    let error = connect(basic(&server.url()))
        .introspect(&"t0ken".into())
        .await
        .unwrap_err();
    assert_eq!(error.call.kind, ErrorKind::Malformed);
    assert!(
        error.call.message.ends_with("the answer's `active` is missing"),
        "{error}"
    );
}

#[tokio::test]
async fn revocation_names_the_kind_and_takes_any_body() {
    for (kind, hint, body) in [
        (TokenKind::Access, "access_token", ""),
        (TokenKind::Refresh, "refresh_token", "<html>done</html>"),
    ] {
        let server = Server::start(move |_| answer(200, "", body)).await;
        connect(basic(&server.url()))
            .revoke(&"t0ken".into(), kind)
            .await
            .unwrap();
        let received = &server.received()[0];
        assert_eq!(received.line, "POST /revoke");
        assert!(received.header("authorization").unwrap().starts_with("Basic "));
        assert_eq!(
            form(received),
            pairs(&[("token", "t0ken"), ("token_type_hint", hint)])
        );
    }
}

#[tokio::test]
async fn a_token_that_cannot_be_revoked_is_said_to_be_so() {
    let server = Server::start(|_| json_answer(400, json!({"error": "unsupported_token_type"}))).await;
    let error = connect(basic(&server.url()))
        .revoke(&"t0ken".into(), TokenKind::Access)
        .await
        .unwrap_err();
    assert_eq!((&error.call.kind, error.code), (&ErrorKind::Rejected, None));
    assert!(
        error.call.message.ends_with(
            "unsupported_token_type; this authorization server does not revoke tokens of this kind"
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_probe_tells_acceptance_from_refusal_and_from_neither() {
    let probe = async |status: u16, headers: &'static str| {
        let server = Server::start(move |_| answer(status, headers, "<html></html>")).await;
        let url = format!("{}/me?verbose", server.url()).parse().unwrap();
        let result = connect(basic("http://127.0.0.1:9"))
            .probe(&url, &"t0ken".into())
            .await;
        let received = server.received();
        assert_eq!(received.len(), 1, "nothing is followed");
        assert_eq!(received[0].line, "GET /me?verbose");
        assert_eq!(received[0].header("authorization"), Some("Bearer t0ken"));
        result
    };
    for status in [200, 204] {
        assert_eq!(probe(status, "").await.unwrap(), Introspection::Active);
    }
    for status in [401, 403] {
        assert!(matches!(
            probe(status, "").await.unwrap(),
            Introspection::Inactive { .. }
        ));
    }
    for (status, kind) in [
        (302, ErrorKind::Malformed),
        (404, ErrorKind::NotFound),
        (429, ErrorKind::Throttled { retry_after: None }),
        (500, ErrorKind::Unavailable),
    ] {
        assert_eq!(
            probe(status, "location: /elsewhere\r\n")
                .await
                .unwrap_err()
                .call
                .kind,
            kind
        );
    }
}

#[tokio::test]
async fn a_token_is_not_sent_in_clear_text_to_be_probed() {
    let mut config = basic("https://127.0.0.1:9");
    config.allow_insecure = false;
    let url = "http://api.example.com/".parse().unwrap();
    let error = connect(config).probe(&url, &"t0ken".into()).await.unwrap_err();
    assert_eq!(reason(&error.call), "InsecureEndpoint");
    assert!(
        error.call.message.contains("`verification.probeUrl`"),
        "{} names no field of the spec",
        error.call.message
    );
}

#[tokio::test]
async fn what_a_server_does_not_offer_is_not_called() {
    let mut config = basic("http://127.0.0.1:9");
    config.endpoints.introspection = None;
    config.endpoints.revocation = None;
    let client = connect(config);
    assert_eq!(client.offers().await.unwrap(), Offers::default());
    let error = client.introspect(&"t0ken".into()).await.unwrap_err();
    assert_eq!(reason(&error.call), "IntrospectionNotOffered");
    assert!(error.call.message.contains("`introspection_endpoint`"), "{error}");
    let error = client
        .revoke(&"t0ken".into(), TokenKind::Access)
        .await
        .unwrap_err();
    assert_eq!(reason(&error.call), "RevocationNotOffered");
}

#[test]
fn a_parameter_that_a_request_sets_itself_is_refused_by_name() {
    for name in [
        "audience",
        "client_assertion",
        "client_assertion_type",
        "client_id",
        "client_secret",
        "grant_type",
        "refresh_token",
        "resource",
        "scope",
    ] {
        let mut config = basic("https://idp.example.com");
        config.extra_parameters = BTreeMap::from([(name.to_owned(), "x".to_owned())]);
        let (reason, message) = refused(config);
        assert_eq!(reason, "ReservedParameter");
        assert!(message.contains(&format!("`{name}`")), "{message}");
    }
}

#[test]
fn a_client_that_could_never_ask_is_not_made() {
    let mut config = basic("https://idp.example.com");
    config.endpoints = ManualEndpoints::default();
    assert_eq!(refused(config).0, "EndpointMissing");

    let mut config = basic("https://idp.example.com");
    config.client.client_id = String::new();
    assert_eq!(refused(config).0, "IncompleteCredentials");

    let config = config_with_secret("");
    assert_eq!(refused(config).0, "IncompleteCredentials");
}

fn config_with_secret(secret: &str) -> Asked {
    config(
        "https://idp.example.com",
        ClientAuthentication::SecretPost(secret.into()),
    )
}
