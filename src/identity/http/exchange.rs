//! One HTTP exchange, from the request that is sent to the answer that is decoded.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use reqwest::header::{DATE, HeaderMap, LOCATION};
use reqwest::{Request, Response, StatusCode};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::call::{Answer, Effect, Failure};
use super::classify::{Mishap, mishap_kind, status_kind};
use super::endpoint::host;
use super::fields::Unreadable;
use super::scrub::Scrubber;
use super::text::{error_code, error_words};
use super::transport;
use crate::identity::error::UNREACHABLE;
use crate::identity::{CallError, ErrorKind};

const MAX_BODY_BYTES: usize = 1024 * 1024;

/// What has to be known of a call while its answer comes in.
pub(super) struct Exchange<'a> {
    pub(super) operation: &'static str,
    pub(super) effect: Effect,
    pub(super) reads_body: bool,
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
    ) -> Result<Answer<T>, Failure> {
        let asked_at = Timestamp::now();
        let deadline = Instant::now() + self.deadline;
        let url = request.url().clone();
        let response = match timeout_at(deadline, client.execute(request)).await {
            Err(_) => return Err(self.mishap(Mishap::Lost, self.too_slow())),
            Ok(Err(error)) => return Err(self.no_answer(&error)),
            Ok(Ok(response)) => response,
        };
        let status = response.status();
        let headers = response.headers().clone();
        if status.is_success() && !self.reads_body {
            let received_at = Timestamp::now();
            let value = self
                .read(&Value::Null, decode)
                .map_err(|failure| failure.at(status))?;
            return Ok(Answer {
                value,
                status,
                date: date(&headers),
                asked_at,
                received_at,
            });
        }
        let body = match timeout_at(deadline, read_body(response)).await {
            Err(_) => Err(BodyMishap::TimedOut),
            Ok(body) => body,
        };
        let received_at = Timestamp::now();
        if !status.is_success() {
            // The status says what to do; a body that cannot be read only costs the words.
            let body = body.unwrap_or_default();
            let said = error_words(&body, &self.scrubber);
            let code = error_code(&body, &self.scrubber);
            return Err(Failure {
                code,
                ..self.refusal(status, &headers, &url, said)
            });
        }
        let value = self.decoded(body, decode).map_err(|failure| failure.at(status))?;
        Ok(Answer {
            value,
            status,
            date: date(&headers),
            asked_at,
            received_at,
        })
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
        self.read(&value, decode)
    }

    fn read<T>(
        &self,
        value: &Value,
        decode: impl FnOnce(&Value) -> Result<T, Unreadable>,
    ) -> Result<T, Failure> {
        decode(value).map_err(|Unreadable(sentence)| self.unreadable(&sentence))
    }

    fn too_slow(&self) -> String {
        format!("{} did not answer within {:?}", self.host, self.deadline)
    }

    fn no_answer(&self, error: &reqwest::Error) -> Failure {
        if let Some(alert) = transport::certificate_refused(error) {
            let kind = ErrorKind::Misconfigured {
                reason: "ClientCertificateRefused",
            };
            let message = format!(
                "{} did not accept the client certificate ({alert}); use one that is valid and was issued by an authority \
                 that the server trusts",
                self.host
            );
            return self.error(kind, message).into();
        }
        let (mishap, words) = transport::explain(error);
        let message = match mishap {
            Mishap::NotSent => format!("{} {UNREACHABLE}{}", self.host, self.scrubber.scrub(&words)),
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
            return self.mishap(Mishap::Unreadable, message).at(status);
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
            code: None,
            error: self.error(kind, message),
        }
    }

    fn mishap(&self, mishap: Mishap, message: String) -> Failure {
        self.error(mishap_kind(mishap, self.effect), message).into()
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

impl Failure {
    fn at(self, status: StatusCode) -> Self {
        Self {
            status: Some(status),
            ..self
        }
    }
}

fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let text = headers.get(DATE)?.to_str().ok()?;
    Timestamp::try_from(httpdate::parse_http_date(text.trim()).ok()?).ok()
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
