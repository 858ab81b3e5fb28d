//! Authorization server metadata (RFC 8414, OpenID Connect Discovery 1.0).

use reqwest::Method;
use serde_json::Value;
use url::Url;

use super::config::misconfigured;
use crate::identity::http::{Call, Effect, Endpoint, Failure, Fields, HttpClient, Unreadable, tidy};
use crate::identity::token::Urgency;
use crate::identity::{CallError, ErrorKind};

const OPERATION: &str = "discoverMetadata";

/// An issuer identifier (RFC 8414 section 2).
#[derive(Clone, Debug)]
pub(super) struct Issuer {
    name: String,
    url: Url,
}

/// What the metadata says of an endpoint; not yet checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndpointKind {
    Token,
    Introspection,
    Revocation,
}

impl EndpointKind {
    pub(super) fn field(self) -> &'static str {
        match self {
            Self::Token => "token_endpoint",
            Self::Introspection => "introspection_endpoint",
            Self::Revocation => "revocation_endpoint",
        }
    }
}

/// A metadata document, as far as it is used.
#[derive(Clone, Debug)]
pub(super) struct Metadata {
    issuer: String,
    endpoints: Endpoints,
    /// Where clients go that authenticate by certificate (RFC 8705 section 5).
    mtls_aliases: Endpoints,
}

#[derive(Clone, Debug, Default)]
struct Endpoints {
    token: Option<String>,
    introspection: Option<String>,
    revocation: Option<String>,
}

impl Issuer {
    pub(super) fn parse(name: &str, allow_insecure: bool) -> Result<Self, CallError> {
        let url = Endpoint::exact("issuer", name, allow_insecure)?;
        if url.query().is_some() {
            return Err(misconfigured(
                "InvalidEndpoint",
                "`issuer` must not have a query (`?`) or a fragment (`#`)".to_owned(),
            ));
        }
        Ok(Self {
            name: name.trim().to_owned(),
            url,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// RFC 8414 section 3.1: between host and path.
    fn oauth_address(&self) -> Url {
        let path = self.url.path().trim_end_matches('/');
        let mut url = self.url.clone();
        url.set_path(&format!("/.well-known/oauth-authorization-server{path}"));
        url
    }

    /// OpenID Connect Discovery 1.0 section 4: after the path.
    fn openid_address(&self) -> Url {
        let path = self.url.path().trim_end_matches('/');
        let mut url = self.url.clone();
        url.set_path(&format!("{path}/.well-known/openid-configuration"));
        url
    }

    /// Fetches the metadata: that of OAuth, or that of OpenID Connect where the server has no other.
    pub(super) async fn discover(&self, http: &HttpClient) -> Result<Metadata, CallError> {
        let metadata = match fetch(http, self.oauth_address()).await {
            Err(failure) if is_absent(&failure) => match fetch(http, self.openid_address()).await {
                Err(failure) if is_absent(&failure) => return Err(self.not_found(&failure)),
                other => other,
            },
            other => other,
        }?;
        self.check(&metadata.issuer)?;
        Ok(metadata)
    }

    fn not_found(&self, failure: &Failure) -> CallError {
        CallError {
            operation: OPERATION,
            kind: ErrorKind::Misconfigured {
                reason: "MetadataNotFound",
            },
            message: format!(
                "there is no metadata at {} nor at {} ({}); correct `issuer`, or remove it and give `endpoints.token`",
                self.oauth_address(),
                self.openid_address(),
                failure.error.message
            ),
        }
    }

    /// RFC 8414 section 3.3: equal to the letter, or somebody else may be answering.
    fn check(&self, answered: &str) -> Result<(), CallError> {
        if answered == self.name {
            return Ok(());
        }
        let hint = if answered.trim_end_matches('/') != self.name.trim_end_matches('/') {
            "set `issuer` to what the server says, if that is the server you mean"
        } else if answered.ends_with('/') {
            "add the final slash to `issuer`"
        } else {
            "remove the final slash from `issuer`"
        };
        Err(CallError {
            operation: OPERATION,
            kind: ErrorKind::Misconfigured {
                reason: "IssuerMismatch",
            },
            message: format!(
                "`issuer` is `{}`, and the server's metadata says `{}`; {hint}",
                tidy(&self.name),
                tidy(answered)
            ),
        })
    }
}

impl Metadata {
    /// The endpoint, where the server has it. `mutual_tls` prefers the alias for clients with a certificate.
    pub(super) fn endpoint(
        &self,
        kind: EndpointKind,
        mutual_tls: bool,
        allow_insecure: bool,
    ) -> Result<Option<Url>, CallError> {
        let alias = self.mtls_aliases.get(kind).filter(|_| mutual_tls);
        let Some(address) = alias.or_else(|| self.endpoints.get(kind)) else {
            return Ok(None);
        };
        Endpoint::exact(kind.field(), address, allow_insecure)
            .map(Some)
            .map_err(|error| CallError {
                operation: OPERATION,
                kind: error.kind,
                message: format!("{} (in the metadata of `{}`)", error.message, tidy(&self.issuer)),
            })
    }

    pub(super) fn has(&self, kind: EndpointKind) -> bool {
        self.endpoints.get(kind).is_some()
    }

    pub(super) fn incomplete(&self) -> CallError {
        CallError {
            operation: OPERATION,
            kind: ErrorKind::Misconfigured {
                reason: "MetadataIncomplete",
            },
            message: format!(
                "the metadata of `{}` has no `token_endpoint`; give `endpoints.token`",
                tidy(&self.issuer)
            ),
        }
    }
}

impl Endpoints {
    fn get(&self, kind: EndpointKind) -> Option<&str> {
        match kind {
            EndpointKind::Token => &self.token,
            EndpointKind::Introspection => &self.introspection,
            EndpointKind::Revocation => &self.revocation,
        }
        .as_deref()
    }

    fn read(fields: &Fields<'_>) -> Result<Self, Unreadable> {
        let address = |kind: EndpointKind| Ok(fields.optional_text(kind.field())?.map(str::to_owned));
        Ok(Self {
            token: address(EndpointKind::Token)?,
            introspection: address(EndpointKind::Introspection)?,
            revocation: address(EndpointKind::Revocation)?,
        })
    }
}

/// Whoever needs it first waits for it before its own request: it must not stand behind others in the budget.
async fn fetch(http: &HttpClient, url: Url) -> Result<Metadata, Failure> {
    let call = Call::new(OPERATION, Effect::Reads, Method::GET, url).urgency(Urgency::NeverSynced);
    http.call(call, read).await
}

fn read(answer: &Value) -> Result<Metadata, Unreadable> {
    let fields = Fields::of_answer(answer)?;
    let mtls_aliases = match fields.get("mtls_endpoint_aliases") {
        None => Endpoints::default(),
        Some(aliases) => Endpoints::read(&Fields::of_answer(aliases)?)?,
    };
    Ok(Metadata {
        issuer: fields.text("issuer")?.to_owned(),
        endpoints: Endpoints::read(&fields)?,
        mtls_aliases,
    })
}

/// Whether the server has nothing there. Some say so with a login page, or with a redirect to one.
fn is_absent(failure: &Failure) -> bool {
    failure.status.is_some()
        && !matches!(
            failure.error.kind,
            ErrorKind::Unavailable | ErrorKind::Throttled { .. }
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metadata_has_two_addresses() {
        for (issuer, oauth, openid) in [
            (
                "https://idp.example.com",
                "https://idp.example.com/.well-known/oauth-authorization-server",
                "https://idp.example.com/.well-known/openid-configuration",
            ),
            (
                "https://idp.example.com/",
                "https://idp.example.com/.well-known/oauth-authorization-server",
                "https://idp.example.com/.well-known/openid-configuration",
            ),
            (
                "https://idp.example.com:8443/realms/a%20b/",
                "https://idp.example.com:8443/.well-known/oauth-authorization-server/realms/a%20b",
                "https://idp.example.com:8443/realms/a%20b/.well-known/openid-configuration",
            ),
        ] {
            let issuer = Issuer::parse(issuer, false).unwrap();
            assert_eq!(issuer.oauth_address().as_str(), oauth);
            assert_eq!(issuer.openid_address().as_str(), openid);
        }
    }

    #[test]
    fn an_issuer_is_compared_to_the_letter() {
        for (configured, answered, hint) in [
            (
                "https://idp.example.com",
                "https://idp.example.com/",
                "add the final slash to `issuer`",
            ),
            (
                "https://idp.example.com/",
                "https://idp.example.com",
                "remove the final slash from `issuer`",
            ),
            (
                "https://idp.example.com",
                "https://IDP.example.com",
                "if that is the server you mean",
            ),
        ] {
            let error = Issuer::parse(configured, false)
                .unwrap()
                .check(answered)
                .unwrap_err();
            assert_eq!(
                error.kind,
                ErrorKind::Misconfigured {
                    reason: "IssuerMismatch"
                }
            );
            for part in [configured, answered, hint] {
                assert!(error.message.contains(part), "{}", error.message);
            }
        }
    }
}
