//! Waiting for a condition, never for a fixed time.

use std::time::{Duration, Instant};

/// Much longer than anything here takes, for machines that are busy with something else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

const INTERVAL: Duration = Duration::from_millis(50);

/// Looks again and again until `look` returns what it looks for. Its error is what it saw instead; the last
/// one is shown when `deadline` passes, which is a failure.
pub(crate) async fn eventually<T>(
    what: &str,
    deadline: Duration,
    mut look: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let begun = Instant::now();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) if begun.elapsed() > deadline => {
                panic!("{what}: not within {deadline:?}; last seen: {seen}")
            }
            Err(_) => tokio::time::sleep(INTERVAL).await,
        }
    }
}
