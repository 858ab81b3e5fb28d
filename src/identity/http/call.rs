//! One call to an identity API, and how it can fail.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::jiff::Timestamp;
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::{Url, form_urlencoded};

use crate::identity::CallError;
use crate::identity::token::Urgency;

/// What a call does at the identity API, which decides what a lost or unreadable answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: it can be repeated at any time.
    Reads,
    /// It changes something: without a readable answer it is unknown whether it took effect.
    Changes,
    /// It changes nothing, and it may count against a lockout: without an answer that is unknown, while an
    /// answer that cannot be read is only that.
    Authenticates,
}

/// How a call proves who makes it.
pub(super) enum Credential<'a> {
    None,
    /// `Authorization: Bearer` (RFC 6750 section 2.1).
    Bearer(&'a SecretString),
    /// `Authorization: Basic` (RFC 7617), with what follows the scheme.
    Basic(SecretString),
    /// A header that holds nothing but the secret.
    Header(&'static str, &'a SecretString),
}

/// What a call sends as its body.
pub(super) enum Body {
    None,
    Json(Value),
    /// `application/x-www-form-urlencoded`, encoded. It may carry secrets.
    Form(SecretString),
}

/// One call: what is asked, where, and as whom.
pub struct Call<'a> {
    pub(super) operation: &'static str,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) effect: Effect,
    pub(super) credential: Credential<'a>,
    pub(super) body: Body,
    pub(super) reads_body: bool,
    pub(super) secrets: Vec<Cow<'a, SecretString>>,
    pub(super) urgency: Urgency,
}

impl<'a> Call<'a> {
    /// A call without credential and without body. `operation` is its name in the contract's words.
    #[must_use]
    pub fn new(operation: &'static str, effect: Effect, method: Method, url: Url) -> Self {
        Self {
            operation,
            method,
            url,
            effect,
            credential: Credential::None,
            body: Body::None,
            reads_body: true,
            secrets: Vec::new(),
            urgency: Urgency::Whenever,
        }
    }

    /// Says how urgent the call is beside others that wait for the provider's budget. Unless said, it is
    /// [`Urgency::Whenever`]: most calls look whether something is as it should be.
    #[must_use]
    pub fn urgency(mut self, urgency: Urgency) -> Self {
        self.urgency = urgency;
        self
    }

    /// Sends the token as bearer token (RFC 6750 section 2.1).
    #[must_use]
    pub fn bearer(mut self, token: &'a SecretString) -> Self {
        self.credential = Credential::Bearer(token);
        self.secret(token)
    }

    /// Sends client identifier and secret as HTTP Basic credentials, each form-encoded first (RFC 6749 section
    /// 2.3.1).
    #[must_use]
    pub fn basic(mut self, client_id: &str, client_secret: &'a SecretString) -> Self {
        let encode = |part: &str| form_urlencoded::byte_serialize(part.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encode(client_id), encode(client_secret.expose_secret()));
        let credential = SecretString::from(STANDARD.encode(pair));
        self.secrets.push(Cow::Owned(credential.clone()));
        self.credential = Credential::Basic(credential);
        self.secret(client_secret)
    }

    /// Sends the secret as the whole value of the header.
    #[must_use]
    pub fn header(mut self, name: &'static str, secret: &'a SecretString) -> Self {
        self.credential = Credential::Header(name, secret);
        self.secret(secret)
    }

    /// Sends the value as JSON body.
    #[must_use]
    pub fn json(mut self, body: Value) -> Self {
        self.body = Body::Json(body);
        self
    }

    /// Sends the pairs as a form (`application/x-www-form-urlencoded`), in this order.
    #[must_use]
    pub fn form<'b>(mut self, pairs: impl IntoIterator<Item = (&'b str, &'b str)>) -> Self {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(pairs);
        self.body = Body::Form(form.finish().into());
        self
    }

    /// Takes a 2xx as the whole answer, whatever its body is. It is decoded as null.
    #[must_use]
    pub fn ignoring_body(mut self) -> Self {
        self.reads_body = false;
        self
    }

    /// Names a secret that the body carries, so that no error message repeats it.
    #[must_use]
    pub fn secret(mut self, secret: &'a SecretString) -> Self {
        self.secrets.push(Cow::Borrowed(secret));
        self
    }
}

/// An answer that did what was asked.
#[derive(Clone, Debug)]
pub struct Answer<T> {
    /// What was read out of it.
    pub value: T,
    /// Its status, a 2xx.
    pub status: StatusCode,
    /// The server's clock: the `Date` header (RFC 9110 section 6.6.1).
    pub date: Option<Timestamp>,
    /// When the request was sent, by our clock.
    pub asked_at: Timestamp,
    /// When the whole answer was there, by our clock.
    pub received_at: Timestamp,
}

/// A call that did not do what was asked, with what the answer said about it.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The status of the answer; `None` when there was none.
    pub status: Option<StatusCode>,
    /// The server's own words: one line, bounded, without secrets.
    pub said: Option<String>,
    /// The `error` code of an OAuth answer (RFC 6749 section 5.2), where there is one: at most 100 visible ASCII
    /// characters, without secrets.
    pub code: Option<String>,
    /// The failure as the caller of the identity API sees it.
    pub error: CallError,
}

impl From<CallError> for Failure {
    /// The failure of a call that was not made.
    fn from(error: CallError) -> Self {
        Self {
            status: None,
            said: None,
            code: None,
            error,
        }
    }
}

impl From<Failure> for CallError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}
