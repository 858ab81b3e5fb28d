//! The budget in paused time, and the decisions under random use.

mod calls;
mod decisions;
mod provider;
mod waiting;

use std::future::Future;
use std::task::Poll;

use tokio::task::JoinHandle;
use tokio::time::advance;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Remembers what it is told.
#[derive(Default)]
pub(super) struct Seen {
    waits: Mutex<Vec<Duration>>,
    breaker: Mutex<Vec<BreakerState>>,
    pauses: Mutex<Vec<Option<Timestamp>>>,
    lengths: Mutex<Vec<usize>>,
    refusals: Mutex<Vec<&'static str>>,
}

impl BudgetObserver for Seen {
    fn waited(&self, wait: Duration) {
        self.waits.lock().unwrap().push(wait);
    }

    fn breaker(&self, state: BreakerState) {
        self.breaker.lock().unwrap().push(state);
    }

    fn paused_until(&self, until: Option<Timestamp>) {
        self.pauses.lock().unwrap().push(until);
    }

    fn queue_length(&self, length: usize) {
        self.lengths.lock().unwrap().push(length);
    }

    fn refused(&self, reason: &'static str) {
        self.refusals.lock().unwrap().push(reason);
    }
}

/// So much of everything that only what a test sets can hold a call.
fn generous() -> BudgetSettings {
    BudgetSettings {
        requests_per_second: 1000.0,
        burst: 1000,
        concurrency: 1000,
        queue_limit: 1000,
        ..BudgetSettings::default()
    }
}

fn budget(settings: BudgetSettings) -> (Arc<Budget>, Arc<Seen>) {
    let seen = Arc::new(Seen::default());
    let observer: Arc<dyn BudgetObserver> = seen.clone();
    (Arc::new(Budget::new(settings, observer)), seen)
}

fn ends_at(second: i64) -> Urgency {
    Urgency::EndsAt(Timestamp::from_second(second).unwrap())
}

/// Begins to wait in a task, and returns when it does.
async fn waits(budget: &Arc<Budget>, urgency: Urgency) -> JoinHandle<Result<Permit, CallError>> {
    let budget = Arc::clone(budget);
    let task = tokio::spawn(async move { budget.enter(urgency).await });
    settle().await;
    task
}

/// Lets every task that can go on do so, without letting time pass.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

async fn enter(budget: &Arc<Budget>) -> Permit {
    budget.enter(Urgency::Whenever).await.unwrap()
}

async fn refused(budget: &Arc<Budget>) -> CallError {
    let came = Instant::now();
    let error = budget.enter(Urgency::NeverSynced).await.unwrap_err();
    assert_eq!(came.elapsed(), Duration::ZERO, "it was kept waiting: {error}");
    error
}

/// Whether the future is not ready at once.
async fn is_pending(future: impl Future) -> bool {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
}

fn retry_after(error: &CallError) -> Duration {
    match error.kind {
        ErrorKind::Throttled {
            retry_after: Some(wait),
        } => wait,
        _ => panic!("{error:?}"),
    }
}
