use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::join_all;

use super::*;

const OAUTH: &str = "GET /.well-known/oauth-authorization-server/realms/ops";
const OPENID: &str = "GET /realms/ops/.well-known/openid-configuration";

/// A server with an issuer `/realms/ops`. `metadata` answers for each of the two addresses.
async fn realm(metadata: impl Fn(&str, &str) -> Reply + Send + Sync + 'static) -> (Server, String) {
    let server = Server::start(move |request| {
        let issuer = format!("http://{}/realms/ops", request.header("host").unwrap());
        match request.line.as_str() {
            line if line.starts_with("GET") => metadata(line, &issuer),
            _ => json_answer(200, json!({"access_token": "t0ken"})),
        }
    })
    .await;
    let issuer = format!("{}/realms/ops", server.url());
    (server, issuer)
}

fn document(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}/token?tenant=1"),
        "introspection_endpoint": format!("{issuer}/introspect/"),
        "revocation_endpoint": format!("{issuer}/revoke"),
    })
}

fn lines(server: &Server) -> Vec<String> {
    server
        .received()
        .into_iter()
        .map(|request| request.line)
        .collect()
}

async fn ask(client: &OAuth2) -> Result<TokenAnswer, TokenError> {
    client.request_token(&TokenRequest::default()).await
}

#[tokio::test]
async fn the_metadata_of_oauth_is_looked_for_first() {
    let (server, issuer) = realm(|_, issuer| json_answer(200, document(issuer))).await;
    let client = connect(discovering(&issuer));
    ask(&client).await.unwrap();
    client.introspect(&"t0ken".into()).await.unwrap_err();
    client.revoke(&"t0ken".into(), TokenKind::Access).await.unwrap();
    assert_eq!(
        lines(&server),
        [
            OAUTH,
            "POST /realms/ops/token?tenant=1",
            "POST /realms/ops/introspect/",
            "POST /realms/ops/revoke"
        ]
    );
    let everything = Offers {
        introspection: true,
        revocation: true,
    };
    assert_eq!(client.offers().await.unwrap(), everything);
}

#[tokio::test]
async fn the_metadata_of_openid_connect_serves_where_there_is_no_other() {
    for absent in [
        || answer(404, "", "not found"),
        || answer(403, "", "no"),
        || answer(302, "location: /login\r\n", ""),
        || answer(200, "", "<html>Welcome</html>"),
        || json_answer(200, json!({})),
    ] {
        let (server, issuer) = realm(move |line, issuer| match line {
            OPENID => json_answer(200, document(issuer)),
            _ => absent(),
        })
        .await;
        ask(&connect(discovering(&issuer))).await.unwrap();
        assert_eq!(lines(&server)[..2], [OAUTH, OPENID]);
    }
}

#[tokio::test]
async fn a_server_that_cannot_serve_is_not_asked_for_another_document() {
    for (status, kind) in [
        (500, ErrorKind::Unavailable),
        (429, ErrorKind::Throttled { retry_after: None }),
    ] {
        let (server, issuer) = realm(move |_, _| answer(status, "", "")).await;
        let error = ask(&connect(discovering(&issuer))).await.unwrap_err();
        assert_eq!(error.call.kind, kind);
        assert_eq!(lines(&server), [OAUTH]);
    }
}

#[tokio::test]
async fn a_server_without_metadata_is_told_with_both_addresses() {
    let (server, issuer) = realm(|_, _| answer(404, "", "")).await;
    let error = ask(&connect(discovering(&issuer))).await.unwrap_err();
    assert_eq!(reason(&error.call), "MetadataNotFound");
    let base = server.url();
    for part in [
        format!("{base}/.well-known/oauth-authorization-server/realms/ops"),
        format!("{base}/realms/ops/.well-known/openid-configuration"),
        "404".to_owned(),
        "`endpoints.token`".to_owned(),
    ] {
        assert!(error.call.message.contains(&part), "{part}: {error}");
    }
}

#[tokio::test]
async fn another_issuer_is_refused_before_anything_is_sent_to_it() {
    let (server, issuer) = realm(|_, issuer| {
        let mut document = document(issuer);
        document["issuer"] = json!(format!("{issuer}/"));
        json_answer(200, document)
    })
    .await;
    let error = ask(&connect(discovering(&issuer))).await.unwrap_err();
    assert_eq!(reason(&error.call), "IssuerMismatch");
    assert!(
        error.call.message.contains(&format!("`{issuer}`"))
            && error.call.message.contains(&format!("`{issuer}/`"))
            && error.call.message.ends_with("add the final slash to `issuer`"),
        "{error}"
    );
    assert_eq!(lines(&server), [OAUTH]);
}

#[tokio::test]
async fn metadata_without_a_token_endpoint_is_incomplete() {
    let (_server, issuer) = realm(|_, issuer| json_answer(200, json!({"issuer": issuer}))).await;
    let client = connect(discovering(&issuer));
    let error = ask(&client).await.unwrap_err();
    assert_eq!(reason(&error.call), "MetadataIncomplete");
    assert!(error.call.message.contains("`token_endpoint`"), "{error}");
    assert_eq!(client.offers().await.unwrap(), Offers::default());
}

#[tokio::test]
async fn single_endpoints_can_be_given_by_hand() {
    let (server, issuer) = realm(|_, issuer| json_answer(200, document(issuer))).await;
    let mut config = discovering(&issuer);
    config.endpoints.token = Some(format!("{}/by-hand", server.url()));
    let client = connect(config);
    ask(&client).await.unwrap();
    assert_eq!(
        lines(&server),
        ["POST /by-hand"],
        "no metadata is needed for this one"
    );
    client.revoke(&"t0ken".into(), TokenKind::Access).await.unwrap();
    assert_eq!(lines(&server)[1..], [OAUTH, "POST /realms/ops/revoke"]);
}

#[tokio::test]
async fn without_an_issuer_no_metadata_is_looked_for() {
    let server = token_server().await;
    let client = connect(basic(&server.url()));
    ask(&client).await.unwrap();
    assert!(client.offers().await.unwrap().introspection);
    assert_eq!(lines(&server), ["POST /token"]);
}

#[tokio::test]
async fn clear_text_has_to_be_allowed_everywhere() {
    let insecure = |change: fn(&mut Asked)| {
        let mut config = discovering("https://idp.example.com");
        config.allow_insecure = false;
        change(&mut config);
        refused(config)
    };
    for (change, field) in [
        (
            (|config| config.issuer = Some("http://127.0.0.1".to_owned())) as fn(&mut Asked),
            "`issuer`",
        ),
        (
            |config| config.endpoints.token = Some("http://localhost/t".to_owned()),
            "`endpoints.token`",
        ),
        (
            |config| config.endpoints.introspection = Some("http://idp/i".to_owned()),
            "`endpoints.introspection`",
        ),
        (
            |config| config.endpoints.revocation = Some("http://idp/r".to_owned()),
            "`endpoints.revocation`",
        ),
    ] {
        let (reason, message) = insecure(change);
        assert_eq!(reason, "InsecureEndpoint");
        assert!(message.starts_with(field), "{message}");
    }
}

#[tokio::test]
async fn metadata_that_leads_to_clear_text_is_refused() {
    let authority = mutual_tls::Authority::new();
    let plain = realm(|_, _| {
        let issuer = "https://localhost:PORT/realms/ops";
        json_answer(
            200,
            json!({"issuer": issuer, "token_endpoint": "http://idp.example.com/token"}),
        )
    })
    .await
    .0;
    // The front's port is not known before it is there, so the issuer is put right in the answer.
    let front = mutual_tls::Front::start(&authority, &plain, false).await;
    let issuer = format!("https://localhost:{}/realms/ops", front.port());
    front.replace("https://localhost:PORT/realms/ops", &issuer);
    let mut config = discovering(&issuer);
    config.allow_insecure = false;
    config.ca_bundle = Some(authority.pem().into_bytes());
    let error = ask(&connect(config)).await.unwrap_err();
    assert_eq!(reason(&error.call), "InsecureEndpoint", "{error}");
    assert!(
        error.call.message.starts_with("`token_endpoint`") && error.call.message.contains(&issuer),
        "{error}"
    );
}

#[tokio::test]
async fn the_clients_of_one_server_ask_it_once_an_hour() {
    let (server, issuer) = realm(|_, issuer| json_answer(200, document(issuer))).await;
    let cache = MetadataCache::new();
    let clients: Vec<_> = (0..5)
        .map(|_| {
            discovering(&issuer)
                .connect(Arc::new(Observed::default()), &cache)
                .unwrap()
        })
        .collect();
    let offers = join_all(clients.iter().map(OAuth2::offers)).await;
    assert!(offers.iter().all(Result::is_ok));
    assert_eq!(lines(&server), [OAUTH]);

    // A client that comes after the others are gone finds it too.
    drop(clients);
    pass(Duration::from_secs(3500)).await;
    let client = discovering(&issuer)
        .connect(Arc::new(Observed::default()), &cache)
        .unwrap();
    client.offers().await.unwrap();
    assert_eq!(lines(&server), [OAUTH]);

    pass(Duration::from_secs(101)).await;
    client.offers().await.unwrap();
    client.offers().await.unwrap();
    assert_eq!(lines(&server), [OAUTH, OAUTH]);
}

#[tokio::test]
async fn a_refresh_that_fails_leaves_what_was_known() {
    let broken = Arc::new(AtomicBool::new(false));
    let fails = Arc::clone(&broken);
    let (server, issuer) = realm(move |_, issuer| match fails.load(Ordering::SeqCst) {
        true => answer(500, "", ""),
        false => json_answer(200, document(issuer)),
    })
    .await;
    let client = connect(discovering(&issuer));
    client.offers().await.unwrap();
    broken.store(true, Ordering::SeqCst);
    pass(Duration::from_secs(3601)).await;
    for _ in 0..3 {
        assert!(client.offers().await.unwrap().revocation);
    }
    assert_eq!(
        lines(&server).len(),
        2,
        "the failed refresh is not repeated at once"
    );
    pass(Duration::from_secs(61)).await;
    client.offers().await.unwrap();
    assert_eq!(lines(&server).len(), 3);
}

#[tokio::test]
async fn a_first_fetch_that_fails_is_shared_and_repeated_only_by_who_asks_again() {
    let (server, issuer) = realm(|_, _| answer(500, "", "")).await;
    let client = connect(discovering(&issuer));
    let offers = join_all((0..5).map(|_| client.offers())).await;
    for error in offers.into_iter().map(Result::unwrap_err) {
        assert_eq!(error.call.kind, ErrorKind::Unavailable);
    }
    assert_eq!(lines(&server), [OAUTH]);
    client.offers().await.unwrap_err();
    assert_eq!(lines(&server), [OAUTH, OAUTH]);
}

async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}
