//! The client against servers that answer exactly as a test says.

mod authentication;
mod didit;
mod discovery;
mod keys;
mod mutual_tls;
mod refusals;
mod requests;
mod secrets;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use url::form_urlencoded;

use super::*;
use crate::identity::http::testing::{Observed, Received, Reply, Server, answer, json as json_answer};
use crate::identity::token::{
    Introspection, OAuthErrorCode, Offers, TokenAnswer, TokenApi, TokenError, TokenKind, TokenRequest,
};

const SECRET: &str = "s3cret/with:odd & chars";

fn config(base: &str, authentication: ClientAuthentication) -> OAuth2Config {
    OAuth2Config {
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

fn basic(base: &str) -> OAuth2Config {
    config(base, ClientAuthentication::SecretBasic(SECRET.into()))
}

fn discovering(issuer: &str) -> OAuth2Config {
    OAuth2Config {
        issuer: Some(issuer.to_owned()),
        endpoints: ManualEndpoints::default(),
        ..basic(issuer)
    }
}

fn connect(config: OAuth2Config) -> OAuth2 {
    OAuth2::connect(config, Arc::new(Observed::default()), &MetadataCache::new()).unwrap()
}

/// The error of a configuration that no client can be made from.
fn refused(config: OAuth2Config) -> (&'static str, String) {
    let error = OAuth2::connect(config, Arc::new(Observed::default()), &MetadataCache::new())
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
