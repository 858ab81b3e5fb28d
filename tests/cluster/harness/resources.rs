//! Writing and reading resources.

use std::collections::BTreeMap;
use std::fmt::Debug;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use keywright::api::conditions;
use keywright::api::{
    AccessToken, ClientApplication, ClusterIdentityProvider, IdentityAccount, IdentityProvider,
};
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind, NamespaceResourceScope};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::wait::{PATIENCE, eventually};
use super::world::World;

/// A kind whose status has conditions.
pub(crate) trait Conditioned: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug {
    /// Its API, as the tests of `world` see it.
    fn api(world: &World) -> Api<Self>;

    /// Its conditions, if there are any yet.
    fn conditions(&self) -> &[Condition];
}

impl Conditioned for ClientApplication {
    fn api(world: &World) -> Api<Self> {
        world.api()
    }

    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map_or(&[], |status| &status.conditions)
    }
}

impl Conditioned for AccessToken {
    fn api(world: &World) -> Api<Self> {
        world.api()
    }

    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map_or(&[], |status| &status.conditions)
    }
}

impl Conditioned for IdentityAccount {
    fn api(world: &World) -> Api<Self> {
        world.api()
    }

    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map_or(&[], |status| &status.conditions)
    }
}

impl Conditioned for IdentityProvider {
    fn api(world: &World) -> Api<Self> {
        world.api()
    }

    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map_or(&[], |status| &status.conditions)
    }
}

impl Conditioned for ClusterIdentityProvider {
    fn api(world: &World) -> Api<Self> {
        Api::all(world.client.clone())
    }

    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map_or(&[], |status| &status.conditions)
    }
}

impl World {
    /// The API of a kind in the test's namespace.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Applies a resource as a user would, in the test's namespace unless it names another one. Fields that
    /// an earlier one of that name had and this one does not are removed.
    pub(crate) async fn apply(&self, resource: Value) -> DynamicObject {
        self.apply_as("user", resource)
            .await
            .unwrap_or_else(|error| panic!("not accepted: {error}"))
    }

    /// The same under the name of another field manager, or why it was refused.
    pub(crate) async fn apply_as(&self, manager: &str, resource: Value) -> kube::Result<DynamicObject> {
        let text = |path| resource.pointer(path).and_then(Value::as_str);
        let (version, kind) = (text("/apiVersion").unwrap(), text("/kind").unwrap());
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let namespace = text("/metadata/namespace").unwrap_or(&self.namespace);
        let api: Api<DynamicObject> = match kind.kind.as_str() {
            "Namespace" | "ClusterIdentityProvider" => Api::all_with(self.client.clone(), &kind),
            _ => Api::namespaced_with(self.client.clone(), namespace, &kind),
        };
        let parameters = PatchParams::apply(manager).force();
        api.patch(
            text("/metadata/name").unwrap(),
            &parameters,
            &Patch::Apply(&resource),
        )
        .await
    }

    /// Changes some fields of an object as a user with an editor would (JSON merge patch).
    pub(crate) async fn edit<K>(&self, name: &str, change: Value)
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        self.api::<K>()
            .patch(name, &PatchParams::default(), &Patch::Merge(change))
            .await
            .unwrap();
    }

    /// Asks for the deletion of an object.
    pub(crate) async fn delete<K>(&self, name: &str)
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        self.api::<K>()
            .delete(name, &DeleteParams::default())
            .await
            .unwrap();
    }

    /// Waits until an object is gone.
    pub(crate) async fn until_gone<K>(&self, name: &str)
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        eventually(
            &format!("{} {name} is gone", K::kind(&())),
            PATIENCE,
            async || match self.api::<K>().get_opt(name).await.unwrap() {
                Some(_) => Err("it is still there".to_owned()),
                None => Ok(()),
            },
        )
        .await;
    }

    /// Waits until an object has this condition, for its present generation: type, status, reason.
    pub(crate) async fn until<K: Conditioned>(&self, name: &str, wanted: (&str, &str, &str)) -> Condition {
        let (type_, status, reason) = wanted;
        let what = format!("{} {name} has {type_}={status} {reason}", K::kind(&()));
        eventually(&what, PATIENCE, async || {
            let Some(object) = K::api(self).get_opt(name).await.unwrap() else {
                return Err("it does not exist".to_owned());
            };
            let found = conditions::find(object.conditions(), type_).cloned();
            found
                .filter(|found| found.observed_generation == object.meta().generation)
                .filter(|found| (found.status.as_str(), found.reason.as_str()) == (status, reason))
                .ok_or_else(|| format!("{:#?}", object.conditions()))
        })
        .await
    }

    /// Waits until a ClientApplication's Secret is published.
    pub(crate) async fn until_published(&self, name: &str) -> ClientApplication {
        self.until::<ClientApplication>(name, ("Ready", "True", "Published"))
            .await;
        self.application(name).await
    }

    /// A ClientApplication as it stands.
    pub(crate) async fn application(&self, name: &str) -> ClientApplication {
        self.api().get(name).await.unwrap()
    }

    /// A condition as it stands.
    pub(crate) async fn condition<K: Conditioned>(&self, name: &str, type_: &str) -> Condition {
        let object = K::api(self).get(name).await.unwrap();
        let found = conditions::find(object.conditions(), type_).cloned();
        found.unwrap_or_else(|| panic!("{name} has no condition {type_}: {:#?}", object.conditions()))
    }

    /// A Secret as it stands.
    pub(crate) async fn secret(&self, name: &str) -> Option<Secret> {
        self.api().get_opt(name).await.unwrap()
    }

    /// Waits until a Secret is as `wanted` wants it.
    pub(crate) async fn until_secret(
        &self,
        name: &str,
        what: &str,
        wanted: impl Fn(&Secret) -> bool,
    ) -> Secret {
        eventually(&format!("Secret {name}: {what}"), PATIENCE, async || {
            match self.secret(name).await {
                Some(secret) if wanted(&secret) => Ok(secret),
                Some(secret) => Err(format!(
                    "{:?} with {:?}",
                    secret.metadata,
                    entries(&secret).keys()
                )),
                None => Err("it does not exist".to_owned()),
            }
        })
        .await
    }

    /// Waits until the operator has looked at a ClientApplication's Secret as it stands.
    pub(crate) async fn until_noticed(&self, application: &str, secret: &str) {
        eventually(
            &format!("the operator has looked at Secret {secret}"),
            PATIENCE,
            async || {
                let version = self
                    .secret(secret)
                    .await
                    .and_then(|secret| secret.resource_version());
                let status = self.application(application).await.status.unwrap_or_default();
                let seen = status.secret.map(|secret| secret.resource_version);
                if seen == version {
                    Ok(())
                } else {
                    Err(format!("{seen:?}, not {version:?}"))
                }
            },
        )
        .await;
    }

    /// Waits for an event about an object and returns its note.
    pub(crate) async fn until_event(&self, about: &str, reason: &str) -> String {
        eventually(&format!("event {reason} about {about}"), PATIENCE, async || {
            let events = self.api::<Event>().list(&ListParams::default()).await.unwrap();
            let mut about_it = events.items.iter().filter(|event| {
                event.regarding.as_ref().and_then(|about| about.name.as_deref()) == Some(about)
            });
            let seen: Vec<_> = about_it
                .clone()
                .map(|event| event.reason.clone().unwrap_or_default())
                .collect();
            let found = about_it.rfind(|event| event.reason.as_deref() == Some(reason));
            found
                .map(|event| event.note.clone().unwrap_or_default())
                .ok_or_else(|| format!("{seen:?}"))
        })
        .await
    }
}

/// The entries of a Secret as text.
pub(crate) fn entries(secret: &Secret) -> BTreeMap<String, String> {
    let data = secret.data.iter().flatten();
    data.map(|(key, value)| (key.clone(), String::from_utf8(value.0.clone()).unwrap()))
        .collect()
}

/// An annotation of a Secret.
pub(crate) fn annotation<'a>(secret: &'a Secret, name: &str) -> Option<&'a str> {
    secret.annotations().get(name).map(String::as_str)
}

impl World {
    /// What the identity API answers to a workload that uses this key.
    pub(crate) async fn balance(&self, key: &str) -> u16 {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}/billing/balance/", self.sandbox.api_url());
        client
            .get(url)
            .header("x-api-key", key)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    }
}
