//! The client against servers that answer exactly as a test says.

mod authentication;
mod didit;
mod discovery;
mod keys;
mod mutual_tls;
mod refusals;
mod requests;
mod secrets;
mod urgency;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use url::form_urlencoded;

use super::*;
use crate::identity::http::CallObserver;
use crate::identity::http::testing::{Observed, Received, Reply, Server, answer, json as json_answer};
use crate::identity::token::{
    Introspection, OAuthErrorCode, Offers, TokenAnswer, TokenApi, TokenError, TokenKind, TokenRequest,
};

/// A server, and the client that asks it.
#[derive(Clone, Debug)]
struct Asked {
    issuer: Option<String>,
    endpoints: ManualEndpoints,
    extra_parameters: BTreeMap<String, String>,
    client: ClientCredentials,
    ca_bundle: Option<Vec<u8>>,
    allow_insecure: bool,
    request_timeout: Duration,
}

impl Asked {
    fn didit(
        auth_url: &str,
        client_id: String,
        api_key: SecretString,
        allow_insecure: bool,
    ) -> Result<Self, CallError> {
        let server = OAuth2Config::didit(auth_url, allow_insecure)?;
        Ok(Self {
            issuer: server.issuer,
            endpoints: server.endpoints,
            extra_parameters: server.extra_parameters,
            client: ClientCredentials {
                client_id,
                authentication: ClientAuthentication::SecretBasic(api_key),
            },
            ca_bundle: server.ca_bundle,
            allow_insecure,
            request_timeout: server.request_timeout,
        })
    }

    fn connect(self, observer: Arc<dyn CallObserver>, metadata: &MetadataCache) -> Result<OAuth2, CallError> {
        let server = OAuth2Config {
            issuer: self.issuer,
            endpoints: self.endpoints,
            extra_parameters: self.extra_parameters,
            ca_bundle: self.ca_bundle,
            allow_insecure: self.allow_insecure,
            request_timeout: self.request_timeout,
            budget: None,
        };
        OAuth2Server::new(server, observer, metadata)?.client(self.client)
    }
}

const SECRET: &str = "s3cret/with:odd & chars";

fn config(base: &str, authentication: ClientAuthentication) -> Asked {
    Asked {
        issuer: None,
        endpoints: ManualEndpoints {
            token: Some(format!("{base}/token")),
            introspection: Some(format!("{base}/introspect")),
            revocation: Some(format!("{base}/revoke")),
        },
        extra_parameters: BTreeMap::new(),
        client: ClientCredentials {
            client_id: "payments:prod".to_owned(),
            authentication,
        },
        ca_bundle: None,
        allow_insecure: true,
        request_timeout: Duration::from_secs(30),
    }
}

fn basic(base: &str) -> Asked {
    config(base, ClientAuthentication::SecretBasic(SECRET.into()))
}

fn discovering(issuer: &str) -> Asked {
    Asked {
        issuer: Some(issuer.to_owned()),
        endpoints: ManualEndpoints::default(),
        ..basic(issuer)
    }
}

fn connect(config: Asked) -> OAuth2 {
    config
        .connect(Arc::new(Observed::default()), &MetadataCache::new())
        .unwrap()
}

/// The error of a configuration that no client can be made from.
fn refused(config: Asked) -> (&'static str, String) {
    let error = config
        .connect(Arc::new(Observed::default()), &MetadataCache::new())
        .err()
        .unwrap();
    (reason(&error), error.message)
}

fn reason(error: &CallError) -> &'static str {
    match error.kind {
        ErrorKind::Misconfigured { reason } => reason,
        _ => panic!("{error:?}"),
    }
}

async fn token_server() -> Server {
    Server::start(|_| json_answer(200, json!({"access_token": "t0ken", "token_type": "Bearer"}))).await
}

fn form(request: &Received) -> Vec<(String, String)> {
    form_urlencoded::parse(request.body.as_bytes())
        .into_owned()
        .collect()
}

fn value<'a>(form: &'a [(String, String)], name: &str) -> &'a str {
    form.iter()
        .find(|(key, _)| key == name)
        .map_or("(absent)", |(_, value)| value)
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}
