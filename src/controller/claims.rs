//! Claims on things that only one resource can have.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use k8s_openapi::jiff::Timestamp;

use super::index::Consumer;

/// Which of several claims comes first: whoever has it already, then the oldest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    /// The resource has what it claims only once this is false.
    pub(super) wanted_only: bool,
    /// When the resource was created.
    pub(super) created: Timestamp,
}

/// Who claims what, and who was told that it may have it.
#[derive(Debug)]
pub(super) struct Claims<K> {
    claims: HashMap<K, BTreeSet<(Rank, Consumer)>>,
    holders: HashMap<K, Consumer>,
}

impl<K> Default for Claims<K> {
    fn default() -> Self {
        Self {
            claims: HashMap::new(),
            holders: HashMap::new(),
        }
    }
}

impl<K: Clone + Eq + Hash> Claims<K> {
    /// Replaces the claim of a resource. Returns the resources that may now have what it gave up. A reservation
    /// outlives a mere change of rank.
    pub(super) fn change(
        &mut self,
        consumer: &Consumer,
        before: Option<&(K, Rank)>,
        after: Option<&(K, Rank)>,
    ) -> Vec<Consumer> {
        if before == after {
            return Vec::new();
        }
        if let Some((key, rank)) = before
            && let Some(claims) = self.claims.get_mut(key)
        {
            claims.remove(&(rank.clone(), consumer.clone()));
            if claims.is_empty() {
                self.claims.remove(key);
            }
        }
        if let Some((key, rank)) = after {
            self.claims
                .entry(key.clone())
                .or_default()
                .insert((rank.clone(), consumer.clone()));
        }
        let given_up = before.filter(|(key, before)| {
            after.is_none_or(|(other, after)| other != key || after.created != before.created)
        });
        let Some((key, _)) = given_up else {
            return Vec::new();
        };
        if self.holders.get(key) == Some(consumer) {
            self.holders.remove(key);
        }
        self.claimants(key)
            .filter(|claimant| claimant != consumer)
            .collect()
    }

    /// Reserves something for a resource, until that is gone or claims another. Returns the resource that it is
    /// reserved for instead: whoever `holds` it or reserved it first, else the first that claims it. Nothing is
    /// reserved for a resource that is not `known`, since nothing would end that.
    pub(super) fn claim(
        &mut self,
        consumer: &Consumer,
        key: K,
        holds: bool,
        known: bool,
    ) -> Option<Consumer> {
        let rival = match self.holders.get(&key) {
            _ if holds => None,
            Some(holder) => Some(holder.clone()),
            None => self
                .claims
                .get(&key)
                .and_then(BTreeSet::first)
                .map(|(_, first)| first.clone()),
        };
        let rival = rival.filter(|rival| rival != consumer);
        if rival.is_none() && known {
            self.holders.insert(key, consumer.clone());
        }
        rival
    }

    /// Ends every reservation of a resource that is gone: one that learned late of what it claims has claimed nothing.
    pub(super) fn release(&mut self, consumer: &Consumer) {
        self.holders.retain(|_, holder| holder != consumer);
    }

    /// Everybody who claims it.
    pub(super) fn claimants(&self, key: &K) -> impl Iterator<Item = Consumer> {
        let claims = self.claims.get(key).into_iter().flatten();
        claims.map(|(_, consumer)| consumer.clone())
    }
}
