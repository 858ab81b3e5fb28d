//! Waking resources that something else has changed for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::Stream;
use futures::channel::mpsc::{UnboundedSender, unbounded};
use kube::Resource;
use kube::runtime::reflector::{Lookup, ObjectRef};

/// Sends references to the controllers that reconcile them.
///
/// The channels are unbounded because a controller moves what it receives into a queue that holds each
/// resource once.
pub struct Wake<K: Lookup + 'static> {
    senders: Arc<Mutex<Senders<K>>>,
}

type Senders<K> = HashMap<Option<String>, UnboundedSender<ObjectRef<K>>>;

impl<K: Lookup> Clone for Wake<K> {
    fn clone(&self) -> Self {
        Self {
            senders: Arc::clone(&self.senders),
        }
    }
}

impl<K: Lookup> Default for Wake<K> {
    fn default() -> Self {
        Self {
            senders: Arc::default(),
        }
    }
}

impl<K> Wake<K>
where
    K: Resource<DynamicType = ()> + Lookup<DynamicType = ()>,
{
    /// What the controller of one namespace, or of all (`None`), is to be woken for.
    pub fn receiver(&self, namespace: Option<&str>) -> impl Stream<Item = ObjectRef<K>> + Send + 'static {
        let (sender, receiver) = unbounded();
        self.lock().insert(namespace.map(str::to_owned), sender);
        receiver
    }

    /// Wakes one resource; `namespace` is empty for a cluster-scoped kind. Nobody listening is no error:
    /// what starts later looks at everything anyway.
    pub fn wake(&self, namespace: &str, name: &str) {
        let reference = if namespace.is_empty() {
            ObjectRef::new(name)
        } else {
            ObjectRef::new(name).within(namespace)
        };
        let senders = self.lock();
        if let Some(sender) = senders
            .get(&Some(namespace.to_owned()))
            .or_else(|| senders.get(&None))
        {
            // A closed channel means that its controller is shutting down.
            let _ = sender.unbounded_send(reference);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Senders<K>> {
        self.senders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
