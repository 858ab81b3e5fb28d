//! Keys and certificates of one control plane. Each has its own, so that a client never takes one control
//! plane for another.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};

use crate::{Error, directory};

/// The names by which clients, inside pods too, know the API server.
const SERVER_NAMES: [&str; 3] = [
    "localhost",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
];

/// 127.0.0.1, and the first address of the range that services get theirs from, which is the API server's.
const SERVER_ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::LOCALHOST, Ipv4Addr::new(10, 0, 0, 1)];

/// The name in the certificate that the API server shows to extension API servers.
pub(crate) const FRONT_PROXY_NAME: &str = "front-proxy-client";

/// Where the PEM files lie.
#[derive(Debug, Clone)]
pub(crate) struct Pki {
    pub(crate) ca_certificate: PathBuf,
    /// Signs approved CertificateSigningRequests.
    pub(crate) ca_key: PathBuf,
    pub(crate) server_certificate: PathBuf,
    pub(crate) server_key: PathBuf,
    pub(crate) front_proxy_ca_certificate: PathBuf,
    pub(crate) front_proxy_certificate: PathBuf,
    pub(crate) front_proxy_key: PathBuf,
    /// Verifies service accounts' tokens.
    pub(crate) service_account_public_key: PathBuf,
    /// Signs service accounts' tokens (ES256).
    pub(crate) service_account_key: PathBuf,
    /// The certificate in `ca_certificate`, for clients.
    pub(crate) ca_pem: String,
}

impl Pki {
    /// Makes everything anew and writes it into `directory`.
    pub(crate) fn create(directory: &Path) -> Result<Self, Error> {
        let write = |name: &str, pem: String| -> Result<PathBuf, Error> {
            let path = directory.join(name);
            directory::write_private(&path, pem.as_bytes())?;
            Ok(path)
        };
        let ca = authority("keywright-control-plane")?;
        let front_proxy_ca = authority("keywright-control-plane-front-proxy")?;
        let (server, server_key) = server(&ca)?;
        let (front_proxy, front_proxy_key) = client(FRONT_PROXY_NAME, &front_proxy_ca)?;
        let service_account = KeyPair::generate()?;
        Ok(Self {
            ca_certificate: write("ca.crt", ca.pem())?,
            ca_key: write("ca.key", ca.key().serialize_pem())?,
            server_certificate: write("server.crt", server)?,
            server_key: write("server.key", server_key)?,
            front_proxy_ca_certificate: write("front-proxy-ca.crt", front_proxy_ca.pem())?,
            front_proxy_certificate: write("front-proxy.crt", front_proxy)?,
            front_proxy_key: write("front-proxy.key", front_proxy_key)?,
            service_account_public_key: write("service-account.pub", service_account.public_key_pem())?,
            service_account_key: write("service-account.key", service_account.serialize_pem())?,
            ca_pem: ca.pem(),
        })
    }
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Result<Authority, Error> {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // P-256, as every key here.
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.use_authority_key_identifier_extension = true;
    params
}

fn server(ca: &Authority) -> Result<(String, String), Error> {
    let mut params = named("kube-apiserver");
    for name in SERVER_NAMES {
        params.subject_alt_names.push(SanType::DnsName(name.try_into()?));
    }
    params
        .subject_alt_names
        .extend(SERVER_ADDRESSES.map(|address| SanType::IpAddress(IpAddr::V4(address))));
    sign(params, ExtendedKeyUsagePurpose::ServerAuth, ca)
}

fn client(name: &str, ca: &Authority) -> Result<(String, String), Error> {
    sign(named(name), ExtendedKeyUsagePurpose::ClientAuth, ca)
}

/// The certificate and its key, as PEM.
fn sign(
    mut params: CertificateParams,
    usage: ExtendedKeyUsagePurpose,
    ca: &Authority,
) -> Result<(String, String), Error> {
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, ca)?;
    Ok((certificate.pem(), key.serialize_pem()))
}
