//! Leave to make one call, and what came of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Budget;
use super::state::Pass;

/// What a call tells of the provider it was made to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The provider answered, with what was asked for or with a refusal: it serves.
    Answered,
    /// It has had too many requests.
    Throttled {
        /// How long it wants to be left alone, where it said so.
        retry_after: Option<Duration>,
    },
    /// It did not answer, or could not serve.
    Unavailable,
}

/// Leave to make one call now. It takes a slot of the budget until it is given back by [`Permit::done`] or dropped.
///
/// Whoever holds a permit must not wait for another one, nor for somebody who does: with a concurrency of 1 there is
/// no other.
#[must_use = "a permit takes a slot for as long as it is held"]
pub struct Permit {
    held: Option<(Arc<Budget>, Pass)>,
}

impl Permit {
    pub(super) fn new(budget: Arc<Budget>, pass: Pass) -> Self {
        Self {
            held: Some((budget, pass)),
        }
    }

    /// Leave where there is no budget.
    pub fn unlimited() -> Self {
        Self { held: None }
    }

    /// The call has ended. A permit that is dropped instead is given back too, and tells nothing of the provider; what
    /// it took of the rate stays taken, since the call may have been sent.
    pub fn done(mut self, outcome: Outcome) {
        self.release(Some(outcome));
    }

    fn release(&mut self, outcome: Option<Outcome>) {
        if let Some((budget, pass)) = self.held.take() {
            budget.finished(&pass, outcome);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.release(None);
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("limited", &self.held.is_some())
            .finish_non_exhaustive()
    }
}
