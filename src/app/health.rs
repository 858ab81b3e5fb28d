//! What the probes are told.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::kube_ext::freshness::{Freshness, SILENCE_LIMIT};
use crate::telemetry::http::Health;

/// Health of one replica.
pub(super) struct OperatorHealth {
    freshness: Freshness,
    leading: AtomicBool,
    /// Watches that have not listed everything yet.
    filling: Mutex<BTreeSet<String>>,
}

impl OperatorHealth {
    pub(super) fn new(freshness: Freshness) -> Self {
        Self {
            freshness,
            leading: AtomicBool::new(false),
            filling: Mutex::default(),
        }
    }

    /// This replica leads from now on.
    pub(super) fn leads(&self) {
        self.leading.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_leading(&self) -> bool {
        self.leading.load(Ordering::Relaxed)
    }

    /// A watch has been opened.
    pub(super) fn fills(&self, watch: &str) {
        self.filling
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(watch.to_owned());
    }

    /// A watch has listed everything.
    pub(super) fn filled(&self, watch: &str) {
        self.filling
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(watch);
    }
}

impl Health for OperatorHealth {
    fn live(&self) -> Result<(), String> {
        let stale = self.freshness.stale(Instant::now(), SILENCE_LIMIT);
        if stale.is_empty() {
            return Ok(());
        }
        let watches: Vec<_> = stale
            .iter()
            .map(|stale| format!("{} for {} s", stale.kind, stale.silent_for.as_secs()))
            .collect();
        Err(format!(
            "no word from the Kubernetes API about {}",
            watches.join(", ")
        ))
    }

    fn ready(&self) -> Result<(), String> {
        let filling = self.filling.lock().unwrap_or_else(PoisonError::into_inner);
        if filling.is_empty() {
            return Ok(());
        }
        Err(format!(
            "not everything is listed yet: {}",
            filling.iter().cloned().collect::<Vec<_>>().join(", ")
        ))
    }
}
