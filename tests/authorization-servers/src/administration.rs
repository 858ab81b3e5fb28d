//! What tests ask of every authorization server.

use std::future::Future;

use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;

use crate::settings::{Client, ClientSettings};
use crate::{Error, ready};

/// How much of an unwanted answer goes into an error, in characters.
const ANSWER_LENGTH: usize = 300;

/// A running authorization server, and what an administrator may do there.
///
/// All tests share the servers; each makes clients of its own, which nobody else knows.
pub trait AuthorizationServer: Sync {
    /// The server's name.
    fn name(&self) -> &'static str;

    /// The issuer identifier (RFC 8414, section 2), without a slash at the end.
    fn issuer(&self) -> String;

    /// Where tokens are asked for (RFC 6749, section 3.2). Mutual TLS works here, too.
    fn token_endpoint(&self) -> String;

    /// Where tokens are looked into (RFC 7662).
    fn introspection_endpoint(&self) -> String;

    /// Where tokens are revoked (RFC 7009).
    fn revocation_endpoint(&self) -> String;

    /// The certificate of the authority that issued the server's and its clients' certificates, PEM.
    fn ca_certificate(&self) -> &str;

    /// Makes a client for the client credentials grant.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] if the server cannot have such a client.
    fn create_client(&self, settings: &ClientSettings) -> impl Future<Output = Result<Client, Error>> + Send;

    /// Disables the client, or enables it again.
    ///
    /// # Errors
    ///
    /// If there is no such client, or the server does not answer.
    fn set_enabled(&self, client_id: &str, enabled: bool) -> impl Future<Output = Result<(), Error>> + Send;

    /// Deletes the client.
    ///
    /// # Errors
    ///
    /// If there is no such client, or the server does not answer.
    fn delete_client(&self, client_id: &str) -> impl Future<Output = Result<(), Error>> + Send;

    /// Gives the client another secret, and returns it; the old one is refused from then on.
    ///
    /// # Errors
    ///
    /// If there is no such client, or the server does not answer.
    fn rotate_secret(
        &self,
        client_id: &str,
    ) -> impl Future<Output = Result<secrecy::SecretString, Error>> + Send;

    /// Revokes all tokens of the client. At Keycloak this goes by seconds: tokens issued until the end of the
    /// current second are revoked as well.
    ///
    /// # Errors
    ///
    /// If there is no such client, or the server does not answer.
    fn revoke_tokens(&self, client_id: &str) -> impl Future<Output = Result<(), Error>> + Send;

    /// How many requests for tokens the client has made so far, refused ones included.
    ///
    /// # Errors
    ///
    /// If the server does not answer.
    fn token_requests(&self, client_id: &str) -> impl Future<Output = Result<usize, Error>> + Send;
}

/// Sends administrators' requests. Tests have runtimes of their own, so no connection is kept between requests.
#[derive(Debug, Clone)]
pub(crate) struct Http(reqwest::Client);

impl Http {
    pub(crate) fn new(ca_certificate: &str) -> Result<Self, Error> {
        ready::client(ca_certificate).map(Self)
    }

    pub(crate) fn request(&self, method: Method, url: &str) -> RequestBuilder {
        self.0.request(method, url)
    }
}

/// Sends the request; an answer that is no success is an error.
pub(crate) async fn send(action: &'static str, request: RequestBuilder) -> Result<Response, Error> {
    let response = request.send().await?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let answer: String = response.text().await?.chars().take(ANSWER_LENGTH).collect();
    Err(Error::Refused {
        action,
        status: status.as_u16(),
        answer: answer.replace(['\n', '\r'], " "),
    })
}

/// Sends the request, and reads the answer as JSON.
pub(crate) async fn send_for_json(action: &'static str, request: RequestBuilder) -> Result<Value, Error> {
    Ok(send(action, request).await?.json().await?)
}
