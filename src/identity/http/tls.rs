//! The certificate authorities that a user adds to those of the system, and the certificate that is shown to
//! servers.

use reqwest::{Certificate, Identity};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, RootCertStore};
use secrecy::{ExposeSecret, SecretString};

/// The certificate that a client shows to servers that ask for one (mutual TLS), and its key.
pub struct ClientCertificate<'a> {
    /// The certificate and then those that lead to its authority, as PEM.
    pub chain: &'a [u8],
    /// The certificate's private key as PEM: PKCS#8, PKCS#1 or SEC1, not encrypted.
    pub key: &'a SecretString,
}

/// Reads a PEM bundle with one or more certificates. The error is a sentence that quotes nothing of the
/// bundle, since a private key may have been put there by mistake.
pub(super) fn read_ca_bundle(pem: &[u8]) -> Result<Vec<Certificate>, String> {
    let mut certificates = Vec::new();
    for (index, parsed) in CertificateDer::pem_slice_iter(pem).enumerate() {
        let number = index.saturating_add(1);
        let der = parsed.map_err(|_| {
            format!("certificate {number} of the CA bundle is not valid PEM: it is cut off or not base64")
        })?;
        let broken = || format!("certificate {number} of the CA bundle is not an X.509 certificate");
        RootCertStore::empty().add(der.clone()).map_err(|_| broken())?;
        certificates.push(Certificate::from_der(&der).map_err(|_| broken())?);
    }
    if certificates.is_empty() {
        return Err(
            "the CA bundle has no certificate: it needs at least one block that begins with \
                    `-----BEGIN CERTIFICATE-----`"
                .to_owned(),
        );
    }
    Ok(certificates)
}

/// Reads certificate and key. The error is a sentence that quotes nothing of them.
pub(super) fn read_client_certificate(certificate: &ClientCertificate<'_>) -> Result<Identity, String> {
    let chain = CertificateDer::pem_slice_iter(certificate.chain)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| "the client certificate is not valid PEM: it is cut off or not base64".to_owned())?;
    if chain.is_empty() {
        return Err(
            "the client certificate has no block that begins with `-----BEGIN CERTIFICATE-----`".to_owned(),
        );
    }
    let pem = certificate.key.expose_secret();
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| {
        "the client certificate's key is not a private key in PEM: it needs one block that begins with \
         `-----BEGIN PRIVATE KEY-----`, not encrypted"
            .to_owned()
    })?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    CertifiedKey::from_der(chain, key, &provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            "the client certificate's key does not belong to the first certificate".to_owned()
        }
        rustls::Error::InvalidCertificate(_) => {
            "the client certificate is not an X.509 certificate".to_owned()
        }
        _ => "the client certificate's key is of a kind that TLS cannot use".to_owned(),
    })?;
    let both = [certificate.chain, b"\n", pem.as_bytes()].concat();
    Identity::from_pem(&both).map_err(|_| "the client certificate and its key cannot be used".to_owned())
}
