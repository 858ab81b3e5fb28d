//! The certificate authorities that a user adds to those of the system.

use reqwest::Certificate;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

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
