//! What the two kinds of identity provider have in common.

use std::fmt::Debug;

use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use crate::api::client_application::ProviderKind;
use crate::api::provider::{DiditProvider, IdentityProviderStatus};
use crate::api::{ClusterIdentityProvider, IdentityProvider};
use crate::controller::registry::{Access, ProviderKey};

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

    /// The account at Didit.
    fn didit(&self) -> &DiditProvider;
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

    fn didit(&self) -> &DiditProvider {
        &self.spec.didit
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

    fn didit(&self) -> &DiditProvider {
        &self.spec.didit
    }

    fn is_suspended(&self) -> bool {
        self.spec.suspend == Some(true)
    }

    fn access(&self) -> Access {
        Access {
            namespaces: self.spec.allowed_namespaces.clone(),
            adoption: self.spec.allow_adoption.unwrap_or_default(),
        }
    }

    fn status(&self) -> Option<&IdentityProviderStatus> {
        self.status.as_ref()
    }

    fn api(&self, client: &Client) -> Api<Self> {
        Api::all(client.clone())
    }
}
