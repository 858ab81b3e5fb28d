//! The resources that tests apply.

use serde_json::{Value, json};

use super::world::{EMAIL, PASSWORD, World};

/// The name of the provider in every test.
const PROVIDER: &str = "didit";

/// The name of the Secret with its account.
pub(crate) const ACCOUNT_SECRET: &str = "didit-account";

/// A ClientApplication of the provider `didit`, whose Secret is named after it. The fields of `spec` replace
/// those.
pub(crate) fn client_application(name: &str, spec: Value) -> Value {
    let mut whole = json!({
        "providerRef": {"kind": "IdentityProvider", "name": PROVIDER},
        "secret": {"name": format!("{name}-didit")},
    });
    merge(&mut whole, spec);
    json!({
        "apiVersion": "keywright.dev/v1alpha1",
        "kind": "ClientApplication",
        "metadata": {"name": name},
        "spec": whole,
    })
}

/// The Secret of the account, with these entries.
pub(crate) fn account_secret(entries: Value) -> Value {
    let mut secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": ACCOUNT_SECRET}});
    secret["stringData"] = entries;
    secret
}

impl World {
    /// The provider `didit`; the fields of `didit` replace those of `spec.didit`.
    pub(crate) fn identity_provider(&self, didit: Value) -> Value {
        json!({
            "apiVersion": "keywright.dev/v1alpha1",
            "kind": "IdentityProvider",
            "metadata": {"name": PROVIDER},
            "spec": {"didit": self.didit(didit)},
        })
    }

    /// The block `spec.didit` of a provider that uses this sandbox.
    pub(crate) fn didit(&self, fields: Value) -> Value {
        let mut didit = json!({
            "accountSecretRef": {"name": ACCOUNT_SECRET},
            "authUrl": self.sandbox.auth_url(),
            "apiUrl": self.sandbox.api_url(),
            "allowInsecure": true,
        });
        merge(&mut didit, fields);
        didit
    }

    /// Applies the provider `didit` and its account.
    pub(crate) async fn apply_provider(&self) {
        self.apply(account_secret(json!({"email": EMAIL, "password": PASSWORD})))
            .await;
        self.apply(self.identity_provider(json!({}))).await;
    }
}

fn merge(whole: &mut Value, fields: Value) {
    let (Value::Object(whole), Value::Object(fields)) = (whole, fields) else {
        panic!("not objects")
    };
    whole.extend(fields);
}
