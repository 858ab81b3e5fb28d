//! Which resources claim which Secret and use which provider.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use crate::api::ClientApplication;
use crate::controller::registry::ProviderKey;
use crate::kube_ext::watch::Change;

/// Namespace and name.
pub type Place = (String, String);

/// A claim on a Secret. Older claims come first.
type Claim = (Timestamp, String);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    created: Timestamp,
    secret: String,
    provider: ProviderKey,
}

#[derive(Debug, Default)]
struct Maps {
    entries: HashMap<Place, Entry>,
    claims: HashMap<Place, BTreeSet<Claim>>,
    /// Who was told that it may write the Secret.
    holders: HashMap<Place, String>,
    users: HashMap<ProviderKey, BTreeSet<Place>>,
}

/// All client applications, by what they refer to.
#[derive(Debug, Default)]
pub struct ApplicationIndex {
    maps: Mutex<Maps>,
}

impl ApplicationIndex {
    /// Takes in a change and returns the resources whose claim on a Secret it may have freed.
    pub fn observe(&self, change: &Change<'_, ClientApplication>) -> Vec<Place> {
        let mut maps = self.lock();
        match change {
            Change::Present(application) => {
                let place = (
                    application.namespace().unwrap_or_default(),
                    application.name_any(),
                );
                let entry = Entry {
                    created: application
                        .creation_timestamp()
                        .map_or(Timestamp::MAX, |time| time.0),
                    secret: application.spec.secret.name.clone(),
                    provider: ProviderKey::of(&application.spec.provider_ref, &place.0),
                };
                if maps.entries.get(&place) == Some(&entry) {
                    return Vec::new();
                }
                let freed = maps.remove(&place);
                maps.insert(place, entry);
                freed
            }
            Change::Absent { namespace, name } => maps.remove(&((*namespace).to_owned(), (*name).to_owned())),
            Change::Synced => Vec::new(),
        }
    }

    /// Reserves a Secret for `name`, until that resource is gone or names another. Returns the resource that it
    /// is reserved for instead: whoever `holds` the Secret or reserved it first, else the oldest that claims it.
    pub fn claim(&self, namespace: &str, name: &str, secret: &str, holds: bool) -> Option<String> {
        let mut maps = self.lock();
        let place = (namespace.to_owned(), secret.to_owned());
        let rival = match maps.holders.get(&place) {
            _ if holds => None,
            Some(holder) => Some(holder.clone()),
            None => maps
                .claims
                .get(&place)
                .and_then(BTreeSet::first)
                .map(|(_, oldest)| oldest.clone()),
        };
        let rival = rival.filter(|rival| rival != name);
        if rival.is_none() {
            maps.holders.insert(place, name.to_owned());
        }
        rival
    }

    /// The resources of a namespace that claim a Secret.
    pub fn claimants(&self, namespace: &str, secret: &str) -> Vec<Place> {
        self.lock().claimants(&(namespace.to_owned(), secret.to_owned()))
    }

    /// The resources that use a provider.
    pub fn users(&self, provider: &ProviderKey) -> Vec<Place> {
        self.lock()
            .users
            .get(provider)
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }

    /// Every resource.
    pub fn all(&self) -> Vec<Place> {
        self.lock().entries.keys().cloned().collect()
    }

    /// The resources of a namespace, whatever they refer to.
    pub fn of_namespace(&self, namespace: &str) -> Vec<Place> {
        self.lock()
            .entries
            .keys()
            .filter(|place| place.0 == namespace)
            .cloned()
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Maps> {
        self.maps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Maps {
    fn insert(&mut self, place: Place, entry: Entry) {
        let secret = (place.0.clone(), entry.secret.clone());
        self.claims
            .entry(secret)
            .or_default()
            .insert((entry.created, place.1.clone()));
        self.users
            .entry(entry.provider.clone())
            .or_default()
            .insert(place.clone());
        self.entries.insert(place, entry);
    }

    fn remove(&mut self, place: &Place) -> Vec<Place> {
        let Some(entry) = self.entries.remove(place) else {
            return Vec::new();
        };
        if let Some(users) = self.users.get_mut(&entry.provider) {
            users.remove(place);
            if users.is_empty() {
                self.users.remove(&entry.provider);
            }
        }
        let secret = (place.0.clone(), entry.secret);
        if let Some(claims) = self.claims.get_mut(&secret) {
            claims.remove(&(entry.created, place.1.clone()));
            if claims.is_empty() {
                self.claims.remove(&secret);
            }
        }
        if self.holders.get(&secret) == Some(&place.1) {
            self.holders.remove(&secret);
        }
        self.claimants(&secret)
    }

    fn claimants(&self, secret: &Place) -> Vec<Place> {
        let claims = self.claims.get(secret).into_iter().flatten();
        claims.map(|(_, name)| (secret.0.clone(), name.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::json;

    fn application(name: &str, secret: &str, created: i64) -> ClientApplication {
        let spec =
            json!({"providerRef": {"kind": "IdentityProvider", "name": "didit"}, "secret": {"name": secret}});
        let mut application = ClientApplication::new(name, serde_json::from_value(spec).unwrap());
        application.metadata.namespace = Some("shop".into());
        application.metadata.creation_timestamp = Some(Time(Timestamp::from_second(created).unwrap()));
        application
    }

    #[test]
    fn the_older_claim_on_a_secret_wins_and_its_end_wakes_the_younger() {
        let index = ApplicationIndex::default();
        index.observe(&Change::Present(&application("younger", "shared", 20)));
        index.observe(&Change::Present(&application("older", "shared", 10)));
        assert_eq!(
            index.claim("shop", "younger", "shared", false).as_deref(),
            Some("older")
        );
        assert_eq!(index.claim("shop", "older", "shared", false), None);
        assert_eq!(index.claim("other", "younger", "shared", false), None);

        let freed = index.observe(&Change::Absent {
            namespace: "shop",
            name: "older",
        });
        assert_eq!(freed, [("shop".to_owned(), "younger".to_owned())]);
        assert_eq!(index.claim("shop", "younger", "shared", false), None);
    }

    #[test]
    fn a_claim_that_was_granted_is_not_taken_back_by_one_that_is_learned_of_later() {
        let index = ApplicationIndex::default();
        index.observe(&Change::Present(&application("zeta", "shared", 10)));
        assert_eq!(index.claim("shop", "zeta", "shared", false), None);
        index.observe(&Change::Present(&application("alpha", "shared", 10)));
        assert_eq!(
            index.claim("shop", "alpha", "shared", false).as_deref(),
            Some("zeta")
        );
        assert_eq!(index.claim("shop", "zeta", "shared", false), None);
    }

    #[test]
    fn who_holds_the_secret_keeps_it() {
        let index = ApplicationIndex::default();
        index.observe(&Change::Present(&application("older", "shared", 10)));
        index.observe(&Change::Present(&application("younger", "shared", 20)));
        assert_eq!(index.claim("shop", "younger", "shared", true), None);
        assert_eq!(
            index.claim("shop", "older", "shared", false).as_deref(),
            Some("younger")
        );
    }

    #[test]
    fn another_secret_name_frees_the_earlier_one() {
        let index = ApplicationIndex::default();
        index.observe(&Change::Present(&application("older", "shared", 10)));
        index.observe(&Change::Present(&application("younger", "shared", 20)));
        let freed = index.observe(&Change::Present(&application("older", "own", 10)));
        assert_eq!(freed, [("shop".to_owned(), "younger".to_owned())]);
        assert_eq!(
            index.claimants("shop", "own"),
            [("shop".to_owned(), "older".to_owned())]
        );
    }

    #[test]
    fn a_change_of_a_provider_wakes_only_its_users() {
        let index = ApplicationIndex::default();
        let payments = application("payments", "a", 1);
        index.observe(&Change::Present(&payments));
        let key = ProviderKey::of(&payments.spec.provider_ref, "shop");
        assert_eq!(index.users(&key), [("shop".to_owned(), "payments".to_owned())]);
        assert!(
            index
                .users(&ProviderKey {
                    namespace: "other".into(),
                    ..key
                })
                .is_empty()
        );
    }
}
