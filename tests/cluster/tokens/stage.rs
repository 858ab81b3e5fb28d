//! The surroundings of a test about tokens: a client, and a provider that gives out tokens to it.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use keywright::api::AccessToken;
use keywright::api::token::TokenStatus;
use keywright_sandbox::{Config, NewAccount, Operation, Period, Times};
use serde_json::{Value, json};

use crate::harness::{
    EMAIL, Operator, PASSWORD, PATIENCE, Settings, World, account_secret, entries, eventually,
};

/// The Secret with the client's credentials.
pub(super) const CLIENT_SECRET: &str = "reports-client";

/// The authorization server, reached without metadata.
pub(super) const SERVER: &str = "server";

/// A token that is refreshed twice a minute at the most.
pub(super) const LONG: Duration = Duration::from_secs(86_400);

/// With the shortest promise and all that clocks and network take, five to six seconds of it are used.
pub(super) const SHORT: Duration = Duration::from_secs(24);

/// What `minimumRemaining` is with tokens that live that [`SHORT`].
pub(super) const SHORT_PROMISE: Duration = Duration::from_secs(4);

/// A world with a client whose tokens live for a given time.
pub(super) struct Stage {
    pub(super) world: World,
    pub(super) client_id: String,
    pub(super) client_secret: String,
}

impl Stage {
    /// An account with one application, which is the client.
    pub(super) async fn new(name: &str, life: Duration) -> Self {
        let times = Times {
            client_token_lifetime: Period::from(life),
            ..Times::default()
        };
        let config = Config {
            accounts: vec![NewAccount::new(EMAIL, PASSWORD)],
            times,
            ..Config::default()
        };
        let world = World::with_sandbox(name, config).await;
        let client = world.sandbox.applications()[0].clone();
        Self {
            client_secret: world.sandbox.api_key(client.uuid).unwrap(),
            client_id: client.client_id,
            world,
        }
    }

    /// The same with the client's Secret and the authorization server applied.
    pub(super) async fn with_server(name: &str, life: Duration) -> Self {
        let stage = Self::new(name, life).await;
        stage.apply_client(&stage.client_secret).await;
        stage.world.apply(stage.server(json!({}))).await;
        stage
    }

    /// How the operator is run: a process that was killed leaves no lease that the next one would wait for.
    pub(super) fn settings(&self) -> Settings {
        self.world
            .settings()
            .with("--propagation-budget", "2s")
            .with("--leader-election", "false")
    }

    pub(super) fn operator(&self) -> Operator {
        self.world.operator_with(self.settings())
    }

    /// The client's Secret, with this secret of it.
    pub(super) async fn apply_client(&self, client_secret: &str) {
        self.apply_client_as(CLIENT_SECRET, client_secret).await;
    }

    /// Likewise under another name.
    pub(super) async fn apply_client_as(&self, name: &str, client_secret: &str) {
        self.world
            .apply(json!({
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": name},
                "stringData": {"client_id": self.client_id, "client_secret": client_secret},
            }))
            .await;
    }

    /// The authorization server as a provider. The fields of `spec` come beside `oauth2`.
    pub(super) fn server(&self, spec: Value) -> Value {
        let auth = self.world.sandbox.auth_url();
        let mut whole = json!({"oauth2": {
            "endpoints": {"token": format!("{auth}/token/"), "introspection": format!("{auth}/introspect/")},
            "allowInsecure": true,
        }});
        extend(&mut whole, spec);
        json!({
            "apiVersion": "keywright.dev/v1alpha1",
            "kind": "IdentityProvider",
            "metadata": {"name": SERVER},
            "spec": whole,
        })
    }

    /// Applies the provider `didit` with its account.
    pub(super) async fn apply_didit(&self, password: &str) {
        self.world
            .apply(account_secret(json!({"email": EMAIL, "password": password})))
            .await;
        self.world.apply(self.world.identity_provider(json!({}))).await;
    }

    /// How often a token was asked for.
    pub(super) fn calls(&self) -> u64 {
        self.world.sandbox.count(Operation::ClientCredentialsToken)
    }

    /// Applies an `AccessToken` and waits until it is published.
    pub(super) async fn publish(&self, name: &str, spec: Value) -> AccessToken {
        self.world.apply(access_token(name, spec)).await;
        self.until_published(name).await
    }

    pub(super) async fn until_published(&self, name: &str) -> AccessToken {
        self.world
            .until::<AccessToken>(name, ("Ready", "True", "Published"))
            .await;
        self.token(name).await
    }

    pub(super) async fn token(&self, name: &str) -> AccessToken {
        self.world.api().get(name).await.unwrap()
    }

    /// What is recorded of a published token.
    pub(super) async fn recorded(&self, name: &str) -> TokenStatus {
        self.token(name).await.status.unwrap().token.unwrap()
    }

    /// The token in the Secret of an `AccessToken`.
    pub(super) async fn published(&self, name: &str) -> String {
        held(&self.world.secret(&secret_of(name)).await.unwrap())
    }

    /// Waits until that token is another than this.
    pub(super) async fn until_replaced(&self, name: &str, earlier: &str) -> Secret {
        self.world
            .until_secret(&secret_of(name), "holds another token", |secret| {
                held(secret) != earlier
            })
            .await
    }

    /// Asks for something by annotation, as `kubectl annotate` does.
    pub(super) async fn annotate(&self, name: &str, annotation: &str, value: &str) {
        let change = json!({"metadata": {"annotations": {annotation: value}}});
        self.world.edit::<AccessToken>(name, change).await;
    }

    /// Waits until the requests by annotation are recorded as fulfilled.
    pub(super) async fn until_fulfilled(&self, name: &str, refresh: Option<&str>, revoke: Option<&str>) {
        eventually("the request is fulfilled", PATIENCE, async || {
            let status = self.token(name).await.status.unwrap_or_default();
            let done = status.fulfilled_requests.unwrap_or_default();
            if (done.refresh.as_deref(), done.revoke.as_deref()) == (refresh, revoke) {
                Ok(())
            } else {
                Err(format!("{done:?}"))
            }
        })
        .await;
    }

    /// What the server says of a token (RFC 7662), and to which client it belongs.
    pub(super) async fn introspect(&self, token: &str) -> Value {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}/introspect/", self.world.sandbox.auth_url());
        let answer = http
            .post(url)
            .basic_auth(&self.client_id, Some(&self.client_secret))
            .json(&json!({"token": token}))
            .send()
            .await
            .unwrap();
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }

    /// The token works, and belongs to this client.
    pub(super) async fn is_valid(&self, token: &str, client_id: &str) {
        let said = self.introspect(token).await;
        assert_eq!(said["active"], json!(true), "{said}");
        assert_eq!(said["client_id"], json!(client_id), "{said}");
    }
}

/// An `AccessToken` for the client, of the authorization server. The fields of `spec` replace those.
pub(super) fn access_token(name: &str, spec: Value) -> Value {
    let mut whole = json!({
        "providerRef": {"kind": "IdentityProvider", "name": SERVER},
        "client": {"secretRef": {"name": CLIENT_SECRET}},
        "secret": {"name": secret_of(name)},
    });
    extend(&mut whole, spec);
    json!({
        "apiVersion": "keywright.dev/v1alpha1",
        "kind": "AccessToken",
        "metadata": {"name": name},
        "spec": whole,
    })
}

/// The Secret of an `AccessToken`.
pub(super) fn secret_of(name: &str) -> String {
    format!("{name}-token")
}

/// The token in a Secret under its usual key; empty where there is none.
pub(super) fn held(secret: &Secret) -> String {
    entries(secret).remove("access_token").unwrap_or_default()
}

fn extend(whole: &mut Value, fields: Value) {
    let (Value::Object(whole), Value::Object(fields)) = (whole, fields) else {
        panic!("not objects")
    };
    whole.extend(fields);
}
