use super::*;

async fn refusal(status: u16, body: Value) -> TokenError {
    let server = Server::start(move |_| json_answer(status, &body)).await;
    connect(basic(&server.url()))
        .request_token(&TokenRequest::default())
        .await
        .unwrap_err()
}

#[tokio::test]
async fn a_code_says_what_to_do() {
    use ErrorKind::{Forbidden, Rejected, Unauthorized};
    for (status, spelled, kind, code) in [
        (401, "invalid_client", Unauthorized, OAuthErrorCode::InvalidClient),
        (400, "invalid_client", Unauthorized, OAuthErrorCode::InvalidClient),
        (
            401,
            "unauthorized_client",
            Unauthorized,
            OAuthErrorCode::InvalidClient,
        ),
        (
            400,
            "unauthorized_client",
            Forbidden,
            OAuthErrorCode::UnauthorizedClient,
        ),
        (
            403,
            "unauthorized_client",
            Forbidden,
            OAuthErrorCode::UnauthorizedClient,
        ),
        (400, "invalid_request", Rejected, OAuthErrorCode::InvalidRequest),
        (400, "invalid_grant", Rejected, OAuthErrorCode::InvalidGrant),
        (
            400,
            "unsupported_grant_type",
            Rejected,
            OAuthErrorCode::UnsupportedGrantType,
        ),
        (400, "invalid_scope", Rejected, OAuthErrorCode::InvalidScope),
        (401, "invalid_scope", Rejected, OAuthErrorCode::InvalidScope),
        (400, "invalid_target", Rejected, OAuthErrorCode::InvalidTarget),
    ] {
        let error = refusal(
            status,
            json!({"error": spelled, "error_description": "Because\n of it."}),
        )
        .await;
        assert_eq!(error.code, Some(code), "{status} {spelled}");
        assert_eq!(error.call.kind, kind, "{status} {spelled}");
        assert!(
            error.call.message.ends_with(&format!("{spelled}: Because of it")),
            "{error}"
        );
        assert_eq!(error.call.operation, "requestToken");
    }
}

#[tokio::test]
async fn without_a_code_the_status_decides() {
    for (status, body, kind) in [
        (400, json!({"error": "own_code"}), ErrorKind::Rejected),
        (401, json!({"detail": "no"}), ErrorKind::Unauthorized),
        (403, json!({}), ErrorKind::Forbidden),
        (404, json!({}), ErrorKind::NotFound),
        (404, json!({"error": "invalid_request"}), ErrorKind::NotFound),
        (405, json!({"error": "invalid_request"}), ErrorKind::NotFound),
        (410, json!({}), ErrorKind::NotFound),
        (
            429,
            json!({"error": "invalid_request"}),
            ErrorKind::Throttled { retry_after: None },
        ),
        (500, json!({"error": "invalid_client"}), ErrorKind::Unavailable),
        (
            400,
            json!({"error": {"code": "invalid_client"}}),
            ErrorKind::Rejected,
        ),
    ] {
        let error = refusal(status, body.clone()).await;
        assert_eq!((error.call.kind, error.code), (kind, None), "{status} {body}");
    }
}

#[tokio::test]
async fn a_wait_is_passed_on() {
    let server = Server::start(|_| answer(503, "retry-after: 7\r\n", "")).await;
    let error = connect(basic(&server.url()))
        .request_token(&TokenRequest::default())
        .await
        .unwrap_err();
    let retry_after = Some(Duration::from_secs(7));
    assert_eq!(error.call.kind, ErrorKind::Throttled { retry_after });
}

#[tokio::test]
async fn a_lost_answer_is_unknown_only_where_a_refresh_token_may_be_spent() {
    let refresh = TokenRequest {
        refresh_token: Some("once".into()),
        ..TokenRequest::default()
    };
    let replies: [fn() -> Reply; 5] = [
        || Reply::Bytes(Vec::new()),
        || answer(500, "", ""),
        || answer(200, "", "<html>"),
        || json_answer(200, json!({"token_type": "Bearer"})),
        || json_answer(200, json!({"access_token": "t0ken", "token_type": "DPoP"})),
    ];
    for (reply, repeatable) in replies.into_iter().zip([
        ErrorKind::Unavailable,
        ErrorKind::Unavailable,
        ErrorKind::Malformed,
        ErrorKind::Malformed,
        ErrorKind::Malformed,
    ]) {
        let server = Server::start(move |_| reply()).await;
        let client = connect(basic(&server.url()));
        let error = client.request_token(&TokenRequest::default()).await.unwrap_err();
        assert_eq!(error.call.kind, repeatable);
        let error = client.request_token(&refresh).await.unwrap_err();
        assert_eq!(error.call.kind, ErrorKind::Unknown);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server = Server::start(|_| answer(307, "location: https://elsewhere.example.com/\r\n", "")).await;
    let error = connect(basic(&server.url()))
        .request_token(&TokenRequest::default())
        .await
        .unwrap_err();
    assert_eq!(error.call.kind, ErrorKind::Malformed);
    assert!(
        error.call.message.contains("redirects are not followed"),
        "{error}"
    );
    assert_eq!(server.received().len(), 1);
}
