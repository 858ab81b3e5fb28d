//! Watches the servers become ready.

use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Certificate, Client};

use crate::Error;
use crate::component::Component;

const POLL: Duration = Duration::from_millis(50);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// A client for etcd's socket. It asks for no credentials.
pub(crate) fn etcd_client(socket: &str) -> Result<Client, Error> {
    Ok(Client::builder()
        .unix_socket(socket)
        .timeout(REQUEST_TIMEOUT)
        .build()?)
}

/// A client that trusts `ca_pem` alone, so that another server on the port is not taken for this one.
pub(crate) fn api_client(ca_pem: &str, token: &str) -> Result<Client, Error> {
    let mut headers = HeaderMap::new();
    // A token in hexadecimal is always a valid header.
    if let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {token}")) {
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(Client::builder()
        .tls_certs_only([Certificate::from_pem(ca_pem.as_bytes())?])
        .default_headers(headers)
        .no_proxy()
        .timeout(REQUEST_TIMEOUT)
        .build()?)
}

/// Something that a request must show before the start goes on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Condition<'a> {
    /// What is waited for, as the subject of "did not happen".
    pub(crate) what: &'static str,
    /// Holds once this answers with a success.
    pub(crate) url: &'a str,
    pub(crate) timeout: Duration,
}

/// Waits for a condition that the last of `servers` is to bring about.
///
/// # Errors
///
/// If one of the servers ends, or the time is over.
pub(crate) async fn wait(
    client: &Client,
    condition: Condition<'_>,
    servers: &mut [Component],
) -> Result<(), Error> {
    let begun = Instant::now();
    loop {
        let seen = match client.get(condition.url).send().await {
            Ok(response) if response.status().is_success() => return Ok(()),
            Ok(response) => response.status().to_string(),
            Err(error) => describe(&error),
        };
        for server in servers.iter_mut() {
            server.check()?;
        }
        if begun.elapsed() > condition.timeout {
            return Err(Error::NotReady {
                what: condition.what,
                timeout: condition.timeout,
                last: seen,
                component: servers.last().map_or("", Component::name),
                log: servers.last().map(Component::log_tail).unwrap_or_default(),
            });
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The error with its causes, which alone tell what happened.
fn describe(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
