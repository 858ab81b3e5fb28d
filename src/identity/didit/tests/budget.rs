//! Logins and calls within the budget of the account.

use futures::future::join_all;
use keywright_sandbox::Operation;

use super::*;
use crate::identity::budget::{BreakerState, BudgetObserver, BudgetSettings, Outcome};
use crate::identity::token::Urgency;

struct NoObserver;

impl BudgetObserver for NoObserver {
    fn waited(&self, _: Duration) {}

    fn breaker(&self, _: BreakerState) {}

    fn paused_until(&self, _: Option<k8s_openapi::jiff::Timestamp>) {}

    fn queue_length(&self, _: usize) {}
}

/// A budget of one call at a time.
fn one_at_a_time() -> Arc<Budget> {
    let settings = BudgetSettings {
        requests_per_second: 1000.0,
        concurrency: 1,
        ..BudgetSettings::default()
    };
    Arc::new(Budget::new(settings, Arc::new(NoObserver)))
}

/// Counts what is recorded.
#[derive(Default)]
struct Records(Mutex<Vec<LoginRecord>>);

#[async_trait]
impl LoginLedger for Records {
    async fn record(&self, record: &LoginRecord) -> Result<(), String> {
        self.0.lock().unwrap().push(record.clone());
        Ok(())
    }
}

fn connect_within(config: DiditConfig, budget: &Arc<Budget>, ledger: &Arc<Records>) -> Didit {
    let config = DiditConfig {
        budget: Some(Arc::clone(budget)),
        ..config
    };
    Didit::connect(
        config,
        Arc::new(Observed::default()),
        &SessionRegistry::new(),
        ledger.clone(),
        &LoginRecord::for_credentials(None, "v1"),
    )
    .unwrap()
}

#[tokio::test]
async fn one_call_at_a_time_is_enough_for_a_login_with_two_factors_and_many_callers() {
    const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    let world = World::with_account(NewAccount {
        totp_seed: Some(SEED.to_owned()),
        ..NewAccount::new(EMAIL, PASSWORD)
    })
    .await;
    let config = DiditConfig {
        totp_seed: Some(SEED.into()),
        ..world.config()
    };
    let didit = connect_within(config, &one_at_a_time(), &Arc::default());
    let lists = join_all((0..20).map(|_| didit.list_applications())).await;
    for list in lists {
        list.unwrap();
    }
    assert_eq!(world.sandbox.count(Operation::Login), 1);
}

#[tokio::test]
async fn a_login_that_waits_for_its_turn_is_not_recorded() {
    let world = World::new().await;
    let (budget, ledger) = (one_at_a_time(), Arc::new(Records::default()));
    let didit = Arc::new(connect_within(world.config(), &budget, &ledger));
    let held = budget.enter(Urgency::Whenever).await.unwrap();
    let waiting = tokio::spawn({
        let didit = Arc::clone(&didit);
        async move { didit.verify().await }
    });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished());
    assert!(ledger.0.lock().unwrap().is_empty());
    held.done(Outcome::Answered);
    waiting.await.unwrap().unwrap();
    let unanswered: Vec<_> = ledger
        .0
        .lock()
        .unwrap()
        .iter()
        .map(|record| record.unanswered)
        .collect();
    assert_eq!(unanswered, [1, 0]);
}

#[tokio::test]
async fn a_login_that_a_pause_keeps_back_does_not_count_and_the_next_one_works() {
    let world = World::new().await;
    let (budget, ledger) = (one_at_a_time(), Arc::new(Records::default()));
    let didit = connect_within(world.config(), &budget, &ledger);
    budget
        .enter(Urgency::Whenever)
        .await
        .unwrap()
        .done(Outcome::Throttled {
            retry_after: Some(Duration::from_secs(120)),
        });
    for _ in 0..10 {
        let error = didit.create_application(&named("a")).await.unwrap_err();
        assert!(
            matches!(error.kind, ErrorKind::Throttled { retry_after: Some(_) }),
            "{error}"
        );
        assert_eq!(error.operation, "login");
    }
    assert_eq!(world.sandbox.count(Operation::Login), 0);
    assert!(ledger.0.lock().unwrap().is_empty());
    assert_eq!(didit.session().record(), LoginRecord::for_credentials(None, "v1"));
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(121)).await;
    tokio::time::resume();
    didit.create_application(&named("a")).await.unwrap();
}
