use super::*;

#[tokio::test]
async fn a_call_sends_what_it_says_and_reads_the_answer() {
    let server = Server::start(|_| json_answer(201, json!({"name": "ops", "unknown": [1, 2]}))).await;
    let (token, key) = (SecretString::from("token-1"), SecretString::from("key-1"));
    let call = call_to(&server.url(), Effect::Changes)
        .bearer(&token)
        .json(json!({"a": "b"}));
    assert_eq!(client().call(call, name_of).await.unwrap(), "ops");
    let call = call_to(&server.url(), Effect::Reads).header("x-api-key", &key);
    assert_eq!(client().call(call, name_of).await.unwrap(), "ops");

    let [first, second] = server.received().try_into().unwrap();
    assert_eq!(first.line, "POST /v2/things/");
    assert_eq!(first.header("authorization"), Some("Bearer token-1"));
    assert_eq!(first.header("content-type"), Some("application/json"));
    assert_eq!(first.header("accept"), Some("application/json"));
    assert_eq!(
        first.header("user-agent"),
        Some(concat!("keywright/", env!("CARGO_PKG_VERSION")))
    );
    assert_eq!(first.body, r#"{"a":"b"}"#);
    assert_eq!(second.header("x-api-key"), Some("key-1"));
    assert_eq!(
        (second.header("authorization"), second.header("content-type")),
        (None, None)
    );
}

#[tokio::test]
async fn a_refusal_is_told_with_the_servers_words() {
    let server = Server::start(|_| json_answer(403, json!({"detail": "You do not have\npermission."}))).await;
    let failure = client()
        .call(call_to(&server.url(), Effect::Reads), name_of)
        .await
        .unwrap_err();
    assert_eq!(failure.status.map(|status| status.as_u16()), Some(403));
    assert_eq!(failure.said.as_deref(), Some("You do not have permission."));
    assert_eq!(failure.error.kind, ErrorKind::Forbidden);
    assert_eq!(
        failure.error.to_string(),
        format!(
            "testOperation: {} answered 403 Forbidden: You do not have permission",
            server.host()
        )
    );
}

#[tokio::test]
async fn a_refusal_without_readable_words_is_told_by_its_status() {
    let page = Server::start(|_| answer(502, "", "<html>Bad gateway</html>")).await;
    let sentence = format!("{} answered 502 Bad Gateway", page.host());
    assert_fails(&client(), &page.url(), LOST, &sentence).await;

    let huge = Server::start(|_| answer(400, "", &format!("[\"{}\"]", "x".repeat(2 << 20)))).await;
    let sentence = format!("{} answered 400 Bad Request", huge.host());
    assert_fails(
        &client(),
        &huge.url(),
        [const { ErrorKind::Rejected }; 3],
        &sentence,
    )
    .await;

    let odd = Server::start(|_| answer(599, "", "")).await;
    assert_fails(
        &client(),
        &odd.url(),
        LOST,
        &format!("{} answered 599", odd.host()),
    )
    .await;
}

#[tokio::test]
async fn both_forms_of_retry_after_reach_the_caller() {
    // A login waits for the end of a lock, the others not so long.
    for (value, wait, login) in [("7", 7, 7), ("Fri, 31 Dec 9999 23:59:59 GMT", 3600, 24 * 3600)] {
        let header = format!("retry-after: {value}\r\n");
        let server = Server::start(move |_| answer(429, &header, "{}")).await;
        let throttled = |wait| ErrorKind::Throttled {
            retry_after: Some(Duration::from_secs(wait)),
        };
        let sentence = format!("{} answered 429 Too Many Requests", server.host());
        assert_fails(
            &client(),
            &server.url(),
            [throttled(wait), throttled(wait), throttled(login)],
            &sentence,
        )
        .await;
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = Server::start(|_| json_answer(200, json!({"name": "stolen"}))).await;
    let location = format!("location: {}/elsewhere?token=secret\r\n", target.url());
    for status in [301, 302, 307, 308] {
        let location = location.clone();
        let server = Server::start(move |_| answer(status, &location, "")).await;
        let sentence = format!(
            "{} redirected the request to {}; redirects are not followed",
            server.host(),
            target.host()
        );
        assert_fails(&client(), &server.url(), UNREADABLE, &sentence).await;
    }
    assert!(target.received().is_empty());

    for (location, where_to) in [
        ("location: /login?next=x\r\n", "to another address of its own"),
        ("", "without saying where to"),
    ] {
        let server = Server::start(move |_| answer(302, location, "")).await;
        let sentence = format!(
            "{} redirected the request {where_to}; redirects are not followed",
            server.host()
        );
        assert_fails(&client(), &server.url(), UNREADABLE, &sentence).await;
    }
}
