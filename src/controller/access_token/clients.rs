//! The clients of resources as they were found, so that a resource as it should be costs no call.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::state::ClientView;
use crate::controller::index::Place;
use crate::controller::token::client::Fingerprint;

/// The clients that were found, each for the generation and the connection that it was looked for with. After a restart
/// they are found anew.
#[derive(Debug, Default)]
pub struct KnownClients {
    clients: Mutex<HashMap<Place, Known>>,
}

#[derive(Debug)]
enum Known {
    /// It is being looked for.
    Sought,
    /// It was found for this version.
    Found(String, FoundClient),
}

/// A client as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundClient {
    /// As decisions see it.
    pub view: ClientView,
    /// Tells it and its credentials from others, where they could be read.
    pub fingerprint: Option<Fingerprint>,
}

impl KnownClients {
    /// The client of a resource, if it was found for the same `version`. If not, it has to be looked for and
    /// [found](Self::found).
    #[must_use]
    pub fn get_or_seek(&self, place: &Place, version: &str) -> Option<FoundClient> {
        let mut clients = self.lock();
        if let Some(Known::Found(of, client)) = clients.get(place)
            && of == version
        {
            return Some(client.clone());
        }
        clients.insert(place.clone(), Known::Sought);
        None
    }

    /// Remembers a client that is ready, unless what it rests on has changed since it was looked for.
    pub fn found(&self, place: &Place, version: String, client: &FoundClient) {
        if let Some(known) = self.lock().get_mut(place)
            && matches!(client.view, ClientView::Ready { .. })
        {
            *known = Known::Found(version, client.clone());
        }
    }

    /// Forgets a client: what it rests on has changed, or its resource is gone.
    pub fn forget(&self, place: &Place) {
        self.lock().remove(place);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Known>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        ("shop".to_owned(), "orders".to_owned())
    }

    fn ready(client_id: &str) -> FoundClient {
        FoundClient {
            view: ClientView::Ready {
                client_id: client_id.to_owned(),
            },
            fingerprint: None,
        }
    }

    #[test]
    fn a_client_is_known_for_the_version_it_was_looked_for_with() {
        let clients = KnownClients::default();
        assert_eq!(clients.get_or_seek(&place(), "1"), None);
        clients.found(&place(), "1".to_owned(), &ready("one"));
        assert_eq!(clients.get_or_seek(&place(), "1"), Some(ready("one")));
        assert_eq!(clients.get_or_seek(&place(), "2"), None);
    }

    #[test]
    fn a_client_that_was_read_before_a_change_is_not_remembered_after_it() {
        let clients = KnownClients::default();
        let _ = clients.get_or_seek(&place(), "1");
        clients.forget(&place());
        clients.found(&place(), "1".to_owned(), &ready("earlier"));
        assert_eq!(clients.get_or_seek(&place(), "1"), None);
    }
}
