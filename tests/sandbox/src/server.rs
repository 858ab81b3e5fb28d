//! The listener, and how it ends.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum::body::Body;
use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::service_fn;

use crate::error::SandboxError;
use crate::pipeline::Pipeline;
use crate::shared::Shared;
use crate::tls::{Tls, server_config};

/// A listener that serves a sandbox.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    secure: bool,
    handle: Handle<SocketAddr>,
    stop: CancellationToken,
    tasks: TaskTracker,
    listener: JoinHandle<io::Result<()>>,
}

impl Server {
    /// Binds the address and begins to serve.
    pub(crate) fn start(shared: Arc<Shared>, listen: SocketAddr, tls: &Tls) -> Result<Self, SandboxError> {
        let tls = server_config(tls)?;
        let secure = tls.is_some();
        let failed = |source| SandboxError::Listen {
            address: listen,
            source,
        };
        let listener = TcpListener::bind(listen).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (stop, tasks, handle) = (CancellationToken::new(), TaskTracker::new(), Handle::new());
        let pipeline = Pipeline::new(shared, tasks.clone(), stop.clone());
        let connections = service_fn(move |peer: SocketAddr| {
            let pipeline = pipeline.clone();
            let calls = service_fn(move |request: axum::http::Request<_>| {
                pipeline.clone().serve(peer, request.map(Body::new))
            });
            async move { Ok::<_, Infallible>(calls) }
        });
        let server = axum_server::from_tcp(listener)
            .map_err(failed)?
            .handle(handle.clone());
        let listener = match tls {
            None => tokio::spawn(server.serve(connections)),
            Some(config) => {
                let acceptor = RustlsAcceptor::new(RustlsConfig::from_config(config));
                tokio::spawn(server.acceptor(acceptor).serve(connections))
            }
        };
        Ok(Self {
            address,
            secure,
            handle,
            stop,
            tasks,
            listener,
        })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The root URL. With TLS it names `localhost` in place of a loopback address, as certificates do.
    pub(crate) fn url(&self) -> String {
        match (self.secure, self.address.ip().is_loopback()) {
            (true, true) => format!("https://localhost:{}", self.address.port()),
            (true, false) => format!("https://{}", self.address),
            (false, _) => format!("http://{}", self.address),
        }
    }

    /// Stops listening, closes the connections and ends the calls, without waiting.
    pub(crate) fn begin_stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.handle.shutdown();
    }

    /// Waits until the stop is complete.
    pub(crate) async fn stopped(&mut self) {
        self.tasks.wait().await;
        // The server only ends early if its listener failed, which the callers have noticed by then.
        let _ = (&mut self.listener).await;
    }
}
