//! What the controllers share, and how they wake each other.

use std::sync::Arc;
use std::time::Duration;

use crate::api::client_application::ProviderKind;
use crate::api::{
    AccessToken, ClientApplication, ClusterIdentityProvider, IdentityAccount, IdentityProvider,
};
use crate::controller::access_token::clients::KnownClients;
use crate::controller::accounts::AccountRegistry;
use crate::controller::index::{Consumer, ConsumerIndex, ConsumerKind, Place};
use crate::controller::registry::{ProviderKey, ProviderRegistry};
use crate::controller::token::pauses::Pauses;
use crate::controller::token::service::TokenService;
use crate::controller::wake::Wake;
use crate::identity::budget::BudgetRegistry;
use crate::identity::oauth2::MetadataCache;
use crate::identity::session::SessionRegistry;
use crate::kube_ext::index::SecretIndex;

/// What the controllers share.
#[derive(Clone, Default)]
pub(super) struct Shared {
    pub(super) providers: Arc<ProviderRegistry>,
    pub(super) consumers: Arc<ConsumerIndex>,
    pub(super) secrets: Arc<SecretIndex>,
    pub(super) sessions: Arc<SessionRegistry>,
    pub(super) metadata: Arc<MetadataCache>,
    pub(super) budgets: Arc<BudgetRegistry>,
    pub(super) tokens: Arc<TokenService>,
    pub(super) application_pauses: Arc<Pauses>,
    pub(super) token_pauses: Arc<Pauses>,
    pub(super) token_clients: Arc<KnownClients>,
    pub(super) accounts: Arc<AccountRegistry>,
    pub(super) account_pauses: Arc<Pauses>,
    pub(super) wake_accounts: Wake<IdentityAccount>,
    pub(super) wake_applications: Wake<ClientApplication>,
    pub(super) wake_tokens: Wake<AccessToken>,
    pub(super) wake_providers: Wake<IdentityProvider>,
    pub(super) wake_cluster_providers: Wake<ClusterIdentityProvider>,
}

impl Shared {
    /// `release_timeout` is how long a deletion may need its provider.
    pub(super) fn new(release_timeout: Duration) -> Self {
        Self {
            providers: Arc::new(ProviderRegistry::keeping_connections_for(release_timeout)),
            ..Self::default()
        }
    }

    pub(super) fn wake_provider(&self, key: &ProviderKey) {
        match key.kind {
            ProviderKind::IdentityProvider => self.wake_providers.wake(&key.namespace, &key.name),
            ProviderKind::ClusterIdentityProvider => self.wake_cluster_providers.wake("", &key.name),
        }
    }

    pub(super) fn wake_all(&self, consumers: Vec<Consumer>) {
        for Consumer {
            kind,
            namespace,
            name,
        } in consumers
        {
            match kind {
                ConsumerKind::ClientApplication => self.wake_applications.wake(&namespace, &name),
                ConsumerKind::AccessToken => self.wake_tokens.wake(&namespace, &name),
                ConsumerKind::IdentityAccount => self.wake_accounts.wake(&namespace, &name),
            }
        }
    }

    /// Credentials that these read may have changed. Whether the client of a token has, shows when it is read.
    pub(super) fn read_credentials_anew(&self, consumers: Vec<Consumer>) {
        for Consumer {
            kind,
            namespace,
            name,
        } in &consumers
        {
            let place = (namespace.clone(), name.clone());
            match kind {
                ConsumerKind::ClientApplication => {}
                ConsumerKind::AccessToken => self.token_clients.forget(&place),
                ConsumerKind::IdentityAccount => self.account_pauses.end(&place),
            }
        }
        self.wake_all(consumers);
    }

    /// What these rest on has changed: what has failed before may succeed now.
    pub(super) fn reconsider(&self, consumers: Vec<Consumer>) {
        for Consumer {
            kind,
            namespace,
            name,
        } in &consumers
        {
            let place = (namespace.clone(), name.clone());
            match kind {
                ConsumerKind::ClientApplication => self.application_pauses.end(&place),
                ConsumerKind::AccessToken => {
                    self.token_pauses.end(&place);
                    self.token_clients.forget(&place);
                }
                ConsumerKind::IdentityAccount => self.account_pauses.end(&place),
            }
        }
        self.wake_all(consumers);
    }

    /// An account has changed in a way that matters to the providers that use it, and to those who take its application.
    pub(super) fn wake_users_of(&self, account: &Place) {
        for key in self.providers.resting_on(account) {
            self.wake_provider(&key);
        }
        let mut adopting = self.consumers.of_namespace(&account.0);
        adopting.retain(|consumer| consumer.kind == ConsumerKind::ClientApplication);
        self.wake_all(adopting);
    }

    /// A provider has changed in a way that matters to those who use it. Their pauses tell by its revision.
    pub(super) fn wake_users(&self, key: &ProviderKey) {
        self.wake_all(self.consumers.users(key));
    }
}
