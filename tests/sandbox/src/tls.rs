//! Serving over TLS, with given certificates or with ones made on the spot.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Whether and how the sandbox speaks TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// Plain HTTP.
    #[default]
    Off,
    /// With this certificate chain and key, both PEM.
    Files {
        /// The chain, leaf first.
        certificate: PathBuf,
        /// The private key.
        key: PathBuf,
    },
    /// With a certificate of its own authority, for `localhost`, the loopback addresses and `names`.
    /// `ca.crt`, `tls.crt` and `tls.key` are written to the folder, or used if all three exist.
    SelfSigned {
        /// The folder; it is created if need be.
        directory: PathBuf,
        /// Further DNS names or IP addresses.
        names: Vec<String>,
    },
}

/// The certificate or key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not PEM of the right kind.
    #[error("{path}: {reason}; write a PEM file")]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Certificate and key do not fit.
    #[error("certificate and key cannot be used together: {0}")]
    Mismatch(#[from] rustls::Error),
    /// A certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Generate(#[from] rcgen::Error),
}

/// The server side for `tls`; none for plain HTTP.
pub(crate) fn server_config(tls: &Tls) -> Result<Option<Arc<ServerConfig>>, TlsError> {
    let (certificate, key) = match tls {
        Tls::Off => return Ok(None),
        Tls::Files { certificate, key } => (certificate.clone(), key.clone()),
        Tls::SelfSigned { directory, names } => self_signed(directory, names)?,
    };
    let pem = |path: &Path, error: rustls::pki_types::pem::Error| TlsError::Pem {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let chain = CertificateDer::pem_file_iter(&certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| pem(&certificate, error))?;
    let key = PrivateKeyDer::from_pem_file(&key).map_err(|error| pem(&key, error))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(Arc::new(config)))
}

/// Where certificate and key are; they are made unless they exist with their authority.
fn self_signed(directory: &Path, names: &[String]) -> Result<(PathBuf, PathBuf), TlsError> {
    let [authority, certificate, key] = ["ca.crt", "tls.crt", "tls.key"].map(|name| directory.join(name));
    if [&authority, &certificate, &key].iter().all(|path| path.exists()) {
        return Ok((certificate, key));
    }
    let file = |path: &Path, source| TlsError::File {
        path: path.to_owned(),
        source,
    };
    fs::create_dir_all(directory).map_err(|source| file(directory, source))?;
    let authority_key = KeyPair::generate()?;
    let mut authority_params = CertificateParams::new(Vec::new())?;
    authority_params
        .distinguished_name
        .push(DnType::CommonName, "Keywright sandbox CA");
    authority_params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority_params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority_certificate = authority_params.self_signed(&authority_key)?;
    let leaf_key = KeyPair::generate()?;
    let own = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let mut leaf_params = CertificateParams::new([&own[..], names].concat())?;
    leaf_params
        .distinguished_name
        .push(DnType::CommonName, "Keywright sandbox");
    leaf_params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf_params.use_authority_key_identifier_extension = true;
    let leaf = leaf_params.signed_by(&leaf_key, &Issuer::from_params(&authority_params, &authority_key))?;
    for (path, text) in [
        (&authority, authority_certificate.pem()),
        (&certificate, leaf.pem()),
        (&key, leaf_key.serialize_pem()),
    ] {
        write_private(path, &text).map_err(|source| file(path, source))?;
    }
    Ok((certificate, key))
}

/// Writes a file that only its owner can read, at once and as a whole.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut file, text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}
