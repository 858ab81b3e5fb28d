//! Adding and removing one finalizer.
//!
//! Both are merge patches that carry the resource version they were decided on, so that a finalizer that
//! somebody else adds or removes at the same moment is never lost: the patch is then refused (HTTP 409) and
//! decided again.

use std::fmt::Debug;

use kube::api::{Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;

/// Puts the finalizer on the object and returns the object as it stands then.
///
/// # Errors
/// What the API server answers; 409 when the object has changed since it was read.
pub async fn add<K>(api: &Api<K>, object: &K, finalizer: &str) -> kube::Result<K>
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    let mut finalizers = object.finalizers().to_vec();
    if finalizers.iter().any(|present| present == finalizer) {
        return Ok(object.clone());
    }
    finalizers.push(finalizer.to_owned());
    patch(api, object, &finalizers).await
}

/// Takes the finalizer off the object. An object that is gone counts as done.
///
/// # Errors
/// What the API server answers; 409 when the object has changed since it was read.
pub async fn remove<K>(api: &Api<K>, object: &K, finalizer: &str) -> kube::Result<()>
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    let remaining: Vec<_> = object
        .finalizers()
        .iter()
        .filter(|present| *present != finalizer)
        .cloned()
        .collect();
    match patch(api, object, &remaining).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}

async fn patch<K>(api: &Api<K>, object: &K, finalizers: &[String]) -> kube::Result<K>
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    let patch = json!({
        "metadata": {
            "uid": object.uid(),
            "resourceVersion": object.resource_version(),
            "finalizers": finalizers,
        }
    });
    api.patch(&object.name_any(), &PatchParams::default(), &Patch::Merge(patch))
        .await
}
