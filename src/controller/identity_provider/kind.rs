//! What the two kinds of identity provider have in common.

use std::fmt::Debug;

use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use crate::api::client_application::ProviderKind;
use crate::api::oauth2::{OAuth2Provider, RequestBudget};
use crate::api::provider::{DiditProvider, IdentityProviderStatus};
use crate::api::{ClusterIdentityProvider, IdentityProvider};
use crate::controller::registry::{Access, Granted, ProviderKey};

/// What a provider speaks to.
pub enum Server<'a> {
    /// Didit.
    Didit(&'a DiditProvider),
    /// An OAuth 2.0 authorization server.
    OAuth2(&'a OAuth2Provider),
    /// Both or neither, which the schema refuses.
    Neither,
}

impl<'a> Server<'a> {
    fn of(didit: Option<&'a DiditProvider>, oauth2: Option<&'a OAuth2Provider>) -> Self {
        match (didit, oauth2) {
            (Some(didit), None) => Self::Didit(didit),
            (None, Some(oauth2)) => Self::OAuth2(oauth2),
            _ => Self::Neither,
        }
    }
}

/// An [`IdentityProvider`] or a [`ClusterIdentityProvider`].
pub trait ProviderResource:
    Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
    /// Its controller's name in logs and metrics.
    const CONTROLLER: &'static str;
    /// Its kind in the API.
    const KIND: &'static str;
    /// Its kind in references.
    const PROVIDER_KIND: ProviderKind;

    /// What it speaks to.
    fn server(&self) -> Server<'_>;
    /// How gently it is called.
    fn request_budget(&self) -> Option<&RequestBudget>;
    /// Whether identical requests share a token.
    fn shares_tokens(&self) -> bool;
    /// Whether `spec.suspend` is set.
    fn is_suspended(&self) -> bool;
    /// Who may do what with it, for a shared one.
    fn access(&self) -> Access;
    /// What was recorded last.
    fn status(&self) -> Option<&IdentityProviderStatus>;
    /// The API it is read and written through.
    fn api(&self, client: &Client) -> Api<Self>;

    /// Which provider it is.
    fn key(&self) -> ProviderKey {
        ProviderKey {
            kind: Self::PROVIDER_KIND,
            namespace: self.namespace().unwrap_or_default(),
            name: self.name_any(),
        }
    }
}

impl ProviderResource for IdentityProvider {
    const CONTROLLER: &'static str = "identity_provider";
    const KIND: &'static str = "IdentityProvider";
    const PROVIDER_KIND: ProviderKind = ProviderKind::IdentityProvider;

    fn server(&self) -> Server<'_> {
        Server::of(self.spec.didit.as_ref(), self.spec.oauth2.as_ref())
    }

    fn request_budget(&self) -> Option<&RequestBudget> {
        self.spec.request_budget.as_ref()
    }

    fn shares_tokens(&self) -> bool {
        self.spec.share_tokens == Some(true)
    }

    fn is_suspended(&self) -> bool {
        self.spec.suspend == Some(true)
    }

    fn access(&self) -> Access {
        Access::default()
    }

    fn status(&self) -> Option<&IdentityProviderStatus> {
        self.status.as_ref()
    }

    fn api(&self, client: &Client) -> Api<Self> {
        Api::namespaced(client.clone(), &self.namespace().unwrap_or_default())
    }
}

impl ProviderResource for ClusterIdentityProvider {
    const CONTROLLER: &'static str = "cluster_identity_provider";
    const KIND: &'static str = "ClusterIdentityProvider";
    const PROVIDER_KIND: ProviderKind = ProviderKind::ClusterIdentityProvider;

    fn server(&self) -> Server<'_> {
        Server::of(self.spec.didit.as_ref(), self.spec.oauth2.as_ref())
    }

    fn request_budget(&self) -> Option<&RequestBudget> {
        self.spec.request_budget.as_ref()
    }

    fn shares_tokens(&self) -> bool {
        self.spec.share_tokens == Some(true)
    }

    fn is_suspended(&self) -> bool {
        self.spec.suspend == Some(true)
    }

    fn access(&self) -> Access {
        Access {
            namespaces: self.spec.allowed_namespaces.clone(),
            granted: Granted {
                adoption: self.spec.allow_adoption.unwrap_or_default(),
                account_tokens: self.spec.allow_account_tokens.unwrap_or_default(),
                scopes: self.spec.allowed_scopes.clone(),
            },
        }
    }

    fn status(&self) -> Option<&IdentityProviderStatus> {
        self.status.as_ref()
    }

    fn api(&self, client: &Client) -> Api<Self> {
        Api::all(client.clone())
    }
}
