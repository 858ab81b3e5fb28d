use tokio::io::AsyncWriteExt;

use super::*;

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_unreadable() {
    for (body, why) in [
        (
            "<html>Log in to the hotel's network</html>",
            "the answer is not JSON",
        ),
        ("", "the answer is not JSON"),
        (r#"{"name": "cut"#, "the answer is not JSON"),
        ("[]", "the answer is not a JSON object"),
        (r#"{"nam": "x"}"#, "the answer has no `name`"),
        (r#"{"name": 7}"#, "the answer's `name` is not a string"),
    ] {
        let server = Server::start(move |_| answer(200, "", body)).await;
        let sentence = format!("{} could not be understood: {why}", server.host());
        assert_fails(&client(), &server.url(), UNREADABLE, &sentence).await;
    }
}

#[tokio::test]
async fn an_oversized_answer_is_given_up() {
    let stated = Server::start(|_| answer(200, "", &"x".repeat((1 << 20) + 1))).await;
    let sentence = format!(
        "{} could not be understood: the answer is larger than 1024 KiB",
        stated.host()
    );
    assert_fails(&client(), &stated.url(), UNREADABLE, &sentence).await;

    // Without a stated length, and without an end: only giving up ends this.
    let endless = Server::start(|_| {
        let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
        Reply::Stall([head.as_bytes(), &vec![b'x'; 2 << 20]].concat())
    })
    .await;
    let sentence = format!(
        "{} could not be understood: the answer is larger than 1024 KiB",
        endless.host()
    );
    assert_fails(&client(), &endless.url(), UNREADABLE, &sentence).await;

    let largest = format!("{{\"name\": \"{}\"}}", "x".repeat((1 << 20) - 12));
    assert_eq!(largest.len(), 1 << 20);
    let fits = Server::start(move |_| answer(200, "", &largest)).await;
    assert!(
        client()
            .call(call_to(&fits.url(), Effect::Reads), name_of)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn the_deadline_covers_head_and_body() {
    let silent = Server::start(|_| Reply::Stall(Vec::new())).await;
    let halfway =
        Server::start(|_| Reply::Stall(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"name\"".to_vec()))
            .await;
    let client = client_within(Duration::from_millis(300));
    for server in [silent, halfway] {
        let sentence = format!("{} did not answer within 300ms", server.host());
        assert_fails(&client, &server.url(), LOST, &sentence).await;
    }
}

#[tokio::test]
async fn a_broken_connection_is_lost() {
    let before = Server::start(|_| Reply::Bytes(Vec::new())).await;
    let sentence = format!("the connection to {} broke before it answered", before.host());
    assert_fails(&client(), &before.url(), LOST, &sentence).await;
    assert_eq!(before.received().len(), 3, "no call is repeated");

    let middle =
        Server::start(|_| Reply::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"name\"".to_vec()))
            .await;
    let sentence = format!(
        "the connection to {} broke in the middle of the answer",
        middle.host()
    );
    assert_fails(&client(), &middle.url(), LOST, &sentence).await;
}

#[tokio::test]
async fn what_was_never_sent_changed_nothing() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    drop(listener);
    let sentence = format!("{host} could not be reached: connection refused");
    assert_fails(&client(), &format!("http://{host}"), NOT_SENT, &sentence).await;

    // Longer than a label may be, so no resolver has to be asked.
    let name = format!("{}.invalid", "a".repeat(64));
    let sentence = format!("{name} could not be reached: its name could not be resolved");
    assert_fails(&client(), &format!("http://{name}"), NOT_SENT, &sentence).await;

    // A server that waits for plain HTTP never answers a TLS handshake.
    let plain = Server::start(|_| json_answer(200, json!({"name": "ops"}))).await;
    let sentence = format!(
        "{} could not be reached: no connection was made in time",
        plain.host()
    );
    let impatient = client_within(Duration::from_millis(300));
    assert_fails(
        &impatient,
        &format!("https://{}", plain.host()),
        NOT_SENT,
        &sentence,
    )
    .await;
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_was_sent_nothing() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n").await.unwrap();
        }
    });
    let sentence = format!(
        "{host} could not be reached: TLS failed: received corrupt message of type InvalidContentType"
    );
    assert_fails(&client(), &format!("https://{host}"), NOT_SENT, &sentence).await;
}
