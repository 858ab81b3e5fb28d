//! Where a provider's account comes from: a Secret that is named, or an `IdentityAccount` with its Secret.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use secrecy::ExposeSecret;

use super::kind::Server;
use crate::api::IdentityAccount;
use crate::api::conditions::{self, Finding, READY, Truth};
use crate::api::identity_account::AccountState;
use crate::api::provider::{AUTHENTICATED, AccountSecretReference, DIDIT_AUTH_URL, DiditProvider};
use crate::api::secret::SecretTemplate;
use crate::controller::ReconcileError;
use crate::controller::accounts::normal;
use crate::controller::index::Place;
use crate::controller::owned_secret::{self, Owner};
use crate::credential::secret_content::{Member, read_back};

/// The Secret with an account's credentials.
pub(super) struct AccountSecret {
    /// Its name and the names of its keys.
    pub(super) reference: AccountSecretReference,
    /// The `IdentityAccount` that it is written for.
    of_account: Option<OfAccount>,
}

struct OfAccount {
    owner: Owner,
    /// How it is laid out, unless it says so itself.
    template: SecretTemplate,
}

/// The `IdentityAccount` that a provider names.
pub(super) fn named(server: &Server<'_>, namespace: &str) -> Option<Place> {
    match server {
        Server::Didit(spec) => spec
            .account_ref
            .as_ref()
            .map(|account| (namespace.to_owned(), account.name.clone())),
        Server::OAuth2(_) | Server::Neither => None,
    }
}

/// The account's Secret, or what is missing. `None` for a provider without account. `is_watched` says whether accounts
/// of the namespace are looked after.
pub(super) async fn resolve(
    client: &Client,
    server: &Server<'_>,
    namespace: &str,
    is_watched: bool,
) -> Result<Result<Option<AccountSecret>, Finding>, ReconcileError> {
    let Server::Didit(spec) = server else {
        return Ok(Ok(None));
    };
    if let Some(reference) = &spec.account_secret_ref {
        return Ok(Ok(Some(AccountSecret {
            reference: reference.clone(),
            of_account: None,
        })));
    }
    let Some(reference) = &spec.account_ref else {
        let message = "spec.didit needs exactly one of accountSecretRef and accountRef".to_owned();
        return Ok(Err(not_there("InvalidProvider", message)));
    };
    if !is_watched {
        let message = format!(
            "nobody looks after IdentityAccount {namespace}/{}, which spec.didit.accountRef names. Add the namespace \
             {namespace} to --watch-namespaces",
            reference.name
        );
        return Ok(Err(not_there("AccountNotWatched", message)));
    }
    let api: Api<IdentityAccount> = Api::namespaced(client.clone(), namespace);
    let account = api
        .get_opt(&reference.name)
        .await
        .map_err(ReconcileError::kube("reading the IdentityAccount"))?;
    Ok(secret_of(account.as_ref(), &reference.name, spec, namespace).map(Some))
}

fn secret_of(
    account: Option<&IdentityAccount>,
    name: &str,
    spec: &DiditProvider,
    namespace: &str,
) -> Result<AccountSecret, Finding> {
    let named = format!("IdentityAccount {namespace}/{name}, which spec.didit.accountRef names,");
    let Some(account) = account else {
        let message = format!("{named} does not exist. Create it, or name another one");
        return Err(not_there("AccountNotFound", message));
    };
    let status = account.status.clone().unwrap_or_default();
    if status.state != Some(AccountState::Verified) {
        let ready = conditions::find(&status.conditions, READY);
        let why = ready.map_or("it has not been looked at yet", |ready| ready.message.as_str());
        let message = format!("{named} is not verified yet: {why}");
        return Err(not_there("AccountNotVerified", message));
    }
    // Its password is for no other server.
    let of = |url: &Option<String>| normal(url.as_deref().unwrap_or(DIDIT_AUTH_URL));
    let (there, here) = (of(&account.spec.didit.auth_url), of(&spec.auth_url));
    if there != here {
        let message = format!(
            "{named} has its account at {there}, and spec.didit.authUrl is {here}. Make them the same"
        );
        return Err(not_there("AccountElsewhere", message));
    }
    // The one that spec.secret names may belong to somebody else, or may not be written yet.
    let Some(written) = status.secret else {
        let message = format!("{named} has not written its Secret yet. Its status says why");
        return Err(not_there("SecretNotFound", message));
    };
    Ok(AccountSecret {
        reference: AccountSecretReference {
            name: written.name,
            keys: None,
        },
        of_account: Some(OfAccount {
            owner: Owner::of(account),
            template: account.spec.secret.clone(),
        }),
    })
}

impl AccountSecret {
    /// The `IdentityAccount` that it is written for.
    pub(super) fn account(&self) -> Option<&str> {
        self.of_account
            .as_ref()
            .map(|account| account.owner.name.as_str())
    }

    /// The entries of the Secret under the names that [`Self::reference`] has, or why they are not to be used: an
    /// account's Secret has to be the account's own.
    pub(super) fn entries(
        &self,
        secret: Secret,
        namespace: &str,
    ) -> Result<BTreeMap<String, ByteString>, Finding> {
        let Some(OfAccount { owner, template }) = &self.of_account else {
            return Ok(secret.data.unwrap_or_default());
        };
        if !owned_secret::is_ours(&secret, owner) {
            let message = format!(
                "Secret {namespace}/{} belongs to {} and not to IdentityAccount {}, which spec.didit.accountRef names. \
                 Choose another spec.secret.name for that account",
                self.reference.name,
                owned_secret::described_owner(&secret, owner),
                owner.name
            );
            return Err(not_there("SecretConflict", message));
        }
        let layout = owned_secret::written_layout(&secret, template);
        let entries = secret.data.unwrap_or_default();
        Ok([Member::Email, Member::Password]
            .into_iter()
            .filter_map(|member| {
                let value = read_back(&entries, &layout, member)?;
                let bytes = ByteString(value.expose_secret().as_bytes().to_vec());
                Some((member.name().to_owned(), bytes))
            })
            .collect())
    }
}

fn not_there(reason: &str, message: String) -> Finding {
    Finding::new(AUTHENTICATED, Truth::False, reason, message)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::names::{LAYOUT_ANNOTATION, OWNER_UID_ANNOTATION};

    fn account(status: &Value, secret: &Value) -> IdentityAccount {
        serde_json::from_value(json!({
            "apiVersion": "keywright.dev/v1alpha1", "kind": "IdentityAccount",
            "metadata": {"name": "ops", "namespace": "shop", "uid": "uid-1"},
            "spec": {
                "didit": {"authUrl": "https://a.example/v2/"}, "email": "ops@corp.example.net",
                "code": {"secretRef": {"name": "code"}}, "secret": secret,
            },
            "status": status,
        }))
        .unwrap()
    }

    fn verified(secret: &str) -> Value {
        json!({"state": "Verified", "secret": {
            "name": secret, "uid": "secret-1", "resourceVersion": "7", "form": "form", "contentDigest": "content",
            "applicationDigest": "digest", "apiUrl": "https://b.example/v3",
        }})
    }

    fn spec(auth_url: &str) -> DiditProvider {
        serde_json::from_value(json!({"authUrl": auth_url, "accountRef": {"name": "ops"}})).unwrap()
    }

    #[test]
    fn an_account_is_used_once_it_is_verified_and_for_its_own_server_only() {
        let verified = account(&verified("ops-account"), &json!({"name": "somebody-elses"}));
        let unwritten = account(&json!({"state": "Verified"}), &json!({"name": "ops-account"}));
        let ready = json!({"type": "Ready", "status": "False", "reason": "WaitingForCode", "message": "bring the code",
            "lastTransitionTime": "2026-11-25T00:00:00Z"});
        let waiting = account(
            &json!({"state": "CodeSent", "conditions": [ready]}),
            &json!({"name": "ops-account"}),
        );
        let found = |account, auth_url| {
            secret_of(account, "ops", &spec(auth_url), "shop").map(|secret| secret.reference.name)
        };
        assert_eq!(
            found(Some(&verified), "https://a.example/v2").unwrap(),
            "ops-account"
        );
        for (account, auth_url, reason, words) in [
            (None, "https://a.example/v2", "AccountNotFound", "does not exist"),
            (
                Some(&waiting),
                "https://a.example/v2",
                "AccountNotVerified",
                "bring the code",
            ),
            (
                Some(&verified),
                "https://b.example/v2",
                "AccountElsewhere",
                "https://b.example/v2",
            ),
            (
                Some(&unwritten),
                "https://a.example/v2",
                "SecretNotFound",
                "not written its Secret",
            ),
        ] {
            let finding = found(account, auth_url).unwrap_err();
            assert_eq!(finding.reason, reason);
            assert!(finding.message.contains(words), "{}", finding.message);
        }
    }

    #[test]
    fn the_account_is_found_in_whatever_form_its_own_secret_was_written() {
        // The spec wants another form already.
        let account = account(&verified("ops-account"), &json!({"name": "ops-account"}));
        let found = secret_of(Some(&account), "ops", &spec("https://a.example/v2"), "shop")
            .unwrap_or_else(|finding| panic!("{finding:?}"));
        let layout = json!({"name": "ops-account", "formats": ["Json"]}).to_string();
        let secret = |owner: &str| Secret {
            metadata: serde_json::from_value(json!({
                "name": "ops-account", "namespace": "shop",
                "annotations": {OWNER_UID_ANNOTATION: owner, LAYOUT_ANNOTATION: layout},
            }))
            .unwrap(),
            data: Some(
                [(
                    "credentials.json".to_owned(),
                    ByteString(br#"{"email": "ops@corp.example.net", "password": "pass"}"#.to_vec()),
                )]
                .into(),
            ),
            ..Secret::default()
        };
        let entries = found.entries(secret("uid-1"), "shop").unwrap();
        assert_eq!(entries.get("password").unwrap().0, b"pass");
        assert_eq!(entries.get("email").unwrap().0, b"ops@corp.example.net");
        let foreign = found.entries(secret("uid-2"), "shop").unwrap_err();
        assert_eq!(foreign.reason, "SecretConflict");
    }
}
