//! The client: connections, credentials, and what is told of each call.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Request;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::time::Instant;

use super::call::{Answer, Body, Call, Credential, Failure};
use super::charge::charge;
use super::endpoint::host;
use super::exchange::Exchange;
use super::fields::Unreadable;
use super::scrub::Scrubber;
use super::tls::{self, ClientCertificate};
use crate::identity::budget::{Budget, Permit};
use crate::identity::token::Urgency;
use crate::identity::{CallError, ErrorKind};

/// How long a call may take in all, unless configured otherwise.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_IDLE_CONNECTIONS: usize = 4;
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// How many secrets out of answers are remembered: as many as there can be resources that are worked on at
/// the same time, so that the key of a record is known while something is done with the record.
const MAX_RECEIVED: usize = 1024;

const USER_AGENT: &str = concat!("keywright/", env!("CARGO_PKG_VERSION"));

/// Learns of every HTTP call, for metrics.
pub trait CallObserver: Send + Sync {
    /// A call has ended. `outcome` is `success` or an [`ErrorKind`] in snake case. `elapsed` does not count the wait
    /// for the budget; a call that the budget did not let through is none.
    fn called(&self, operation: &'static str, outcome: &'static str, elapsed: Duration);
}

/// How an [`HttpClient`] connects.
pub struct HttpOptions {
    /// Certificate authorities that are trusted besides those of the system, as PEM.
    pub ca_bundle: Option<Vec<u8>>,
    /// How long a call may take in all, from the first byte sent to the last one received.
    pub deadline: Duration,
    /// Secrets that must not appear in an error whatever call it comes from.
    pub secrets: Vec<SecretString>,
    /// The budget of the provider, shared by all of its clients. Without one, calls are made at once.
    pub budget: Option<Arc<Budget>>,
}

/// A client for one identity API. A proxy is taken from the environment (`HTTPS_PROXY`, `NO_PROXY`).
pub struct HttpClient {
    client: reqwest::Client,
    deadline: Duration,
    secrets: Vec<SecretString>,
    received: Mutex<VecDeque<Arc<SecretString>>>,
    observer: Arc<dyn CallObserver>,
    budget: Option<Arc<Budget>>,
}

impl HttpClient {
    /// Makes a client, without any I/O to the identity API.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`] with reason `InvalidCaBundle` or `TlsUnavailable`.
    pub fn new(options: HttpOptions, observer: Arc<dyn CallObserver>) -> Result<Self, CallError> {
        Self::build(options, None, observer)
    }

    /// Makes a client that shows a certificate to servers that ask for one (mutual TLS), without any I/O.
    ///
    /// # Errors
    ///
    /// As [`Self::new`], and [`ErrorKind::Misconfigured`] with reason `InvalidClientCertificate`.
    pub fn with_client_certificate(
        options: HttpOptions,
        certificate: &ClientCertificate<'_>,
        observer: Arc<dyn CallObserver>,
    ) -> Result<Self, CallError> {
        let identity = tls::read_client_certificate(certificate)
            .map_err(|message| misconfigured("InvalidClientCertificate", message))?;
        Self::build(options, Some(identity), observer)
    }

    fn build(
        options: HttpOptions,
        identity: Option<reqwest::Identity>,
        observer: Arc<dyn CallObserver>,
    ) -> Result<Self, CallError> {
        let authorities = match &options.ca_bundle {
            None => Vec::new(),
            Some(pem) => {
                tls::read_ca_bundle(pem).map_err(|message| misconfigured("InvalidCaBundle", message))?
            }
        };
        let mut builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .redirect(reqwest::redirect::Policy::none())
            // Below the deadline, so that a host which cannot be connected to is told from one that is slow.
            .connect_timeout(CONNECT_TIMEOUT.min(options.deadline / 2))
            .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .tls_certs_merge(authorities);
        if let Some(identity) = identity {
            builder = builder.identity(identity);
        }
        let client = builder.build().map_err(|_| {
            misconfigured(
                "TlsUnavailable",
                "TLS could not be set up: the system's CA certificates could not be loaded".to_owned(),
            )
        })?;
        Ok(Self {
            client,
            deadline: options.deadline,
            secrets: options.secrets,
            received: Mutex::default(),
            observer,
            budget: options.budget,
        })
    }

    /// Names a secret that an answer held, so that no later error repeats it. The last 1024 are remembered.
    pub fn remember(&self, secret: &SecretString) {
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        received.retain(|known| known.expose_secret() != secret.expose_secret());
        received.push_back(Arc::new(secret.clone()));
        if received.len() > MAX_RECEIVED {
            received.pop_front();
        }
    }

    /// The text without any secret that this client knows, and without those that the call has `sent`, for what is
    /// shown out of an answer.
    #[must_use]
    pub fn scrub(&self, text: &str, sent: &[&SecretString]) -> String {
        let received = self.received();
        let known = self.secrets.iter().chain(received.iter().map(AsRef::as_ref));
        Scrubber::new(known.chain(sent.iter().copied())).scrub(text)
    }

    fn received(&self) -> Vec<Arc<SecretString>> {
        let received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        received.iter().cloned().collect()
    }

    /// Waits for leave to make one call, as the budget gives it. For whoever has to build something of the call at
    /// the last moment, such as a client assertion: see [`Self::exchange`].
    ///
    /// # Errors
    ///
    /// As [`Budget::enter`]: `Throttled` or `Unavailable`. Nothing was sent.
    pub async fn permit(&self, urgency: Urgency) -> Result<Permit, CallError> {
        match &self.budget {
            Some(budget) => budget.enter(urgency).await,
            None => Ok(Permit::unlimited()),
        }
    }

    /// Waits for the budget, makes the call and reads its JSON answer with `decode`.
    ///
    /// # Errors
    ///
    /// A [`Failure`] whose [`ErrorKind`] is never `Braked`, and `Unknown` only for calls that do not merely
    /// read and that were sent.
    pub async fn call<T>(
        &self,
        call: Call<'_>,
        decode: impl FnOnce(&Value) -> Result<T, Unreadable>,
    ) -> Result<T, Failure> {
        let operation = call.operation;
        let permit = self
            .permit(call.urgency)
            .await
            .map_err(|error| Failure::from(CallError { operation, ..error }))?;
        self.exchange(permit, call, decode)
            .await
            .map(|answer| answer.value)
    }

    /// As [`Self::call`], with leave that was given before, and with what the answer says beside its body. The
    /// deadline of the call begins now; its urgency says nothing any more.
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    pub async fn exchange<T>(
        &self,
        permit: Permit,
        call: Call<'_>,
        decode: impl FnOnce(&Value) -> Result<T, Unreadable>,
    ) -> Result<Answer<T>, Failure> {
        let started = Instant::now();
        let (operation, method, host) = (call.operation, call.method.clone(), host(&call.url));
        let received = self.received();
        let known = self.secrets.iter().chain(received.iter().map(AsRef::as_ref));
        let secrets = call.secrets.clone();
        let exchange = Exchange {
            operation,
            effect: call.effect,
            reads_body: call.reads_body,
            host: &host,
            deadline: self.deadline,
            scrubber: Scrubber::new(known.chain(secrets.iter().map(AsRef::as_ref))),
        };
        let result = match self.request(call) {
            Ok(request) => exchange.run(&self.client, request, decode).await,
            Err(error) => Err(error.into()),
        };
        match charge(&result) {
            Some(outcome) => permit.done(outcome),
            None => drop(permit),
        }
        let (outcome, status) = match &result {
            Ok(answer) => ("ok", Some(answer.status)),
            Err(failure) => (outcome(&failure.error.kind), failure.status),
        };
        let elapsed = started.elapsed();
        tracing::debug!(
            operation,
            %method,
            host,
            status = status.map(|status| status.as_u16()),
            outcome,
            elapsed_ms = elapsed.as_millis(),
            "called the identity API"
        );
        self.observer.called(operation, outcome, elapsed);
        result
    }

    fn request(&self, call: Call<'_>) -> Result<Request, CallError> {
        let invalid = || CallError {
            operation: call.operation,
            kind: ErrorKind::Misconfigured {
                reason: "InvalidCredential",
            },
            message: "the credential has characters that an HTTP header cannot carry".to_owned(),
        };
        let mut request = self
            .client
            .request(call.method, call.url)
            .header(ACCEPT, HeaderValue::from_static("application/json"));
        request = match &call.body {
            Body::None => request,
            Body::Json(body) => request.json(body),
            Body::Form(form) => request
                .header(
                    CONTENT_TYPE,
                    HeaderValue::from_static("application/x-www-form-urlencoded"),
                )
                .body(form.expose_secret().to_owned()),
        };
        request = match call.credential {
            Credential::None => request,
            Credential::Bearer(token) => {
                let value = sensitive(&format!("Bearer {}", token.expose_secret())).ok_or_else(invalid)?;
                request.header(AUTHORIZATION, value)
            }
            Credential::Basic(pair) => {
                let value = sensitive(&format!("Basic {}", pair.expose_secret())).ok_or_else(invalid)?;
                request.header(AUTHORIZATION, value)
            }
            Credential::Header(name, secret) => {
                request.header(name, sensitive(secret.expose_secret()).ok_or_else(invalid)?)
            }
        };
        request.build().map_err(|_| invalid())
    }
}

fn sensitive(secret: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(secret).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn outcome(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::NotFound => "not_found",
        ErrorKind::Unauthorized => "unauthorized",
        ErrorKind::Forbidden => "forbidden",
        ErrorKind::Throttled { .. } => "throttled",
        ErrorKind::Rejected => "rejected",
        ErrorKind::Unknown => "unknown",
        ErrorKind::Unavailable => "unavailable",
        ErrorKind::Malformed => "malformed",
        ErrorKind::Braked { .. } => "braked",
        ErrorKind::Misconfigured { .. } => "misconfigured",
    }
}

fn misconfigured(reason: &'static str, message: String) -> CallError {
    CallError {
        operation: "connect",
        kind: ErrorKind::Misconfigured { reason },
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_kept_out_of_debug_output_and_of_compression_tables() {
        assert!(sensitive("Bearer token").unwrap().is_sensitive());
        assert!(sensitive("line\nbreak").is_none());
    }
}
