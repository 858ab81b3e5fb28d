//! What a new resource needs first is not behind others in the budget.

use std::sync::atomic::{AtomicUsize, Ordering};

use k8s_openapi::jiff::Timestamp;

use super::*;
use crate::identity::budget::{BreakerState, Budget, BudgetObserver, BudgetSettings};
use crate::identity::token::Urgency;

/// How many wait.
#[derive(Default)]
struct Waiting(AtomicUsize);

impl BudgetObserver for Waiting {
    fn waited(&self, _wait: Duration) {}

    fn breaker(&self, _state: BreakerState) {}

    fn paused_until(&self, _until: Option<Timestamp>) {}

    fn queue_length(&self, length: usize) {
        self.0.store(length, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn the_metadata_is_read_before_what_can_wait() {
    let server = Server::start(|_| answer(404, "", "not found")).await;
    let waiting = Arc::new(Waiting::default());
    let one_at_a_time = BudgetSettings {
        concurrency: 1,
        requests_per_second: 1000.0,
        burst: 1000,
        ..BudgetSettings::default()
    };
    let budget = Arc::new(Budget::new(one_at_a_time, waiting.clone()));
    let asked = discovering(&server.url());
    let config = OAuth2Config {
        issuer: asked.issuer,
        endpoints: asked.endpoints,
        extra_parameters: asked.extra_parameters,
        ca_bundle: None,
        allow_insecure: true,
        request_timeout: asked.request_timeout,
        budget: Some(Arc::clone(&budget)),
    };
    let client = OAuth2Server::new(config, Arc::new(Observed::default()), &MetadataCache::new()).unwrap();

    let busy = budget.enter(Urgency::Whenever).await.unwrap();
    let mut can_wait = Box::pin(budget.enter(Urgency::Whenever));
    assert!(futures::poll!(&mut can_wait).is_pending());
    let mut check = Box::pin(client.check());
    while waiting.0.load(Ordering::SeqCst) < 2 {
        assert!(futures::poll!(&mut check).is_pending());
        tokio::task::yield_now().await;
    }
    drop(busy);
    assert!(
        futures::poll!(&mut can_wait).is_pending(),
        "what came first goes first, although it can wait"
    );
    check.await.unwrap_err();
    drop(can_wait.await.unwrap());
}
