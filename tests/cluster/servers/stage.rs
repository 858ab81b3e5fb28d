//! The surroundings of a test with a real authorization server.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use keywright::api::AccessToken;
use keywright_authorization_servers::{
    AuthenticationMethod, AuthorizationServer, Client, ClientSettings, Credential, Keycloak, OidcProvider,
    Servers, shared,
};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::harness::{Operator, PATIENCE, Settings, World, entries, eventually};

/// The provider that all of a stage's resources use, unless they say otherwise.
pub(super) const PROVIDER: &str = "server";

/// The ConfigMap with the authority that the server's certificate is issued by.
const AUTHORITIES: &str = "authorities";

/// How `client_secret_basic` is set up at a server.
pub(super) const BASIC: AuthenticationMethod = AuthenticationMethod::ClientSecretBasic;

/// Keycloak; none where there is no Java.
pub(super) async fn keycloak() -> Option<&'static Keycloak> {
    present("Keycloak", servers().await.keycloak())
}

/// oidc-provider; none where there is no Node.
pub(super) async fn oidc_provider() -> Option<&'static OidcProvider> {
    present("oidc-provider", servers().await.oidc_provider())
}

/// The first call of the process may start them, which takes some seconds.
async fn servers() -> &'static Servers {
    let started = tokio::task::spawn_blocking(shared).await.unwrap();
    started.unwrap_or_else(|error| panic!("the authorization servers could not be started: {error}"))
}

fn present<S>(name: &str, server: Option<&'static S>) -> Option<&'static S> {
    if server.is_none() {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "{name} is not there, and in CI nothing is left out"
        );
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        eprintln!("SKIPPED {test}: {name} is not there, as its Java or Node is missing");
    }
    server
}

/// A world with an authorization server as its provider, and a client that looks into tokens.
pub(super) struct Stage<S: 'static> {
    pub(super) world: World,
    pub(super) server: &'static S,
    checker: Client,
    http: reqwest::Client,
}

impl<S: AuthorizationServer> Stage<S> {
    /// `name` begins the names of the namespaces.
    pub(super) async fn new(name: &str, server: &'static S) -> Self {
        let authority = reqwest::Certificate::from_pem(server.ca_certificate().as_bytes()).unwrap();
        let http = reqwest::Client::builder()
            .tls_certs_only([authority])
            .no_proxy()
            .build()
            .unwrap();
        let stage = Self {
            world: World::new(name).await,
            server,
            checker: server.create_client(&ClientSettings::new(BASIC)).await.unwrap(),
            http,
        };
        let map = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": AUTHORITIES},
            "data": {"ca.crt": server.ca_certificate()},
        });
        stage.world.apply(map).await;
        stage
            .apply_provider(PROVIDER, json!({"issuer": server.issuer()}), json!({}))
            .await;
        stage
    }

    /// How the operator is run: tokens of seconds are to be worth something to pods that see a Secret at once.
    pub(super) fn settings(&self) -> Settings {
        self.world
            .settings()
            .with("--propagation-budget", "1s")
            // A loaded machine must not turn a slow answer into an outage.
            .with("--request-timeout", "20s")
            .with("--creation-settle-time", "60s")
            .with("--release-timeout", "20s")
            // A process that was killed leaves no lease that the next one would wait for.
            .with("--leader-election", "false")
    }

    pub(super) fn operator(&self) -> Operator {
        self.world.operator_with(self.settings())
    }

    /// Applies a provider with the server's authority. `oauth2` is its block of that name, `spec` comes beside it.
    pub(super) async fn apply_provider(&self, name: &str, oauth2: Value, spec: Value) {
        let reference = json!({"configMapKeyRef": {"name": AUTHORITIES, "key": "ca.crt"}});
        let mut whole = json!({"oauth2": {"caBundle": reference}});
        extend(&mut whole["oauth2"], oauth2);
        extend(&mut whole, spec);
        self.world
            .apply(json!({
                "apiVersion": "keywright.dev/v1alpha1",
                "kind": "IdentityProvider",
                "metadata": {"name": name},
                "spec": whole,
            }))
            .await;
    }

    /// What a client is like whose tokens can be looked into.
    pub(super) fn client_settings(&self, method: AuthenticationMethod) -> ClientSettings {
        let mut settings = ClientSettings::new(method);
        // oidc-provider answers every client.
        if self.is_keycloak() {
            settings.audiences = vec![self.checker.client_id.clone()];
        }
        settings
    }

    pub(super) fn is_keycloak(&self) -> bool {
        self.server.name() == "Keycloak"
    }

    /// Makes a client at the server.
    pub(super) async fn client(&self, settings: &ClientSettings) -> Client {
        self.server.create_client(settings).await.unwrap()
    }

    /// Makes a client with the usual settings that authenticates by `client_secret_basic`.
    pub(super) async fn usual_client(&self) -> Client {
        self.client(&self.client_settings(BASIC)).await
    }

    /// Applies the Secret with a client's credentials.
    pub(super) async fn apply_client(&self, secret: &str, client: &Client) {
        self.apply_entries(secret, credentials(client)).await;
    }

    /// Applies a Secret with these entries.
    pub(super) async fn apply_entries(&self, secret: &str, entries: Value) {
        self.world
            .apply(json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret}, "stringData": entries,
            }))
            .await;
    }

    /// Makes a client and applies its Secret and an AccessToken for it.
    pub(super) async fn token_of_new_client(
        &self,
        name: &str,
        settings: &ClientSettings,
        spec: Value,
    ) -> Client {
        let client = self.client(settings).await;
        self.apply_client(&client_secret(name), &client).await;
        self.apply_token(name, spec).await;
        client
    }

    /// Applies an AccessToken. The fields of `spec` replace the usual ones.
    pub(super) async fn apply_token(&self, name: &str, spec: Value) {
        self.world.apply(access_token(name, spec)).await;
    }

    /// An AccessToken as it stands.
    pub(super) async fn token(&self, name: &str) -> AccessToken {
        self.world.api().get(name).await.unwrap()
    }

    /// Waits until the AccessToken is published and returns what its Secret holds.
    pub(super) async fn until_published(&self, name: &str) -> String {
        self.world
            .until::<AccessToken>(name, ("Ready", "True", "Published"))
            .await;
        self.held(name).await
    }

    /// Waits until it is published with another token than `old`.
    pub(super) async fn until_replaced(&self, name: &str, old: &str) -> String {
        let secret = token_secret(name);
        let secret = self.world.until_secret(&secret, "holds another token", |secret| {
            entries(secret)
                .get("access_token")
                .is_some_and(|held| held != old)
        });
        entries(&secret.await)["access_token"].clone()
    }

    /// The token that is published.
    pub(super) async fn held(&self, name: &str) -> String {
        let secret = self.world.secret(&token_secret(name)).await.unwrap();
        entries(&secret)["access_token"].clone()
    }

    /// Changes the annotation of an AccessToken.
    pub(super) async fn annotate(&self, name: &str, annotation: &str, value: &str) {
        let change = json!({"metadata": {"annotations": {annotation: value}}});
        self.world.edit::<AccessToken>(name, change).await;
    }

    /// How many requests for tokens a client has made.
    pub(super) async fn requests(&self, client_id: &str) -> usize {
        self.server.token_requests(client_id).await.unwrap()
    }

    /// What the server says of a token (RFC 7662).
    pub(super) async fn introspect(&self, token: &str) -> Value {
        let Credential::Secret(secret) = &self.checker.credential else {
            panic!("the checker has a secret")
        };
        let request = self
            .http
            .post(self.server.introspection_endpoint())
            .basic_auth(&self.checker.client_id, Some(secret.expose_secret()));
        request
            .form(&[("token", token)])
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    /// Whether the server holds a token for good.
    pub(super) async fn is_active(&self, token: &str) -> bool {
        self.introspect(token).await["active"].as_bool().unwrap()
    }

    /// What the server answers to a GET: its status, and the body if it is JSON.
    pub(super) async fn get(&self, url: &str) -> (u16, Value) {
        let answer = self.http.get(url).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// Waits until the operator has looked at the provider so often again.
    pub(super) async fn until_rechecked(&self, operator: &Operator, times: f64) {
        let looks = async || {
            sum(
                operator,
                &["keywright_reconcile_total", r#"controller="identity_provider""#],
            )
            .await
        };
        let seen = looks().await.unwrap();
        eventually("the provider is looked at again", PATIENCE, async || {
            let now = looks().await?;
            if now >= seen + times {
                Ok(())
            } else {
                Err(format!("{now} times, {seen} at first"))
            }
        })
        .await;
    }
}

/// The sum of the metrics whose series have all these parts.
pub(super) async fn sum(operator: &Operator, parts: &[&str]) -> Result<f64, String> {
    let (_, text) = operator.get("/metrics").await?;
    let wanted = text
        .lines()
        .filter(|line| !line.starts_with('#') && parts.iter().all(|part| line.contains(part)));
    Ok(wanted
        .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        .sum())
}

/// The Secret with the credentials of the client of an AccessToken.
pub(super) fn client_secret(token: &str) -> String {
    format!("{token}-client")
}

/// The Secret that is written for an AccessToken.
pub(super) fn token_secret(token: &str) -> String {
    format!("{token}-token")
}

fn access_token(name: &str, spec: Value) -> Value {
    let mut whole = json!({
        "providerRef": {"kind": "IdentityProvider", "name": PROVIDER},
        "client": {"secretRef": {"name": client_secret(name)}},
        "secret": {"name": token_secret(name)},
    });
    extend(&mut whole, spec);
    json!({
        "apiVersion": "keywright.dev/v1alpha1",
        "kind": "AccessToken",
        "metadata": {"name": name},
        "spec": whole,
    })
}

/// What the Secret of a client holds.
pub(super) fn credentials(client: &Client) -> Value {
    let id = &client.client_id;
    match &client.credential {
        Credential::Secret(secret) => json!({"client_id": id, "client_secret": secret.expose_secret()}),
        Credential::PrivateKey(key) => {
            json!({"client_id": id, "private_key": key.pem.expose_secret(), "key_id": key.key_id})
        }
        Credential::Certificate { certificate, key } => {
            json!({"client_id": id, "tls.crt": certificate, "tls.key": key.expose_secret()})
        }
    }
}

/// The block `spec.client` of an AccessToken whose client authenticates in another way than by `client_secret_basic`.
pub(super) fn client_block(name: &str, method: AuthenticationMethod) -> Value {
    let authentication = match method {
        AuthenticationMethod::ClientSecretBasic => json!({"method": "client_secret_basic"}),
        AuthenticationMethod::ClientSecretPost => json!({"method": "client_secret_post"}),
        AuthenticationMethod::TlsClientAuth => json!({"method": "tls_client_auth"}),
        AuthenticationMethod::PrivateKeyJwt(algorithm) => {
            json!({"method": "private_key_jwt", "signingAlgorithm": algorithm.name()})
        }
    };
    json!({"secretRef": {"name": client_secret(name), "authentication": authentication}})
}

/// The claims of a token that is a JWT, unverified.
pub(super) fn claims(token: &str) -> Option<Value> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

fn extend(whole: &mut Value, fields: Value) {
    let (Value::Object(whole), Value::Object(fields)) = (whole, fields) else {
        panic!("not objects")
    };
    whole.extend(fields);
}
