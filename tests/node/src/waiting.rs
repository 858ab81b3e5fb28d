//! Waiting for something to come true.

use std::time::{Duration, Instant};

use crate::failure::Failure;

const INTERVAL: Duration = Duration::from_millis(100);

/// Looks until there is something. `look` returns what it saw instead as its error, which is shown when `limit`
/// passes.
pub(crate) async fn until<T>(
    what: &str,
    limit: Duration,
    mut look: impl AsyncFnMut() -> Result<T, String>,
) -> Result<T, Failure> {
    let begun = Instant::now();
    loop {
        match look().await {
            Ok(found) => return Ok(found),
            Err(seen) if begun.elapsed() > limit => {
                return Err(Failure::said(format!(
                    "{what}: not within {} s; last seen: {seen}",
                    limit.as_secs()
                )));
            }
            Err(_) => tokio::time::sleep(INTERVAL).await,
        }
    }
}
