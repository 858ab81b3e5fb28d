//! Server-side apply.

use std::fmt::Debug;

use kube::api::{Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

/// Writes the status of one particular object: another object of the same name, made in the meantime, is
/// left alone (HTTP 409). Fields that `status` does not have are removed if `manager` wrote them before.
///
/// # Errors
/// What the API server answers; 404 when the object is gone.
pub async fn status<K>(api: &Api<K>, object: &K, manager: &str, status: &impl Serialize) -> kube::Result<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let patch = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": { "name": object.name_any(), "uid": object.uid() },
        "status": status,
    });
    api.patch_status(
        &object.name_any(),
        &PatchParams::apply(manager).force(),
        &Patch::Apply(patch),
    )
    .await
}
