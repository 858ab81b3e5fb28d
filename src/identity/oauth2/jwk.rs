//! Private keys as JWK (RFC 7517, RFC 7518 section 6, RFC 8037 section 2).

use aws_lc_rs::rsa::{KeyPairComponents, PublicKeyComponents};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::zeroize::Zeroizing;
use serde_json::{Map, Value};

use super::assertion::{AssertionAlgorithm, KeyPair};
use crate::identity::http::tidy;

/// A JWK that was read.
pub(super) struct Key {
    pub(super) pair: KeyPair,
    pub(super) algorithm: Option<AssertionAlgorithm>,
    pub(super) key_id: Option<String>,
}

/// Reads a key. The error is a sentence that quotes no member of it but `alg`, `kty` and `crv`.
pub(super) fn read(text: &str) -> Result<Key, String> {
    let Ok(Value::Object(jwk)) = serde_json::from_str(text) else {
        return Err("the private key begins as a JWK and is not a JSON object".to_owned());
    };
    if jwk.contains_key("keys") {
        return Err("the private key is a set of keys (`keys`); give the one JWK that is to sign".to_owned());
    }
    let algorithm = match member(&jwk, "alg") {
        None => None,
        Some(name) => Some(AssertionAlgorithm::parse(name).ok_or_else(|| {
            format!(
                "the JWK's `alg` is {}; supported are RS256, PS256, ES256 and EdDSA",
                tidy(name)
            )
        })?),
    };
    let kind = member(&jwk, "kty").unwrap_or_default();
    let pair = match (kind, member(&jwk, "crv")) {
        ("RSA", _) => rsa(&jwk)?.map(KeyPair::Rsa),
        ("EC", Some("P-256")) => p256(&jwk)?.map(KeyPair::P256),
        ("OKP", Some("Ed25519")) => {
            Ed25519KeyPair::from_seed_and_public_key(&bytes(&jwk, "d")?, &bytes(&jwk, "x")?)
                .ok()
                .map(KeyPair::Ed25519)
        }
        (kind, curve) => {
            return Err(format!(
                "the JWK's `kty` is {} and its `crv` is {}; supported are RSA, EC with P-256, and OKP with Ed25519",
                named(kind),
                named(curve.unwrap_or_default())
            ));
        }
    };
    Ok(Key {
        pair: pair
            .ok_or("the JWK's members do not fit together, or its RSA modulus has less than 2048 bits")?,
        algorithm,
        key_id: member(&jwk, "kid").map(str::to_owned),
    })
}

fn rsa(jwk: &Map<String, Value>) -> Result<Option<RsaKeyPair>, String> {
    Ok(RsaKeyPair::from_components(&KeyPairComponents {
        public_key: PublicKeyComponents {
            n: bytes(jwk, "n")?,
            e: bytes(jwk, "e")?,
        },
        d: bytes(jwk, "d")?,
        p: bytes(jwk, "p")?,
        q: bytes(jwk, "q")?,
        dP: bytes(jwk, "dp")?,
        dQ: bytes(jwk, "dq")?,
        qInv: bytes(jwk, "qi")?,
    })
    .ok())
}

fn p256(jwk: &Map<String, Value>) -> Result<Option<EcdsaKeyPair>, String> {
    // An uncompressed point (SEC 1 section 2.3.3).
    let point = [&[4], &**bytes(jwk, "x")?, &**bytes(jwk, "y")?].concat();
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    Ok(EcdsaKeyPair::from_private_key_and_public_key(algorithm, &bytes(jwk, "d")?, &point).ok())
}

fn member<'a>(jwk: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    jwk.get(name).and_then(Value::as_str)
}

fn bytes(jwk: &Map<String, Value>, name: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let text = member(jwk, name).ok_or_else(|| match name {
        "d" => "the JWK has no `d`: it is a public key, and the private one is needed".to_owned(),
        _ => format!("the JWK has no `{name}`"),
    })?;
    URL_SAFE_NO_PAD
        .decode(text)
        .map(Zeroizing::new)
        .map_err(|_| format!("the JWK's `{name}` is not base64url without padding"))
}

fn named(text: &str) -> String {
    if text.is_empty() {
        "not given".to_owned()
    } else {
        tidy(text)
    }
}
