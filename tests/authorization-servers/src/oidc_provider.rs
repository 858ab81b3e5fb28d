//! oidc-provider as tests see it.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::Error;
use crate::administration::{AuthorizationServer, Http, send, send_for_json};
use crate::keys::PrivateKey;
use crate::pki::Authority;
use crate::settings::{AuthenticationMethod, Client, ClientSettings, Credential, unique};

/// How the access tokens for a resource server look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessTokenFormat {
    /// JWTs (RFC 9068), signed with ES256.
    Jwt,
    /// Random text that only the authorization server can look up.
    Opaque,
}

/// Answers to requests for tokens that are no tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The HTTP status, such as 503 or 429.
    pub status: u16,
    /// How many of the next requests get this answer.
    pub requests: u32,
    /// The header `Retry-After`, in seconds.
    pub retry_after: Option<u32>,
}

/// A running oidc-provider.
#[derive(Debug, Clone)]
pub struct OidcProvider {
    base_url: String,
    administrator_token: SecretString,
    authority: Authority,
    http: Http,
}

impl OidcProvider {
    pub(crate) fn new(
        base_url: String,
        administrator_token: SecretString,
        authority: Authority,
    ) -> Result<Self, Error> {
        Ok(Self {
            base_url,
            administrator_token,
            http: Http::new(authority.certificate())?,
            authority,
        })
    }

    /// The URL that the paths of all endpoints begin at, without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Makes a resource server that all clients may ask for, and returns its resource indicator (RFC 8707), which
    /// no other has and which its tokens have as audience. Scopes that it does not know are dropped from its tokens.
    ///
    /// # Errors
    ///
    /// If the server does not answer.
    pub async fn create_resource_server(
        &self,
        scopes: &[&str],
        format: AccessTokenFormat,
    ) -> Result<String, Error> {
        let resource = format!("https://{}.test/", unique("resource"));
        let format = match format {
            AccessTokenFormat::Jwt => "jwt",
            AccessTokenFormat::Opaque => "opaque",
        };
        let request = self
            .administer(Method::PUT, "resource-servers", &resource, "")
            .json(&json!({ "scopes": scopes, "format": format }));
        send("make the resource server", request).await?;
        Ok(resource)
    }

    /// Has the client's next requests for tokens fail. This replaces what was asked for before.
    ///
    /// # Errors
    ///
    /// If there is no such client, or the server does not answer.
    pub async fn fail_token_requests(&self, client_id: &str, fault: Fault) -> Result<(), Error> {
        let content = json!({
            "status": fault.status,
            "remaining": fault.requests,
            "retryAfter": fault.retry_after,
        });
        let request = self
            .administer(Method::POST, "clients", client_id, "/faults")
            .json(&content);
        send("fail the client's requests", request).await?;
        Ok(())
    }

    fn administer(&self, method: Method, kind: &str, name: &str, what: &str) -> RequestBuilder {
        let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
        let url = format!("{}/admin/{kind}/{name}{what}", self.base_url);
        self.http
            .request(method, &url)
            .bearer_auth(self.administrator_token.expose_secret())
    }
}

impl AuthorizationServer for OidcProvider {
    fn name(&self) -> &'static str {
        crate::tools::OIDC_PROVIDER
    }

    fn issuer(&self) -> String {
        self.base_url.clone()
    }

    fn token_endpoint(&self) -> String {
        format!("{}/token", self.base_url)
    }

    fn introspection_endpoint(&self) -> String {
        format!("{}/token/introspection", self.base_url)
    }

    fn revocation_endpoint(&self) -> String {
        format!("{}/token/revocation", self.base_url)
    }

    fn ca_certificate(&self) -> &str {
        self.authority.certificate()
    }

    async fn create_client(&self, settings: &ClientSettings) -> Result<Client, Error> {
        let client_id = unique("client");
        let (definition, credential) = client(&client_id, settings, &self.authority)?;
        let request = self
            .administer(Method::PUT, "clients", &client_id, "")
            .json(&definition);
        send("make the client", request).await?;
        Ok(Client {
            client_id,
            credential,
        })
    }

    async fn set_enabled(&self, client_id: &str, enabled: bool) -> Result<(), Error> {
        let request = self.administer(Method::POST, "clients", client_id, "/enabled");
        send("enable or disable the client", request.json(&enabled)).await?;
        Ok(())
    }

    async fn delete_client(&self, client_id: &str) -> Result<(), Error> {
        let request = self.administer(Method::DELETE, "clients", client_id, "");
        send("delete the client", request).await?;
        Ok(())
    }

    async fn rotate_secret(&self, client_id: &str) -> Result<SecretString, Error> {
        let secret = unique("secret");
        let request = self.administer(Method::POST, "clients", client_id, "/secret");
        send("change the secret", request.json(&secret)).await?;
        Ok(secret.into())
    }

    async fn revoke_tokens(&self, client_id: &str) -> Result<(), Error> {
        let request = self.administer(Method::POST, "clients", client_id, "/revocation");
        send("revoke the client's tokens", request).await?;
        Ok(())
    }

    async fn token_requests(&self, client_id: &str) -> Result<usize, Error> {
        const ACTION: &str = "count the client's requests";
        let request = self.administer(Method::GET, "clients", client_id, "/token-requests");
        let count = send_for_json(ACTION, request).await?;
        count
            .as_u64()
            .and_then(|count| count.try_into().ok())
            .ok_or(Error::Answer {
                action: ACTION,
                field: "number",
            })
    }
}

/// The client as `administration.js` takes it, and what it authenticates with.
fn client(
    client_id: &str,
    settings: &ClientSettings,
    authority: &Authority,
) -> Result<(Value, Credential), Error> {
    refuse_unsupported(settings)?;
    let mut metadata = json!({ "client_id": client_id });
    let mut set = |name: &str, value: Value| {
        if let Some(members) = metadata.as_object_mut() {
            members.insert(name.to_owned(), value);
        }
    };
    let (method, credential) = match settings.method {
        AuthenticationMethod::ClientSecretBasic | AuthenticationMethod::ClientSecretPost => {
            let secret = unique("secret");
            set("client_secret", secret.clone().into());
            let basic = settings.method == AuthenticationMethod::ClientSecretBasic;
            let method = if basic {
                "client_secret_basic"
            } else {
                "client_secret_post"
            };
            (method, Credential::Secret(secret.into()))
        }
        AuthenticationMethod::PrivateKeyJwt(algorithm) => {
            let key = PrivateKey::generate(algorithm)?;
            set("token_endpoint_auth_signing_alg", algorithm.name().into());
            set("jwks", json!({ "keys": [key.public_key] }));
            ("private_key_jwt", Credential::PrivateKey(key))
        }
        AuthenticationMethod::TlsClientAuth => {
            let certified = authority.issue_client(client_id)?;
            set("tls_client_auth_subject_dn", format!("CN={client_id}").into());
            let credential = Credential::Certificate {
                certificate: certified.certificate,
                key: certified.key,
            };
            ("tls_client_auth", credential)
        }
    };
    set("token_endpoint_auth_method", method.into());
    let definition = json!({
        "metadata": metadata,
        "scopes": settings.scopes,
        "accessTokenSeconds": settings.access_token_seconds,
    });
    Ok((definition, credential))
}

fn refuse_unsupported(settings: &ClientSettings) -> Result<(), Error> {
    let problem = |field, problem: &str| {
        Err(Error::Settings {
            field,
            problem: problem.to_owned(),
        })
    };
    if settings.refresh_tokens {
        return problem(
            "refresh_tokens",
            "oidc-provider gives none with client credentials; use Keycloak",
        );
    }
    if !settings.audiences.is_empty() {
        return problem(
            "audiences",
            "oidc-provider takes the resource that is asked for; make one with create_resource_server",
        );
    }
    Ok(())
}
