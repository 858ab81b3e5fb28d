//! Structured logs on standard error.
//!
//! # What is never logged
//!
//! Whatever filter the user sets, a library's own log lines pass only up to the level that
//! `library_ceilings` allows, since some libraries log what they send and receive:
//!
//! | Target | What it would show | Ceiling |
//! | --- | --- | --- |
//! | `kube_client::client` | the whole body of an answer that it cannot decode, **at `warn`**: a Secret's data; error bodies at `debug`; headers at `trace` | `error` |
//! | `rustls` | handshakes, session tickets | `info` |
//! | `h2` | frames and rejected header values | `info` |
//! | `reqwest`, `hyper_rustls` | redirect addresses with their query; with verbose connections each byte | `info` |
//! | any library not known here | unknown | `info` |
//!
//! `hyper_util`, `tower`, `kube_runtime` and the rest of `kube_client` log addresses, object names and
//! states up to `debug`, and no headers or bodies; they are capped there. Only Keywright's own targets
//! reach `trace`, and Keywright keeps secrets in types that do not print.

use std::io::{self, IsTerminal};

use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, Targets},
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
    registry::Registry,
    util::{SubscriberInitExt, TryInitError},
};

/// The filter that is used when the user sets none.
///
/// The Kubernetes client logs every failed attempt as an error of its own, and the watch machinery every
/// refused watch; Keywright logs both once, classified.
pub const DEFAULT_FILTER: &str = "info,kube_client=warn,kube_client::client::builder=off,kube_runtime=error";

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    // The innermost span stands under `span`, beside its name; so no span may have a field called `name`.
    /// One JSON object per line, for a log collector.
    #[default]
    Json,
    /// One line of text per event, for people.
    Pretty,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter could not be parsed.
    #[error(
        "log filter {filter:?}: {source}; write a level (\"debug\") or levels per target \
         (\"info,keywright=debug\")"
    )]
    Filter {
        /// The filter as it was given.
        filter: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// The process logs somewhere else already.
    #[error("logging was already set up in this process: {0}")]
    Installed(#[from] TryInitError),
}

/// Sends the logs of this process to standard error.
///
/// `filter` has the syntax of [`EnvFilter`]: `info,keywright=debug`. Standard output stays free for what
/// subcommands print.
///
/// # Errors
///
/// When the filter cannot be parsed, or when logging was set up before.
pub fn init(format: LogFormat, filter: &str) -> Result<(), LogError> {
    let colour = io::stderr().is_terminal();
    Ok(subscriber(format, filter, colour, io::stderr)?.try_init()?)
}

fn subscriber<W>(
    format: LogFormat,
    filter: &str,
    colour: bool,
    writer: W,
) -> Result<impl Subscriber + Send + Sync + use<W>, LogError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let chosen = EnvFilter::builder()
        .parse(filter)
        .map_err(|source| LogError::Filter {
            filter: filter.to_owned(),
            source,
        })?;
    let lines = fmt::layer::<Registry>().with_writer(writer);
    let lines = match format {
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
        LogFormat::Pretty => lines.with_ansi(colour).boxed(),
    };
    Ok(Registry::default().with(lines.with_filter(chosen.and(library_ceilings()))))
}

/// The most that each target may log, whatever the user's filter says; see the module's table.
fn library_ceilings() -> Targets {
    Targets::new()
        .with_default(LevelFilter::INFO)
        .with_target("keywright", LevelFilter::TRACE)
        .with_target("kube_client", LevelFilter::DEBUG)
        .with_target("kube_client::client", LevelFilter::ERROR)
        .with_target("kube_client::client::builder", LevelFilter::DEBUG)
        .with_target("kube_client::client::tls", LevelFilter::DEBUG)
        .with_target("kube_runtime", LevelFilter::DEBUG)
        .with_target("hyper_util", LevelFilter::DEBUG)
        .with_target("tower", LevelFilter::DEBUG)
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::{Arc, Mutex},
    };

    use http::{Request, Response};
    use k8s_openapi::api::core::v1::Secret;
    use kube::{Api, Client, client::Body};
    use tracing::Level;

    use super::*;

    const SECRET: &str = "c2VjcmV0LWFwaS1rZXk";

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Captured {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl io::Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn capture(format: LogFormat, filter: &str, body: impl FnOnce()) -> String {
        let captured = Captured::default();
        let writer = captured.clone();
        let subscriber = subscriber(format, filter, false, move || writer.clone()).unwrap();
        // Also receives what libraries log through the `log` crate.
        let guard = subscriber.set_default();
        body();
        drop(guard);
        captured.text()
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(future)
    }

    /// Reads a Secret whose `type` has the wrong JSON type, which the client cannot decode.
    fn read_a_secret_that_cannot_be_decoded() {
        let answer = serde_json::json!({
            "apiVersion": "v1", "kind": "Secret", "type": 7, "data": {"apiKey": SECRET},
        });
        let service = tower::service_fn(move |_: Request<Body>| {
            let body = Body::from(answer.to_string().into_bytes());
            async move { Ok::<_, Infallible>(Response::new(body)) }
        });
        block_on(async {
            let secrets: Api<Secret> = Api::namespaced(Client::new(service, "shop"), "shop");
            secrets.get("payments").await.unwrap_err();
        });
    }

    #[test]
    fn the_kubernetes_client_would_log_a_secret_if_nothing_held_it_back() {
        let captured = Captured::default();
        let writer = captured.clone();
        let unguarded = Registry::default().with(
            fmt::layer()
                .with_writer(move || writer.clone())
                .with_filter(EnvFilter::new(DEFAULT_FILTER)),
        );
        tracing::subscriber::with_default(unguarded, read_a_secret_that_cannot_be_decoded);
        assert!(
            captured.text().contains(SECRET),
            "the ceiling guards against nothing any more"
        );
    }

    #[test]
    fn no_filter_shows_the_body_of_an_answer() {
        for filter in [
            "trace",
            "kube_client=trace",
            "kube_client::client=trace",
            DEFAULT_FILTER,
        ] {
            for format in [LogFormat::Json, LogFormat::Pretty] {
                let text = capture(format, filter, read_a_secret_that_cannot_be_decoded);
                assert!(!text.contains(SECRET), "{filter}: {text}");
            }
        }
    }

    #[test]
    fn tracing_an_http_call_shows_neither_its_token_nor_its_body() {
        let text = capture(LogFormat::Json, "trace", || {
            block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap();
                let echo = axum::Router::new().fallback(async |body: String| body);
                let server = tokio::spawn(async move { axum::serve(listener, echo).await });
                let client = reqwest::Client::builder()
                    .connection_verbose(true)
                    .build()
                    .unwrap();
                let answer = client
                    .post(format!("http://{address}/?api_key={SECRET}"))
                    .bearer_auth(SECRET)
                    .body(SECRET)
                    .send()
                    .await
                    .unwrap();
                assert_eq!(answer.text().await.unwrap(), SECRET);
                server.abort();
            });
            tracing::trace!("done");
        });
        assert!(text.contains("done"), "nothing was captured");
        assert!(!text.contains(SECRET), "{text}");
    }

    #[test]
    fn only_known_targets_pass_info() {
        let ceilings = library_ceilings();
        for (target, level, passes) in [
            ("keywright::identity::session", Level::TRACE, true),
            ("kube_client::client", Level::WARN, false),
            ("kube_client::client", Level::ERROR, true),
            ("kube_client::client::builder", Level::DEBUG, true),
            ("kube_client::client::builder", Level::TRACE, false),
            ("kube_client::client::tls", Level::WARN, true),
            ("kube_runtime::watcher", Level::DEBUG, true),
            ("kube_runtime::watcher", Level::TRACE, false),
            ("rustls::client::hs", Level::INFO, true),
            ("rustls::client::hs", Level::DEBUG, false),
            ("h2::codec::framed_read", Level::DEBUG, false),
            ("reqwest::connect", Level::DEBUG, false),
            ("a_new_dependency", Level::DEBUG, false),
        ] {
            assert_eq!(
                ceilings.would_enable(target, &level),
                passes,
                "{target} at {level}"
            );
        }
    }

    #[test]
    fn the_default_filter_hides_the_clients_failed_attempts() {
        let text = capture(LogFormat::Json, DEFAULT_FILTER, || {
            tracing::error!(target: "kube_client::client::builder", "failed with status 503");
            tracing::info!(target: "keywright::app", "started");
        });
        assert!(text.contains("started") && !text.contains("503"), "{text}");
    }

    #[test]
    fn json_is_one_object_per_line() {
        let text = capture(LogFormat::Json, "info", || {
            let span = tracing::info_span!("reconcile", object = "payments");
            span.in_scope(|| tracing::info!(reason = "two\nlines", "it \"happened\""));
            tracing::warn!("again");
        });
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["message"], "it \"happened\"");
        assert_eq!(lines[0]["reason"], "two\nlines");
        assert_eq!(lines[0]["span"]["object"], "payments");
        assert_eq!(lines[1]["level"], "WARN");
    }

    #[test]
    fn a_filter_that_cannot_be_parsed_is_named() {
        let error = subscriber(LogFormat::Json, "keywright=loud", false, io::sink)
            .err()
            .unwrap();
        let text = error.to_string();
        assert!(
            text.starts_with("log filter \"keywright=loud\": ") && text.contains("info"),
            "{text}"
        );
    }
}
