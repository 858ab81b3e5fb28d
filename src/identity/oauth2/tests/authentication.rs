use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};

use super::keys::TestKey;
use super::*;

#[tokio::test]
async fn a_secret_goes_into_the_header_form_encoded() {
    let server = token_server().await;
    let mut config = basic(&server.url());
    config.client.client_id = "payments:prod é".to_owned();
    connect(config)
        .request_token(&TokenRequest::default())
        .await
        .unwrap();
    let received = &server.received()[0];
    let header = received.header("authorization").unwrap();
    let decoded = STANDARD.decode(header.strip_prefix("Basic ").unwrap()).unwrap();
    assert_eq!(
        String::from_utf8(decoded).unwrap(),
        "payments%3Aprod+%C3%A9:s3cret%2Fwith%3Aodd+%26+chars"
    );
    assert_eq!(value(&form(received), "client_id"), "(absent)");
    assert_eq!(value(&form(received), "client_secret"), "(absent)");
}

#[tokio::test]
async fn a_secret_goes_into_the_body_where_the_server_wants_it_there() {
    let server = token_server().await;
    let client = connect(config(
        &server.url(),
        ClientAuthentication::SecretPost(SECRET.into()),
    ));
    client.request_token(&TokenRequest::default()).await.unwrap();
    let received = &server.received()[0];
    assert_eq!(received.header("authorization"), None);
    assert_eq!(
        form(received),
        pairs(&[
            ("grant_type", "client_credentials"),
            ("client_id", "payments:prod"),
            ("client_secret", SECRET),
        ])
    );
}

fn with_key(server: &Server, key: &str, key_id: Option<&str>, audience: Option<&str>) -> Asked {
    config(
        &server.url(),
        ClientAuthentication::PrivateKeyJwt {
            key: AssertionKey::parse(key.into(), None).unwrap(),
            key_id: key_id.map(str::to_owned),
            audience: audience.map(str::to_owned),
        },
    )
}

/// Header and claims of an assertion whose signature is good.
fn verified(assertion: &str, key: &DecodingKey, algorithm: Algorithm) -> (jsonwebtoken::Header, Value) {
    let mut validation = Validation::new(algorithm);
    validation.validate_aud = false;
    validation.leeway = 0;
    let data = jsonwebtoken::decode::<Value>(assertion, key, &validation).unwrap();
    (data.header, data.claims)
}

#[tokio::test]
async fn an_assertion_is_signed_and_says_who_asks_whom() {
    for (key, algorithm) in [
        (TestKey::rsa(), Algorithm::RS256),
        (TestKey::p256(), Algorithm::ES256),
        (TestKey::ed25519(), Algorithm::EdDSA),
    ] {
        let server = token_server().await;
        let client = connect(with_key(&server, &key.pkcs8_pem, Some("2026-11"), None));
        let before = Timestamp::now().as_second();
        for _ in 0..2 {
            client.request_token(&TokenRequest::default()).await.unwrap();
        }
        let after = Timestamp::now().as_second();

        let mut identifiers = Vec::new();
        for received in server.received() {
            assert_eq!(received.header("authorization"), None);
            let form = form(&received);
            assert_eq!(value(&form, "client_id"), "payments:prod");
            assert_eq!(value(&form, "client_secret"), "(absent)");
            assert_eq!(
                value(&form, "client_assertion_type"),
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            );
            let (header, claims) = verified(value(&form, "client_assertion"), &key.public, algorithm);
            assert_eq!(header.kid.as_deref(), Some("2026-11"));
            assert_eq!(header.typ.as_deref(), Some("JWT"));
            assert_eq!(claims["iss"], "payments:prod");
            assert_eq!(claims["sub"], "payments:prod");
            assert_eq!(claims["aud"], format!("{}/token", server.url()));
            let issued_at = claims["iat"].as_i64().unwrap();
            assert!((before..=after).contains(&issued_at));
            assert_eq!(claims["exp"].as_i64().unwrap(), issued_at + 60);
            identifiers.push(claims["jti"].as_str().unwrap().parse::<Uuid>().unwrap());
        }
        assert_ne!(identifiers[0], identifiers[1]);
    }
}

#[tokio::test]
async fn an_assertion_is_for_the_configured_audience_then_the_issuer_then_the_token_endpoint() {
    let key = TestKey::ed25519();
    let server = token_server().await;
    let issuer = "https://idp.example.com/";
    for (issuer, audience, expected) in [
        (Some(issuer), Some("urn:idp"), "urn:idp"),
        (Some(issuer), None, issuer),
        (None, None, &format!("{}/token", server.url())),
    ] {
        let mut config = with_key(&server, &key.pkcs8_pem, None, audience);
        config.issuer = issuer.map(str::to_owned);
        let client = connect(config);
        client.request_token(&TokenRequest::default()).await.unwrap();
        // The audience of the other endpoints is the same: they authenticate the same client.
        let _ = client.introspect(&"t0ken".into()).await;
        for received in server.received().iter().rev().take(2) {
            let form = form(received);
            let (header, claims) = verified(value(&form, "client_assertion"), &key.public, Algorithm::EdDSA);
            assert_eq!(claims["aud"], *expected);
            assert_eq!(header.kid, None);
        }
    }
}
