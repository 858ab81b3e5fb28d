//! Which copies from a watch are older than our own last write.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kube::{Resource, ResourceExt};

/// Namespace and name.
type Place = (String, String);

/// Resource versions of our own last status writes: an older copy from the watch is not used.
#[derive(Debug, Default)]
pub struct WrittenVersions {
    versions: Mutex<HashMap<Place, u64>>,
}

impl WrittenVersions {
    /// Our own write brought this about.
    pub fn remember(&self, written: &impl Resource) {
        if let Some(version) = version(written) {
            self.lock().insert(place(written), version);
        }
    }

    /// Whether a copy is older than what we wrote.
    #[must_use]
    pub fn is_outdated(&self, copy: &impl Resource) -> bool {
        let written = self.lock().get(&place(copy)).copied();
        written.is_some_and(|written| version(copy).is_none_or(|seen| seen < written))
    }

    /// Forgets a resource that is gone.
    pub fn forget(&self, place: &Place) {
        self.lock().remove(place);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, u64>> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn place(object: &impl Resource) -> Place {
    (object.namespace().unwrap_or_default(), object.name_any())
}

fn version(object: &impl Resource) -> Option<u64> {
    object.resource_version().and_then(|version| version.parse().ok())
}
