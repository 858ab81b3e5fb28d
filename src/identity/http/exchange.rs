//! One HTTP exchange, from the request that is sent to the answer that is decoded.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use reqwest::header::{HeaderMap, LOCATION};
use reqwest::{Request, Response, StatusCode};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::call::{Effect, Failure};
use super::classify::{Mishap, mishap_kind, status_kind};
use super::endpoint::host;
use super::fields::Unreadable;
use super::scrub::Scrubber;
use super::text::error_words;
use super::transport;
use crate::identity::{CallError, ErrorKind};

const MAX_BODY_BYTES: usize = 1024 * 1024;

/// What has to be known of a call while its answer comes in.
pub(super) struct Exchange<'a> {
    pub(super) operation: &'static str,
    pub(super) effect: Effect,
    pub(super) host: &'a str,
    pub(super) deadline: Duration,
    pub(super) scrubber: Scrubber<'a>,
}

/// Why a body could not be received.
enum BodyMishap {
    TooLarge,
    Broken,
    TimedOut,
}

impl Exchange<'_> {
    pub(super) async fn run<T>(
        &self,
        client: &reqwest::Client,
        request: Request,
        decode: impl FnOnce(&Value) -> Result<T, Unreadable>,
    ) -> Result<(T, StatusCode), Failure> {
        let deadline = Instant::now() + self.deadline;
        let url = request.url().clone();
        let response = match timeout_at(deadline, client.execute(request)).await {
            Err(_) => return Err(self.mishap(Mishap::Lost, self.too_slow())),
            Ok(Err(error)) => return Err(self.no_answer(&error)),
            Ok(Ok(response)) => response,
        };
        let status = response.status();
        let headers = response.headers().clone();
        let body = match timeout_at(deadline, read_body(response)).await {
            Err(_) => Err(BodyMishap::TimedOut),
            Ok(body) => body,
        };
        if !status.is_success() {
            // The status says what to do; a body that cannot be read only costs the words.
            let said = body.ok().and_then(|body| error_words(&body, &self.scrubber));
            return Err(self.refusal(status, &headers, &url, said));
        }
        let value = self.decoded(body, decode).map_err(|failure| Failure {
            status: Some(status),
            ..failure
        })?;
        Ok((value, status))
    }

    fn decoded<T>(
        &self,
        body: Result<Vec<u8>, BodyMishap>,
        decode: impl FnOnce(&Value) -> Result<T, Unreadable>,
    ) -> Result<T, Failure> {
        let host = self.host;
        let body = body.map_err(|mishap| match mishap {
            BodyMishap::TooLarge => self.unreadable(&format!(
                "the answer is larger than {} KiB",
                MAX_BODY_BYTES / 1024
            )),
            BodyMishap::Broken => self.mishap(
                Mishap::Lost,
                format!("the connection to {host} broke in the middle of the answer"),
            ),
            BodyMishap::TimedOut => self.mishap(Mishap::Lost, self.too_slow()),
        })?;
        let value = serde_json::from_slice(&body).map_err(|_| self.unreadable("the answer is not JSON"))?;
        decode(&value).map_err(|Unreadable(sentence)| self.unreadable(&sentence))
    }

    fn too_slow(&self) -> String {
        format!("{} did not answer within {:?}", self.host, self.deadline)
    }

    fn no_answer(&self, error: &reqwest::Error) -> Failure {
        let (mishap, words) = transport::explain(error);
        let message = match mishap {
            Mishap::NotSent => format!(
                "{} could not be reached: {}",
                self.host,
                self.scrubber.scrub(&words)
            ),
            _ => format!("the connection to {} broke before it answered", self.host),
        };
        self.mishap(mishap, message)
    }

    fn unreadable(&self, sentence: &str) -> Failure {
        self.mishap(
            Mishap::Unreadable,
            format!("{} could not be understood: {sentence}", self.host),
        )
    }

    fn refusal(&self, status: StatusCode, headers: &HeaderMap, url: &Url, said: Option<String>) -> Failure {
        if status.is_redirection() {
            let message = format!(
                "{} redirected the request {}; redirects are not followed",
                self.host,
                to(headers, url)
            );
            return Failure {
                status: Some(status),
                ..self.mishap(Mishap::Unreadable, message)
            };
        }
        let answered = format!("{} answered {}", self.host, name(status));
        let message = match &said {
            // What follows goes on the same line, after a stop of its own.
            Some(said) => format!("{answered}: {}", said.trim_end_matches('.')),
            None => answered,
        };
        let kind = status_kind(status, headers, self.effect, Timestamp::now());
        Failure {
            status: Some(status),
            said,
            error: self.error(kind, message),
        }
    }

    fn mishap(&self, mishap: Mishap, message: String) -> Failure {
        Failure {
            status: None,
            said: None,
            error: self.error(mishap_kind(mishap, self.effect), message),
        }
    }

    fn error(&self, kind: ErrorKind, message: String) -> CallError {
        let message = match (&kind, self.effect) {
            (ErrorKind::Unknown, Effect::Changes) => {
                format!("{message}; whether the request took effect is not known")
            }
            _ => message,
        };
        CallError {
            operation: self.operation,
            kind,
            message,
        }
    }
}

async fn read_body(mut response: Response) -> Result<Vec<u8>, BodyMishap> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| BodyMishap::Broken)? {
        if body.len().saturating_add(chunk.len()) > MAX_BODY_BYTES {
            return Err(BodyMishap::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Where a redirect leads, without the path and query, which may carry anything.
fn to(headers: &HeaderMap, url: &Url) -> String {
    let target = headers
        .get(LOCATION)
        .and_then(|location| location.to_str().ok())
        .and_then(|location| url.join(location).ok());
    match target {
        Some(target) if host(&target) == host(url) => "to another address of its own".to_owned(),
        Some(target) if target.has_host() => format!("to {}", host(&target)),
        _ => "without saying where to".to_owned(),
    }
}

fn name(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}
