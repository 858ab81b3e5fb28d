//! Which resources claim which Secret and which application, and use which provider.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::claims::{Claims, Rank};
use crate::api::ClientApplication;
use crate::controller::registry::ProviderKey;
use crate::kube_ext::watch::Change;

/// Namespace and name.
pub type Place = (String, String);

/// An application by its provider and its identifier there.
type ApplicationKey = (ProviderKey, String);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    secret: (Place, Rank),
    application: Option<(ApplicationKey, Rank)>,
    provider: ProviderKey,
}

#[derive(Debug, Default)]
struct Maps {
    entries: HashMap<Place, Entry>,
    secrets: Claims<Place>,
    applications: Claims<ApplicationKey>,
    users: HashMap<ProviderKey, BTreeSet<Place>>,
}

/// All client applications, by what they refer to.
#[derive(Debug, Default)]
pub struct ApplicationIndex {
    maps: Mutex<Maps>,
}

impl ApplicationIndex {
    /// Takes in a change and returns the resources whose claim on a Secret or an application it may have freed.
    pub fn observe(&self, change: &Change<'_, ClientApplication>) -> Vec<Place> {
        match change {
            Change::Present(application) => {
                let place = (
                    application.namespace().unwrap_or_default(),
                    application.name_any(),
                );
                let entry = Entry::of(application, &place.0);
                self.lock().replace(place, Some(entry))
            }
            Change::Absent { namespace, name } => {
                let place = ((*namespace).to_owned(), (*name).to_owned());
                self.lock().replace(place, None)
            }
            Change::Synced => Vec::new(),
        }
    }

    /// Reserves a Secret for `name`, until that resource is gone or names another. Returns the resource that it
    /// is reserved for instead: whoever `holds` the Secret or reserved it first, else the oldest that claims it.
    pub fn claim(&self, namespace: &str, name: &str, secret: &str, holds: bool) -> Option<String> {
        let place = (namespace.to_owned(), name.to_owned());
        let key = (namespace.to_owned(), secret.to_owned());
        let mut maps = self.lock();
        let known = maps.entries.contains_key(&place);
        let rival = maps.secrets.claim(&place, key, holds, known);
        rival.map(|(_, name)| name)
    }

    /// Reserves an application for the resource at `place`, until that is gone. Returns the resource that it is
    /// reserved for instead, perhaps of another namespace: whoever `holds` it by its status or reserved it first,
    /// else the oldest that wants it.
    pub fn claim_application(
        &self,
        place: &Place,
        provider: &ProviderKey,
        id: &str,
        holds: bool,
    ) -> Option<Place> {
        let key = (provider.clone(), id.to_owned());
        let mut maps = self.lock();
        let known = maps.entries.contains_key(place);
        maps.applications.claim(place, key, holds, known)
    }

    /// The resources of a namespace that claim a Secret.
    pub fn claimants(&self, namespace: &str, secret: &str) -> Vec<Place> {
        let key = (namespace.to_owned(), secret.to_owned());
        self.lock().secrets.claimants(&key).collect()
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

impl Entry {
    fn of(application: &ClientApplication, namespace: &str) -> Self {
        let created = application
            .creation_timestamp()
            .map_or(Timestamp::MAX, |time| time.0);
        let rank = |wanted_only| Rank { wanted_only, created };
        let spec = &application.spec;
        let provider = ProviderKey::of(&spec.provider_ref, namespace);
        let status = application.status.as_ref();
        let held = status.and_then(|status| status.application_id.clone());
        let wanted = spec.adopt.as_ref().map(|adoption| &adoption.application_id);
        let (id, wanted_only) = match (held, wanted) {
            (Some(held), _) => (Some(held), false),
            (None, wanted) => (wanted.cloned(), true),
        };
        Self {
            secret: ((namespace.to_owned(), spec.secret.name.clone()), rank(true)),
            application: id.map(|id| ((provider.clone(), id), rank(wanted_only))),
            provider,
        }
    }
}

impl Maps {
    /// Puts another entry, or none, in the place of the one before. Returns whom that may have freed something for.
    fn replace(&mut self, place: Place, entry: Option<Entry>) -> Vec<Place> {
        let before = self.entries.remove(&place);
        let (old, new) = (before.as_ref(), entry.as_ref());
        let mut freed = self.secrets.change(
            &place,
            old.map(|entry| &entry.secret),
            new.map(|entry| &entry.secret),
        );
        freed.extend(self.applications.change(
            &place,
            old.and_then(|entry| entry.application.as_ref()),
            new.and_then(|entry| entry.application.as_ref()),
        ));
        if let Some(before) = old
            && let Some(users) = self.users.get_mut(&before.provider)
        {
            users.remove(&place);
            if users.is_empty() {
                self.users.remove(&before.provider);
            }
        }
        if let Some(entry) = entry {
            self.users
                .entry(entry.provider.clone())
                .or_default()
                .insert(place.clone());
            self.entries.insert(place, entry);
        }
        freed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::client_application::{Adoption, ClientApplicationStatus, ProviderKind};
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

    fn adopting(namespace: &str, name: &str, created: i64, recorded: bool) -> ClientApplication {
        let mut application = application(name, name, created);
        application.metadata.namespace = Some(namespace.into());
        application.spec.provider_ref.kind = ProviderKind::ClusterIdentityProvider;
        application.spec.adopt = Some(Adoption {
            application_id: "app-1".into(),
        });
        application.status = recorded.then(|| ClientApplicationStatus {
            application_id: Some("app-1".into()),
            ..ClientApplicationStatus::default()
        });
        application
    }

    #[test]
    fn an_application_goes_to_the_oldest_that_wants_it_and_then_to_the_next() {
        let index = ApplicationIndex::default();
        let older = adopting("a", "older", 10, false);
        index.observe(&Change::Present(&adopting("b", "younger", 20, false)));
        index.observe(&Change::Present(&older));
        let provider = ProviderKey::of(&older.spec.provider_ref, "a");
        let claim = |namespace: &str, name: &str, id: &str, holds| {
            index.claim_application(&(namespace.to_owned(), name.to_owned()), &provider, id, holds)
        };
        let older_place = ("a".to_owned(), "older".to_owned());
        assert_eq!(claim("b", "younger", "app-1", false), Some(older_place.clone()));
        assert_eq!(claim("b", "younger", "app-2", false), None);
        assert_eq!(claim("a", "older", "app-1", false), None);

        // What is reserved stays so while it is recorded, and after that.
        let freed = index.observe(&Change::Present(&adopting("a", "older", 10, true)));
        assert_eq!(freed, []);
        assert_eq!(claim("b", "younger", "app-1", false), Some(older_place));

        let freed = index.observe(&Change::Absent {
            namespace: "a",
            name: "older",
        });
        assert_eq!(freed, [("b".to_owned(), "younger".to_owned())]);
        assert_eq!(claim("b", "younger", "app-1", false), None);
    }

    #[test]
    fn who_has_the_application_keeps_it_after_a_restart() {
        let index = ApplicationIndex::default();
        let younger = adopting("b", "younger", 20, true);
        index.observe(&Change::Present(&adopting("a", "older", 10, false)));
        index.observe(&Change::Present(&younger));
        let provider = ProviderKey::of(&younger.spec.provider_ref, "b");
        let older = ("a".to_owned(), "older".to_owned());
        assert_eq!(
            index.claim_application(&older, &provider, "app-1", false),
            Some(("b".to_owned(), "younger".to_owned()))
        );
    }

    #[test]
    fn a_secret_that_is_reserved_stays_so_when_the_application_is_recorded() {
        let index = ApplicationIndex::default();
        index.observe(&Change::Present(&application("younger", "shared", 20)));
        assert_eq!(index.claim("shop", "younger", "shared", false), None);
        index.observe(&Change::Present(&application("older", "shared", 10)));
        let mut recorded = application("younger", "shared", 20);
        recorded.status = Some(ClientApplicationStatus {
            application_id: Some("app-1".into()),
            ..ClientApplicationStatus::default()
        });
        index.observe(&Change::Present(&recorded));
        assert_eq!(
            index.claim("shop", "older", "shared", false).as_deref(),
            Some("younger")
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
