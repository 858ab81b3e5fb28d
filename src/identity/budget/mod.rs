//! The budget of one provider: how often, how many at a time, in which order, and when not at all.
//!
//! Everything that calls a provider shares one [`Budget`] and asks it for a [`Permit`] before each call. Guarantees:
//!
//! - In any window of time no more calls begin than the burst and the rate allow, and never more are under way than
//!   the concurrency.
//! - Those who wait go in the order of their [`Urgency`]: never synced, then the soonest end, then the rest; equals in
//!   the order of coming. A steady stream of urgent calls keeps others waiting, but nobody longer than
//!   [`BudgetSettings::max_wait`]: whoever has waited that long, or can be seen to have to, is sent away with an error
//!   that says when to come back, and nothing has been sent.
//! - An answer that says too many requests pauses everybody, for as long as it says, at most [`MAX_PAUSE`]. After a
//!   pause the burst is spent, so that those who waited come one after the other.
//! - Calls in a row without an answer open a breaker. It stays open for two seconds at first and up to a minute later;
//!   then one call is tried at a time until one is answered, with whatever answer.
//! - Whoever stops waiting leaves no gap, and a permit that is dropped is given back.

mod breaker;
mod pause;
mod permit;
mod queue;
mod rate;
mod registry;
mod settings;
mod state;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

pub use breaker::BreakerState;
pub use permit::{Outcome, Permit};
pub use registry::BudgetRegistry;
pub use settings::BudgetSettings;

use super::token::Urgency;
use super::{CallError, ErrorKind};
use queue::Ticket;
use state::{Pass, Refusal, State, Verdict};

/// The longest pause that an answer is believed: a mistyped `Retry-After` must not stop a provider for years.
pub const MAX_PAUSE: Duration = Duration::from_secs(3600);

/// The operation in an error, where the caller does not put its own.
const OPERATION: &str = "awaitBudget";

/// Learns what a budget does, for metrics. It may be called while the budget is locked: it must neither block nor call
/// the budget.
pub trait BudgetObserver: Send + Sync {
    /// A call was let through after this wait.
    fn waited(&self, wait: Duration);

    /// The breaker has changed, or this is its state at the beginning. It is half open from the moment a trial call is let through.
    fn breaker(&self, state: BreakerState);

    /// The provider is paused until then. `None` is told when somebody next asks after the end.
    fn paused_until(&self, until: Option<Timestamp>);

    /// So many calls wait now: none at the beginning.
    fn queue_length(&self, length: usize);

    /// A call was sent away: `paused`, `breaker_open` or `queue_full`, which is also told of one that waited in vain.
    fn refused(&self, reason: &'static str) {
        let _ = reason;
    }
}

/// The budget of one provider.
pub struct Budget {
    inside: Mutex<Inside>,
    observer: Arc<dyn BudgetObserver>,
}

struct Inside {
    state: State<Arc<Notify>>,
    told: Told,
}

/// What the observer was last told.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Told {
    breaker: BreakerState,
    paused_until: Option<Instant>,
    waiting: usize,
}

impl Budget {
    /// A budget of which nothing is used. The observer is told that at once, so that an alert can rest on it.
    #[must_use]
    pub fn new(settings: BudgetSettings, observer: Arc<dyn BudgetObserver>) -> Self {
        let seed = uuid::Uuid::new_v4().to_string();
        let inside = Inside {
            state: State::new(settings.sane(), seed),
            told: Told {
                breaker: BreakerState::Closed,
                paused_until: None,
                waiting: 0,
            },
        };
        observer.breaker(inside.told.breaker);
        observer.queue_length(inside.told.waiting);
        Self {
            inside: Mutex::new(inside),
            observer,
        }
    }

    /// Takes over other figures. What was used stays used; a pause and an open breaker stay.
    pub fn update(&self, settings: BudgetSettings) {
        let settings = settings.sane();
        self.locked(|state, now| {
            if state.settings() != settings {
                state.update(now, settings);
                state.all().for_each(|waiter| waiter.notify_one());
            }
        });
    }

    /// Waits for its turn to make one call. Dropping the future gives up the place.
    ///
    /// # Errors
    ///
    /// Nothing was sent in any of these cases. [`ErrorKind::Throttled`] during a pause that outlasts
    /// [`BudgetSettings::max_wait`], and when too many are before this call; [`ErrorKind::Unavailable`] while the
    /// breaker is open for longer than that.
    pub async fn enter(self: &Arc<Self>, urgency: Urgency) -> Result<Permit, CallError> {
        let came = Instant::now();
        let wake = Arc::new(Notify::new());
        let (place, mut verdict) = self.join(urgency, &wake);
        loop {
            match verdict {
                Verdict::Go(pass) => {
                    let permit = Permit::new(Arc::clone(self), pass);
                    self.observer.waited(came.elapsed());
                    return Ok(permit);
                }
                Verdict::Refused(refusal) => {
                    self.observer.refused(reason(refusal));
                    return Err(error(refusal));
                }
                Verdict::Wait(until) => tokio::select! {
                    () = wake.notified() => {}
                    () = sleep_until(until) => {}
                },
            }
            verdict = self.locked(|state, now| state.attempt(now, place.ticket));
        }
    }

    /// Takes a place, and looks at once whether it is its turn.
    fn join(&self, urgency: Urgency, wake: &Arc<Notify>) -> (Place<'_>, Verdict) {
        self.locked(|state, now| {
            let (ticket, shed) = state.join(now, urgency, Arc::clone(wake));
            if let Some(shed) = shed {
                shed.notify_one();
            }
            let verdict = state.attempt(now, ticket);
            (Place { budget: self, ticket }, verdict)
        })
    }

    fn finished(&self, pass: &Pass, outcome: Option<Outcome>) {
        self.locked(|state, now| {
            if state.finished(now, pass, outcome) {
                // Everybody has to see whether to wait any longer.
                state.all().for_each(|waiter| waiter.notify_one());
            } else if let Some(first) = state.first() {
                first.notify_one();
            }
        });
    }

    /// Works on the state, and tells the observer what has changed, in the order in which it did.
    fn locked<T>(&self, work: impl FnOnce(&mut State<Arc<Notify>>, Instant) -> T) -> T {
        let mut inside = self.inside();
        let Inside { state, told } = &mut *inside;
        let now = Instant::now();
        let result = work(state, now);
        let new = Told {
            breaker: state.breaker(),
            paused_until: state.paused_until(now),
            waiting: state.waiting(),
        };
        if new.breaker != told.breaker {
            self.observer.breaker(new.breaker);
        }
        if new.paused_until != told.paused_until {
            let until = new.paused_until.map(|until| by_the_clock(until, now));
            self.observer.paused_until(until);
        }
        if new.waiting != told.waiting {
            self.observer.queue_length(new.waiting);
        }
        *told = new;
        result
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = self.inside().state.settings();
        f.debug_struct("Budget")
            .field("settings", &settings)
            .finish_non_exhaustive()
    }
}

/// A place in the queue, given up however waiting ends.
struct Place<'a> {
    budget: &'a Budget,
    ticket: Ticket,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.budget.locked(|state, _| {
            state.leave(self.ticket);
            // Whoever is first now has not looked at the time yet.
            if let Some(first) = state.first() {
                first.notify_one();
            }
        });
    }
}

fn reason(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Paused { .. } => "paused",
        Refusal::Broken { .. } => "breaker_open",
        Refusal::Crowded { .. } => "queue_full",
    }
}

fn error(refusal: Refusal) -> CallError {
    let now = Instant::now();
    let throttled = |until: Instant| ErrorKind::Throttled {
        retry_after: Some(until.saturating_duration_since(now)),
    };
    let (kind, message) = match refusal {
        Refusal::Paused { until } => (
            throttled(until),
            format!(
                "nothing was sent: the identity API has asked to be left alone until {}",
                by_the_clock(until, now)
            ),
        ),
        Refusal::Broken { until: Some(until) } => (
            ErrorKind::Unavailable,
            format!(
                "nothing was sent: the identity API has not served several requests in a row; it is tried again at {}",
                by_the_clock(until, now)
            ),
        ),
        Refusal::Broken { until: None } => (
            ErrorKind::Unavailable,
            "nothing was sent: the identity API has not served several requests in a row; it is being tried again \
             with one request now"
                .to_owned(),
        ),
        Refusal::Crowded { until } => (
            throttled(until),
            format!(
                "nothing was sent: too many requests wait for the provider's request budget; the next attempt can be \
                 made at {}",
                by_the_clock(until, now)
            ),
        ),
    };
    CallError {
        operation: OPERATION,
        kind,
        message,
    }
}

/// The time of day, rounded up to the second, so that it is not too early for whoever reads it.
fn by_the_clock(until: Instant, now: Instant) -> Timestamp {
    let wait = until.saturating_duration_since(now) + Duration::from_millis(999);
    let at = Timestamp::now().checked_add(wait).unwrap_or(Timestamp::MAX);
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}
