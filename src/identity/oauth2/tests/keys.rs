//! Private keys in every form that they come in.

use aws_lc_rs::encoding::{
    AsBigEndian, AsDer, Curve25519SeedBin, EcPrivateKeyBin, EcPrivateKeyRfc5915Der, Pkcs8V1Der,
};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};

use super::*;

/// A key pair that was made for a test.
pub(super) struct TestKey {
    pub(super) pkcs8_pem: String,
    pub(super) other_pem: Option<String>,
    pub(super) jwk: Value,
    pub(super) public: DecodingKey,
}

impl TestKey {
    pub(super) fn rsa() -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let pkcs8: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        // PrivateKeyInfo (RFC 5208 section 5) ends in the RSAPrivateKey (RFC 8017 appendix A.1.2).
        let pkcs1 = elements(elements(pkcs8.as_ref())[0])[2];
        let numbers: Vec<String> = elements(elements(pkcs1)[0])
            .iter()
            .map(|number| URL_SAFE_NO_PAD.encode(number.strip_prefix(&[0]).unwrap_or(number)))
            .collect();
        let names = ["n", "e", "d", "p", "q", "dp", "dq", "qi"];
        let mut jwk = json!({"kty": "RSA", "kid": "from-jwk"});
        for (name, number) in names.iter().zip(&numbers[1..]) {
            jwk[name] = json!(number);
        }
        Self {
            pkcs8_pem: pem("PRIVATE KEY", pkcs8.as_ref()),
            other_pem: Some(pem("RSA PRIVATE KEY", pkcs1)),
            jwk,
            public: DecodingKey::from_rsa_der(pair.public_key().as_ref()),
        }
    }

    pub(super) fn p256() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let number: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().unwrap();
        let sec1: EcPrivateKeyRfc5915Der<'_> = pair.private_key().as_der().unwrap();
        let point = pair.public_key().as_ref();
        Self {
            pkcs8_pem: pem("PRIVATE KEY", pair.to_pkcs8v1().unwrap().as_ref()),
            other_pem: Some(pem("EC PRIVATE KEY", sec1.as_ref())),
            jwk: json!({
                "kty": "EC", "crv": "P-256", "kid": "from-jwk",
                "d": URL_SAFE_NO_PAD.encode(number.as_ref()),
                "x": URL_SAFE_NO_PAD.encode(&point[1..33]),
                "y": URL_SAFE_NO_PAD.encode(&point[33..]),
            }),
            public: DecodingKey::from_ec_der(point),
        }
    }

    pub(super) fn ed25519() -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let seed: Curve25519SeedBin<'_> = pair.seed().unwrap().as_be_bytes().unwrap();
        let public = pair.public_key().as_ref();
        Self {
            pkcs8_pem: pem("PRIVATE KEY", pair.to_pkcs8v1().unwrap().as_ref()),
            other_pem: Some(pem("PRIVATE KEY", pair.to_pkcs8().unwrap().as_ref())),
            jwk: json!({
                "kty": "OKP", "crv": "Ed25519", "kid": "from-jwk",
                "d": URL_SAFE_NO_PAD.encode(seed.as_ref()),
                "x": URL_SAFE_NO_PAD.encode(public),
            }),
            public: DecodingKey::from_ed_der(public),
        }
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<&str> = body
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

/// The contents of the DER elements that follow one another.
fn elements(mut der: &[u8]) -> Vec<&[u8]> {
    let mut contents = Vec::new();
    while der.len() > 1 {
        let (length, start) = match der[1] {
            short @ 0..=0x7f => (usize::from(short), 2),
            long => {
                let octets = usize::from(long & 0x7f);
                let length = der[2..2 + octets]
                    .iter()
                    .fold(0, |sum, &octet| sum << 8 | usize::from(octet));
                (length, 2 + octets)
            }
        };
        contents.push(&der[start..start + length]);
        der = &der[start + length..];
    }
    contents
}

fn sign(key: &AssertionKey) -> String {
    let statement = Statement {
        client_id: "client",
        audience: "https://idp.example.com",
        key_id: None,
    };
    key.assertion(&statement, Timestamp::now(), Uuid::new_v4())
        .unwrap()
        .expose_secret()
        .to_owned()
}

fn verify(assertion: &str, public: &DecodingKey, algorithm: Algorithm) -> jsonwebtoken::Header {
    let mut validation = Validation::new(algorithm);
    validation.set_audience(&["https://idp.example.com"]);
    validation.set_issuer(&["client"]);
    jsonwebtoken::decode::<Value>(assertion, public, &validation)
        .unwrap()
        .header
}

#[test]
fn a_key_signs_in_whatever_form_it_comes() {
    for (key, algorithm) in [
        (TestKey::rsa(), Algorithm::RS256),
        (TestKey::p256(), Algorithm::ES256),
        (TestKey::ed25519(), Algorithm::EdDSA),
    ] {
        let pems = [Some(key.pkcs8_pem), key.other_pem.clone()];
        for pem in pems.into_iter().flatten() {
            let parsed = AssertionKey::parse(format!("\n{pem}\n").into(), None).unwrap();
            assert_eq!(verify(&sign(&parsed), &key.public, algorithm).kid, None);
        }
        let parsed = AssertionKey::parse(key.jwk.to_string().into(), None).unwrap();
        let header = verify(&sign(&parsed), &key.public, algorithm);
        assert_eq!(header.kid.as_deref(), Some("from-jwk"));
        let (text, debug) = (key.jwk.to_string(), format!("{parsed:?}"));
        assert!(
            !debug.contains(key.jwk["d"].as_str().unwrap()),
            "{text} in {debug}"
        );
    }
}

#[test]
fn an_rsa_key_signs_with_pss_where_that_is_asked_for() {
    let mut key = TestKey::rsa();
    let parsed = AssertionKey::parse(key.pkcs8_pem.clone().into(), Some(AssertionAlgorithm::Ps256)).unwrap();
    verify(&sign(&parsed), &key.public, Algorithm::PS256);
    key.jwk["alg"] = json!("PS256");
    let parsed = AssertionKey::parse(key.jwk.to_string().into(), None).unwrap();
    assert_eq!(parsed.algorithm(), AssertionAlgorithm::Ps256);
    verify(&sign(&parsed), &key.public, Algorithm::PS256);
}

#[test]
fn a_key_that_cannot_be_used_is_refused_without_being_shown() {
    let (rsa, p256, ed25519) = (TestKey::rsa(), TestKey::p256(), TestKey::ed25519());
    let p384 = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    let changed = |mut jwk: Value, name: &str, value: Value| {
        jwk[name] = value;
        jwk.to_string()
    };
    let mut public = p256.jwk.clone();
    public.as_object_mut().unwrap().remove("d");
    let cases = [
        (String::new(), "neither a JWK nor PEM"),
        ("hunter2".to_owned(), "neither a JWK nor PEM"),
        (pem("PUBLIC KEY", b"hunter2"), "neither a JWK nor PEM"),
        (pem("ENCRYPTED PRIVATE KEY", b"hunter2"), "without a passphrase"),
        (
            pem("PRIVATE KEY", b"hunter2"),
            "use RSA with 2048 bits or more, P-256 or Ed25519",
        ),
        (
            pem("PRIVATE KEY", p384.to_pkcs8v1().unwrap().as_ref()),
            "use RSA with 2048 bits or more, P-256 or Ed25519",
        ),
        ("{".to_owned(), "is not a JSON object"),
        (json!({"keys": [rsa.jwk]}).to_string(), "a set of keys"),
        (changed(rsa.jwk.clone(), "alg", json!("RS512")), "`alg` is RS512"),
        (
            changed(ed25519.jwk.clone(), "alg", json!("ES256")),
            "cannot sign with ES256",
        ),
        (
            changed(rsa.jwk.clone(), "d", rsa.jwk["p"].clone()),
            "do not fit together",
        ),
        (
            changed(ed25519.jwk.clone(), "x", p256.jwk["x"].clone()),
            "do not fit together",
        ),
        (
            changed(p256.jwk.clone(), "d", json!("not base64!")),
            "`d` is not base64url",
        ),
        (changed(p256.jwk.clone(), "crv", json!("P-521")), "`crv` is P-521"),
        (changed(p256.jwk.clone(), "kty", json!("oct")), "`kty` is oct"),
        (public.to_string(), "it is a public key"),
    ];
    for (key, expected) in cases {
        let error = AssertionKey::parse(key.into(), None).unwrap_err();
        assert_eq!(reason(&error), "InvalidPrivateKey");
        assert!(error.message.contains(expected), "{expected}: {}", error.message);
        assert!(!error.message.contains("hunter2"), "{}", error.message);
    }
    let error = AssertionKey::parse(p256.pkcs8_pem.into(), Some(AssertionAlgorithm::Rs256)).unwrap_err();
    assert!(
        error.message.contains("cannot sign with RS256"),
        "{}",
        error.message
    );
}
