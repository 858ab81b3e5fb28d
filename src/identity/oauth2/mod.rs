//! OAuth 2.0: any authorization server, as a client of it (RFC 6749, RFC 8414, RFC 7523, RFC 8705).

mod answer;
mod assertion;
mod cache;
mod config;
mod jwk;
mod metadata;
mod operations;
mod refusal;
mod server;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use super::http::{Answer, Call, Effect, Endpoint, Failure, HttpClient, Unreadable};
use super::token::Urgency;
use super::{CallError, ErrorKind};
use assertion::Statement;
pub use assertion::{AssertionAlgorithm, AssertionKey};
use cache::Discovery;
pub use cache::MetadataCache;
pub use config::{ClientAuthentication, ClientCredentials, ManualEndpoints, OAuth2Config};
use metadata::EndpointKind;
pub use server::OAuth2Server;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// One client of an authorization server.
pub struct OAuth2 {
    http: Arc<HttpClient>,
    client: ClientCredentials,
    manual: Arc<Manual>,
    discovery: Option<Arc<Discovery>>,
    extra_parameters: Arc<Vec<(String, String)>>,
    allow_insecure: bool,
}

struct Manual {
    token: Option<Url>,
    introspection: Option<Url>,
    revocation: Option<Url>,
}

/// A request that the client makes as itself.
struct Errand<'a> {
    operation: &'static str,
    effect: Effect,
    urgency: Urgency,
    url: Url,
    parameters: Vec<(&'a str, &'a str)>,
    /// The secrets among the parameters.
    secrets: Vec<&'a SecretString>,
    reads_body: bool,
}

impl OAuth2 {
    /// Makes a request as this client. Every request that authenticates it goes through here.
    async fn send<T>(
        &self,
        errand: Errand<'_>,
        decode: impl FnOnce(&Value) -> Result<T, Unreadable> + Send,
    ) -> Result<Answer<T>, Failure> {
        let operation = errand.operation;
        let permit = self
            .http
            .permit(errand.urgency)
            .await
            .map_err(|error| CallError { operation, ..error })?;
        // An assertion ends within a minute, so nothing may wait between making and sending it.
        let assertion = self.assertion(&errand.url)?;
        let client_id = self.client.client_id.as_str();
        let mut call = Call::new(errand.operation, errand.effect, Method::POST, errand.url);
        let mut parameters = errand.parameters;
        match (&self.client.authentication, &assertion) {
            (ClientAuthentication::SecretBasic(secret), _) => call = call.basic(client_id, secret),
            (ClientAuthentication::SecretPost(secret), _) => {
                parameters.push(("client_id", client_id));
                parameters.push(("client_secret", secret.expose_secret()));
            }
            (_, Some(assertion)) => {
                parameters.push(("client_id", client_id));
                parameters.push(("client_assertion_type", ASSERTION_TYPE));
                parameters.push(("client_assertion", assertion.expose_secret()));
                call = call.secret(assertion);
            }
            // RFC 8705 section 2: the identifier says whose certificate is expected.
            (_, None) => parameters.push(("client_id", client_id)),
        }
        call = errand
            .secrets
            .into_iter()
            .fold(call.form(parameters), Call::secret);
        if !errand.reads_body {
            call = call.ignoring_body();
        }
        let secrets = self.client.authentication.secrets();
        call = secrets.into_iter().fold(call, Call::secret);
        self.http.exchange(permit, call, decode).await
    }

    /// The assertion for a request to `url`, where the client authenticates with one.
    fn assertion(&self, url: &Url) -> Result<Option<SecretString>, CallError> {
        let ClientAuthentication::PrivateKeyJwt {
            key,
            key_id,
            audience,
        } = &self.client.authentication
        else {
            return Ok(None);
        };
        let issuer = self.discovery.as_ref().map(|discovery| discovery.issuer().name());
        let token_endpoint = self.manual.token.as_ref().unwrap_or(url);
        let statement = Statement {
            client_id: &self.client.client_id,
            audience: audience
                .as_deref()
                .or(issuer)
                .unwrap_or_else(|| token_endpoint.as_str()),
            key_id: key_id.as_deref(),
        };
        key.assertion(&statement, Timestamp::now(), Uuid::new_v4())
            .map(Some)
    }

    /// The address of an endpoint: the configured one, or that of the metadata. `None` where there is neither.
    async fn endpoint(&self, kind: EndpointKind) -> Result<Option<Url>, CallError> {
        if let Some(url) = self.manual.get(kind) {
            return Ok(Some(url.clone()));
        }
        let Some(discovery) = &self.discovery else {
            return Ok(None);
        };
        let metadata = discovery.metadata(&self.http).await?;
        let mutual_tls = matches!(
            self.client.authentication,
            ClientAuthentication::TlsClientAuth { .. }
        );
        match metadata.endpoint(kind, mutual_tls, self.allow_insecure)? {
            None if kind == EndpointKind::Token => Err(metadata.incomplete()),
            endpoint => Ok(endpoint),
        }
    }

    async fn required_endpoint(
        &self,
        operation: &'static str,
        kind: EndpointKind,
        reason: &'static str,
    ) -> Result<Url, CallError> {
        self.endpoint(kind).await?.ok_or_else(|| CallError {
            operation,
            kind: ErrorKind::Misconfigured { reason },
            message: format!(
                "the authorization server is not known to have a `{}`; give it under `endpoints`, if it has one",
                kind.field()
            ),
        })
    }
}

impl Manual {
    fn parse(endpoints: &ManualEndpoints, allow_insecure: bool) -> Result<Self, CallError> {
        let read = |field: &str, address: &Option<String>| {
            address
                .as_deref()
                .map(|address| Endpoint::exact(field, address, allow_insecure))
                .transpose()
        };
        Ok(Self {
            token: read("endpoints.token", &endpoints.token)?,
            introspection: read("endpoints.introspection", &endpoints.introspection)?,
            revocation: read("endpoints.revocation", &endpoints.revocation)?,
        })
    }

    fn get(&self, kind: EndpointKind) -> Option<&Url> {
        match kind {
            EndpointKind::Token => &self.token,
            EndpointKind::Introspection => &self.introspection,
            EndpointKind::Revocation => &self.revocation,
        }
        .as_ref()
    }
}

impl ClientAuthentication {
    /// What no error may repeat.
    fn secrets(&self) -> Vec<&SecretString> {
        match self {
            Self::SecretBasic(secret) | Self::SecretPost(secret) => vec![secret],
            Self::PrivateKeyJwt { key, .. } => vec![key.text()],
            Self::TlsClientAuth { key, .. } => vec![key],
        }
    }
}
