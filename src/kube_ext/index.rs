//! What is worth keeping of every Secret in the cluster: a few words for those that Keywright wrote, nothing
//! for the others.

use std::collections::{BTreeSet, HashMap};
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

/// Namespace and name.
type Place = (String, String);

/// The Secrets that Keywright wrote, by namespace and name.
#[derive(Debug, Default)]
pub struct SecretIndex {
    maps: Mutex<Maps>,
}

#[derive(Debug, Default)]
struct Maps {
    secrets: HashMap<Place, SecretFacts>,
    /// By the UID of the owner.
    owned: HashMap<String, BTreeSet<Place>>,
}

impl SecretIndex {
    /// Takes in a change of any Secret.
    pub fn observe(&self, change: &Change<'_, PartialObjectMeta<Secret>>) {
        match change {
            Change::Present(secret) => {
                let place = (secret.namespace().unwrap_or_default(), secret.name_any());
                self.lock().replace(place, facts(secret));
            }
            Change::Absent { namespace, name } => {
                self.lock()
                    .replace(((*namespace).to_owned(), (*name).to_owned()), None);
            }
            Change::Synced => {}
        }
    }

    /// The Secret, if Keywright wrote it and the watch has seen it.
    pub fn get(&self, namespace: &str, name: &str) -> Option<SecretFacts> {
        let place = (namespace.to_owned(), name.to_owned());
        self.lock().secrets.get(&place).cloned()
    }

    /// Namespaces and names of the Secrets that say they were written for the resource with this UID. A copy that
    /// somebody made says so too.
    pub fn written_for(&self, owner_uid: &str) -> Vec<(String, String)> {
        let maps = self.lock();
        maps.owned.get(owner_uid).into_iter().flatten().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Maps> {
        self.maps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Maps {
    fn replace(&mut self, place: Place, facts: Option<SecretFacts>) {
        if let Some(before) = self.secrets.remove(&place)
            && let Some(owned) = self.owned.get_mut(&before.owner_uid)
        {
            owned.remove(&place);
            if owned.is_empty() {
                self.owned.remove(&before.owner_uid);
            }
        }
        if let Some(facts) = facts {
            self.owned
                .entry(facts.owner_uid.clone())
                .or_default()
                .insert(place.clone());
            self.secrets.insert(place, facts);
        }
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
    fn an_owner_knows_the_secrets_that_were_written_for_it() {
        let index = SecretIndex::default();
        let mut another = secret(true);
        another.metadata.name = Some("another".into());
        index.observe(&Change::Present(&secret(true)));
        index.observe(&Change::Present(&another));
        let names = |owner| -> Vec<String> {
            index
                .written_for(owner)
                .into_iter()
                .map(|(_, name)| name)
                .collect()
        };
        assert_eq!(names("owner"), ["another", "payments"]);
        assert!(names("somebody").is_empty());

        another
            .annotations_mut()
            .insert(OWNER_UID_ANNOTATION.into(), "somebody".into());
        index.observe(&Change::Present(&another));
        assert_eq!(names("owner"), ["payments"]);
        assert_eq!(names("somebody"), ["another"]);
        index.observe(&Change::Absent {
            namespace: "shop",
            name: "payments",
        });
        assert!(names("owner").is_empty());
    }

    #[test]
    fn a_secret_whose_label_was_taken_off_is_no_longer_counted_as_ours() {
        let index = SecretIndex::default();
        index.observe(&Change::Present(&secret(true)));
        index.observe(&Change::Present(&secret(false)));
        assert_eq!(index.get("shop", "payments"), None);
    }
}
