//! The accounts that sign up, as they see each other and as providers see them.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::{Resource, ResourceExt};

use super::index::Place;
use crate::api::IdentityAccount;
use crate::api::conditions::{self, READY};
use crate::api::identity_account::AccountState;
use crate::api::provider::DIDIT_AUTH_URL;
use crate::api::secret::SecretTemplate;
use crate::credential::onboarding::{HourlyBudget, Recorded};

/// Calls of an account that is gone count for as long as the identity API counts them, and a little longer.
const REMEMBERED_FOR: SignedDuration = SignedDuration::from_mins(65);

/// What is known of the sign-ups of all accounts. Their calls leave from the same IP address, so they share one budget.
/// It follows from the statuses, so that a restart changes nothing.
#[derive(Default)]
pub struct AccountRegistry {
    known: Mutex<Known>,
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    accounts: HashMap<Place, Entry>,
    gone: Vec<(Timestamp, Entry)>,
    /// Watches whose accounts have not been listed yet.
    unlisted: HashSet<Option<String>>,
}

#[derive(Clone)]
struct Entry {
    reference: ObjectReference,
    email: String,
    created: Option<Timestamp>,
    is_deleted: bool,
    version: u64,
    auth_url: String,
    recorded: Recorded,
    offered: Offered,
}

/// What a provider can rest on.
#[derive(Clone, Debug, PartialEq)]
struct Offered {
    uid: Option<String>,
    verified: bool,
    auth_url: String,
    secret: SecretTemplate,
    /// The name of the Secret that is written.
    written: Option<String>,
    /// Reason of its condition `Ready`. Messages may count time; their every change must not wake everybody.
    reason: Option<String>,
}

/// Keeps other accounts from deciding meanwhile.
pub struct Turn<'a> {
    _guard: tokio::sync::MutexGuard<'a, ()>,
}

/// An account whose resource is gone.
pub struct Gone {
    /// The resource that it was.
    pub reference: ObjectReference,
    /// Its e-mail address.
    pub email: String,
    /// How far its sign-up had come.
    pub state: AccountState,
}

impl AccountRegistry {
    /// Accounts of this namespace (`None`: of all) are going to be listed. No code is asked for before they are.
    pub fn expect(&self, namespace: Option<&str>) {
        self.lock().unlisted.insert(namespace.map(str::to_owned));
    }

    /// They have been listed.
    pub fn listed(&self, namespace: Option<&str>) {
        self.lock().unlisted.remove(&namespace.map(str::to_owned));
    }

    /// Whether the accounts of every namespace have been listed.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.lock().unlisted.is_empty()
    }

    /// Takes in an account as a watch or a write of our own shows it. Returns whether that is news for providers that
    /// use it.
    pub fn observe(&self, account: &IdentityAccount) -> bool {
        let entry = Entry::of(account);
        let mut known = self.lock();
        let place = place(account);
        match known.accounts.get(&place) {
            // A copy that is older than our own last write.
            Some(earlier) if earlier.offered.uid == entry.offered.uid && earlier.version > entry.version => {
                false
            }
            earlier => {
                let news = earlier.is_none_or(|earlier| earlier.offered != entry.offered);
                known.accounts.insert(place, entry);
                news
            }
        }
    }

    /// An account's resource is gone. The calls that it made still count.
    pub fn gone(&self, namespace: &str, name: &str) -> Option<Gone> {
        let mut known = self.lock();
        let entry = known.accounts.remove(&(namespace.to_owned(), name.to_owned()))?;
        let now = Timestamp::now();
        known
            .gone
            .retain(|(since, _)| now.duration_since(*since) < REMEMBERED_FOR);
        known.gone.push((now, entry.clone()));
        Some(Gone {
            reference: entry.reference,
            email: entry.email,
            state: entry.recorded.state(),
        })
    }

    /// What is left of the hourly limit at this auth host.
    #[must_use]
    pub fn budget(&self, auth_url: &str) -> HourlyBudget {
        let auth_url = normal(auth_url);
        let known = self.lock();
        let gone = known.gone.iter().map(|(_, entry)| entry);
        HourlyBudget::of(
            known
                .accounts
                .values()
                .chain(gone)
                .filter(|entry| entry.auth_url == auth_url)
                .map(|entry| &entry.recorded),
        )
    }

    /// An older resource for the same address at the same auth host, whatever its case. Each would make a password of its
    /// own, and each registration would make the other's worthless.
    #[must_use]
    pub fn claimant(&self, account: &IdentityAccount) -> Option<Place> {
        let (own, own_place) = (Entry::of(account), place(account));
        let age = |entry: &Entry, place: &Place| (entry.created, place.clone());
        self.lock()
            .accounts
            .iter()
            .filter(|(place, entry)| {
                **place != own_place
                    && !entry.is_deleted
                    && entry.auth_url == own.auth_url
                    && entry.email.eq_ignore_ascii_case(&own.email)
                    && age(entry, place) < age(&own, &own_place)
            })
            .min_by_key(|(place, entry)| age(entry, place))
            .map(|(place, _)| place.clone())
    }

    /// Waits until no other account decides whether it may call.
    pub async fn turn(&self) -> Turn<'_> {
        Turn {
            _guard: self.turn.lock().await,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn of(account: &IdentityAccount) -> Self {
        let status = account.status.clone().unwrap_or_default();
        let auth_url = account.spec.didit.auth_url.as_deref().unwrap_or(DIDIT_AUTH_URL);
        let auth_url = normal(auth_url);
        let recorded = Recorded::of(&status).as_of(Timestamp::now());
        Self {
            reference: account.object_ref(&()),
            email: account.spec.email.clone(),
            created: account.creation_timestamp().map(|time| time.0),
            is_deleted: account.meta().deletion_timestamp.is_some(),
            version: account
                .resource_version()
                .and_then(|version| version.parse().ok())
                .unwrap_or_default(),
            offered: Offered {
                uid: account.uid(),
                verified: recorded.verified,
                auth_url: auth_url.clone(),
                secret: account.spec.secret.clone(),
                written: status.secret.as_ref().map(|secret| secret.name.clone()),
                reason: conditions::find(&status.conditions, READY).map(|ready| ready.reason.clone()),
            },
            auth_url,
            recorded,
        }
    }
}

fn place(account: &IdentityAccount) -> Place {
    (account.namespace().unwrap_or_default(), account.name_any())
}

/// An address in the form in which addresses are compared.
#[must_use]
pub fn normal(auth_url: &str) -> String {
    auth_url.trim_end_matches('/').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::{Value, json};

    use super::*;
    use crate::credential::onboarding::Caller;

    fn account(name: &str, version: u64, auth_url: &str, calls: &[Timestamp]) -> IdentityAccount {
        let calls: Vec<Value> = calls.iter().map(|call| json!(call.to_string())).collect();
        serde_json::from_value(json!({
            "apiVersion": "keywright.dev/v1alpha1", "kind": "IdentityAccount",
            "metadata": {"name": name, "namespace": "ops", "uid": name, "resourceVersion": version.to_string()},
            "spec": {
                "didit": {"authUrl": auth_url}, "email": "ops@corp.example.net",
                "code": {"secretRef": {"name": "code"}}, "secret": {"name": name},
            },
            "status": {"registration": {"countedCalls": calls}},
        }))
        .unwrap()
    }

    #[test]
    fn calls_of_all_accounts_at_one_host_count_together_and_outlive_their_resource() {
        let registry = AccountRegistry::default();
        let now = Timestamp::now();
        registry.observe(&account("a", 1, "https://a.example/v2", &[now, now]));
        registry.observe(&account("b", 1, "https://A.example/v2/", &[now]));
        registry.observe(&account("c", 1, "https://other.example/v2", &[now]));
        let wait = |registry: &AccountRegistry| {
            registry
                .budget("https://a.example/v2")
                .wait(Caller::Schedule, now)
        };
        assert_eq!(wait(&registry), None);
        registry.observe(&account("b", 2, "https://a.example/v2", &[now, now]));
        assert!(wait(&registry).is_some());
        assert!(registry.gone("ops", "b").is_some());
        assert!(registry.gone("ops", "b").is_none());
        assert!(wait(&registry).is_some(), "the calls were made all the same");
    }

    #[test]
    fn a_copy_that_is_older_than_our_own_write_does_not_give_calls_back() {
        let registry = AccountRegistry::default();
        let now = Timestamp::now();
        registry.observe(&account("a", 10, "https://a.example/v2", &[now; 4]));
        registry.observe(&account("a", 9, "https://a.example/v2", &[]));
        assert!(
            registry
                .budget("https://a.example/v2")
                .wait(Caller::Schedule, now)
                .is_some()
        );
    }

    #[test]
    fn an_address_is_of_the_older_account_at_that_host() {
        let registry = AccountRegistry::default();
        let created = |name: &str, auth_url: &str, email: &str, time: &str| {
            let mut account = account(name, 1, auth_url, &[]);
            account.metadata.creation_timestamp = Some(Time(time.parse().unwrap()));
            account.spec.email = email.to_owned();
            account
        };
        let host = "https://a.example/v2";
        let older = created("z", host, "Ops@corp.example.net", "2026-11-25T07:00:00Z");
        let younger = created("a", host, "ops@Corp.example.net", "2026-11-25T08:00:00Z");
        let same_time = created("b", host, "ops@corp.example.net", "2026-11-25T08:00:00Z");
        let elsewhere = created(
            "c",
            "https://b.example/v2",
            "ops@corp.example.net",
            "2026-11-25T09:00:00Z",
        );
        let other = created("d", host, "dev@corp.example.net", "2026-11-25T09:00:00Z");
        for account in [&older, &younger, &same_time, &elsewhere, &other] {
            registry.observe(account);
        }
        let at = |name: &str| Some(("ops".to_owned(), name.to_owned()));
        assert_eq!(registry.claimant(&older), None);
        assert_eq!(registry.claimant(&younger), at("z"));
        assert_eq!(registry.claimant(&elsewhere), None);
        assert_eq!(registry.claimant(&other), None);
        registry.gone("ops", "z");
        assert_eq!(registry.claimant(&younger), None);
        assert_eq!(registry.claimant(&same_time), at("a"));
    }

    #[test]
    fn nothing_is_complete_before_every_namespace_was_listed() {
        let registry = AccountRegistry::default();
        registry.expect(Some("a"));
        registry.expect(Some("b"));
        registry.listed(Some("a"));
        assert!(!registry.is_complete());
        registry.listed(Some("b"));
        assert!(registry.is_complete());
    }
}
