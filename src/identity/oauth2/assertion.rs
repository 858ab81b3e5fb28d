//! Assertions with which a client proves that it holds a private key (RFC 7523).

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
    RsaEncoding, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use k8s_openapi::jiff::Timestamp;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use uuid::Uuid;

use super::config::misconfigured;
use super::jwk;
use crate::identity::{CallError, ErrorKind};

/// How long an assertion is good for, in seconds: enough for one request and clocks that differ a little.
const LIFETIME_SECONDS: i64 = 60;

/// Signature algorithms, under their JWA names (RFC 7518 section 3.1, RFC 8037).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssertionAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl AssertionAlgorithm {
    /// The name that a JWT's header holds.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of this name; `Ed25519` (RFC 9864) is the same as `EdDSA`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "PS256" => Self::Ps256,
            "ES256" => Self::Es256,
            "EdDSA" | "Ed25519" => Self::EdDsa,
            _ => return None,
        })
    }
}

/// A private key that can sign, of one of the three kinds.
pub(super) enum KeyPair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl KeyPair {
    fn default_algorithm(&self) -> AssertionAlgorithm {
        match self {
            Self::Rsa(_) => AssertionAlgorithm::Rs256,
            Self::P256(_) => AssertionAlgorithm::Es256,
            Self::Ed25519(_) => AssertionAlgorithm::EdDsa,
        }
    }

    fn can(&self, algorithm: AssertionAlgorithm) -> bool {
        algorithm == self.default_algorithm()
            || matches!((self, algorithm), (Self::Rsa(_), AssertionAlgorithm::Ps256))
    }

    fn sign(&self, algorithm: AssertionAlgorithm, message: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Rsa(pair) => {
                let padding: &dyn RsaEncoding = match algorithm {
                    AssertionAlgorithm::Ps256 => &RSA_PSS_SHA256,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &SystemRandom::new(), message, &mut signature)
                    .ok()?;
                Some(signature)
            }
            Self::P256(pair) => Some(pair.sign(&SystemRandom::new(), message).ok()?.as_ref().to_vec()),
            Self::Ed25519(pair) => Some(pair.sign(message).as_ref().to_vec()),
        }
    }
}

/// A private key for assertions.
#[derive(Clone)]
pub struct AssertionKey {
    text: SecretString,
    pair: Arc<KeyPair>,
    algorithm: AssertionAlgorithm,
    key_id: Option<String>,
}

impl fmt::Debug for AssertionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssertionKey")
            .field("algorithm", &self.algorithm)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

/// What an assertion says beside the time.
pub(super) struct Statement<'a> {
    pub(super) client_id: &'a str,
    pub(super) audience: &'a str,
    pub(super) key_id: Option<&'a str>,
}

impl AssertionKey {
    /// Reads a key: PEM (PKCS#8, PKCS#1 or SEC1, not encrypted) or one JWK (RFC 7517), of RSA with 2048 bits or
    /// more, P-256 or Ed25519. An RSA key signs with RS256, unless the JWK's `alg` or `algorithm` says PS256.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`] with reason `InvalidPrivateKey`. The message quotes nothing of the key.
    pub fn parse(text: SecretString, algorithm: Option<AssertionAlgorithm>) -> Result<Self, CallError> {
        let invalid = |message: &str| misconfigured("InvalidPrivateKey", message.to_owned());
        let key = text.expose_secret().trim();
        let (pair, named, key_id) = if key.starts_with('{') {
            let key = jwk::read(key).map_err(|message| misconfigured("InvalidPrivateKey", message))?;
            (key.pair, key.algorithm, key.key_id)
        } else {
            (read_pem(key).map_err(invalid)?, None, None)
        };
        let algorithm = algorithm.or(named).unwrap_or_else(|| pair.default_algorithm());
        if !pair.can(algorithm) {
            return Err(misconfigured(
                "InvalidPrivateKey",
                format!(
                    "the private key cannot sign with {}; a key of this kind signs with {}",
                    algorithm.name(),
                    pair.default_algorithm().name()
                ),
            ));
        }
        Ok(Self {
            text,
            pair: Arc::new(pair),
            algorithm,
            key_id,
        })
    }

    /// The algorithm that it signs with.
    #[must_use]
    pub fn algorithm(&self) -> AssertionAlgorithm {
        self.algorithm
    }

    /// The key as it was given, for what must not be repeated.
    pub(crate) fn text(&self) -> &SecretString {
        &self.text
    }

    /// An assertion (RFC 7523 section 3) that is good for one minute from `now`. `id` makes it unique.
    pub(super) fn assertion(
        &self,
        statement: &Statement<'_>,
        now: Timestamp,
        id: Uuid,
    ) -> Result<SecretString, CallError> {
        let mut header = json!({"alg": self.algorithm.name(), "typ": "JWT"});
        if let (Some(kid), Some(header)) = (
            statement.key_id.or(self.key_id.as_deref()),
            header.as_object_mut(),
        ) {
            header.insert("kid".to_owned(), kid.into());
        }
        let issued_at = now.as_second();
        let claims = json!({
            "iss": statement.client_id,
            "sub": statement.client_id,
            "aud": statement.audience,
            "jti": id.to_string(),
            "iat": issued_at,
            "exp": issued_at.saturating_add(LIFETIME_SECONDS),
        });
        let message = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let signature = self
            .pair
            .sign(self.algorithm, message.as_bytes())
            .ok_or_else(|| CallError {
                operation: "signAssertion",
                kind: ErrorKind::Misconfigured {
                    reason: "InvalidPrivateKey",
                },
                message: "the private key could not sign; replace it".to_owned(),
            })?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)).into())
    }
}

fn read_pem(pem: &str) -> Result<KeyPair, &'static str> {
    if pem.contains("ENCRYPTED") {
        return Err("the private key is encrypted; store it without a passphrase");
    }
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| {
        "the private key is neither a JWK nor PEM with a block that begins with `-----BEGIN PRIVATE KEY-----`"
    })?;
    let pair = match &key {
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der())
            .ok()
            .map(KeyPair::Rsa),
        PrivateKeyDer::Sec1(der) => {
            EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_sec1_der())
                .ok()
                .map(KeyPair::P256)
        }
        PrivateKeyDer::Pkcs8(der) => read_pkcs8(der.secret_pkcs8_der()),
        _ => None,
    };
    pair.ok_or("the private key is of a kind that cannot sign assertions: use RSA with 2048 bits or more, P-256 or Ed25519")
}

fn read_pkcs8(der: &[u8]) -> Option<KeyPair> {
    if let Ok(pair) = RsaKeyPair::from_pkcs8(der) {
        return Some(KeyPair::Rsa(pair));
    }
    if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der) {
        return Some(KeyPair::P256(pair));
    }
    // Without the public key inside there is nothing to compare with: OpenSSL leaves it out.
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(der)
        .ok()
        .map(KeyPair::Ed25519)
}
