//! Keycloak as tests see it.

use std::time::{SystemTime, UNIX_EPOCH};

use reqwest::{Method, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use crate::Error;
use crate::administration::{AuthorizationServer, Http, send, send_for_json};
use crate::keycloak_server::{ADMINISTRATOR, REALM};
use crate::keys::PrivateKey;
use crate::pki::Authority;
use crate::settings::{AuthenticationMethod, Client, ClientSettings, Credential, unique};

/// The highest number of events that a count can give.
const MOST_EVENTS: usize = 100_000;

/// HTTP 409.
const CONFLICT: u16 = 409;

/// A running Keycloak. All clients are in realm `keywright`.
#[derive(Debug, Clone)]
pub struct Keycloak {
    base_url: String,
    administrator_secret: SecretString,
    authority: Authority,
    http: Http,
}

impl Keycloak {
    pub(crate) fn new(
        base_url: String,
        administrator_secret: SecretString,
        authority: Authority,
    ) -> Result<Self, Error> {
        Ok(Self {
            base_url,
            administrator_secret,
            http: Http::new(authority.certificate())?,
            authority,
        })
    }

    /// The URL that the paths of all endpoints begin at, without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// How many access tokens the client has got for refresh tokens (RFC 6749, section 6).
    ///
    /// # Errors
    ///
    /// If the server does not answer.
    pub async fn refreshes(&self, client_id: &str) -> Result<usize, Error> {
        self.events(&[("client", client_id), ("type", "REFRESH_TOKEN")])
            .await
    }

    async fn events(&self, wanted: &[(&str, &str)]) -> Result<usize, Error> {
        let request = self.administer(Method::GET, "events").await?;
        let request = request.query(wanted).query(&[("max", MOST_EVENTS)]);
        let events = send_for_json("list the events", request).await?;
        Ok(events.as_array().map_or(0, Vec::len))
    }

    fn endpoint(&self, name: &str) -> String {
        format!("{}/protocol/openid-connect/{name}", self.issuer())
    }

    /// A request to the administration of the realm; `path` begins without a slash.
    async fn administer(&self, method: Method, path: &str) -> Result<RequestBuilder, Error> {
        const ACTION: &str = "give the administrator a token";
        let url = format!("{}/realms/master/protocol/openid-connect/token", self.base_url);
        let request = self.http.request(Method::POST, &url).form(&[
            ("grant_type", "client_credentials"),
            ("client_id", ADMINISTRATOR),
            ("client_secret", self.administrator_secret.expose_secret()),
        ]);
        let answer = send_for_json(ACTION, request).await?;
        let token = member(ACTION, &answer, "access_token")?;
        let url = format!("{}/admin/realms/{REALM}/{path}", self.base_url);
        Ok(self.http.request(method, &url).bearer_auth(token))
    }

    /// Keycloak's own id of the client, which its administration goes by.
    async fn path_of(&self, client_id: &str) -> Result<String, Error> {
        const ACTION: &str = "find the client";
        let request = self.administer(Method::GET, "clients").await?;
        let answer = send_for_json(ACTION, request.query(&[("clientId", client_id)])).await?;
        let client = answer.get(0).unwrap_or(&Value::Null);
        Ok(format!("clients/{}", member(ACTION, client, "id")?))
    }

    async fn change(&self, client_id: &str, field: &str, value: Value) -> Result<(), Error> {
        let path = self.path_of(client_id).await?;
        let request = self.administer(Method::GET, &path).await?;
        let mut client = send_for_json("show the client", request).await?;
        if let Some(members) = client.as_object_mut() {
            members.insert(field.to_owned(), value);
        }
        let request = self.administer(Method::PUT, &path).await?;
        send("change the client", request.json(&client)).await?;
        Ok(())
    }

    async fn create_scope(&self, name: &str) -> Result<(), Error> {
        let scope = json!({
            "name": name,
            "protocol": "openid-connect",
            "attributes": { "include.in.token.scope": "true" },
        });
        let request = self.administer(Method::POST, "client-scopes").await?;
        match send("make the scope", request.json(&scope)).await {
            // All tests share the scopes of the realm.
            Ok(_) | Err(Error::Refused { status: CONFLICT, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl AuthorizationServer for Keycloak {
    fn name(&self) -> &'static str {
        crate::tools::KEYCLOAK
    }

    fn issuer(&self) -> String {
        format!("{}/realms/{REALM}", self.base_url)
    }

    fn token_endpoint(&self) -> String {
        self.endpoint("token")
    }

    fn introspection_endpoint(&self) -> String {
        self.endpoint("token/introspect")
    }

    fn revocation_endpoint(&self) -> String {
        self.endpoint("revoke")
    }

    fn ca_certificate(&self) -> &str {
        self.authority.certificate()
    }

    async fn create_client(&self, settings: &ClientSettings) -> Result<Client, Error> {
        for scope in &settings.scopes {
            self.create_scope(scope).await?;
        }
        let client_id = unique("client");
        let (representation, credential) = client(&client_id, settings, &self.authority)?;
        let request = self.administer(Method::POST, "clients").await?;
        send("make the client", request.json(&representation)).await?;
        Ok(Client {
            client_id,
            credential,
        })
    }

    async fn set_enabled(&self, client_id: &str, enabled: bool) -> Result<(), Error> {
        self.change(client_id, "enabled", enabled.into()).await
    }

    async fn delete_client(&self, client_id: &str) -> Result<(), Error> {
        let path = self.path_of(client_id).await?;
        send("delete the client", self.administer(Method::DELETE, &path).await?).await?;
        Ok(())
    }

    async fn rotate_secret(&self, client_id: &str) -> Result<SecretString, Error> {
        const ACTION: &str = "make another secret";
        let path = format!("{}/client-secret", self.path_of(client_id).await?);
        let answer = send_for_json(ACTION, self.administer(Method::POST, &path).await?).await?;
        Ok(member(ACTION, &answer, "value")?.into())
    }

    async fn revoke_tokens(&self, client_id: &str) -> Result<(), Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // What was issued before this second is refused, so the current one has to be over for it.
        self.change(client_id, "notBefore", (now.as_secs() + 1).into())
            .await
    }

    async fn token_requests(&self, client_id: &str) -> Result<usize, Error> {
        self.events(&[("client", client_id)]).await
    }
}

/// The client as Keycloak's administration describes it, and what it authenticates with.
fn client(
    client_id: &str,
    settings: &ClientSettings,
    authority: &Authority,
) -> Result<(Value, Credential), Error> {
    let mut attributes = Map::new();
    if let Some(seconds) = settings.access_token_seconds {
        attributes.insert("access.token.lifespan".to_owned(), seconds.to_string().into());
    }
    let refresh = settings.refresh_tokens.to_string();
    attributes.insert("client_credentials.use_refresh_token".to_owned(), refresh.into());
    let own = settings.in_own_audience.then_some(client_id);
    let audiences = settings.audiences.iter().map(String::as_str).chain(own);
    let mappers: Vec<_> = audiences.map(audience_mapper).collect();
    let mut representation = json!({
        "clientId": client_id,
        "protocol": "openid-connect",
        "publicClient": false,
        "serviceAccountsEnabled": true,
        "standardFlowEnabled": false,
        "directAccessGrantsEnabled": false,
        "defaultClientScopes": ["basic"],
        "optionalClientScopes": settings.scopes,
        "protocolMappers": mappers,
    });
    let (authenticator, credential) = match settings.method {
        AuthenticationMethod::ClientSecretBasic | AuthenticationMethod::ClientSecretPost => {
            let secret = unique("secret");
            set(&mut representation, "secret", secret.clone().into());
            ("client-secret", Credential::Secret(secret.into()))
        }
        AuthenticationMethod::PrivateKeyJwt(algorithm) => {
            let key = PrivateKey::generate(algorithm)?;
            let keys = json!({ "keys": [key.public_key] }).to_string();
            attributes.insert("use.jwks.string".to_owned(), "true".into());
            attributes.insert("jwks.string".to_owned(), keys.into());
            attributes.insert(
                "token.endpoint.auth.signing.alg".to_owned(),
                algorithm.name().into(),
            );
            ("client-jwt", Credential::PrivateKey(key))
        }
        AuthenticationMethod::TlsClientAuth => {
            let certified = authority.issue_client(client_id)?;
            attributes.insert("x509.subjectdn".to_owned(), format!("CN={client_id}").into());
            attributes.insert("x509.allow.regex.pattern.comparison".to_owned(), "false".into());
            let credential = Credential::Certificate {
                certificate: certified.certificate,
                key: certified.key,
            };
            ("client-x509", credential)
        }
    };
    set(
        &mut representation,
        "clientAuthenticatorType",
        authenticator.into(),
    );
    set(&mut representation, "attributes", attributes.into());
    Ok((representation, credential))
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

fn audience_mapper(audience: &str) -> Value {
    json!({
        "name": format!("audience {audience}"),
        "protocol": "openid-connect",
        "protocolMapper": "oidc-audience-mapper",
        "config": {
            "included.custom.audience": audience,
            "access.token.claim": "true",
            "introspection.token.claim": "true",
        },
    })
}

fn member<'a>(action: &'static str, answer: &'a Value, field: &'static str) -> Result<&'a str, Error> {
    answer
        .get(field)
        .and_then(Value::as_str)
        .ok_or(Error::Answer { action, field })
}
