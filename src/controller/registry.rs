//! The identity providers as resources that use them see them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::core::{Selector, SelectorExt};

use crate::api::client_application::{ProviderKind, ProviderReference};
use crate::api::provider::AllowedNamespaces;
use crate::identity::{IdentityApi, VerifiedAccount};

/// Which provider, across kinds and namespaces.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProviderKey {
    /// Its kind.
    pub kind: ProviderKind,
    /// Its namespace; empty for a `ClusterIdentityProvider`.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ProviderKey {
    /// The provider that a resource in `namespace` refers to.
    #[must_use]
    pub fn of(reference: &ProviderReference, namespace: &str) -> Self {
        let namespace = match reference.kind {
            ProviderKind::IdentityProvider => namespace.to_owned(),
            ProviderKind::ClusterIdentityProvider => String::new(),
        };
        Self { kind: reference.kind, namespace, name: reference.name.clone() }
    }
}

/// Whether a provider can be used.
#[derive(Clone, Default)]
pub enum Availability {
    /// Its controller has not come to a result yet.
    #[default]
    Pending,
    /// It cannot be used now.
    NotReady {
        /// Reason of its `Ready` condition.
        reason: String,
        /// Message of its `Ready` condition.
        message: String,
    },
    /// It can be used.
    Ready(Connection),
}

/// A provider that can be used.
#[derive(Clone)]
pub struct Connection {
    /// The identity API, logged in as the provider's account.
    pub api: Arc<dyn IdentityApi>,
    /// The account and its organization.
    pub account: VerifiedAccount,
}

/// What a resource that refers to a provider finds.
#[derive(Clone)]
pub enum Lookup {
    /// The providers have not been listed yet.
    NotListed,
    /// There is none of that name.
    Missing,
    /// It does not allow the namespace.
    NotAllowed,
    /// It exists.
    Found(Availability),
}

#[derive(Default)]
struct Entry {
    availability: Availability,
    allowed: Option<AllowedNamespaces>,
    /// Secrets it reads, as (namespace, name).
    secrets: HashSet<(String, String)>,
    /// A call of a resource that uses it has failed in a way that may concern all of them.
    suspect: bool,
}

/// All providers, kept by their controllers and by the watches.
#[derive(Default)]
pub struct ProviderRegistry {
    entries: Mutex<HashMap<ProviderKey, Entry>>,
    listed: Mutex<HashSet<(ProviderKind, Option<String>)>>,
    namespace_labels: Mutex<HashMap<String, BTreeMap<String, String>>>,
}

impl ProviderRegistry {
    /// A provider exists, and allows these namespaces (of no concern for an `IdentityProvider`). Returns
    /// whether that is news.
    pub fn exists(&self, key: &ProviderKey, allowed: Option<AllowedNamespaces>) -> bool {
        let mut entries = lock(&self.entries);
        match entries.get_mut(key) {
            Some(entry) if entry.allowed == allowed => false,
            Some(entry) => {
                entry.allowed = allowed;
                true
            }
            None => {
                entries.insert(key.clone(), Entry { allowed, ..Entry::default() });
                true
            }
        }
    }

    /// A provider is gone.
    pub fn gone(&self, key: &ProviderKey) {
        lock(&self.entries).remove(key);
    }

    /// All providers of that kind in that namespace (`None`: in all) have been listed.
    pub fn listed(&self, kind: ProviderKind, namespace: Option<&str>) {
        lock(&self.listed).insert((kind, namespace.map(str::to_owned)));
    }

    /// Whether a provider can be used. Returns whether that is news for those who use it.
    pub fn set(&self, key: &ProviderKey, availability: Availability) -> bool {
        let mut entries = lock(&self.entries);
        let Some(entry) = entries.get_mut(key) else { return false };
        let news = match (&entry.availability, &availability) {
            (Availability::Ready(before), Availability::Ready(after)) => {
                !Arc::ptr_eq(&before.api, &after.api) || before.account != after.account
            }
            (
                Availability::NotReady { reason: before, message: said },
                Availability::NotReady { reason: after, message: says },
            ) => before != after || said != says,
            (Availability::Pending, Availability::Pending) => false,
            _ => true,
        };
        entry.availability = availability;
        news
    }

    /// A call has failed in a way that may concern everyone who uses the provider.
    pub fn suspect(&self, key: &ProviderKey) {
        if let Some(entry) = lock(&self.entries).get_mut(key) {
            entry.suspect = true;
        }
    }

    /// Whether the provider was suspected since this was last asked.
    pub fn take_suspicion(&self, key: &ProviderKey) -> bool {
        lock(&self.entries).get_mut(key).is_some_and(|entry| std::mem::take(&mut entry.suspect))
    }

    /// The Secrets that a provider reads: a change of one of them wakes it.
    pub fn reads(&self, key: &ProviderKey, secrets: HashSet<(String, String)>) {
        if let Some(entry) = lock(&self.entries).get_mut(key) {
            entry.secrets = secrets;
        }
    }

    /// The providers that read a Secret.
    pub fn readers(&self, namespace: &str, name: &str) -> Vec<ProviderKey> {
        let secret = (namespace.to_owned(), name.to_owned());
        let entries = lock(&self.entries);
        entries.iter().filter(|(_, entry)| entry.secrets.contains(&secret)).map(|(key, _)| key.clone()).collect()
    }

    /// A namespace has these labels, or is gone. Returns whether that is news.
    pub fn namespace_labels(&self, namespace: &str, labels: Option<BTreeMap<String, String>>) -> bool {
        let mut known = lock(&self.namespace_labels);
        match labels {
            Some(labels) => known.insert(namespace.to_owned(), labels.clone()) != Some(labels),
            None => known.remove(namespace).is_some(),
        }
    }

    /// The provider, as a resource in `namespace` may use it.
    pub fn lookup(&self, key: &ProviderKey, namespace: &str) -> Lookup {
        let entries = lock(&self.entries);
        let Some(entry) = entries.get(key) else {
            return if self.is_listed(key) { Lookup::Missing } else { Lookup::NotListed };
        };
        let allowed = match key.kind {
            ProviderKind::IdentityProvider => true,
            ProviderKind::ClusterIdentityProvider => {
                let labels = lock(&self.namespace_labels).get(namespace).cloned().unwrap_or_default();
                allows(entry.allowed.as_ref(), namespace, &labels)
            }
        };
        if allowed { Lookup::Found(entry.availability.clone()) } else { Lookup::NotAllowed }
    }

    fn is_listed(&self, key: &ProviderKey) -> bool {
        let listed = lock(&self.listed);
        listed.contains(&(key.kind, None)) || listed.contains(&(key.kind, Some(key.namespace.clone())))
    }
}

/// Whether a shared provider lets a namespace use it. Nothing named and nothing selected means nobody.
fn allows(allowed: Option<&AllowedNamespaces>, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
    let Some(allowed) = allowed else { return false };
    allowed.names.iter().any(|name| name == namespace)
        || allowed.selector.as_ref().is_some_and(|selector| {
            // A selector that cannot be read selects nothing; the provider's own condition says what is wrong.
            Selector::try_from(selector.clone()).is_ok_and(|selector| selector.matches(labels))
        })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn key() -> ProviderKey {
        ProviderKey { kind: ProviderKind::ClusterIdentityProvider, namespace: String::new(), name: "didit".into() }
    }

    #[test]
    fn a_shared_provider_denies_every_namespace_that_it_does_not_name() {
        let named = AllowedNamespaces { names: vec!["shop".into()], selector: None };
        let selected = AllowedNamespaces {
            names: vec![],
            selector: Some(LabelSelector {
                match_labels: Some(labels(&[("team", "payments")])),
                ..LabelSelector::default()
            }),
        };
        let everyone = AllowedNamespaces { names: vec![], selector: Some(LabelSelector::default()) };
        let of_payments = labels(&[("team", "payments")]);
        for (allowed, namespace, labels, expected) in [
            (None, "shop", &of_payments, false),
            (Some(&AllowedNamespaces::default()), "shop", &of_payments, false),
            (Some(&named), "shop", &labels(&[]), true),
            (Some(&named), "shop2", &labels(&[]), false),
            (Some(&selected), "a", &of_payments, true),
            (Some(&selected), "a", &labels(&[("team", "search")]), false),
            (Some(&everyone), "a", &labels(&[]), true),
        ] {
            assert_eq!(allows(allowed, namespace, labels), expected, "{allowed:?} {namespace}");
        }
    }

    #[test]
    fn a_provider_is_missing_only_once_all_have_been_listed() {
        let registry = ProviderRegistry::default();
        assert!(matches!(registry.lookup(&key(), "shop"), Lookup::NotListed));
        registry.listed(ProviderKind::ClusterIdentityProvider, None);
        assert!(matches!(registry.lookup(&key(), "shop"), Lookup::Missing));
        registry.exists(&key(), None);
        assert!(matches!(registry.lookup(&key(), "shop"), Lookup::NotAllowed));
    }

    #[test]
    fn only_the_providers_that_read_a_secret_are_woken_by_it() {
        let registry = ProviderRegistry::default();
        registry.exists(&key(), None);
        registry.reads(&key(), [("keywright".to_owned(), "didit".to_owned())].into());
        assert_eq!(registry.readers("keywright", "didit"), [key()]);
        assert!(registry.readers("shop", "didit").is_empty());
    }
}
