//! What is said when an account's resource is gone. There is no finalizer: nothing is left to do at the identity API.

use kube::runtime::events::EventType;

use crate::api::identity_account::AccountState;
use crate::controller::accounts::Gone;
use crate::kube_ext::events::Events;

/// Says what stays behind: nobody but its owner can delete an account.
pub async fn tell(events: &Events, account: &Gone) {
    if account.state == AccountState::NotRegistered {
        return;
    }
    let message = format!(
        "the account {} stays at Didit, which offers no call that deletes one. Its Secret goes with this resource, and with \
         it a password that was made for the account; a new one can be set by the address",
        account.email
    );
    tracing::warn!("{message}");
    events
        .publish(
            &account.reference,
            EventType::Warning,
            "AccountLeftBehind",
            "Release",
            &message,
        )
        .await;
}
