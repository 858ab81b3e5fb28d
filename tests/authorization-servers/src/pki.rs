//! The authority that the servers' certificates and those of their clients are issued by.

use std::net::{IpAddr, Ipv4Addr};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType, SigningKey,
};
use secrecy::{ExposeSecret, SecretString};

use crate::Error;

const NAME: &str = "keywright-authorization-servers";

/// A certificate authority of one run.
#[derive(Debug, Clone)]
pub(crate) struct Authority {
    certificate: String,
    key: SecretString,
}

/// A certificate with its key, both PEM.
#[derive(Debug, Clone)]
pub(crate) struct Certified {
    pub(crate) certificate: String,
    pub(crate) key: SecretString,
}

impl Authority {
    pub(crate) fn create() -> Result<Self, Error> {
        let issuer = CertifiedIssuer::self_signed(authority_params(), KeyPair::generate()?)?;
        Ok(Self {
            certificate: issuer.pem(),
            key: issuer.key().serialize_pem().into(),
        })
    }

    /// An authority that was created before, from its PEM.
    pub(crate) const fn new(certificate: String, key: SecretString) -> Self {
        Self { certificate, key }
    }

    /// PEM.
    pub(crate) fn certificate(&self) -> &str {
        &self.certificate
    }

    /// PEM.
    pub(crate) const fn key(&self) -> &SecretString {
        &self.key
    }

    /// For a server on 127.0.0.1 or localhost.
    pub(crate) fn issue_server(&self) -> Result<Certified, Error> {
        let mut params = named("localhost");
        params.subject_alt_names = vec![
            SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            SanType::DnsName("localhost".try_into()?),
        ];
        self.issue(params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// For a client with the subject `CN=name`.
    pub(crate) fn issue_client(&self, name: &str) -> Result<Certified, Error> {
        self.issue(named(name), ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn issue(
        &self,
        mut params: CertificateParams,
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<Certified, Error> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate()?;
        let own = KeyPair::from_pem(self.key.expose_secret())?;
        let certificate = sign(&params, &key, &Issuer::new(authority_params(), own))?;
        Ok(Certified {
            certificate,
            key: key.serialize_pem().into(),
        })
    }
}

fn sign(
    params: &CertificateParams,
    key: &KeyPair,
    issuer: &Issuer<'_, impl SigningKey>,
) -> Result<String, Error> {
    Ok(params.signed_by(key, issuer)?.pem())
}

fn authority_params() -> CertificateParams {
    let mut params = named(NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.use_authority_key_identifier_extension = true;
    params
}
