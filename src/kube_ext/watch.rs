//! Watches that keep going: each has its own backoff, skips what cannot be decoded, and drops what nobody
//! reads before it is kept anywhere.
//!
//! They are handed to `Controller::for_stream` rather than opened by it: its own triggers share one backoff,
//! in which one failing watch stalls the others.

use std::collections::HashSet;
use std::fmt::Debug;

use futures::{Stream, StreamExt};
use kube::api::PartialObjectMeta;
use kube::core::{DeserializeGuard, NamespaceResourceScope};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use crate::telemetry::metrics::Metrics;

/// Annotation in which `kubectl apply` keeps a second copy of the object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// An [`Api`] over one namespace, or over all of them.
#[must_use]
pub fn namespaced<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// Watches whole objects. An object that cannot be decoded is logged, counted and skipped.
pub fn objects<K>(
    api: Api<DeserializeGuard<K>>,
    kind: &'static str,
    metrics: Metrics,
) -> impl Stream<Item = Event<K>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let undecodable = metrics.clone();
    kept_going(watcher(api, settings()), kind, metrics).filter_map(move |event| {
        let event = decoded(event).inspect_err(|refused| {
            undecodable.watch_failed(kind);
            tracing::warn!(kind, "skipped an object that cannot be read: {refused}");
        });
        futures::future::ready(event.ok())
    })
}

/// Watches metadata only: data never leaves the API server.
pub fn metadata<K>(
    api: Api<PartialObjectMeta<K>>,
    kind: &'static str,
    metrics: Metrics,
) -> impl Stream<Item = Event<PartialObjectMeta<K>>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    kept_going(watcher(api, settings()), kind, metrics)
}

fn settings() -> watcher::Config {
    watcher::Config::default().page_size(250)
}

fn kept_going<K>(
    events: impl Stream<Item = watcher::Result<Event<K>>> + Send,
    kind: &'static str,
    metrics: Metrics,
) -> impl Stream<Item = Event<K>>
where
    K: Resource,
{
    events.default_backoff().filter_map(move |event| {
        let event = match event {
            Ok(event) => Some(event.modify(prune)),
            Err(error) => {
                metrics.watch_failed(kind);
                tracing::warn!(kind, "a watch failed and will be opened again: {error}");
                None
            }
        };
        futures::future::ready(event)
    })
}

/// Four fifths of an object's memory are managed fields, which nobody here reads.
fn prune<K: Resource>(object: &mut K) {
    let metadata = object.meta_mut();
    metadata.managed_fields = None;
    if let Some(annotations) = &mut metadata.annotations {
        annotations.remove(LAST_APPLIED);
    }
}

fn decoded<K: Resource<DynamicType = ()>>(event: Event<DeserializeGuard<K>>) -> Result<Event<K>, String> {
    let object = |guard: DeserializeGuard<K>| {
        let place = format!(
            "{}/{}",
            guard.meta().namespace.as_deref().unwrap_or_default(),
            guard.name_any()
        );
        guard.0.map_err(|refused| format!("{place}: {}", refused.error))
    };
    Ok(match event {
        Event::Apply(guard) => Event::Apply(object(guard)?),
        Event::Delete(guard) => Event::Delete(object(guard)?),
        Event::InitApply(guard) => Event::InitApply(object(guard)?),
        Event::Init => Event::Init,
        Event::InitDone => Event::InitDone,
    })
}

/// What a watch says about the set of objects.
#[derive(Debug, PartialEq, Eq)]
pub enum Change<'a, K> {
    /// The object exists and looks like this.
    Present(&'a K),
    /// There is no such object any more.
    Absent {
        /// Its namespace; empty for a cluster-scoped kind.
        namespace: &'a str,
        /// Its name.
        name: &'a str,
    },
    /// All objects that exist have been reported.
    Synced,
}

/// Turns events into changes. After an interrupted watch it reports as absent what is missing from the new
/// list, so that an index built from the changes never keeps what is gone.
#[derive(Debug, Default)]
pub struct ChangeTracker {
    known: HashSet<(String, String)>,
    listed: Option<HashSet<(String, String)>>,
}

impl ChangeTracker {
    /// Takes in one event and reports what follows from it.
    pub fn observe<K: Resource>(&mut self, event: &Event<K>, mut report: impl FnMut(Change<'_, K>)) {
        match event {
            Event::Init => self.listed = Some(HashSet::new()),
            Event::InitApply(object) => {
                self.listed.get_or_insert_default().insert(place(object));
                report(Change::Present(object));
            }
            Event::InitDone => {
                let listed = self.listed.take().unwrap_or_default();
                for (namespace, name) in self.known.difference(&listed) {
                    report(Change::Absent { namespace, name });
                }
                self.known = listed;
                report(Change::Synced);
            }
            Event::Apply(object) => {
                self.known.insert(place(object));
                report(Change::Present(object));
            }
            Event::Delete(object) => {
                let (namespace, name) = place(object);
                self.known.remove(&(namespace.clone(), name.clone()));
                report(Change::Absent {
                    namespace: &namespace,
                    name: &name,
                });
            }
        }
    }
}

fn place<K: Resource>(object: &K) -> (String, String) {
    let metadata = object.meta();
    (
        metadata.namespace.clone().unwrap_or_default(),
        metadata.name.clone().unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;

    fn config_map(name: &str) -> ConfigMap {
        let mut object = ConfigMap::default();
        object.metadata.name = Some(name.into());
        object.metadata.namespace = Some("shop".into());
        object
    }

    fn changes(tracker: &mut ChangeTracker, events: &[Event<ConfigMap>]) -> Vec<String> {
        let mut seen = Vec::new();
        for event in events {
            tracker.observe(event, |change| {
                seen.push(match change {
                    Change::Present(object) => format!("+{}", object.name_any()),
                    Change::Absent { namespace, name } => format!("-{namespace}/{name}"),
                    Change::Synced => "synced".to_owned(),
                });
            });
        }
        seen
    }

    #[test]
    fn an_object_deleted_while_the_watch_was_down_is_reported_after_the_next_list() {
        let mut tracker = ChangeTracker::default();
        let first = vec![
            Event::Init,
            Event::InitApply(config_map("a")),
            Event::InitApply(config_map("b")),
            Event::InitDone,
            Event::Apply(config_map("c")),
        ];
        assert_eq!(changes(&mut tracker, &first), ["+a", "+b", "synced", "+c"]);
        let second = vec![Event::Init, Event::InitApply(config_map("b")), Event::InitDone];
        let mut seen = changes(&mut tracker, &second);
        seen.sort();
        assert_eq!(seen, ["+b", "-shop/a", "-shop/c", "synced"]);
        assert_eq!(
            changes(&mut tracker, &[Event::Delete(config_map("b"))]),
            ["-shop/b"]
        );
    }

    #[test]
    fn what_nobody_reads_is_dropped() {
        let mut object = config_map("a");
        object.metadata.managed_fields = Some(vec![]);
        object
            .annotations_mut()
            .insert(LAST_APPLIED.into(), "copy".into());
        prune(&mut object);
        assert_eq!(object, {
            let mut plain = config_map("a");
            plain.metadata.annotations = Some([].into());
            plain
        });
    }
}
