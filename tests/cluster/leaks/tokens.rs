//! Access tokens in the life of an operator that must not show them.

use std::time::Duration;

use keywright::api::AccessToken;
use keywright::api::names::{REFRESH_REQUESTED_ANNOTATION, REVOKE_REQUESTED_ANNOTATION};
use keywright_sandbox::{Fault, FaultRule, Operation};
use serde_json::{Value, json};

use super::{Life, WRONG_CLIENT_SECRET};
use crate::harness::{client_application, entries, eventually};

const CLIENT: &str = "reports-client";
const OF_CLIENT: &str = "of-client";

/// The operator tries again by itself after some of the faults.
const PATIENCE: Duration = Duration::from_secs(90);

impl Life {
    /// Tokens of a client, of an application and of the account, and everything that can go wrong with them.
    pub(super) async fn keeps_tokens(&mut self) {
        self.is_refused_its_client().await;
        for (name, client) in [
            (
                "of-application",
                json!({"clientApplicationRef": {"name": "payments"}}),
            ),
            ("of-account", json!({"providerAccount": true})),
        ] {
            self.world.apply(access_token(name, &client)).await;
            self.is_published(name).await;
        }
        let adopted = self.world.application("adopted").await.spec.adopt;
        let inline = json!({"adopt": adopted, "accessToken": {}});
        self.world.apply(client_application("adopted", inline)).await;
        self.world
            .until_secret("adopted-didit", "holds a token", |secret| {
                entries(secret).contains_key("access_token")
            })
            .await;
        self.look().await;
        self.reads_nonsense_for_tokens().await;
        self.publishes_no_token_that_is_refused().await;
        self.cannot_revoke().await;

        for name in [OF_CLIENT, "of-application", "of-account"] {
            self.world.delete::<AccessToken>(name).await;
            self.world.until_gone::<AccessToken>(name).await;
        }
        let without = json!({"adopt": adopted});
        self.world.apply(client_application("adopted", without)).await;
        self.world
            .until_secret("adopted-didit", "holds no token", |secret| {
                !entries(secret).contains_key("access_token")
            })
            .await;
        self.look().await;
    }

    /// The server repeats the secret that it refuses.
    async fn is_refused_its_client(&mut self) {
        let refusal = json!({
            "error": "invalid_client",
            "error_description": format!("{WRONG_CLIENT_SECRET} is not the secret of this client"),
        });
        self.answers(Operation::ClientCredentialsToken, 401, refusal);
        self.apply_client(WRONG_CLIENT_SECRET).await;
        let client = json!({"secretRef": {"name": CLIENT}});
        self.world.apply(access_token(OF_CLIENT, &client)).await;
        let said = self
            .world
            .until::<AccessToken>(OF_CLIENT, ("TokenFresh", "False", "InvalidClient"))
            .await;
        assert!(
            said.message.contains("*** is not the secret"),
            "the refusal is not repeated"
        );
        self.look().await;
        let key = self.world.sandbox.api_key(self.made()).unwrap();
        self.apply_client(&key).await;
        self.is_published(OF_CLIENT).await;
        self.look().await;
    }

    /// Answers with secrets in places where they do not belong.
    async fn reads_nonsense_for_tokens(&mut self) {
        let key = self.world.sandbox.api_key(self.made()).unwrap();
        let token = self.held().await;
        let bodies = [
            json!({"access_token": [token], "expires_in": 60}),
            json!({"access_token": format!("{token} {key}"), "expires_in": 60}),
            json!({"access_token": token, "token_type": key}),
            json!({"access_token": token, "token_type": token}),
            json!({"access_token": token, "expires_in": key}),
            json!({"token": token, "client_secret": key}),
        ];
        let faults = bodies.map(|body| Fault::Body { body }).into_iter();
        let location = format!("https://elsewhere.corp.example.net/{token}?secret={key}");
        for (number, fault) in faults
            .chain([Fault::Garbled, Fault::Redirect { location }])
            .enumerate()
        {
            self.world
                .sandbox
                .inject(FaultRule::new(Operation::ClientCredentialsToken, fault))
                .unwrap();
            let wish = format!("nonsense {number}");
            self.asks(REFRESH_REQUESTED_ANNOTATION, &wish).await;
            assert_eq!(self.world.sandbox.faults(), [], "the fault was not met");
            self.look().await;
        }
    }

    /// The server repeats the token that it is asked about, and the secret that asks.
    async fn publishes_no_token_that_is_refused(&mut self) {
        let key = self.world.sandbox.api_key(self.made()).unwrap();
        let tried = json!({
            "client": {"secretRef": {"name": CLIENT}},
            "verification": {"method": "Introspection"},
        });
        self.world.apply(with_spec(OF_CLIENT, tried)).await;
        let inactive = Fault::Body {
            body: json!({"active": false, "reason": [self.held().await, key]}),
        };
        self.world
            .sandbox
            .inject(FaultRule::new(Operation::Introspect, inactive))
            .unwrap();
        self.wishes(REFRESH_REQUESTED_ANNOTATION, "refused").await;
        self.world
            .until::<AccessToken>(OF_CLIENT, ("TokenFresh", "False", "TokenRefused"))
            .await;
        self.look().await;
        let told = json!({
            "error": "invalid_request",
            "error_description": format!("{key} asks about {}", self.held().await),
        });
        self.answers(Operation::Introspect, 400, told);
        self.wishes(REFRESH_REQUESTED_ANNOTATION, "not tried").await;
        self.world
            .until::<AccessToken>(OF_CLIENT, ("TokenFresh", "False", "VerificationFailed"))
            .await;
        self.look().await;
        self.asks(REFRESH_REQUESTED_ANNOTATION, "at last").await;
    }

    async fn cannot_revoke(&mut self) {
        self.wishes(REVOKE_REQUESTED_ANNOTATION, "1").await;
        self.world.until_event(OF_CLIENT, "TokenNotRevoked").await;
        self.look().await;
    }

    async fn apply_client(&self, secret: &str) {
        let made = self.world.sandbox.applications();
        let client = made
            .iter()
            .find(|application| application.uuid == self.made())
            .unwrap();
        let content = json!({"client_id": client.client_id, "client_secret": secret});
        self.world
            .apply(json!({
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": CLIENT},
                "stringData": content,
            }))
            .await;
    }

    async fn is_published(&self, name: &str) {
        self.world
            .until::<AccessToken>(name, ("Ready", "True", "Published"))
            .await;
    }

    /// The token that workloads read.
    async fn held(&self) -> String {
        let secret = self.world.secret(&secret_of(OF_CLIENT)).await.unwrap();
        entries(&secret)["access_token"].clone()
    }

    async fn wishes(&self, annotation: &str, value: &str) {
        let change = json!({"metadata": {"annotations": {annotation: value}}});
        self.world.edit::<AccessToken>(OF_CLIENT, change).await;
    }

    /// Wishes for something, and waits until it is fulfilled.
    async fn asks(&self, annotation: &str, value: &str) {
        self.wishes(annotation, value).await;
        eventually(&format!("{value} is fulfilled"), PATIENCE, async || {
            let token: AccessToken = self.world.api().get(OF_CLIENT).await.unwrap();
            let status = token.status.unwrap_or_default();
            let done = status.fulfilled_requests.unwrap_or_default();
            if done.refresh.as_deref() == Some(value) {
                Ok(())
            } else {
                Err(format!("{:#?}", status.conditions))
            }
        })
        .await;
    }

    /// The next call of an operation is answered with this.
    fn answers(&self, operation: Operation, status: u16, body: Value) {
        let fault = Fault::Status {
            status,
            body: Some(body),
            retry_after: None,
        };
        self.world
            .sandbox
            .inject(FaultRule::new(operation, fault))
            .unwrap();
    }
}

fn access_token(name: &str, client: &Value) -> Value {
    with_spec(name, json!({"client": client}))
}

fn with_spec(name: &str, mut spec: Value) -> Value {
    spec["providerRef"] = json!({"kind": "IdentityProvider", "name": "didit"});
    spec["secret"] = json!({"name": secret_of(name)});
    json!({
        "apiVersion": "keywright.dev/v1alpha1",
        "kind": "AccessToken",
        "metadata": {"name": name},
        "spec": spec,
    })
}

fn secret_of(name: &str) -> String {
    format!("{name}-token")
}
