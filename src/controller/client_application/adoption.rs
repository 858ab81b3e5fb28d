//! Which application is to be adopted, where the spec names the account that it came with.

use kube::{Api, Client};

use super::state::AdoptionWaits;
use crate::api::IdentityAccount;
use crate::api::client_application::{ClientApplicationSpec, ClientApplicationStatus};
use crate::api::identity_account::AccountState;
use crate::controller::ReconcileError;

/// Reason while the account does not exist.
pub(super) const ACCOUNT_NOT_FOUND: &str = "AccountNotFound";

/// Reason while the account has no application.
pub(super) const ACCOUNT_NOT_VERIFIED: &str = "AccountNotVerified";

/// Names the application in the spec, or says why it is not known.
pub(super) async fn resolve(
    client: &Client,
    spec: &mut ClientApplicationSpec,
    status: &ClientApplicationStatus,
    namespace: &str,
) -> Result<Option<AdoptionWaits>, ReconcileError> {
    // What was taken stays, whatever becomes of the account.
    let Some(adoption) = spec.adopt.as_mut().filter(|_| status.application_id.is_none()) else {
        return Ok(None);
    };
    let Some(reference) = &adoption.account_ref else {
        return Ok(None);
    };
    let api: Api<IdentityAccount> = Api::namespaced(client.clone(), namespace);
    let account = api
        .get_opt(&reference.name)
        .await
        .map_err(ReconcileError::kube("reading the IdentityAccount"))?;
    Ok(match application_of(account.as_ref(), &reference.name) {
        Ok(id) => {
            adoption.application_id = Some(id);
            None
        }
        Err(why) => Some(why),
    })
}

fn application_of(account: Option<&IdentityAccount>, name: &str) -> Result<String, AdoptionWaits> {
    let named = format!("IdentityAccount {name}, which spec.adopt.accountRef names,");
    let Some(account) = account else {
        return Err(AdoptionWaits {
            reason: ACCOUNT_NOT_FOUND,
            message: format!("{named} does not exist. Create it, or name another one in a new resource"),
        });
    };
    let status = account.status.clone().unwrap_or_default();
    let why = match (status.state, status.application_id) {
        (Some(AccountState::Verified), Some(id)) => return Ok(id),
        (Some(AccountState::Verified), None) => {
            "has no application, or belongs to several organizations. Name an application in a new resource"
        }
        _ => "is not verified yet. Its status says what it waits for",
    };
    Err(AdoptionWaits {
        reason: ACCOUNT_NOT_VERIFIED,
        message: format!("{named} {why}"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn account(status: &Value) -> IdentityAccount {
        serde_json::from_value(json!({
            "apiVersion": "keywright.dev/v1alpha1", "kind": "IdentityAccount",
            "metadata": {"name": "ops", "namespace": "shop"},
            "spec": {
                "didit": {}, "email": "ops@corp.example.net", "code": {"secretRef": {"name": "code"}},
                "secret": {"name": "ops-account"},
            },
            "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn the_application_is_known_once_the_account_is_verified() {
        let verified = account(&json!({"state": "Verified", "applicationId": "app-1"}));
        assert_eq!(application_of(Some(&verified), "ops").unwrap(), "app-1");
        let sent = account(&json!({"state": "CodeSent"}));
        let without = account(&json!({"state": "Verified"}));
        for (account, reason, words) in [
            (
                None,
                ACCOUNT_NOT_FOUND,
                "IdentityAccount ops, which spec.adopt.accountRef names, does not exist",
            ),
            (Some(&sent), ACCOUNT_NOT_VERIFIED, "is not verified yet"),
            (Some(&without), ACCOUNT_NOT_VERIFIED, "has no application"),
        ] {
            let why = application_of(account, "ops").unwrap_err();
            assert_eq!(why.reason, reason);
            assert!(why.message.contains(words), "{}", why.message);
        }
    }
}
