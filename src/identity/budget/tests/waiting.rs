//! Waiting for the budget, as those see it who wait.

use super::*;

#[tokio::test(start_paused = true)]
async fn after_the_burst_calls_go_at_the_steady_rate() {
    let (budget, seen) = budget(BudgetSettings {
        requests_per_second: 2.0,
        burst: 3,
        ..generous()
    });
    let start = Instant::now();
    let mut went = Vec::new();
    for _ in 0..6 {
        enter(&budget).await.done(Outcome::Answered);
        went.push(start.elapsed().as_millis() / 100);
    }
    assert_eq!(went, [0, 0, 0, 5, 10, 15]);
    let waits = seen.waits.lock().unwrap().clone();
    assert_eq!(waits.iter().filter(|wait| wait.is_zero()).count(), 3);
    assert_eq!(*seen.lengths.lock().unwrap(), [0, 1, 0, 1, 0, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_drained_budget_serves_never_synced_then_the_soonest_end_then_the_rest() {
    let (budget, _) = budget(BudgetSettings {
        requests_per_second: 1.0,
        burst: 1,
        ..generous()
    });
    drop(enter(&budget).await);
    let served = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for (name, urgency) in [
        ("check", Urgency::Whenever),
        ("later", ends_at(2000)),
        ("check again", Urgency::Whenever),
        ("soon", ends_at(1000)),
        ("new", Urgency::NeverSynced),
        ("soon too", ends_at(1000)),
        ("new too", Urgency::NeverSynced),
    ] {
        let (budget, served) = (Arc::clone(&budget), Arc::clone(&served));
        tasks.push(tokio::spawn(async move {
            drop(budget.enter(urgency).await.unwrap());
            served.lock().unwrap().push(name);
        }));
        settle().await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(
        *served.lock().unwrap(),
        [
            "new",
            "new too",
            "soon",
            "soon too",
            "later",
            "check",
            "check again"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn no_more_are_under_way_than_the_concurrency() {
    let (budget, _) = budget(BudgetSettings {
        concurrency: 2,
        ..generous()
    });
    let first = enter(&budget).await;
    let _second = enter(&budget).await;
    let third = waits(&budget, Urgency::Whenever).await;
    assert!(!third.is_finished());
    first.done(Outcome::Answered);
    let _third = third.await.unwrap().unwrap();
    assert!(is_pending(budget.enter(Urgency::NeverSynced)).await);
}

#[tokio::test(start_paused = true)]
async fn who_stops_waiting_leaves_no_gap_and_a_dropped_permit_is_given_back() {
    let (budget, seen) = budget(BudgetSettings {
        concurrency: 1,
        ..generous()
    });
    let held = enter(&budget).await;
    let urgent = waits(&budget, Urgency::NeverSynced).await;
    let patient = waits(&budget, Urgency::Whenever).await;
    urgent.abort();
    assert!(urgent.await.unwrap_err().is_cancelled());
    assert_eq!(seen.lengths.lock().unwrap().last(), Some(&1));
    drop(held);
    drop(patient.await.unwrap().unwrap());

    // Given up in the very moment in which its turn has come and nobody has told the next one yet.
    let held = enter(&budget).await;
    let urgent = waits(&budget, Urgency::NeverSynced).await;
    let patient = waits(&budget, Urgency::Whenever).await;
    drop(held);
    urgent.abort();
    let came = Instant::now();
    drop(patient.await.unwrap().unwrap());
    assert_eq!(came.elapsed(), Duration::ZERO);
    assert_eq!(seen.lengths.lock().unwrap().last(), Some(&0));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_the_longest_wait() {
    let (budget, seen) = budget(BudgetSettings {
        concurrency: 1,
        ..generous()
    });
    let _held = enter(&budget).await;
    let came = Instant::now();
    let error = budget.enter(Urgency::NeverSynced).await.unwrap_err();
    assert_eq!(came.elapsed().as_secs(), 30);
    assert_eq!(retry_after(&error), SECOND);
    assert!(
        error.message.starts_with(
            "nothing was sent: too many requests wait for the provider's request budget; the next attempt can be \
             made at 2"
        ),
        "{error}"
    );
    assert_eq!(*seen.refusals.lock().unwrap(), ["queue_full"]);
}

#[tokio::test(start_paused = true)]
async fn who_could_not_be_served_in_time_is_sent_away_at_once() {
    let (budget, _) = budget(BudgetSettings {
        requests_per_second: 0.11,
        burst: 1,
        ..generous()
    });
    drop(enter(&budget).await);
    let mut tasks = Vec::new();
    for _ in 0..3 {
        tasks.push(waits(&budget, Urgency::NeverSynced).await);
    }
    let error = refused(&budget).await;
    assert_eq!(retry_after(&error).as_secs(), 36);
    for task in tasks {
        drop(task.await.unwrap().unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_sends_the_least_urgent_away() {
    let (budget, _) = budget(BudgetSettings {
        concurrency: 1,
        queue_limit: 2,
        ..generous()
    });
    let held = enter(&budget).await;
    let check = waits(&budget, Urgency::Whenever).await;
    let soon = waits(&budget, ends_at(1000)).await;
    let new = waits(&budget, Urgency::NeverSynced).await;
    let error = check.await.unwrap().unwrap_err();
    assert!(retry_after(&error) >= SECOND);
    held.done(Outcome::Answered);
    new.await.unwrap().unwrap().done(Outcome::Answered);
    soon.await.unwrap().unwrap().done(Outcome::Answered);
}

#[tokio::test(start_paused = true)]
async fn figures_that_change_hold_for_those_who_wait() {
    let slow = BudgetSettings {
        concurrency: 1,
        ..generous()
    };
    let (budget, _) = budget(slow);
    let _held = enter(&budget).await;
    let waiting = waits(&budget, Urgency::Whenever).await;
    budget.update(BudgetSettings {
        concurrency: 2,
        ..slow
    });
    let came = Instant::now();
    let _permit = waiting.await.unwrap().unwrap();
    assert_eq!(came.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn figures_that_make_no_sense_still_let_calls_through() {
    let (budget, _) = budget(BudgetSettings {
        requests_per_second: f64::NAN,
        burst: 0,
        concurrency: 0,
        queue_limit: 0,
        max_wait: Duration::ZERO,
        breaker_failures: 0,
    });
    enter(&budget).await.done(Outcome::Answered);
    budget.update(BudgetSettings {
        requests_per_second: -1.0,
        ..BudgetSettings::default()
    });
    advance(1000 * SECOND).await;
    enter(&budget).await.done(Outcome::Answered);
}

#[tokio::test]
async fn one_key_one_budget_until_nobody_uses_it() {
    let registry = BudgetRegistry::new();
    let get = |key| registry.get(key, BudgetSettings::default(), Arc::new(Seen::default()));
    let (first, same, other) = (get("a"), get("a"), get("b"));
    assert!(Arc::ptr_eq(&first, &same) && !Arc::ptr_eq(&first, &other));
    assert_eq!(registry.len(), 2);
    let permit = first.enter(Urgency::Whenever).await.unwrap();
    drop((first, same, other));
    assert_eq!(registry.len(), 1, "a call under way still counts");
    drop(permit);
    assert!(registry.is_empty());
}
