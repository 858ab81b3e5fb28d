//! An authorization server, from which clients of it are made.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use super::cache::Discovery;
use super::metadata::{EndpointKind, Issuer};
use super::{ClientAuthentication, ClientCredentials, Manual, MetadataCache, OAuth2, OAuth2Config};
use crate::identity::CallError;
use crate::identity::http::{CallObserver, ClientCertificate, HttpClient, HttpOptions};
use crate::identity::token::{Offers, TokenApi, TokenServer};

/// How many clients with a certificate keep their connections: each has some of its own.
const MAX_CERTIFICATE_CLIENTS: usize = 64;

/// An authorization server. All of its clients share connections, metadata and budget.
pub struct OAuth2Server {
    config: OAuth2Config,
    observer: Arc<dyn CallObserver>,
    http: Arc<HttpClient>,
    manual: Arc<Manual>,
    extra_parameters: Arc<Vec<(String, String)>>,
    discovery: Option<Arc<Discovery>>,
    /// Connections of clients with a certificate, the most recently used last.
    with_certificate: Mutex<VecDeque<(Certificate, Arc<HttpClient>)>>,
}

#[derive(Clone, PartialEq, Eq)]
struct Certificate {
    chain: Vec<u8>,
    key_digest: [u8; 32],
}

impl OAuth2Server {
    /// Makes a server, without any I/O. Servers that are given the same `metadata` fetch it once.
    ///
    /// # Errors
    ///
    /// [`crate::identity::ErrorKind::Misconfigured`] with reason `EndpointMissing`, `InvalidEndpoint`, `InsecureEndpoint`,
    /// `ReservedParameter`, `InvalidCaBundle` or `TlsUnavailable`.
    pub fn new(
        config: OAuth2Config,
        observer: Arc<dyn CallObserver>,
        metadata: &MetadataCache,
    ) -> Result<Self, CallError> {
        config.check()?;
        let manual = Manual::parse(&config.endpoints, config.allow_insecure)?;
        let issuer = config
            .issuer
            .as_deref()
            .map(|issuer| Issuer::parse(issuer, config.allow_insecure))
            .transpose()?;
        let discovery = issuer.map(|issuer| metadata.discovery(issuer, config.ca_bundle.as_deref()));
        let http = HttpClient::new(options(&config), Arc::clone(&observer))?;
        Ok(Self {
            http: Arc::new(http),
            manual: Arc::new(manual),
            extra_parameters: Arc::new(config.extra_parameters.clone().into_iter().collect()),
            discovery,
            with_certificate: Mutex::default(),
            config,
            observer,
        })
    }

    /// Reads the server's metadata, where there is an issuer, checks that it fits, and says what the server offers.
    ///
    /// # Errors
    ///
    /// When it cannot be had, or is not that of the issuer.
    pub async fn check(&self) -> Result<Offers, CallError> {
        let manual = Offers {
            introspection: self.manual.introspection.is_some(),
            revocation: self.manual.revocation.is_some(),
        };
        let Some(discovery) = &self.discovery else {
            return Ok(manual);
        };
        let metadata = discovery.metadata(&self.http).await?;
        let token = metadata.endpoint(EndpointKind::Token, false, self.config.allow_insecure)?;
        if token.is_none() && self.manual.token.is_none() {
            return Err(metadata.incomplete());
        }
        Ok(Offers {
            introspection: manual.introspection || metadata.has(EndpointKind::Introspection),
            revocation: manual.revocation || metadata.has(EndpointKind::Revocation),
        })
    }

    /// Where tokens are asked for, for a sentence: the issuer, or else the token endpoint.
    #[must_use]
    pub fn name(&self) -> &str {
        self.config
            .issuer
            .as_deref()
            .or(self.config.endpoints.token.as_deref())
            .unwrap_or_default()
    }

    /// A client of this server, without any I/O.
    ///
    /// # Errors
    ///
    /// [`crate::identity::ErrorKind::Misconfigured`] with reason `IncompleteCredentials`, `InvalidClientCertificate` or
    /// `TlsUnavailable`.
    pub fn client(&self, client: ClientCredentials) -> Result<OAuth2, CallError> {
        client.check()?;
        let http = match &client.authentication {
            ClientAuthentication::TlsClientAuth { certificate, key } => {
                self.with_certificate(&ClientCertificate {
                    chain: certificate,
                    key,
                })?
            }
            _ => Arc::clone(&self.http),
        };
        Ok(OAuth2 {
            http,
            client,
            manual: Arc::clone(&self.manual),
            discovery: self.discovery.clone(),
            extra_parameters: Arc::clone(&self.extra_parameters),
            allow_insecure: self.config.allow_insecure,
        })
    }

    /// The connections for a certificate: those that are open, or new ones.
    fn with_certificate(&self, certificate: &ClientCertificate<'_>) -> Result<Arc<HttpClient>, CallError> {
        let wanted = Certificate::of(certificate);
        let mut kept = self
            .with_certificate
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let found = kept
            .iter()
            .position(|(certificate, _)| *certificate == wanted)
            .and_then(|at| kept.remove(at));
        let http = match found {
            Some((_, http)) => http,
            None => Arc::new(HttpClient::with_client_certificate(
                options(&self.config),
                certificate,
                Arc::clone(&self.observer),
            )?),
        };
        kept.push_back((wanted, Arc::clone(&http)));
        if kept.len() > MAX_CERTIFICATE_CLIENTS {
            kept.pop_front();
        }
        Ok(http)
    }
}

impl TokenServer for OAuth2Server {
    fn client(&self, credentials: &ClientCredentials) -> Result<Arc<dyn TokenApi>, CallError> {
        Ok(Arc::new(Self::client(self, credentials.clone())?))
    }
}

impl Certificate {
    fn of(certificate: &ClientCertificate<'_>) -> Self {
        Self {
            chain: certificate.chain.to_vec(),
            key_digest: Sha256::digest(certificate.key.expose_secret().as_bytes()).into(),
        }
    }
}

fn options(config: &OAuth2Config) -> HttpOptions {
    HttpOptions {
        ca_bundle: config.ca_bundle.clone(),
        deadline: config.request_timeout,
        secrets: Vec::new(),
        budget: config.budget.clone(),
    }
}
