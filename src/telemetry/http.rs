//! The endpoints for the kubelet and for Prometheus: `/livez`, `/readyz` and `/metrics`.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use rustix::io::Errno;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use k8s_openapi::jiff::Timestamp;

use super::metrics::{self, Metrics};

/// How long open connections may keep the server from ending.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// What the probes ask. Both are called on every probe, so they answer from memory.
pub trait Health: Send + Sync + 'static {
    /// Whether the process works; otherwise a sentence that says what is stuck. The kubelet restarts a
    /// container that does not.
    ///
    /// # Errors
    ///
    /// The sentence.
    fn live(&self) -> Result<(), String>;

    /// Whether the process is ready; otherwise a sentence that says what it waits for. A standby is ready;
    /// a leader is once its stores are filled.
    ///
    /// # Errors
    ///
    /// The sentence.
    fn ready(&self) -> Result<(), String>;
}

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("--metrics-address {address}: {}", reason(.source))]
pub struct BindError {
    /// The address as it was given.
    pub address: SocketAddr,
    /// Why not.
    pub source: io::Error,
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "address in use; choose another port".to_owned(),
        io::ErrorKind::AddrNotAvailable => "no network interface has this address".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "permission denied; ports below 1024 need a privilege that Keywright does not ask for".to_owned()
        }
        _ => error.to_string(),
    }
}

/// A server that listens and does not answer yet.
#[derive(Debug)]
pub struct HealthServer {
    listener: TcpListener,
}

impl HealthServer {
    /// Listens on `address`; port 0 takes a free one. On a machine without IPv6, `[::]` means all its IPv4 addresses.
    ///
    /// # Errors
    ///
    /// When the address is in use, not ours, or not permitted.
    pub async fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let bound = match TcpListener::bind(address).await {
            Err(error) => match without_ipv6(address, &error) {
                Some(instead) => {
                    tracing::info!(%address, %instead, %error, "IPv6 is switched off here: listening on IPv4");
                    TcpListener::bind(instead).await
                }
                None => Err(error),
            },
            bound => bound,
        };
        let listener = bound.map_err(|source| BindError { address, source })?;
        Ok(Self { listener })
    }

    /// The address that it listens on.
    ///
    /// # Errors
    ///
    /// When the operating system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until `shutdown`, then gives open connections a moment to finish.
    ///
    /// # Errors
    ///
    /// When the listener fails for good.
    pub async fn serve(
        self,
        health: Arc<dyn Health>,
        metrics: Metrics,
        shutdown: CancellationToken,
    ) -> io::Result<()> {
        let serving = axum::serve(self.listener, router(health, metrics))
            .with_graceful_shutdown(shutdown.clone().cancelled_owned());
        tokio::select! {
            ended = serving.into_future() => ended,
            () = async {
                shutdown.cancelled().await;
                tokio::time::sleep(SHUTDOWN_GRACE).await;
            } => Ok(()),
        }
    }
}

/// What to listen on in place of `address`, where all addresses were meant and this machine has no IPv6.
fn without_ipv6(address: SocketAddr, error: &io::Error) -> Option<SocketAddr> {
    // The standard library has no kind for the first. The second is that of an interface without the address.
    let no_ipv6 = [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL].map(Errno::raw_os_error);
    let is_that = error.raw_os_error().is_some_and(|code| no_ipv6.contains(&code));
    (is_that && address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED))
        .then(|| (Ipv4Addr::UNSPECIFIED, address.port()).into())
}

fn router(health: Arc<dyn Health>, metrics: Metrics) -> Router {
    Router::new()
        .route(
            "/livez",
            get(async |State(health): State<Arc<dyn Health>>| verdict(health.live())),
        )
        .route(
            "/readyz",
            get(async |State(health): State<Arc<dyn Health>>| verdict(health.ready())),
        )
        .with_state(health)
        .route("/metrics", get(async move || exposition(&metrics)))
}

fn verdict(state: Result<(), String>) -> Response {
    match state {
        Ok(()) => "ok\n".into_response(),
        Err(sentence) => (StatusCode::SERVICE_UNAVAILABLE, sentence + "\n").into_response(),
    }
}

fn exposition(metrics: &Metrics) -> Response {
    match metrics.encode(Timestamp::now()) {
        Ok(text) => ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("metrics: {error}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::task::JoinHandle;

    use super::*;

    #[derive(Default)]
    struct Pretended {
        live: Mutex<Option<&'static str>>,
        ready: Mutex<Option<&'static str>>,
    }

    fn told(sentence: &Mutex<Option<&'static str>>) -> Result<(), String> {
        sentence
            .lock()
            .unwrap()
            .map_or(Ok(()), |sentence| Err(sentence.to_owned()))
    }

    impl Health for Pretended {
        fn live(&self) -> Result<(), String> {
            told(&self.live)
        }

        fn ready(&self) -> Result<(), String> {
            told(&self.ready)
        }
    }

    struct Running {
        base: String,
        health: Arc<Pretended>,
        shutdown: CancellationToken,
        server: JoinHandle<io::Result<()>>,
    }

    async fn start() -> Running {
        let server = HealthServer::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let base = format!("http://{}", server.local_addr().unwrap());
        let health = Arc::new(Pretended::default());
        let shutdown = CancellationToken::new();
        let serving = server.serve(health.clone(), Metrics::new("1.2.3"), shutdown.clone());
        Running {
            base,
            health,
            shutdown,
            server: tokio::spawn(serving),
        }
    }

    async fn ask(running: &Running, path: &str) -> (u16, String) {
        let answer = reqwest::get(format!("{}{path}", running.base)).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    #[tokio::test]
    async fn probes_say_what_is_wrong() {
        let running = start().await;
        assert_eq!(ask(&running, "/livez").await, (200, "ok\n".into()));
        assert_eq!(ask(&running, "/readyz").await, (200, "ok\n".into()));

        *running.health.live.lock().unwrap() = Some("the watch of secrets is silent");
        *running.health.ready.lock().unwrap() = Some("the store of accesstokens is not filled yet");
        assert_eq!(
            ask(&running, "/livez").await,
            (503, "the watch of secrets is silent\n".into())
        );
        assert_eq!(
            ask(&running, "/readyz").await,
            (503, "the store of accesstokens is not filled yet\n".into())
        );
        assert_eq!(ask(&running, "/debug").await.0, 404);
    }

    #[tokio::test]
    async fn metrics_are_open_metrics() {
        let running = start().await;
        let answer = reqwest::get(format!("{}/metrics", running.base)).await.unwrap();
        assert_eq!(answer.headers()["content-type"], metrics::CONTENT_TYPE);
        let text = answer.text().await.unwrap();
        assert!(
            text.contains("keywright_build_info{version=\"1.2.3\"} 1\n"),
            "{text}"
        );
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    #[tokio::test]
    async fn it_ends_on_shutdown_although_a_client_keeps_its_connection() {
        let running = start().await;
        let address = running.base.strip_prefix("http://").unwrap();
        let idle = tokio::net::TcpStream::connect(address).await.unwrap();
        assert_eq!(ask(&running, "/livez").await.0, 200);

        running.shutdown.cancel();
        running.server.await.unwrap().unwrap();
        drop(idle);
        assert!(reqwest::get(format!("{}/livez", running.base)).await.is_err());
    }

    #[test]
    fn all_addresses_are_those_of_ipv4_where_ipv6_is_switched_off() {
        for (address, error, expected) in [
            ("[::]:8080", Errno::AFNOSUPPORT, Some("0.0.0.0:8080")),
            ("[::]:8080", Errno::ADDRNOTAVAIL, Some("0.0.0.0:8080")),
            ("[::]:8080", Errno::ADDRINUSE, None),
            ("[::1]:8080", Errno::AFNOSUPPORT, None),
            ("0.0.0.0:8080", Errno::AFNOSUPPORT, None),
        ] {
            let instead = without_ipv6(address.parse().unwrap(), &error.into());
            assert_eq!(
                instead,
                expected.map(|text| text.parse().unwrap()),
                "{address} {error:?}"
            );
        }
    }

    #[tokio::test]
    async fn an_address_in_use_is_named() {
        let first = HealthServer::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = first.local_addr().unwrap();
        let error = HealthServer::bind(address).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("--metrics-address {address}: address in use; choose another port")
        );
    }
}
