//! Finding the one budget of a provider.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::{Budget, BudgetObserver, BudgetSettings};

/// The budgets in use. A budget lives as long as somebody holds it or a permit of it.
#[derive(Debug, Default)]
pub struct BudgetRegistry {
    budgets: Mutex<HashMap<String, Weak<Budget>>>,
}

impl BudgetRegistry {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The budget under this key, or a new one. One that is there already takes over `settings`, so the last who
    /// asked decides, and keeps the observer that it has.
    ///
    /// The key says who is slowed down together. It has to hold the address and the account, and must not bring
    /// together tenants that do not trust each other: an answer 429 pauses everybody under the key, and a login with a
    /// wrong password can cause one. It must not hold a secret.
    pub fn get(&self, key: &str, settings: BudgetSettings, observer: Arc<dyn BudgetObserver>) -> Arc<Budget> {
        let mut budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        budgets.retain(|_, budget| budget.strong_count() > 0);
        if let Some(budget) = budgets.get(key).and_then(Weak::upgrade) {
            budget.update(settings);
            return budget;
        }
        let budget = Arc::new(Budget::new(settings, observer));
        budgets.insert(key.to_owned(), Arc::downgrade(&budget));
        budget
    }

    /// How many budgets are in use.
    #[must_use]
    pub fn len(&self) -> usize {
        let budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        budgets
            .values()
            .filter(|budget| budget.strong_count() > 0)
            .count()
    }

    /// Whether no budget is in use.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
