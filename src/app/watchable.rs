//! Our own kinds as they are watched.

use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};

use kube::core::DeserializeGuard;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use crate::api::names::CODE_REQUESTED_ANNOTATION;
use crate::api::{
    AccessToken, ClientApplication, ClusterIdentityProvider, IdentityAccount, IdentityProvider,
};
use crate::controller::token::need;
use crate::kube_ext::watch;

/// A kind of our own that can be watched.
pub(super) trait Watchable:
    Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
    /// Its kind in logs and metrics.
    const KIND: &'static str;

    /// The API it is watched through.
    fn guarded(client: &Client, namespace: Option<&str>) -> Api<DeserializeGuard<Self>>;
}

impl Watchable for ClientApplication {
    const KIND: &'static str = "ClientApplication";

    fn guarded(client: &Client, namespace: Option<&str>) -> Api<DeserializeGuard<Self>> {
        watch::namespaced(client, namespace)
    }
}

impl Watchable for AccessToken {
    const KIND: &'static str = "AccessToken";

    fn guarded(client: &Client, namespace: Option<&str>) -> Api<DeserializeGuard<Self>> {
        watch::namespaced(client, namespace)
    }
}

impl Watchable for IdentityAccount {
    const KIND: &'static str = "IdentityAccount";

    fn guarded(client: &Client, namespace: Option<&str>) -> Api<DeserializeGuard<Self>> {
        watch::namespaced(client, namespace)
    }
}

impl Watchable for IdentityProvider {
    const KIND: &'static str = "IdentityProvider";

    fn guarded(client: &Client, namespace: Option<&str>) -> Api<DeserializeGuard<Self>> {
        watch::namespaced(client, namespace)
    }
}

impl Watchable for ClusterIdentityProvider {
    const KIND: &'static str = "ClusterIdentityProvider";

    fn guarded(client: &Client, _namespace: Option<&str>) -> Api<DeserializeGuard<Self>> {
        Api::all(client.clone())
    }
}

/// Changes with what somebody asks for by annotation.
pub(super) fn requests_by_annotation(object: &impl Resource) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    let requests = need::requests(object.annotations());
    let code = object.annotations().get(CODE_REQUESTED_ANNOTATION);
    (requests.refresh, requests.revoke, code).hash(&mut hasher);
    Some(hasher.finish())
}
