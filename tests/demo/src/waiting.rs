//! Long steps say that they are not stuck.

use std::future::Future;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::screen::Screen;

/// How often it is said that something goes on.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// When it is looked again whether something has come true, at first.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// No look is further from the one before.
const LONGEST_LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Waits for `work` and says every few seconds that it goes on.
pub(crate) async fn patiently<T>(
    screen: &mut Screen,
    what: &str,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let begun = Instant::now();
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(REPORT_INTERVAL) => {
                screen.note(&format!("... {what}, {} s so far", begun.elapsed().as_secs()))?;
            }
        }
    }
}

/// Looks until there is something, and says how long that took.
pub(crate) async fn until<T>(
    limit: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Result<Option<T>, Failure>,
) -> Result<(T, Duration), Failure> {
    let begun = Instant::now();
    let mut interval = LOOK_INTERVAL;
    loop {
        if let Some(found) = look().await? {
            return Ok((found, begun.elapsed()));
        }
        if begun.elapsed() > limit {
            return Err(Failure::Said(format!(
                "{what} did not happen within {} s",
                limit.as_secs()
            )));
        }
        tokio::time::sleep(interval).await;
        interval = (interval * 5 / 4).min(LONGEST_LOOK_INTERVAL);
    }
}
