//! What takes the place of the watch of Secrets where that is turned off: everything that reads or writes a Secret is
//! looked at in rounds.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::shared::Shared;
use crate::controller::index::ConsumerKind;

/// A round is made in so many parts, so that not everything is looked at in the same moment.
const PARTS: u32 = 60;

/// Looks at everything once in an `interval`, until `stop`.
pub(super) async fn make(shared: Shared, interval: Duration, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(interval / PARTS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for part in (0..PARTS).cycle() {
        tokio::select! {
            _ = ticks.tick() => look_at(&shared, part),
            () = stop.cancelled() => return,
        }
    }
}

/// Wakes what belongs to one part of a round, as if all Secrets that it has to do with had changed.
fn look_at(shared: &Shared, part: u32) {
    for key in shared.providers.all() {
        if belongs_to(part, &key) {
            shared.wake_provider(&key);
        }
    }
    for kind in [
        ConsumerKind::ClientApplication,
        ConsumerKind::AccessToken,
        ConsumerKind::IdentityAccount,
    ] {
        let mut consumers = shared.consumers.all(kind);
        consumers.retain(|consumer| belongs_to(part, consumer));
        shared.reconsider(consumers);
    }
}

fn belongs_to(part: u32, thing: &impl Hash) -> bool {
    let mut hasher = DefaultHasher::new();
    thing.hash(&mut hasher);
    hasher.finish() % u64::from(PARTS) == u64::from(part)
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use tokio::time::Instant;

    use super::*;
    use crate::api::AccessToken;
    use crate::kube_ext::watch::Change;

    fn token(name: &str) -> AccessToken {
        serde_json::from_value(serde_json::json!({
            "apiVersion": "keywright.dev/v1alpha1",
            "kind": "AccessToken",
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {
                "providerRef": {"kind": "IdentityProvider", "name": "corp"},
                "client": {"secretRef": {"name": "client"}},
                "secret": {"name": name},
            },
        }))
        .unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn everything_is_looked_at_once_in_an_interval() {
        let shared = Shared::default();
        let names: Vec<_> = (0..200).map(|number| format!("token-{number}")).collect();
        for name in &names {
            shared.consumers.observe_token(&Change::Present(&token(name)));
        }
        let mut woken = Box::pin(shared.wake_tokens.receiver(None));
        let stop = CancellationToken::new();
        let hour = Duration::from_secs(3600);
        let making = tokio::spawn(make(shared, hour, stop.clone()));

        let begun = Instant::now();
        let mut moments = std::collections::HashMap::<String, Vec<Instant>>::new();
        for _ in 0..2 * names.len() {
            let name = woken.next().await.unwrap().name;
            moments.entry(name).or_default().push(Instant::now());
        }
        assert_eq!(moments.len(), names.len());
        for (name, moments) in moments {
            assert_eq!(moments.len(), 2, "{name}");
            assert_eq!(moments[1] - moments[0], hour, "{name}");
        }
        let rounds = begun.elapsed();
        assert!(rounds > hour && rounds < 2 * hour, "{rounds:?}");
        stop.cancel();
        making.await.unwrap();
    }
}
