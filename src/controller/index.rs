//! Which resources claim which Secret and which application, and rest on which provider, Secret and application.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_openapi::jiff::Timestamp;
use kube::{Resource, ResourceExt};

use super::claims::{Claims, Rank};
use super::registry::ProviderKey;
use crate::api::client_application::PublishedSecret;
use crate::api::identity_account::IdentityAccountSpec;
use crate::api::secret::CaBundleSource;
use crate::api::{AccessToken, ClientApplication, IdentityAccount};
use crate::kube_ext::watch::Change;

/// Namespace and name.
pub type Place = (String, String);

/// An application by its provider and its identifier there.
type ApplicationKey = (ProviderKey, String);

/// The kinds of resource that write a Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConsumerKind {
    /// [`ClientApplication`].
    ClientApplication,
    /// [`AccessToken`].
    AccessToken,
    /// [`IdentityAccount`].
    IdentityAccount,
}

/// A resource that writes a Secret and, unless it is an account, uses a provider.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Consumer {
    /// Its kind.
    pub kind: ConsumerKind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Consumer {
    /// The `ClientApplication` of that name.
    #[must_use]
    pub fn application(namespace: &str, name: &str) -> Self {
        Self {
            kind: ConsumerKind::ClientApplication,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// The `AccessToken` of that name.
    #[must_use]
    pub fn token(namespace: &str, name: &str) -> Self {
        Self {
            kind: ConsumerKind::AccessToken,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// The `IdentityAccount` of that name.
    #[must_use]
    pub fn account(namespace: &str, name: &str) -> Self {
        Self {
            kind: ConsumerKind::IdentityAccount,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}

/// Kind and name, for a sentence within the namespace.
impl fmt::Display for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ConsumerKind::ClientApplication => "ClientApplication",
            ConsumerKind::AccessToken => "AccessToken",
            ConsumerKind::IdentityAccount => "IdentityAccount",
        };
        write!(f, "{kind} {}", self.name)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    secret: (Place, Rank),
    application: Option<(ApplicationKey, Rank)>,
    provider: Option<ProviderKey>,
    /// The Secrets that it reads, such as the one with the credentials of the client it is for.
    reads: BTreeSet<Place>,
    /// The `ClientApplication` that it is for.
    client_of: Option<Place>,
    /// What others can rest on.
    offered: Option<Offered>,
}

/// What an `AccessToken` needs of its `ClientApplication`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Offered {
    client_id: Option<String>,
    secret: Option<(String, String)>,
}

#[derive(Debug, Default)]
struct Maps {
    entries: HashMap<Consumer, Entry>,
    secrets: Claims<Place>,
    applications: Claims<ApplicationKey>,
    users: Relation<ProviderKey>,
    readers: Relation<Place>,
    clients_of: Relation<Place>,
}

/// All resources that use providers and write Secrets, by what they refer to.
#[derive(Debug, Default)]
pub struct ConsumerIndex {
    maps: Mutex<Maps>,
}

impl ConsumerIndex {
    /// Takes in a change of a `ClientApplication`. Returns the resources that may do now what they could not before:
    /// those whose claim on a Secret or an application it may have freed, and those that rest on it.
    pub fn observe_application(&self, change: &Change<'_, ClientApplication>) -> Vec<Consumer> {
        match change {
            Change::Present(application) => {
                let consumer = Consumer::application(
                    &application.namespace().unwrap_or_default(),
                    &application.name_any(),
                );
                let entry = Entry::of_application(application, &consumer.namespace);
                self.lock().replace(consumer, Some(entry))
            }
            Change::Absent { namespace, name } => {
                self.lock().replace(Consumer::application(namespace, name), None)
            }
            Change::Synced => Vec::new(),
        }
    }

    /// Takes in a change of an `AccessToken`. Returns the resources whose claim on a Secret it may have freed.
    pub fn observe_token(&self, change: &Change<'_, AccessToken>) -> Vec<Consumer> {
        match change {
            Change::Present(token) => {
                let consumer = Consumer::token(&token.namespace().unwrap_or_default(), &token.name_any());
                let entry = Entry::of_token(token, &consumer.namespace);
                self.lock().replace(consumer, Some(entry))
            }
            Change::Absent { namespace, name } => self.lock().replace(Consumer::token(namespace, name), None),
            Change::Synced => Vec::new(),
        }
    }

    /// Takes in a change of an `IdentityAccount`. Returns the resources whose claim on a Secret it may have freed.
    pub fn observe_account(&self, change: &Change<'_, IdentityAccount>) -> Vec<Consumer> {
        match change {
            Change::Present(account) => {
                let consumer =
                    Consumer::account(&account.namespace().unwrap_or_default(), &account.name_any());
                let entry = Entry::of_account(account, &consumer.namespace);
                self.lock().replace(consumer, Some(entry))
            }
            Change::Absent { namespace, name } => {
                self.lock().replace(Consumer::account(namespace, name), None)
            }
            Change::Synced => Vec::new(),
        }
    }

    /// Reserves a Secret for a resource, until that is gone or names another. Returns the resource that it is reserved
    /// for instead: whoever `holds` the Secret or reserved it first, else the oldest that claims it.
    pub fn claim(&self, consumer: &Consumer, secret: &str, holds: bool) -> Option<Consumer> {
        let key = (consumer.namespace.clone(), secret.to_owned());
        let mut maps = self.lock();
        let known = maps.entries.contains_key(consumer);
        maps.secrets.claim(consumer, key, holds, known)
    }

    /// Reserves an application for a resource, until that is gone. Returns the resource that it is reserved for
    /// instead, perhaps of another namespace: whoever `holds` it by its status or reserved it first, else the oldest
    /// that wants it.
    pub fn claim_application(
        &self,
        consumer: &Consumer,
        provider: &ProviderKey,
        id: &str,
        holds: bool,
    ) -> Option<Consumer> {
        let key = (provider.clone(), id.to_owned());
        let mut maps = self.lock();
        let known = maps.entries.contains_key(consumer);
        maps.applications.claim(consumer, key, holds, known)
    }

    /// The resources of a namespace that claim a Secret.
    pub fn claimants(&self, namespace: &str, secret: &str) -> Vec<Consumer> {
        let key = (namespace.to_owned(), secret.to_owned());
        self.lock().secrets.claimants(&key).collect()
    }

    /// The resources that rest on a Secret that somebody else writes.
    pub fn readers(&self, namespace: &str, secret: &str) -> Vec<Consumer> {
        self.lock().readers.of(&(namespace.to_owned(), secret.to_owned()))
    }

    /// The resources that use a provider.
    pub fn users(&self, provider: &ProviderKey) -> Vec<Consumer> {
        self.lock().users.of(provider)
    }

    /// Every resource of a kind.
    pub fn all(&self, kind: ConsumerKind) -> Vec<Consumer> {
        let maps = self.lock();
        maps.entries
            .keys()
            .filter(|consumer| consumer.kind == kind)
            .cloned()
            .collect()
    }

    /// The resources of a namespace, whatever they refer to.
    pub fn of_namespace(&self, namespace: &str) -> Vec<Consumer> {
        let maps = self.lock();
        maps.entries
            .keys()
            .filter(|consumer| consumer.namespace == namespace)
            .cloned()
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Maps> {
        self.maps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn of_application(application: &ClientApplication, namespace: &str) -> Self {
        let created = created(application);
        let rank = |wanted_only| Rank { wanted_only, created };
        let spec = &application.spec;
        let provider = ProviderKey::of(&spec.provider_ref, namespace);
        let status = application.status.as_ref();
        let held = status.and_then(|status| status.application_id.clone());
        let wanted = spec
            .adopt
            .as_ref()
            .and_then(|adoption| adoption.application_id.as_ref());
        let (id, wanted_only) = match (held, wanted) {
            (Some(held), _) => (Some(held), false),
            (None, wanted) => (wanted.cloned(), true),
        };
        let key_of = |secret: &PublishedSecret| (secret.name.clone(), secret.application_digest.clone());
        Self {
            secret: ((namespace.to_owned(), spec.secret.name.clone()), rank(true)),
            application: id.map(|id| ((provider.clone(), id), rank(wanted_only))),
            provider: Some(provider),
            reads: BTreeSet::new(),
            client_of: None,
            offered: Some(Offered {
                client_id: status.and_then(|status| status.client_id.clone()),
                secret: status.and_then(|status| status.secret.as_ref()).map(key_of),
            }),
        }
    }

    fn of_token(token: &AccessToken, namespace: &str) -> Self {
        let rank = Rank {
            wanted_only: true,
            created: created(token),
        };
        let spec = &token.spec;
        let here = |name: &String| (namespace.to_owned(), name.clone());
        Self {
            secret: (here(&spec.secret.name), rank),
            application: None,
            provider: Some(ProviderKey::of(&spec.provider_ref, namespace)),
            reads: spec
                .client
                .secret_ref
                .iter()
                .map(|secret| here(&secret.name))
                .collect(),
            client_of: spec
                .client
                .client_application_ref
                .as_ref()
                .map(|application| here(&application.name)),
            offered: None,
        }
    }

    fn of_account(account: &IdentityAccount, namespace: &str) -> Self {
        let rank = Rank {
            wanted_only: true,
            created: created(account),
        };
        let here = |name: &str| (namespace.to_owned(), name.to_owned());
        Self {
            secret: (here(&account.spec.secret.name), rank),
            application: None,
            provider: None,
            reads: read_by(&account.spec).map(here).collect(),
            client_of: None,
            offered: None,
        }
    }
}

/// Names of the Secrets that an account rests on.
fn read_by(spec: &IdentityAccountSpec) -> impl Iterator<Item = &str> {
    let mailbox = spec.code.mailbox.as_ref();
    [
        spec.password_secret_ref
            .as_ref()
            .map(|reference| reference.name.as_str()),
        spec.code
            .secret_ref
            .as_ref()
            .map(|reference| reference.name.as_str()),
        mailbox.map(|mailbox| mailbox.secret_ref.name.as_str()),
        of_bundle(spec.didit.ca_bundle.as_ref()),
        of_bundle(mailbox.and_then(|mailbox| mailbox.ca_bundle.as_ref())),
    ]
    .into_iter()
    .flatten()
}

fn of_bundle(bundle: Option<&CaBundleSource>) -> Option<&str> {
    let reference = bundle?.secret_key_ref.as_ref()?;
    Some(&reference.name)
}

fn created(object: &impl Resource) -> Timestamp {
    object.creation_timestamp().map_or(Timestamp::MAX, |time| time.0)
}

impl Maps {
    /// Puts another entry, or none, in the place of the one before. Returns for whom that may change something.
    fn replace(&mut self, consumer: Consumer, entry: Option<Entry>) -> Vec<Consumer> {
        let before = self.entries.remove(&consumer);
        let (old, new) = (before.as_ref(), entry.as_ref());
        let mut woken = self.secrets.change(
            &consumer,
            old.map(|entry| &entry.secret),
            new.map(|entry| &entry.secret),
        );
        woken.extend(self.applications.change(
            &consumer,
            old.and_then(|entry| entry.application.as_ref()),
            new.and_then(|entry| entry.application.as_ref()),
        ));
        if new.is_none() {
            self.applications.release(&consumer);
        }
        self.users.change(
            &consumer,
            old.and_then(|entry| entry.provider.as_ref()),
            new.and_then(|entry| entry.provider.as_ref()),
        );
        for read in old.into_iter().flat_map(|entry| &entry.reads) {
            self.readers.change(&consumer, Some(read), None);
        }
        for read in new.into_iter().flat_map(|entry| &entry.reads) {
            self.readers.change(&consumer, None, Some(read));
        }
        self.clients_of.change(
            &consumer,
            old.and_then(|entry| entry.client_of.as_ref()),
            new.and_then(|entry| entry.client_of.as_ref()),
        );
        let offered = |entry: Option<&Entry>| entry.and_then(|entry| entry.offered.clone());
        if consumer.kind == ConsumerKind::ClientApplication && offered(old) != offered(new) {
            let place = (consumer.namespace.clone(), consumer.name.clone());
            woken.extend(self.clients_of.of(&place));
        }
        if let Some(entry) = entry {
            self.entries.insert(consumer, entry);
        }
        woken
    }
}

/// Who refers to what.
#[derive(Debug)]
struct Relation<K> {
    referring: HashMap<K, BTreeSet<Consumer>>,
}

impl<K> Default for Relation<K> {
    fn default() -> Self {
        Self {
            referring: HashMap::new(),
        }
    }
}

impl<K: Clone + Eq + Hash> Relation<K> {
    fn of(&self, key: &K) -> Vec<Consumer> {
        self.referring.get(key).into_iter().flatten().cloned().collect()
    }

    fn change(&mut self, consumer: &Consumer, before: Option<&K>, after: Option<&K>) {
        if before == after {
            return;
        }
        if let Some(key) = before
            && let Some(referring) = self.referring.get_mut(key)
        {
            referring.remove(consumer);
            if referring.is_empty() {
                self.referring.remove(key);
            }
        }
        if let Some(key) = after {
            self.referring
                .entry(key.clone())
                .or_default()
                .insert(consumer.clone());
        }
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
        let index = ConsumerIndex::default();
        index.observe_application(&Change::Present(&application("younger", "shared", 20)));
        index.observe_application(&Change::Present(&application("older", "shared", 10)));
        assert_eq!(
            index
                .claim(&Consumer::application("shop", "younger"), "shared", false)
                .map(|rival| rival.name)
                .as_deref(),
            Some("older")
        );
        assert_eq!(
            index.claim(&Consumer::application("shop", "older"), "shared", false),
            None
        );
        assert_eq!(
            index.claim(&Consumer::application("other", "younger"), "shared", false),
            None
        );

        let freed = index.observe_application(&Change::Absent {
            namespace: "shop",
            name: "older",
        });
        assert_eq!(freed, [Consumer::application("shop", "younger")]);
        assert_eq!(
            index.claim(&Consumer::application("shop", "younger"), "shared", false),
            None
        );
    }

    #[test]
    fn a_claim_that_was_granted_is_not_taken_back_by_one_that_is_learned_of_later() {
        let index = ConsumerIndex::default();
        index.observe_application(&Change::Present(&application("zeta", "shared", 10)));
        assert_eq!(
            index.claim(&Consumer::application("shop", "zeta"), "shared", false),
            None
        );
        index.observe_application(&Change::Present(&application("alpha", "shared", 10)));
        assert_eq!(
            index
                .claim(&Consumer::application("shop", "alpha"), "shared", false)
                .map(|rival| rival.name)
                .as_deref(),
            Some("zeta")
        );
        assert_eq!(
            index.claim(&Consumer::application("shop", "zeta"), "shared", false),
            None
        );
    }

    #[test]
    fn who_holds_the_secret_keeps_it() {
        let index = ConsumerIndex::default();
        index.observe_application(&Change::Present(&application("older", "shared", 10)));
        index.observe_application(&Change::Present(&application("younger", "shared", 20)));
        assert_eq!(
            index.claim(&Consumer::application("shop", "younger"), "shared", true),
            None
        );
        assert_eq!(
            index
                .claim(&Consumer::application("shop", "older"), "shared", false)
                .map(|rival| rival.name)
                .as_deref(),
            Some("younger")
        );
    }

    #[test]
    fn another_secret_name_frees_the_earlier_one() {
        let index = ConsumerIndex::default();
        index.observe_application(&Change::Present(&application("older", "shared", 10)));
        index.observe_application(&Change::Present(&application("younger", "shared", 20)));
        let freed = index.observe_application(&Change::Present(&application("older", "own", 10)));
        assert_eq!(freed, [Consumer::application("shop", "younger")]);
        assert_eq!(
            index.claimants("shop", "own"),
            [Consumer::application("shop", "older")]
        );
    }

    fn adopting(namespace: &str, name: &str, created: i64, recorded: bool) -> ClientApplication {
        let mut application = application(name, name, created);
        application.metadata.namespace = Some(namespace.into());
        application.spec.provider_ref.kind = ProviderKind::ClusterIdentityProvider;
        application.spec.adopt = Some(Adoption {
            application_id: Some("app-1".into()),
            account_ref: None,
        });
        application.status = recorded.then(|| ClientApplicationStatus {
            application_id: Some("app-1".into()),
            ..ClientApplicationStatus::default()
        });
        application
    }

    #[test]
    fn an_application_goes_to_the_oldest_that_wants_it_and_then_to_the_next() {
        let index = ConsumerIndex::default();
        let older = adopting("a", "older", 10, false);
        index.observe_application(&Change::Present(&adopting("b", "younger", 20, false)));
        index.observe_application(&Change::Present(&older));
        let provider = ProviderKey::of(&older.spec.provider_ref, "a");
        let claim = |namespace: &str, name: &str, id: &str, holds| {
            index.claim_application(&Consumer::application(namespace, name), &provider, id, holds)
        };
        let older_place = Consumer::application("a", "older");
        assert_eq!(claim("b", "younger", "app-1", false), Some(older_place.clone()));
        assert_eq!(claim("b", "younger", "app-2", false), None);
        assert_eq!(claim("a", "older", "app-1", false), None);

        // What is reserved stays so while it is recorded, and after that.
        let freed = index.observe_application(&Change::Present(&adopting("a", "older", 10, true)));
        assert_eq!(freed, []);
        assert_eq!(claim("b", "younger", "app-1", false), Some(older_place));

        let freed = index.observe_application(&Change::Absent {
            namespace: "a",
            name: "older",
        });
        assert_eq!(freed, [Consumer::application("b", "younger")]);
        assert_eq!(claim("b", "younger", "app-1", false), None);
    }

    #[test]
    fn who_has_the_application_keeps_it_after_a_restart() {
        let index = ConsumerIndex::default();
        let younger = adopting("b", "younger", 20, true);
        index.observe_application(&Change::Present(&adopting("a", "older", 10, false)));
        index.observe_application(&Change::Present(&younger));
        let provider = ProviderKey::of(&younger.spec.provider_ref, "b");
        let older = Consumer::application("a", "older");
        assert_eq!(
            index.claim_application(&older, &provider, "app-1", false),
            Some(Consumer::application("b", "younger"))
        );
    }

    #[test]
    fn a_secret_that_is_reserved_stays_so_when_the_application_is_recorded() {
        let index = ConsumerIndex::default();
        index.observe_application(&Change::Present(&application("younger", "shared", 20)));
        assert_eq!(
            index.claim(&Consumer::application("shop", "younger"), "shared", false),
            None
        );
        index.observe_application(&Change::Present(&application("older", "shared", 10)));
        let mut recorded = application("younger", "shared", 20);
        recorded.status = Some(ClientApplicationStatus {
            application_id: Some("app-1".into()),
            ..ClientApplicationStatus::default()
        });
        index.observe_application(&Change::Present(&recorded));
        assert_eq!(
            index
                .claim(&Consumer::application("shop", "older"), "shared", false)
                .map(|rival| rival.name)
                .as_deref(),
            Some("younger")
        );
    }

    #[test]
    fn a_change_of_a_provider_wakes_only_its_users() {
        let index = ConsumerIndex::default();
        let payments = application("payments", "a", 1);
        index.observe_application(&Change::Present(&payments));
        let key = ProviderKey::of(&payments.spec.provider_ref, "shop");
        assert_eq!(index.users(&key), [Consumer::application("shop", "payments")]);
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
