//! A provider that asks for a pause, or does not serve.

use super::*;

const WAIT: Duration = Duration::from_secs(90);

fn throttled(retry_after: Option<Duration>) -> Outcome {
    Outcome::Throttled { retry_after }
}

/// Makes so many calls that are not answered.
async fn fail(budget: &Arc<Budget>, calls: usize) {
    for _ in 0..calls {
        enter(budget).await.done(Outcome::Unavailable);
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_pauses_everybody() {
    let (budget, seen) = budget(generous());
    let waiting_with_it = enter(&budget).await;
    enter(&budget).await.done(throttled(Some(WAIT)));
    let error = refused(&budget).await;
    assert_eq!(retry_after(&error), WAIT);
    assert!(
        error
            .message
            .starts_with("nothing was sent: the identity API has asked to be left alone until 2"),
        "{error}"
    );
    // A call that was under way and worked does not end the pause.
    waiting_with_it.done(Outcome::Answered);
    advance(WAIT / 3).await;
    assert_eq!(retry_after(&refused(&budget).await), WAIT * 2 / 3);
    // What is left can be waited for.
    advance(WAIT / 3 + SECOND).await;
    let came = Instant::now();
    drop(enter(&budget).await);
    assert_eq!(came.elapsed().as_secs(), 29);
    assert_eq!(*seen.refusals.lock().unwrap(), ["paused", "paused"]);
    let pauses = seen.pauses.lock().unwrap().clone();
    assert_eq!(pauses.len(), 2);
    assert!(pauses[0].unwrap() > Timestamp::now());
    assert_eq!(pauses[1], None);
}

#[tokio::test(start_paused = true)]
async fn who_waits_already_is_sent_away_by_a_pause_that_is_longer() {
    let (budget, _) = budget(BudgetSettings {
        concurrency: 1,
        ..generous()
    });
    let held = enter(&budget).await;
    let first = waits(&budget, Urgency::NeverSynced).await;
    let second = waits(&budget, Urgency::Whenever).await;
    let came = Instant::now();
    held.done(throttled(Some(WAIT)));
    for waiting in [first, second] {
        assert_eq!(retry_after(&waiting.await.unwrap().unwrap_err()), WAIT);
    }
    assert_eq!(came.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn after_a_pause_calls_come_one_after_the_other() {
    let (budget, _) = budget(BudgetSettings {
        requests_per_second: 2.0,
        burst: 10,
        ..generous()
    });
    enter(&budget).await.done(throttled(Some(10 * SECOND)));
    let start = Instant::now();
    let mut went = Vec::new();
    for _ in 0..3 {
        enter(&budget).await.done(Outcome::Answered);
        went.push(start.elapsed().as_millis() / 100);
    }
    assert_eq!(went, [100, 105, 110]);
}

#[tokio::test(start_paused = true)]
async fn without_retry_after_the_pause_grows() {
    let (budget, _) = budget(generous());
    let mut pauses = Vec::new();
    for _ in 0..5 {
        enter(&budget).await.done(throttled(None));
        let start = Instant::now();
        let permit = enter(&budget).await;
        pauses.push(start.elapsed());
        drop(permit);
    }
    assert!(
        pauses[0] >= SECOND / 2 && pauses[0] <= SECOND + SECOND / 10,
        "{pauses:?}"
    );
    assert!(pauses[4] >= 8 * SECOND && pauses[4] <= 17 * SECOND, "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn the_breaker_opens_tries_one_call_and_closes() {
    let (budget, seen) = budget(generous());
    fail(&budget, 5).await;
    let came = Instant::now();
    let trial = waits(&budget, Urgency::Whenever).await;
    let second = waits(&budget, Urgency::Whenever).await;
    let third = waits(&budget, Urgency::Whenever).await;
    assert!(!trial.is_finished(), "the breaker is not open");
    let trial = trial.await.unwrap().unwrap();
    assert!(came.elapsed() >= SECOND && came.elapsed() <= 3 * SECOND);
    settle().await;
    advance(5 * SECOND).await;
    settle().await;
    assert!(
        !second.is_finished() && !third.is_finished(),
        "two trial calls at a time"
    );
    let answered = Instant::now();
    trial.done(Outcome::Answered);
    let _both = (second.await.unwrap().unwrap(), third.await.unwrap().unwrap());
    assert!(answered.elapsed() < SECOND / 10);
    assert_eq!(
        *seen.breaker.lock().unwrap(),
        [
            BreakerState::Closed,
            BreakerState::Open,
            BreakerState::HalfOpen,
            BreakerState::Closed,
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_trial_call_that_is_given_up_makes_room_for_the_next() {
    let (budget, _) = budget(generous());
    fail(&budget, 5).await;
    let trial = enter(&budget).await;
    let next = waits(&budget, Urgency::Whenever).await;
    assert!(!next.is_finished());
    drop(trial);
    next.await.unwrap().unwrap().done(Outcome::Answered);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_stays_away_is_tried_once_a_minute_and_others_are_told_at_once() {
    let (budget, seen) = budget(generous());
    fail(&budget, 5).await;
    // Each trial call fails, until the breaker stays open for longer than anybody waits.
    let error = loop {
        match budget.enter(Urgency::NeverSynced).await {
            Ok(trial) => trial.done(Outcome::Unavailable),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(
        error.message.starts_with(
            "nothing was sent: the identity API has not served several requests in a row; it is tried again at 2"
        ),
        "{error}"
    );
    refused(&budget).await;
    assert_eq!(seen.refusals.lock().unwrap().last(), Some(&"breaker_open"));
    advance(60 * SECOND).await;
    let _trial = enter(&budget).await;
    let came = Instant::now();
    let error = budget.enter(Urgency::NeverSynced).await.unwrap_err();
    assert_eq!(came.elapsed().as_secs(), 30);
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.message.ends_with("with one request now"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn refusals_are_answers() {
    let (budget, seen) = budget(generous());
    for _ in 0..5 {
        fail(&budget, 4).await;
        enter(&budget).await.done(Outcome::Answered);
    }
    assert_eq!(*seen.breaker.lock().unwrap(), [BreakerState::Closed]);
}
