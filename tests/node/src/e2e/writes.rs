//! When the operator wrote the Secret.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Config};
use tokio::task::JoinHandle;

use crate::command::Kubectl;
use crate::didit::{NAMESPACE, TOKEN_SECRET};
use crate::failure::Failure;

/// A token that stood in the Secret.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    /// When a watch told of it, nanoseconds since the beginning of 1970: some milliseconds after it was written.
    pub(crate) at: u128,
    /// The token.
    pub(crate) token: Vec<u8>,
}

/// All tokens that stood in the Secret since the watch began.
#[derive(Debug)]
pub(crate) struct Writes {
    seen: Arc<Mutex<Vec<Write>>>,
    watching: JoinHandle<()>,
}

impl Writes {
    /// Watches from now on.
    pub(crate) async fn watch(kubectl: &Kubectl) -> Result<Self, Failure> {
        let unusable =
            |error: kube::config::KubeconfigError| Failure::said(format!("the kubeconfig: {error}"));
        let kubeconfig = Kubeconfig::read_from(&kubectl.kubeconfig).map_err(unusable)?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
            .await
            .map_err(unusable)?;
        let api = Api::<Secret>::namespaced(Client::try_from(config)?, NAMESPACE);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let collected = Arc::clone(&seen);
        let watching = tokio::spawn(async move {
            let only = watcher::Config::default().fields(&format!("metadata.name={TOKEN_SECRET}"));
            let mut secrets = pin!(watcher(api, only).default_backoff().applied_objects());
            while let Some(secret) = secrets.next().await {
                if let Ok(secret) = secret {
                    take(&collected, secret);
                }
            }
        });
        Ok(Self { seen, watching })
    }

    /// All so far.
    pub(crate) fn all(&self) -> Vec<Write> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Writes {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

fn take(seen: &Mutex<Vec<Write>>, secret: Secret) {
    let at = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos();
    let token = secret.data.unwrap_or_default().remove("access_token");
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(token) = token.map(|token| token.0)
        && seen.last().is_none_or(|last| last.token != token)
    {
        seen.push(Write { at, token });
    }
}
