//! One call to an identity API, and how it can fail.

use reqwest::{Method, StatusCode};
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

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
    /// A header that holds nothing but the secret.
    Header(&'static str, &'a SecretString),
}

/// One call: what is asked, where, and as whom.
pub struct Call<'a> {
    pub(super) operation: &'static str,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) effect: Effect,
    pub(super) credential: Credential<'a>,
    pub(super) body: Option<Value>,
    pub(super) secrets: Vec<&'a SecretString>,
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
            body: None,
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

    /// Sends the secret as the whole value of the header.
    #[must_use]
    pub fn header(mut self, name: &'static str, secret: &'a SecretString) -> Self {
        self.credential = Credential::Header(name, secret);
        self.secret(secret)
    }

    /// Sends the value as JSON body.
    #[must_use]
    pub fn json(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// Names a secret that the body carries, so that no error message repeats it.
    #[must_use]
    pub fn secret(mut self, secret: &'a SecretString) -> Self {
        self.secrets.push(secret);
        self
    }
}

/// A call that did not do what was asked, with what the answer said about it.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The status of the answer; `None` when there was none.
    pub status: Option<StatusCode>,
    /// The server's own words: one line, bounded, without secrets.
    pub said: Option<String>,
    /// The failure as the caller of the identity API sees it.
    pub error: CallError,
}

impl From<Failure> for CallError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}
