//! What conditions have said, also those that are gone by now.

use std::pin::pin;
use std::sync::{Arc, Mutex};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use kube::runtime::{WatchStreamExt, watcher};
use tokio::task::JoinHandle;

use super::resources::Conditioned;
use super::wait::{PATIENCE, eventually};
use super::world::World;

/// The conditions that the resources of one kind have had, each with its resource's name.
pub(crate) struct History {
    said: Arc<Mutex<Vec<(String, Condition)>>>,
    watching: JoinHandle<()>,
}

impl History {
    /// Watches from now on. A watch misses nothing, whereas a look every now and then would.
    pub(crate) fn of<K: Conditioned + Send + 'static>(world: &World) -> Self {
        let said = Arc::new(Mutex::new(Vec::new()));
        let (api, collected) = (K::api(world), Arc::clone(&said));
        let watching = tokio::spawn(async move {
            let mut objects = pin!(
                watcher(api, watcher::Config::default())
                    .applied_objects()
                    .into_stream()
            );
            // A watch that fails is opened again by the next poll.
            while let Some(object) = objects.next().await {
                let Ok(object) = object else { continue };
                let conditions = object
                    .conditions()
                    .iter()
                    .map(|found| (object.name_any(), found.clone()));
                collected.lock().unwrap().extend(conditions);
            }
        });
        Self { said, watching }
    }

    /// Waits until a resource has or had this condition (type, status, reason) and returns what it said first.
    pub(crate) async fn until_said(&self, name: &str, wanted: (&str, &str, &str)) -> String {
        eventually(&format!("{name} says {wanted:?}"), PATIENCE, async || {
            let all = self.said.lock().unwrap();
            let of_resource = all
                .iter()
                .filter(|(resource, _)| resource == name)
                .map(|(_, said)| said);
            let found = of_resource
                .clone()
                .find(|said| (&*said.type_, &*said.status, &*said.reason) == wanted);
            found.map(|said| said.message.clone()).ok_or_else(|| {
                let seen: Vec<_> = of_resource
                    .map(|said| (&said.type_, &said.status, &said.message))
                    .collect();
                format!("{seen:#?}")
            })
        })
        .await
    }
}

impl History {
    /// The different statuses that a condition of a resource had so far, in their order.
    pub(crate) fn statuses(&self, name: &str, type_: &str) -> Vec<String> {
        let all = self.said.lock().unwrap();
        let mut statuses: Vec<_> = all
            .iter()
            .filter(|(resource, said)| resource == name && said.type_ == type_)
            .map(|(_, said)| said.status.clone())
            .collect();
        statuses.dedup();
        statuses
    }
}

impl Drop for History {
    fn drop(&mut self) {
        self.watching.abort();
    }
}
