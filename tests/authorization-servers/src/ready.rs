//! Ports, and the wait until a server answers on its port.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::Error;
use crate::pki::Authority;
use crate::process::ServerProcess;

const POLL: Duration = Duration::from_millis(100);

/// A port that nobody uses at this moment.
pub(crate) fn free_port() -> Result<u16, Error> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(Error::file("find a free port on", Path::new("127.0.0.1")))
}

/// An HTTP client that trusts the authority (PEM) alone, uses no proxy, and keeps no connection between requests,
/// so that it serves one runtime after another.
pub(crate) fn client(authority: &str) -> Result<reqwest::Client, Error> {
    let certificate = reqwest::Certificate::from_pem(authority.as_bytes())?;
    Ok(reqwest::Client::builder()
        .tls_certs_only([certificate])
        .no_proxy()
        .http1_only()
        .pool_max_idle_per_host(0)
        .build()?)
}

/// Waits until `url` answers with success.
pub(crate) async fn wait(
    process: &mut ServerProcess,
    authority: &Authority,
    url: &str,
    timeout: Duration,
) -> Result<(), Error> {
    let client = client(authority.certificate())?;
    let begun = Instant::now();
    loop {
        process.check()?;
        if let Ok(response) = client.get(url).timeout(timeout).send().await
            && response.status().is_success()
        {
            return Ok(());
        }
        if begun.elapsed() >= timeout {
            return Err(Error::NotReady {
                server: process.name(),
                timeout,
                log: process.log_tail(),
            });
        }
        tokio::time::sleep(POLL).await;
    }
}
