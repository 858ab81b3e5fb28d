//! The engine that keeps an access token fresh, whichever resource wants one.
//!
//! What is decided is pure ([`need`], [`findings`]); [`service`] asks authorization servers, and [`client`] finds
//! the credentials of the client that a token is for.

pub mod client;
pub mod findings;
pub mod held;
pub mod need;
pub mod pauses;
pub mod service;

use std::time::Duration;

use crate::api::token::TokenSettings;
use crate::credential::schedule::Backoff;
use crate::credential::token::Promise;

/// The operator's settings that decisions about tokens depend on.
#[derive(Clone, Copy, Debug)]
pub struct TokenPolicy {
    /// How long the kubelet may take to show a changed Secret to a pod.
    pub propagation: Duration,
    /// Pauses after failures that pass by themselves.
    pub backoff: Backoff,
    /// Pause after a failure that somebody has to mend.
    pub denied_pause: Duration,
}

/// `minimumRemaining` where the spec does not say it.
const MINIMUM_REMAINING: Duration = Duration::from_secs(60);

/// The promise to workloads.
#[must_use]
pub fn promise(settings: &TokenSettings, policy: &TokenPolicy) -> Promise {
    Promise {
        minimum_remaining: settings
            .minimum_remaining
            .map_or(MINIMUM_REMAINING, Duration::from),
        propagation: policy.propagation,
    }
}

/// Bytes in hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}
