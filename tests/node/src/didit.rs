//! The sandbox of Didit on this machine, and the resources that use it.

use std::net::Ipv4Addr;

use keywright_sandbox::{Config, NewAccount, Sandbox};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::resolver::SANDBOX;

/// The namespace of the resources.
pub(crate) const NAMESPACE: &str = "shop";

/// The Secret with the token.
pub(crate) const TOKEN_SECRET: &str = "payments-token";

const EMAIL: &str = "ops@corp.example.net";
const PASSWORD: &str = "Corr3ct!horse";

/// Starts a sandbox with one account, at a free port of an address of this machine.
pub(crate) async fn start(address: Ipv4Addr) -> Result<Sandbox, Failure> {
    let account = NewAccount {
        organizations: Some(vec!["Web shop".to_owned()]),
        ..NewAccount::new(EMAIL, PASSWORD)
    };
    Ok(Sandbox::start(Config {
        listen: (address, 0).into(),
        accounts: vec![account],
        ..Config::default()
    })
    .await?)
}

/// The account and a provider that finds the sandbox by its name.
pub(crate) fn provider(sandbox: &Sandbox) -> Vec<Value> {
    let address = sandbox.address().ip().to_string();
    let named = |url: String| url.replace(&address, SANDBOX);
    vec![
        namespace(NAMESPACE),
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "didit-account", "namespace": NAMESPACE},
            "stringData": {"email": EMAIL, "password": PASSWORD},
        }),
        resource(
            "IdentityProvider",
            "didit",
            &json!({"didit": {
                "accountSecretRef": {"name": "didit-account"},
                "authUrl": named(sandbox.auth_url()),
                "apiUrl": named(sandbox.api_url()),
                "allowInsecure": true,
            }}),
        ),
    ]
}

/// An application, and an access token for it.
pub(crate) fn credentials() -> Vec<Value> {
    let provider = json!({"kind": "IdentityProvider", "name": "didit"});
    vec![
        resource(
            "ClientApplication",
            "payments",
            &json!({
                "providerRef": provider,
                "secret": {"name": "payments-didit"},
            }),
        ),
        resource(
            "AccessToken",
            "payments",
            &json!({
                "providerRef": provider,
                "client": {"clientApplicationRef": {"name": "payments"}},
                "secret": {"name": TOKEN_SECRET},
            }),
        ),
    ]
}

/// A namespace that admits no pods but those of the restricted Pod Security Standard.
pub(crate) fn namespace(name: &str) -> Value {
    let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

fn resource(kind: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "keywright.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec,
    })
}
