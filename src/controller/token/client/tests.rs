//! What a client's Secret must hold, method by method.

use super::*;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

fn reference(changes: Value) -> ClientSecretReference {
    let mut whole = json!({"name": "orders-client"});
    let Value::Object(changes) = changes else {
        panic!("not a reference")
    };
    whole.as_object_mut().unwrap().extend(changes);
    serde_json::from_value(whole).unwrap()
}

fn loaded(data: &[(&str, &[u8])], changes: Value) -> Result<LoadedClient, Trouble> {
    loaded_with(data, changes, None)
}

fn loaded_with(
    data: &[(&str, &[u8])],
    changes: Value,
    of_provider: Option<&Authentication>,
) -> Result<LoadedClient, Trouble> {
    let entries = Entries {
        name: "orders-client",
        namespace: "shop",
        data: data
            .iter()
            .map(|(key, value)| ((*key).to_owned(), ByteString(value.to_vec())))
            .collect(),
    };
    credentials(&entries, &reference(changes), of_provider).map(with_fingerprint)
}

fn by(method: &str) -> Value {
    json!({"authentication": {"method": method}})
}

fn private_key() -> String {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let key = STANDARD.encode(pair.to_pkcs8v1().unwrap().as_ref());
    format!("-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----\n")
}

#[track_caller]
fn incomplete(result: Result<LoadedClient, Trouble>, sentence: &str) {
    let trouble = result.unwrap_err();
    assert_eq!(trouble.reason, "ClientSecretIncomplete");
    assert!(!trouble.passes);
    assert!(
        trouble.message.starts_with("Secret shop/orders-client: the key "),
        "{}",
        trouble.message
    );
    assert!(
        trouble.message.contains(sentence),
        "{:?} does not say {sentence:?}",
        trouble.message
    );
}

const ID: (&str, &[u8]) = ("client_id", b"orders");

#[test]
fn each_method_finds_its_own_keys() {
    let key = private_key();
    for (data, changes, expected) in [
        (
            vec![ID, ("client_secret", b"s3cret".as_slice())],
            json!({}),
            "client_secret_basic",
        ),
        (
            vec![ID, ("client_secret", b"s3cret")],
            by("client_secret_basic"),
            "client_secret_basic",
        ),
        (
            vec![ID, ("client_secret", b"s3cret")],
            by("client_secret_post"),
            "client_secret_post",
        ),
        (
            vec![ID, ("private_key", key.as_bytes())],
            by("private_key_jwt"),
            "private_key_jwt",
        ),
        (
            vec![ID, ("tls.crt", b"CERT"), ("tls.key", b"KEY")],
            by("tls_client_auth"),
            "tls_client_auth",
        ),
    ] {
        let client = loaded(&data, changes).unwrap();
        assert_eq!(client.client_id, "orders");
        let found = match client.credentials.unwrap().authentication {
            ClientAuthentication::SecretBasic(_) => "client_secret_basic",
            ClientAuthentication::SecretPost(_) => "client_secret_post",
            ClientAuthentication::PrivateKeyJwt { .. } => "private_key_jwt",
            ClientAuthentication::TlsClientAuth { .. } => "tls_client_auth",
        };
        assert_eq!(found, expected);
    }
}

#[test]
fn what_is_missing_is_named_with_the_method_that_needs_it() {
    let secret: (&str, &[u8]) = ("client_secret", b"s3cret");
    for (data, changes, sentence) in [
        (
            vec![],
            json!({}),
            "\"client_id\" is missing, and spec.client.secretRef.clientId is not set either",
        ),
        (
            vec![ID],
            json!({}),
            "\"client_secret\" is missing, and client authentication by client_secret_basic needs it",
        ),
        (
            vec![ID],
            by("client_secret_post"),
            "\"client_secret\" is missing, and client authentication by client_secret_post",
        ),
        (
            vec![ID, secret],
            by("private_key_jwt"),
            "\"private_key\" is missing, and client authentication by private_key_jwt",
        ),
        (
            vec![ID, secret],
            by("tls_client_auth"),
            "\"tls.crt\" is missing, and client authentication by tls_client_auth",
        ),
        (
            vec![ID, ("tls.crt", b"CERT")],
            by("tls_client_auth"),
            "\"tls.key\" is missing",
        ),
        (
            vec![ID, ("client_secret", b"")],
            json!({}),
            "\"client_secret\" is empty",
        ),
        (
            vec![ID, ("client_secret", b" \n")],
            json!({}),
            "\"client_secret\" is empty",
        ),
        (
            vec![("client_id", b"\n"), secret],
            json!({}),
            "\"client_id\" is empty",
        ),
        (
            vec![ID, ("client_secret", b"\xff\xfe")],
            json!({}),
            "\"client_secret\" is not UTF-8 text",
        ),
        (
            vec![ID, ("private_key", b"no key")],
            by("private_key_jwt"),
            "\"private_key\" cannot be used: ",
        ),
        (
            vec![ID],
            json!({"keys": {"clientSecret": "other"}}),
            "\"other\" is missing, and client authentication by client_secret_basic needs it. Put it there, or name another key in spec.client.secretRef.keys",
        ),
    ] {
        incomplete(loaded(&data, changes), sentence);
    }
}

#[test]
fn keys_may_have_other_names_and_the_identifier_may_stand_in_the_spec() {
    let key = private_key();
    let client = loaded(
        &[("id", b"orders\n"), ("key", key.as_bytes()), ("kid", b" key-1\n")],
        json!({
            "keys": {"clientId": "id", "privateKey": "key", "keyId": "kid"},
            "authentication": {"method": "private_key_jwt", "signingAlgorithm": "ES256", "audience": "https://login.example"},
        }),
    )
    .unwrap();
    assert_eq!(client.client_id, "orders");
    match client.credentials.unwrap().authentication {
        ClientAuthentication::PrivateKeyJwt {
            key_id,
            audience,
            key,
            ..
        } => {
            assert_eq!(key_id.as_deref(), Some("key-1"));
            assert_eq!(audience.as_deref(), Some("https://login.example"));
            assert_eq!(key.algorithm().name(), "ES256");
        }
        other => panic!("{other:?}"),
    }
    let client = loaded(
        &[("client_id", b"not this"), ("client_secret", b"s3cret")],
        json!({"clientId": "orders"}),
    );
    assert_eq!(client.unwrap().client_id, "orders");
}

#[test]
fn an_algorithm_that_does_not_fit_the_key_is_refused() {
    let key = private_key();
    incomplete(
        loaded(
            &[ID, ("private_key", key.as_bytes())],
            json!({"authentication": {"method": "private_key_jwt", "signingAlgorithm": "RS256"}}),
        ),
        "\"private_key\" cannot be used: ",
    );
}

#[test]
fn the_provider_says_how_clients_authenticate_unless_they_say_it_themselves() {
    let post = Authentication {
        method: ClientAuthenticationMethod::ClientSecretPost,
        signing_algorithm: None,
        audience: None,
    };
    let data: [(&str, &[u8]); 2] = [ID, ("client_secret", b"s3cret")];
    let of_provider = loaded_with(&data, json!({}), Some(&post)).unwrap();
    assert!(matches!(
        of_provider.credentials.unwrap().authentication,
        ClientAuthentication::SecretPost(_)
    ));
    let own = loaded_with(&data, by("client_secret_basic"), Some(&post)).unwrap();
    assert!(matches!(
        own.credentials.unwrap().authentication,
        ClientAuthentication::SecretBasic(_)
    ));
}

#[test]
fn a_line_break_at_the_end_of_a_file_is_no_part_of_a_secret_but_spaces_are() {
    for (held, expected) in [
        (b"s3cret\n".as_slice(), "s3cret"),
        (b"s3cret\r\n", "s3cret"),
        (b" s3 cret ", " s3 cret "),
    ] {
        let client = loaded(&[ID, ("client_secret", held)], json!({})).unwrap();
        match client.credentials.unwrap().authentication {
            ClientAuthentication::SecretBasic(secret) => assert_eq!(secret.expose_secret(), expected),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn clients_are_told_apart_by_all_that_makes_them() {
    let of = |data: &[(&str, &[u8])], changes| loaded(data, changes).unwrap().fingerprint;
    let usual = of(&[ID, ("client_secret", b"s3cret")], json!({}));
    assert_eq!(usual, of(&[ID, ("client_secret", b"s3cret\n")], json!({})));
    for other in [
        of(
            &[("client_id", b"other"), ("client_secret", b"s3cret")],
            json!({}),
        ),
        of(&[ID, ("client_secret", b"rotated")], json!({})),
        of(&[ID, ("client_secret", b"s3cret")], by("client_secret_post")),
        of(
            &[ID, ("tls.crt", b"s3cret"), ("tls.key", b"x")],
            by("tls_client_auth"),
        ),
    ] {
        assert_ne!(usual, other);
    }
}

#[test]
fn no_sentence_and_no_debug_output_shows_a_secret() {
    let client = loaded(&[ID, ("client_secret", b"s3cret-bytes")], json!({})).unwrap();
    assert!(!format!("{client:?}").contains("s3cret-bytes"));
    let trouble = loaded(&[ID, ("private_key", b"s3cret-bytes")], by("private_key_jwt")).unwrap_err();
    assert!(!format!("{trouble:?}").contains("s3cret-bytes"));
}
