//! Runs the controller of accounts that sign up.

use std::sync::{Arc, Mutex};

use tokio_util::sync::CancellationToken;

use super::controllers::{Observer, Running, Work};
use super::shared::Shared;
use crate::api::IdentityAccount;
use crate::controller::identity_account::{IdentityAccounts, ending};
use crate::controller::index::ConsumerKind;
use crate::controller::written::WrittenVersions;
use crate::kube_ext::watch::Change;

impl Work {
    pub(super) fn accounts(
        &self,
        shared: &Shared,
        namespace: Option<&str>,
        stop: CancellationToken,
    ) -> Running {
        let providers = shared.clone();
        let wrapper = self.wrap(IdentityAccounts {
            client: self.client.clone(),
            accounts: shared.accounts.clone(),
            wake_providers: Box::new(move |account| providers.wake_users_of(account)),
            providers: shared.providers.clone(),
            sessions: shared.sessions.clone(),
            watches_secrets: self.config.watch_secrets,
            secrets: shared.secrets.clone(),
            consumers: shared.consumers.clone(),
            tokens: shared.tokens.clone(),
            pauses: shared.account_pauses.clone(),
            policy: self.config.policy.token,
            request_timeout: self.config.request_timeout,
            observer: Arc::new(Observer(self.metrics.clone(), "didit")),
            events: self.events(),
            metrics: self.metrics.clone(),
            leadership: self.leadership.clone(),
            written: WrittenVersions::default(),
            kept: Mutex::default(),
        });
        let (indexed, gone) = (shared.clone(), wrapper.clone());
        let (events, tasks) = (self.events(), self.tasks.clone());
        let listed_namespace = namespace.map(str::to_owned);
        let changes = self.watched::<IdentityAccount>(namespace, move |change| {
            indexed.wake_all(indexed.consumers.observe_account(&change));
            match change {
                Change::Present(account) => {
                    if indexed.accounts.observe(account) {
                        let place = (
                            account.metadata.namespace.clone().unwrap_or_default(),
                            account.metadata.name.clone().unwrap_or_default(),
                        );
                        indexed.wake_users_of(&place);
                    }
                }
                Change::Absent { namespace, name } => {
                    gone.forget(namespace, name);
                    gone.reconciler().forget(namespace, name);
                    if let Some(account) = indexed.accounts.gone(namespace, name) {
                        let events = events.clone();
                        tasks.spawn(async move { ending::tell(&events, &account).await });
                    }
                    indexed.wake_users_of(&(namespace.to_owned(), name.to_owned()));
                }
                Change::Synced => {
                    indexed.accounts.listed(listed_namespace.as_deref());
                    indexed.wake_all(indexed.consumers.all(ConsumerKind::IdentityAccount));
                }
            }
        });
        self.control(changes, shared.wake_accounts.receiver(namespace), wrapper, stop)
    }
}
