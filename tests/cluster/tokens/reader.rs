//! A workload that reads a Secret over and over.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use keywright::api::names::TOKEN_ANNOTATION;
use keywright::api::token::TokenStatus;
use kube::Api;
use tokio::task::JoinHandle;

use super::stage::held;
use crate::harness::{World, annotation, entries, eventually};

/// How long a test may wait for many refreshes.
const LONG_PATIENCE: Duration = Duration::from_secs(150);

const INTERVAL: Duration = Duration::from_millis(100);

/// What a workload has read so far.
pub(super) struct Reader {
    read: Arc<Mutex<Vec<Reading>>>,
    reading: JoinHandle<()>,
}

/// A token as it was first read, and the least that was ever left of it when it was read.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    token: String,
    /// What is recorded of it.
    pub(super) status: TokenStatus,
    /// The least life that it had when it was read.
    pub(super) left: SignedDuration,
}

impl Reader {
    /// Reads this Secret from now on, until the reader is dropped.
    pub(super) fn of(world: &World, secret: &str) -> Self {
        let read = Arc::new(Mutex::new(Vec::new()));
        let (api, name, collected) = (world.api::<Secret>(), secret.to_owned(), Arc::clone(&read));
        let reading = tokio::spawn(async move {
            loop {
                // A Secret that is missing for a moment shows as a panic of the task, which `all` finds.
                note(&api, &name, &collected).await;
                tokio::time::sleep(INTERVAL).await;
            }
        });
        Self { read, reading }
    }

    /// The tokens so far, each once.
    ///
    /// # Panics
    /// When the Secret could not be read at some time.
    pub(super) fn all(&self) -> Vec<Reading> {
        assert!(
            !self.reading.is_finished(),
            "the Secret was missing or incomplete"
        );
        self.read.lock().unwrap().clone()
    }

    /// Waits until so many different tokens were read.
    pub(super) async fn until(&self, count: usize) {
        eventually(
            &format!("{count} tokens were read"),
            LONG_PATIENCE,
            async || match self.all().len() {
                found if found >= count => Ok(()),
                found => Err(format!("{found}")),
            },
        )
        .await;
    }

    /// No token had less left than that whenever it was read.
    pub(super) fn always_had(&self, least: Duration) {
        for reading in self.all() {
            assert!(
                reading.left >= SignedDuration::try_from(least).unwrap(),
                "only {:?} was left of a token: {:?}",
                reading.left,
                reading.status
            );
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

async fn note(api: &Api<Secret>, name: &str, collected: &Mutex<Vec<Reading>>) {
    let secret = api.get(name).await.unwrap();
    let now = Timestamp::now();
    let expires_at: Timestamp = entries(&secret)["expires_at"].parse().unwrap();
    let status: TokenStatus = serde_json::from_str(annotation(&secret, TOKEN_ANNOTATION).unwrap()).unwrap();
    assert_eq!(status.expires_at.0, expires_at);
    let (token, left) = (held(&secret), expires_at.duration_since(now));
    let mut read = collected.lock().unwrap();
    match read.last_mut() {
        Some(last) if last.token == token => last.left = last.left.min(left),
        _ => read.push(Reading { token, status, left }),
    }
}
