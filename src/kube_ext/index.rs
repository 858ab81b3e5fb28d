//! What is worth keeping of every Secret in the cluster: a few words for those that Keywright wrote, nothing
//! for the others.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_openapi::api::core::v1::Secret;
use kube::api::PartialObjectMeta;
use kube::{Resource, ResourceExt};

use super::watch::Change;
use crate::api::names::{MANAGED_BY, MANAGED_BY_LABEL, OWNER_UID_ANNOTATION};

/// A Secret that Keywright wrote, as the watch last saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretFacts {
    /// UID of the Secret.
    pub uid: String,
    /// Its resource version.
    pub resource_version: String,
    /// UID of the resource it was written for.
    pub owner_uid: String,
}

/// The Secrets that Keywright wrote, by namespace and name.
#[derive(Debug, Default)]
pub struct SecretIndex {
    secrets: Mutex<HashMap<(String, String), SecretFacts>>,
}

impl SecretIndex {
    /// Takes in a change of any Secret.
    pub fn observe(&self, change: &Change<'_, PartialObjectMeta<Secret>>) {
        match change {
            Change::Present(secret) => {
                let place = (secret.namespace().unwrap_or_default(), secret.name_any());
                match facts(secret) {
                    Some(facts) => self.lock().insert(place, facts),
                    None => self.lock().remove(&place),
                };
            }
            Change::Absent { namespace, name } => {
                self.lock().remove(&((*namespace).to_owned(), (*name).to_owned()));
            }
            Change::Synced => {}
        }
    }

    /// The Secret, if Keywright wrote it and the watch has seen it.
    pub fn get(&self, namespace: &str, name: &str) -> Option<SecretFacts> {
        self.lock().get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(String, String), SecretFacts>> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn facts(secret: &PartialObjectMeta<Secret>) -> Option<SecretFacts> {
    if secret.labels().get(MANAGED_BY_LABEL).map(String::as_str) != Some(MANAGED_BY) {
        return None;
    }
    Some(SecretFacts {
        uid: secret.meta().uid.clone()?,
        resource_version: secret.meta().resource_version.clone()?,
        owner_uid: secret.annotations().get(OWNER_UID_ANNOTATION)?.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(managed: bool) -> PartialObjectMeta<Secret> {
        let mut secret = PartialObjectMeta::<Secret>::default();
        secret.metadata.name = Some("payments".into());
        secret.metadata.namespace = Some("shop".into());
        secret.metadata.uid = Some("u-1".into());
        secret.metadata.resource_version = Some("7".into());
        secret
            .annotations_mut()
            .insert(OWNER_UID_ANNOTATION.into(), "owner".into());
        if managed {
            secret
                .labels_mut()
                .insert(MANAGED_BY_LABEL.into(), MANAGED_BY.into());
        }
        secret
    }

    #[test]
    fn only_secrets_that_keywright_wrote_are_kept() {
        let index = SecretIndex::default();
        index.observe(&Change::Present(&secret(false)));
        assert_eq!(index.get("shop", "payments"), None);
        index.observe(&Change::Present(&secret(true)));
        assert_eq!(index.get("shop", "payments").unwrap().owner_uid, "owner");
        index.observe(&Change::Absent {
            namespace: "shop",
            name: "payments",
        });
        assert_eq!(index.get("shop", "payments"), None);
    }

    #[test]
    fn a_secret_whose_label_was_taken_off_is_no_longer_counted_as_ours() {
        let index = SecretIndex::default();
        index.observe(&Change::Present(&secret(true)));
        index.observe(&Change::Present(&secret(false)));
        assert_eq!(index.get("shop", "payments"), None);
    }
}
