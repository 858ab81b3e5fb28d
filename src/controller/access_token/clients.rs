//! The clients of resources as they were found, so that a resource as it should be costs no call.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::state::ClientView;
use crate::controller::index::Place;

/// The clients that were found, each for the generation and the connection that it was looked for with. After a restart
/// they are found anew.
#[derive(Debug, Default)]
pub struct KnownClients {
    clients: Mutex<HashMap<Place, (String, ClientView)>>,
}

impl KnownClients {
    /// The client of a resource, if it was found for the same `version`.
    #[must_use]
    pub fn get(&self, place: &Place, version: &str) -> Option<ClientView> {
        let clients = self.lock();
        let (of, client) = clients.get(place)?;
        (of == version && matches!(client, ClientView::Ready { .. })).then(|| client.clone())
    }

    /// Remembers what was found.
    pub fn set(&self, place: Place, version: String, client: ClientView) {
        self.lock().insert(place, (version, client));
    }

    /// Forgets a client: what it rests on has changed, or its resource is gone.
    pub fn forget(&self, place: &Place) {
        self.lock().remove(place);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, (String, ClientView)>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
