//! TLS to a mail server: always, from the first byte.

use std::error::Error;
use std::io;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig};
use rustls_platform_verifier::Verifier;
use tokio_rustls::TlsConnector;

use super::MailboxError;
use crate::identity::http::tidy;

/// A connector that trusts the system's authorities and those of the bundle.
pub(super) fn connector(ca_bundle: Option<&[u8]>) -> Result<TlsConnector, MailboxError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let extra = ca_bundle.map(read_ca_bundle).transpose()?.unwrap_or_default();
    let verifier = Verifier::new_with_extra_roots(extra, Arc::clone(&provider)).map_err(|_| {
        let has_bundle = ca_bundle.is_some();
        unusable(if has_bundle {
            "it holds a certificate that is not an X.509 certificate"
        } else {
            "there is none, and this system has no certificates of authorities either: install them (Debian: \
             ca-certificates), or give the bundle of the mail server's authority"
        })
    })?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| unusable("TLS cannot be set up here"))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The name that the server's certificate must have.
pub(super) fn server_name(host: &str) -> Result<ServerName<'static>, MailboxError> {
    ServerName::try_from(host.to_owned()).map_err(|_| MailboxError::Misconfigured {
        field: "host",
        problem: "it is neither a DNS name nor an IP address".to_owned(),
    })
}

/// Quotes nothing of the bundle, since a private key may have been put there by mistake.
fn read_ca_bundle(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, MailboxError> {
    let certificates = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| unusable("it is not valid PEM: it is cut off or not base64"))?;
    if certificates.is_empty() {
        return Err(unusable(
            "it has no block that begins with `-----BEGIN CERTIFICATE-----`",
        ));
    }
    Ok(certificates)
}

fn unusable(problem: &str) -> MailboxError {
    MailboxError::Misconfigured {
        field: "CA bundle",
        problem: problem.to_owned(),
    }
}

/// Why the handshake failed, in plain words. `None` if TLS is not to blame.
pub(super) fn refusal(error: &io::Error) -> Option<String> {
    let tls = error.get_ref().and_then(|inner| {
        let inner: &(dyn Error + 'static) = inner;
        inner.downcast_ref::<rustls::Error>()
    })?;
    let rustls::Error::InvalidCertificate(reason) = tls else {
        return Some(match tls {
            rustls::Error::InvalidMessage(_) => "it does not speak TLS on that port; name the port for IMAP \
                                                 over TLS, most often 993"
                .to_owned(),
            other => tidy(&format!("the handshake failed: {other}")),
        });
    };
    Some(match reason {
        // The second is an authority that has the name of a trusted one and another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "its certificate was not issued by an authority that is trusted here; add that authority's \
             certificate to the CA bundle"
                .to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another name; use the name that the certificate has".to_owned()
        }
        other => tidy(&format!("its certificate was refused: {other}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_that_cannot_be_used_is_not_quoted() {
        for (bundle, words) in [
            ("", "no block"),
            (
                "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n",
                "no block",
            ),
            ("-----BEGIN CERTIFICATE-----\nc2VjcmV0\n", "cut off"),
            (
                "-----BEGIN CERTIFICATE-----\nc2VjcmV0\n-----END CERTIFICATE-----\n",
                "not an X.509",
            ),
        ] {
            let Err(error) = connector(Some(bundle.as_bytes())) else {
                panic!("{bundle} passed");
            };
            let text = error.to_string();
            assert!(text.contains(words) && !text.contains("c2VjcmV0"), "{text}");
        }
    }

    #[test]
    fn hosts_are_names_or_addresses() {
        for host in ["imap.example.net", "127.0.0.1", "::1", "localhost"] {
            assert!(server_name(host).is_ok(), "{host}");
        }
        for host in ["", "a b", "imap.example.net:993", "https://imap.example.net"] {
            assert!(server_name(host).is_err(), "{host}");
        }
    }
}
