//! A server that answers exactly as a test says, down to the bytes, and remembers what it was asked.

use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::CallObserver;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// Method and path, for example `GET /organizations/me/`.
    pub(crate) line: String,
    /// The header lines, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// The body.
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// What the server does with a request.
pub(crate) enum Reply {
    /// Sends the bytes and closes the connection.
    Bytes(Vec<u8>),
    /// Sends the bytes and then nothing, with the connection open.
    Stall(Vec<u8>),
}

/// A whole answer with a JSON body.
pub(crate) fn json(status: u16, body: impl std::fmt::Display) -> Reply {
    answer(status, "", &body.to_string())
}

/// A whole answer; `headers` are lines that end in CR LF.
pub(crate) fn answer(status: u16, headers: &str, body: &str) -> Reply {
    let head = format!(
        "HTTP/1.1 {status} Reason\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n",
        body.len()
    );
    Reply::Bytes([head.as_bytes(), body.as_bytes()].concat())
}

/// The server. It ends when it is dropped.
pub(crate) struct Server {
    address: String,
    received: Arc<Mutex<Vec<Received>>>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(handler: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let received = Arc::new(Mutex::new(Vec::new()));
        let (log, handler) = (Arc::clone(&received), Arc::new(handler));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, handler) = (Arc::clone(&log), Arc::clone(&handler));
                tokio::spawn(async move {
                    serve(stream, &log, handler.as_ref()).await;
                });
            }
        });
        Self {
            address,
            received,
            task,
        }
    }

    /// Host and port.
    pub(crate) fn host(&self) -> &str {
        &self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    log: &Mutex<Vec<Received>>,
    handler: &(impl Fn(&Received) -> Reply + Send + Sync),
) {
    let Some(request) = read_request(&mut stream).await else {
        return;
    };
    log.lock().unwrap().push(request.clone());
    let (bytes, stall) = match handler(&request) {
        Reply::Bytes(bytes) => (bytes, false),
        Reply::Stall(bytes) => (bytes, true),
    };
    // The client may be gone before everything is written: that is what some tests are about.
    let _ = stream.write_all(&bytes).await;
    if stall {
        tokio::time::sleep(Duration::from_secs(3600)).await;
    }
    let _ = stream.shutdown().await;
}

async fn read_request(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let line = lines.next()?.trim_end_matches(" HTTP/1.1").to_owned();
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")
        .map_or(0, |(_, value)| value.parse::<usize>().unwrap());
    let mut body = bytes.split_off(end + 4);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(Received {
        line,
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

/// Remembers every call it is told of.
#[derive(Default)]
pub(crate) struct Observed(Mutex<Vec<(&'static str, &'static str)>>);

impl Observed {
    /// Operation and outcome of every call, in order.
    pub(crate) fn calls(&self) -> Vec<(&'static str, &'static str)> {
        self.0.lock().unwrap().clone()
    }
}

impl CallObserver for Observed {
    fn called(&self, operation: &'static str, outcome: &'static str, _elapsed: Duration) {
        self.0.lock().unwrap().push((operation, outcome));
    }
}

/// Everything that is logged on this thread, at every level, while the guard lives.
pub(crate) struct CapturedLog {
    text: Arc<Mutex<Vec<u8>>>,
    _guard: tracing::subscriber::DefaultGuard,
}

// With a single subscriber in the process, a callsite that another test's thread meets first is switched off
// for every thread. A second one that lives for ever keeps them all on.
static KEEPS_CALLSITES_ON: LazyLock<tracing::Dispatch> =
    LazyLock::new(|| tracing::Dispatch::new(tracing_subscriber::registry()));

impl CapturedLog {
    pub(crate) fn start() -> Self {
        LazyLock::force(&KEEPS_CALLSITES_ON);
        let text = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&text);
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || Sink(Arc::clone(&sink)))
            .finish();
        Self {
            text,
            _guard: tracing::subscriber::set_default(subscriber),
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }
}

struct Sink(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
