//! The identity providers as resources that use them see them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::core::{Selector, SelectorExt};
use tokio::time::Instant;

use super::token::client::LoadedClient;
use crate::api::client_application::{ProviderKind, ProviderReference};
use crate::api::oauth2::ClientAuthentication;
use crate::api::provider::AllowedNamespaces;
use crate::credential::secret_content::Vocabulary;
use crate::identity::oauth2::ClientCredentials;
use crate::identity::token::{TokenApi, TokenServer};
use crate::identity::{CallError, ErrorKind, IdentityApi, VerifiedAccount};

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
        Self {
            kind: reference.kind,
            namespace,
            name: reference.name.clone(),
        }
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
pub enum Connection {
    /// It keeps client applications.
    Applications(Applications),
    /// It only gives out tokens.
    TokensOnly,
}

/// An identity API that keeps client applications.
#[derive(Clone)]
pub struct Applications {
    /// The identity API, logged in as the provider's account.
    pub api: Arc<dyn IdentityApi>,
    /// The account and its organization.
    pub account: VerifiedAccount,
}

/// Where a provider gives out tokens. That may work while its account cannot log in.
#[derive(Clone)]
pub struct Tokens {
    /// Tells what it was opened with: another version may have other clients.
    pub version: String,
    /// Digest of which server that is and what it is always asked with: another one has other tokens.
    pub server_digest: String,
    /// The authorization server.
    pub server: Arc<dyn TokenServer>,
    /// The provider's own account, where it has one.
    pub account: Option<AccountTokens>,
    /// How clients authenticate unless they say otherwise.
    pub authentication: Option<ClientAuthentication>,
    /// Whether resources that ask for the same token share one.
    pub shared: bool,
    /// Whose names environment variables get.
    pub vocabulary: Vocabulary,
}

/// The tokens of a provider's own account.
#[derive(Clone)]
pub struct AccountTokens {
    /// The account's name.
    pub name: String,
    /// Where they are got.
    pub api: Arc<dyn TokenApi>,
}

impl Tokens {
    /// Under which key the tokens for a request are kept: the same for all who share them. An account's tokens are those
    /// of its login, and always shared.
    #[must_use]
    pub fn key(
        &self,
        provider: &ProviderKey,
        client: &LoadedClient,
        request_digest: &str,
        uid: &str,
    ) -> String {
        if self.shares(client) {
            format!(
                "{provider:?}/{}/{}/{request_digest}",
                self.server_digest,
                client.fingerprint.as_key()
            )
        } else {
            uid.to_owned()
        }
    }

    /// Whether others may have the same token.
    #[must_use]
    pub fn shares(&self, client: &LoadedClient) -> bool {
        self.shared || client.credentials.is_none()
    }

    /// The server as this client; the account's own tokens where there are no credentials.
    ///
    /// # Errors
    /// What is wrong with the credentials.
    pub fn api_for(&self, credentials: Option<&ClientCredentials>) -> Result<Arc<dyn TokenApi>, CallError> {
        match (credentials, &self.account) {
            (Some(credentials), _) => self.server.client(credentials),
            (None, Some(account)) => Ok(Arc::clone(&account.api)),
            (None, None) => Err(CallError {
                operation: "requestToken",
                kind: ErrorKind::Misconfigured {
                    reason: "ProviderHasNoAccount",
                },
                message: "the identity provider has no account of its own".to_owned(),
            }),
        }
    }
}

/// What a namespace may do with a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Granted {
    /// Adopt applications.
    pub adoption: bool,
    /// Have the account's own tokens.
    pub account_tokens: bool,
    /// The scopes it may ask for; `None` means any.
    pub scopes: Option<Vec<String>>,
}

impl Connection {
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Applications(one), Self::Applications(other)) => {
                Arc::ptr_eq(&one.api, &other.api) && one.account == other.account
            }
            (Self::TokensOnly, Self::TokensOnly) => true,
            _ => false,
        }
    }
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
    /// Shared providers are not looked after.
    TurnedOff,
    /// It exists.
    Found {
        /// Whether it can be used.
        availability: Availability,
        /// Where it gives out tokens, if that is known.
        tokens: Option<Arc<Tokens>>,
        /// What the namespace may do with it.
        granted: Granted,
        /// Another number for each change that is news for those who use it.
        revision: u64,
    },
}

/// Who may do what with a shared provider. An `IdentityProvider` is its namespace's own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Access {
    /// The namespaces that may use it.
    pub namespaces: Option<AllowedNamespaces>,
    /// What they may do.
    pub granted: Granted,
}

#[derive(Default)]
struct Entry {
    availability: Availability,
    tokens: Option<Arc<Tokens>>,
    access: Access,
    /// Secrets it reads, as (namespace, name).
    secrets: HashSet<(String, String)>,
    /// The `IdentityAccount` it uses, as (namespace, name).
    account: Option<(String, String)>,
    /// A call of a resource that uses it has failed in a way that may concern all of them.
    suspect: bool,
    /// What it was opened with is gone, and since when; the connection still works.
    closed: Option<(Applications, Instant)>,
    /// Another number for each change that is news for those who use it.
    revision: u64,
}

/// A provider that is gone, whose connection still works.
struct Departed {
    applications: Applications,
    access: Access,
    since: Instant,
}

/// Reasons of a provider that was usable and has lost what it was opened with, which says nothing against the open
/// connection.
const LOST_WHAT_OPENED_IT: [&str; 3] = ["SecretNotFound", "CaBundleNotFound", "AccountNotFound"];

/// All providers, kept by their controllers and by the watches.
#[derive(Default)]
pub struct ProviderRegistry {
    entries: Mutex<HashMap<ProviderKey, Entry>>,
    listed: Mutex<HashSet<(ProviderKind, Option<String>)>>,
    namespace_labels: Mutex<HashMap<String, BTreeMap<String, String>>>,
    shared_turned_off: AtomicBool,
    departed: Mutex<HashMap<ProviderKey, Departed>>,
    revisions: AtomicU64,
    /// How long the connection of a provider that is gone serves the resources that are being deleted.
    kept_for: Duration,
}

impl ProviderRegistry {
    /// A registry that keeps the connection of a provider that is gone for so long, for the resources that are being
    /// deleted.
    #[must_use]
    pub fn keeping_connections_for(kept_for: Duration) -> Self {
        Self {
            kept_for,
            ..Self::default()
        }
    }

    /// A provider exists, and grants this access. Returns whether that is news.
    pub fn exists(&self, key: &ProviderKey, access: Access) -> bool {
        let mut entries = lock(&self.entries);
        match entries.get_mut(key) {
            Some(entry) if entry.access == access => false,
            Some(entry) => {
                entry.access = access;
                entry.revision = self.next_revision();
                true
            }
            None => {
                lock(&self.departed).remove(key);
                entries.insert(
                    key.clone(),
                    Entry {
                        access,
                        revision: self.next_revision(),
                        ..Entry::default()
                    },
                );
                true
            }
        }
    }

    /// Shared providers are not looked after.
    pub fn turn_shared_off(&self) {
        self.shared_turned_off.store(true, Ordering::Relaxed);
    }

    /// A provider is gone.
    pub fn gone(&self, key: &ProviderKey) {
        let Some(entry) = lock(&self.entries).remove(key) else {
            return;
        };
        let closed = match entry.availability {
            Availability::Ready(Connection::Applications(applications)) => {
                Some((applications, Instant::now()))
            }
            _ => entry.closed,
        };
        let mut departed = self.departed();
        if let Some((applications, since)) = closed {
            let access = entry.access;
            departed.insert(
                key.clone(),
                Departed {
                    applications,
                    access,
                    since,
                },
            );
        }
    }

    /// All providers of that kind in that namespace (`None`: in all) have been listed.
    pub fn listed(&self, kind: ProviderKind, namespace: Option<&str>) {
        lock(&self.listed).insert((kind, namespace.map(str::to_owned)));
    }

    /// Whether a provider can be used. Returns whether that is news for those who use it.
    pub fn set(&self, key: &ProviderKey, availability: Availability, tokens: Option<Tokens>) -> bool {
        let tokens = tokens.map(Arc::new);
        let mut entries = lock(&self.entries);
        let Some(entry) = entries.get_mut(key) else {
            return false;
        };
        let version = |tokens: &Option<Arc<Tokens>>| tokens.as_ref().map(|tokens| tokens.version.clone());
        let other_tokens = version(&entry.tokens) != version(&tokens);
        entry.tokens = tokens;
        let news = match (&entry.availability, &availability) {
            (Availability::Ready(before), Availability::Ready(after)) => !before.is_same(after),
            // The message may count seconds; its every change must not wake everybody.
            (Availability::NotReady { reason: before, .. }, Availability::NotReady { reason: after, .. }) => {
                before != after
            }
            (Availability::Pending, Availability::Pending) => false,
            _ => true,
        };
        let before = std::mem::replace(&mut entry.availability, availability);
        entry.closed = match (before, &entry.availability) {
            (_, Availability::NotReady { reason, .. }) if !LOST_WHAT_OPENED_IT.contains(&reason.as_str()) => {
                None
            }
            (Availability::Ready(Connection::Applications(applications)), Availability::NotReady { .. }) => {
                Some((applications, Instant::now()))
            }
            (_, Availability::NotReady { .. }) => entry.closed.take(),
            _ => None,
        };
        let is_news = news || other_tokens;
        if is_news {
            entry.revision = self.next_revision();
        }
        is_news
    }

    fn next_revision(&self) -> u64 {
        self.revisions.fetch_add(1, Ordering::Relaxed)
    }

    /// A call has failed in a way that may concern everyone who uses the provider.
    pub fn suspect(&self, key: &ProviderKey) {
        if let Some(entry) = lock(&self.entries).get_mut(key) {
            entry.suspect = true;
        }
    }

    /// Whether the provider was suspected since this was last asked.
    pub fn take_suspicion(&self, key: &ProviderKey) -> bool {
        lock(&self.entries)
            .get_mut(key)
            .is_some_and(|entry| std::mem::take(&mut entry.suspect))
    }

    /// The Secrets that a provider reads: a change of one of them wakes it.
    pub fn reads(&self, key: &ProviderKey, secrets: HashSet<(String, String)>) {
        if let Some(entry) = lock(&self.entries).get_mut(key) {
            entry.secrets = secrets;
        }
    }

    /// The `IdentityAccount` that a provider uses: a change of it wakes the provider.
    pub fn rests_on(&self, key: &ProviderKey, account: Option<(String, String)>) {
        if let Some(entry) = lock(&self.entries).get_mut(key) {
            entry.account = account;
        }
    }

    /// The providers that use an `IdentityAccount`.
    pub fn resting_on(&self, account: &(String, String)) -> Vec<ProviderKey> {
        let entries = lock(&self.entries);
        entries
            .iter()
            .filter(|(_, entry)| entry.account.as_ref() == Some(account))
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// Every provider.
    pub fn all(&self) -> Vec<ProviderKey> {
        lock(&self.entries).keys().cloned().collect()
    }

    /// The providers that read a Secret.
    pub fn readers(&self, namespace: &str, name: &str) -> Vec<ProviderKey> {
        let secret = (namespace.to_owned(), name.to_owned());
        let entries = lock(&self.entries);
        entries
            .iter()
            .filter(|(_, entry)| entry.secrets.contains(&secret))
            .map(|(key, _)| key.clone())
            .collect()
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
        let is_shared = key.kind == ProviderKind::ClusterIdentityProvider;
        if is_shared && self.shared_turned_off.load(Ordering::Relaxed) {
            return Lookup::TurnedOff;
        }
        let entries = lock(&self.entries);
        let Some(entry) = entries.get(key) else {
            return if self.is_listed(key) {
                Lookup::Missing
            } else {
                Lookup::NotListed
            };
        };
        match self.may_use(key, &entry.access, namespace) {
            Some(true) => {}
            Some(false) => return Lookup::NotAllowed,
            None => return Lookup::NotListed,
        }
        let granted = if is_shared {
            entry.access.granted.clone()
        } else {
            Granted {
                adoption: true,
                account_tokens: true,
                scopes: None,
            }
        };
        Lookup::Found {
            availability: entry.availability.clone(),
            tokens: entry.tokens.clone(),
            granted,
            revision: entry.revision,
        }
    }

    /// Whether a namespace may use a provider; `None` while that is not known.
    fn may_use(&self, key: &ProviderKey, access: &Access, namespace: &str) -> Option<bool> {
        match key.kind {
            ProviderKind::IdentityProvider => Some(true),
            ProviderKind::ClusterIdentityProvider => allows(
                access.namespaces.as_ref(),
                namespace,
                lock(&self.namespace_labels).get(namespace),
            ),
        }
    }

    /// The provider, as a resource in `namespace` that is being deleted may use it to give up what it has. Whoever
    /// deletes a namespace deletes the provider and its account's Secret too, and nobody says in which order: an
    /// open connection outlives them for a while.
    pub fn lookup_to_release(&self, key: &ProviderKey, namespace: &str) -> Lookup {
        let found = self.lookup(key, namespace);
        let kept = match &found {
            Lookup::Missing => self
                .departed()
                .get(key)
                .filter(|departed| self.may_use(key, &departed.access, namespace) == Some(true))
                .map(|departed| departed.applications.clone()),
            Lookup::Found {
                availability: Availability::NotReady { .. },
                ..
            } => lock(&self.entries)
                .get(key)
                .and_then(|entry| entry.closed.as_ref())
                .filter(|(_, since)| since.elapsed() < self.kept_for)
                .map(|(applications, _)| applications.clone()),
            _ => None,
        };
        match kept {
            Some(applications) => Lookup::Found {
                availability: Availability::Ready(Connection::Applications(applications)),
                tokens: None,
                granted: Granted::default(),
                revision: 0,
            },
            None => found,
        }
    }

    /// The providers that are gone and whose time is not over: a connection holds the account's credentials, which are
    /// not to be kept for longer.
    fn departed(&self) -> MutexGuard<'_, HashMap<ProviderKey, Departed>> {
        let mut departed = lock(&self.departed);
        departed.retain(|_, departed| departed.since.elapsed() < self.kept_for);
        departed
    }

    fn is_listed(&self, key: &ProviderKey) -> bool {
        let listed = lock(&self.listed);
        listed.contains(&(key.kind, None)) || listed.contains(&(key.kind, Some(key.namespace.clone())))
    }
}

/// Whether a shared provider lets a namespace use it. Nothing named and nothing selected means nobody. `None`
/// when that depends on labels that are not known yet: a selector may well match a namespace without labels.
fn allows(
    allowed: Option<&AllowedNamespaces>,
    namespace: &str,
    labels: Option<&BTreeMap<String, String>>,
) -> Option<bool> {
    let Some(allowed) = allowed else {
        return Some(false);
    };
    if allowed.names.iter().any(|name| name == namespace) {
        return Some(true);
    }
    let Some(selector) = &allowed.selector else {
        return Some(false);
    };
    // A selector that cannot be read selects nothing; the provider's own condition says what is wrong.
    let Ok(selector) = Selector::try_from(selector.clone()) else {
        return Some(false);
    };
    labels.map(|labels| selector.matches(labels))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
    use secrecy::SecretString;

    use super::*;
    use crate::identity::{
        Application, ApplicationMetadata, ApplicationSummary, Capabilities, KeyVerdict, Organization,
    };

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn key() -> ProviderKey {
        ProviderKey {
            kind: ProviderKind::ClusterIdentityProvider,
            namespace: String::new(),
            name: "didit".into(),
        }
    }

    #[test]
    fn a_shared_provider_denies_every_namespace_that_it_does_not_name() {
        let named = AllowedNamespaces {
            names: vec!["shop".into()],
            selector: None,
        };
        let selected = AllowedNamespaces {
            names: vec![],
            selector: Some(LabelSelector {
                match_labels: Some(labels(&[("team", "payments")])),
                ..LabelSelector::default()
            }),
        };
        let everyone = AllowedNamespaces {
            names: vec![],
            selector: Some(LabelSelector::default()),
        };
        let of_payments = labels(&[("team", "payments")]);
        let of_search = labels(&[("team", "search")]);
        let none = labels(&[]);
        for (allowed, namespace, labels, expected) in [
            (None, "shop", Some(&of_payments), Some(false)),
            (
                Some(&AllowedNamespaces::default()),
                "shop",
                Some(&of_payments),
                Some(false),
            ),
            (Some(&named), "shop", Some(&none), Some(true)),
            (Some(&named), "shop", None, Some(true)),
            (Some(&named), "shop2", Some(&none), Some(false)),
            (Some(&selected), "a", Some(&of_payments), Some(true)),
            (Some(&selected), "a", Some(&of_search), Some(false)),
            (Some(&everyone), "a", Some(&none), Some(true)),
        ] {
            assert_eq!(
                allows(allowed, namespace, labels),
                expected,
                "{allowed:?} {namespace}"
            );
        }
    }

    #[test]
    fn a_namespace_whose_labels_are_unknown_is_not_let_in_by_a_selector() {
        let trusted = serde_json::json!({"selector": {"matchExpressions": [{"key": "untrusted", "operator": "DoesNotExist"}]}});
        let access = Access {
            namespaces: serde_json::from_value(trusted).unwrap(),
            ..Access::default()
        };
        let registry = ProviderRegistry::default();
        registry.exists(&key(), access);
        assert!(matches!(registry.lookup(&key(), "shop"), Lookup::NotListed));
        registry.namespace_labels("shop", Some(labels(&[("untrusted", "yes")])));
        assert!(matches!(registry.lookup(&key(), "shop"), Lookup::NotAllowed));
        registry.namespace_labels("shop", Some(labels(&[])));
        assert!(matches!(registry.lookup(&key(), "shop"), Lookup::Found { .. }));
    }

    #[test]
    fn whatever_is_news_about_a_provider_has_another_revision() {
        let registry = ProviderRegistry::default();
        let revision = || match registry.lookup(&key(), "shop") {
            Lookup::Found { revision, .. } => revision,
            _ => panic!("the provider is there"),
        };
        let access = |scope: &str| Access {
            namespaces: Some(AllowedNamespaces {
                names: vec!["shop".into()],
                selector: None,
            }),
            granted: Granted {
                scopes: Some(vec![scope.into()]),
                ..Granted::default()
            },
        };
        let mut seen = std::collections::BTreeSet::new();
        let mut is_news = |news: bool| assert_eq!(seen.insert(revision()), news);
        registry.exists(&key(), access("read"));
        is_news(true);
        registry.exists(&key(), access("read"));
        is_news(false);
        registry.exists(&key(), access("write"));
        is_news(true);
        registry.set(&key(), not_ready("Unreachable"), None);
        is_news(true);
        registry.set(&key(), not_ready("Unreachable"), None);
        is_news(false);
        registry.set(&key(), not_ready("LoginRefused"), None);
        is_news(true);
        registry.gone(&key());
        registry.exists(&key(), access("write"));
        is_news(true);
    }

    #[test]
    fn a_provider_is_missing_only_once_all_have_been_listed() {
        let registry = ProviderRegistry::default();
        assert!(matches!(registry.lookup(&key(), "shop"), Lookup::NotListed));
        registry.listed(ProviderKind::ClusterIdentityProvider, None);
        assert!(matches!(registry.lookup(&key(), "shop"), Lookup::Missing));
        registry.exists(&key(), Access::default());
        assert!(matches!(registry.lookup(&key(), "shop"), Lookup::NotAllowed));
    }

    /// An identity API that nobody calls.
    struct Silent;

    #[async_trait]
    impl IdentityApi for Silent {
        fn capabilities(&self) -> Capabilities {
            unreachable!()
        }

        fn workload_endpoint(&self) -> &'static str {
            "https://api.example/v3"
        }

        async fn verify(&self) -> Result<VerifiedAccount, CallError> {
            std::future::pending().await
        }

        fn check_application_id(&self, _: &str) -> Result<(), CallError> {
            Ok(())
        }

        async fn list_applications(&self) -> Result<Vec<ApplicationSummary>, CallError> {
            std::future::pending().await
        }

        async fn read_application(&self, _: &str) -> Result<Application, CallError> {
            std::future::pending().await
        }

        async fn create_application(&self, _: &ApplicationMetadata) -> Result<Application, CallError> {
            std::future::pending().await
        }

        async fn update_application(
            &self,
            _: &str,
            _: &ApplicationMetadata,
        ) -> Result<Application, CallError> {
            std::future::pending().await
        }

        async fn probe_key(&self, _: &SecretString) -> Result<KeyVerdict, CallError> {
            std::future::pending().await
        }
    }

    fn connected() -> Availability {
        Availability::Ready(Connection::Applications(Applications {
            api: Arc::new(Silent),
            account: VerifiedAccount {
                account: "ops@corp.example.net".into(),
                organization: Organization {
                    id: "org".into(),
                    name: "Corp".into(),
                },
            },
        }))
    }

    fn not_ready(reason: &str) -> Availability {
        Availability::NotReady {
            reason: reason.into(),
            message: String::new(),
        }
    }

    fn can_release(registry: &ProviderRegistry, key: &ProviderKey) -> bool {
        matches!(
            registry.lookup_to_release(key, "shop"),
            Lookup::Found {
                availability: Availability::Ready(Connection::Applications(_)),
                ..
            }
        )
    }

    #[tokio::test(start_paused = true)]
    async fn a_deletion_can_use_the_connection_of_a_provider_that_went_first() {
        const KEPT: Duration = Duration::from_secs(120);
        let key = ProviderKey {
            kind: ProviderKind::IdentityProvider,
            namespace: "shop".into(),
            name: "didit".into(),
        };
        for (before, works) in [
            (vec![connected()], true),
            (vec![connected(), not_ready("SecretNotFound")], true),
            (
                vec![
                    connected(),
                    not_ready("SecretNotFound"),
                    not_ready("SecretNotFound"),
                ],
                true,
            ),
            (vec![connected(), not_ready("Suspended")], false),
            (
                vec![connected(), not_ready("SecretNotFound"), not_ready("Suspended")],
                false,
            ),
            (vec![connected(), not_ready("LoginRefused")], false),
            (vec![not_ready("SecretNotFound")], false),
            (vec![], false),
        ] {
            let registry = ProviderRegistry::keeping_connections_for(KEPT);
            registry.listed(ProviderKind::IdentityProvider, None);
            registry.exists(&key, Access::default());
            for availability in before {
                registry.set(&key, availability, None);
            }
            assert_eq!(can_release(&registry, &key), works);
            registry.gone(&key);
            assert_eq!(can_release(&registry, &key), works);
            assert!(
                matches!(registry.lookup(&key, "shop"), Lookup::Missing),
                "nobody else uses it"
            );
            tokio::time::advance(KEPT).await;
            assert!(!can_release(&registry, &key), "not for ever");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_provider_that_is_there_again_is_used_as_it_is_now() {
        let registry = ProviderRegistry::keeping_connections_for(Duration::from_secs(120));
        let access = Access {
            namespaces: Some(AllowedNamespaces {
                names: vec!["shop".into()],
                selector: None,
            }),
            ..Access::default()
        };
        registry.listed(ProviderKind::ClusterIdentityProvider, None);
        registry.exists(&key(), access.clone());
        registry.set(&key(), connected(), None);
        registry.gone(&key());
        assert!(can_release(&registry, &key()));
        assert!(matches!(
            registry.lookup_to_release(&key(), "other"),
            Lookup::Missing
        ));
        registry.exists(&key(), access);
        assert!(!can_release(&registry, &key()));
        registry.gone(&key());
        assert!(!can_release(&registry, &key()));
    }

    #[test]
    fn only_the_providers_that_read_a_secret_are_woken_by_it() {
        let registry = ProviderRegistry::default();
        registry.exists(&key(), Access::default());
        registry.reads(&key(), [("keywright".to_owned(), "didit".to_owned())].into());
        assert_eq!(registry.readers("keywright", "didit"), [key()]);
        assert!(registry.readers("shop", "didit").is_empty());
    }
}
