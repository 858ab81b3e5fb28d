//! Keys of clients that authenticate with `private_key_jwt`.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair,
};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::Error;
use crate::settings::{SigningAlgorithm, unique};

/// Length of a coordinate on P-256, in bytes.
const COORDINATE: usize = 32;

/// A client's private key.
#[derive(Debug, Clone)]
pub struct PrivateKey {
    /// The algorithm that the server expects of its assertions.
    pub algorithm: SigningAlgorithm,
    /// What the server knows the key by: the header parameter `kid`.
    pub key_id: String,
    /// PKCS #8 (version 1) as PEM.
    pub pem: SecretString,
    /// The public key as JSON Web Key (RFC 7517), with `kid`, `alg` and `use`.
    pub public_key: Value,
}

impl PrivateKey {
    /// # Errors
    ///
    /// If the cryptographic library cannot make a key.
    pub(crate) fn generate(algorithm: SigningAlgorithm) -> Result<Self, Error> {
        let (der, mut public_key) = match algorithm {
            SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256 => rsa(),
            SigningAlgorithm::Es256 => p256(),
            SigningAlgorithm::EdDsa => ed25519(),
        }
        .ok_or(Error::Key(algorithm.name()))?;
        let key_id = unique("key");
        if let Some(members) = public_key.as_object_mut() {
            members.insert("kid".to_owned(), key_id.clone().into());
            members.insert("alg".to_owned(), algorithm.name().into());
            members.insert("use".to_owned(), "sig".into());
        }
        Ok(Self {
            algorithm,
            key_id,
            pem: pem::encode(&pem::Pem::new("PRIVATE KEY", der)).into(),
            public_key,
        })
    }
}

fn rsa() -> Option<(Vec<u8>, Value)> {
    let key = RsaKeyPair::generate(KeySize::Rsa2048).ok()?;
    let der: Pkcs8V1Der<'_> = key.as_der().ok()?;
    let public = key.public_key();
    let number = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let modulus = number(public.modulus().big_endian_without_leading_zero());
    let exponent = number(public.exponent().big_endian_without_leading_zero());
    Some((
        der.as_ref().to_vec(),
        json!({ "kty": "RSA", "n": modulus, "e": exponent }),
    ))
}

fn p256() -> Option<(Vec<u8>, Value)> {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).ok()?;
    let der = key.to_pkcs8v1().ok()?;
    // An uncompressed point (SEC 1, section 2.3.3): 4, then both coordinates.
    let (x, y) = key.public_key().as_ref().get(1..)?.split_at_checked(COORDINATE)?;
    let [x, y] = [x, y].map(|coordinate| BASE64_URL_SAFE_NO_PAD.encode(coordinate));
    Some((
        der.as_ref().to_vec(),
        json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y }),
    ))
}

fn ed25519() -> Option<(Vec<u8>, Value)> {
    let key = Ed25519KeyPair::generate().ok()?;
    let der = key.to_pkcs8v1().ok()?;
    let x = BASE64_URL_SAFE_NO_PAD.encode(key.public_key());
    Some((
        der.as_ref().to_vec(),
        json!({ "kty": "OKP", "crv": "Ed25519", "x": x }),
    ))
}
