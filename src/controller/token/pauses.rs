//! Pauses after failures, while nothing they rest on has changed.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_openapi::jiff::Timestamp;

use super::client::Fingerprint;
use super::findings::Trouble;
use crate::api::token::FulfilledRequests;
use crate::controller::index::Place;
use crate::credential::token::{Failure, Refresh, retry};

/// Until when nothing is tried, because of what went wrong before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// What went wrong.
    pub trouble: Trouble,
    /// When it is tried again.
    pub until: Timestamp,
    /// Tries in a row that failed.
    pub failures: u32,
}

impl Pause {
    /// The pause after a failure. `published` is the refresh that failed and the end of the token that is published.
    #[must_use]
    pub fn after(
        trouble: &Trouble,
        earlier: Option<&Self>,
        published: Option<(Refresh, Timestamp)>,
        uid: &str,
        now: Timestamp,
    ) -> Self {
        let kind = if trouble.passes {
            Failure::Passing {
                retry_after: trouble.retry_after,
            }
        } else {
            Failure::Refused
        };
        // Failures of another kind begin a row of their own.
        let failures = earlier
            .filter(|earlier| earlier.trouble.passes == trouble.passes)
            .map_or(0, |earlier| earlier.failures)
            .saturating_add(1);
        Self {
            trouble: trouble.clone(),
            until: retry(kind, failures, now, published, uid),
            failures,
        }
    }
}

/// What a pause is about: a change of it ends the pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Generation of the spec.
    pub generation: i64,
    /// Revision of the provider: see [`Lookup::Found`](crate::controller::registry::Lookup::Found).
    pub provider: Option<u64>,
    /// The client and its credentials, where they are read from the cluster.
    pub client: Option<Fingerprint>,
    /// What somebody asked for by annotation.
    pub requests: FulfilledRequests,
}

/// The pauses of all resources of a kind. A restart forgets them, which costs one earlier try.
#[derive(Debug, Default)]
pub struct Pauses {
    /// Of every resource that a pass goes over, and of those that pause.
    pauses: Mutex<HashMap<Place, Option<(Asked, Pause)>>>,
}

impl Pauses {
    /// A pass over a resource begins, before it looks at anything that the resource rests on.
    pub fn begin(&self, place: &Place) {
        self.lock().entry(place.clone()).or_default();
    }

    /// The pause of a resource, if it still is about the same.
    #[must_use]
    pub fn about(&self, place: &Place, asked: &Asked) -> Option<Pause> {
        let pauses = self.lock();
        let (about, pause) = pauses.get(place)?.as_ref()?;
        (about == asked).then(|| pause.clone())
    }

    /// Remembers a pause, or that there is none, as the pass that has begun found it. One that was ended meanwhile rests
    /// on what is no more, and is not remembered.
    pub fn set(&self, place: &Place, asked: Asked, pause: Option<Pause>) {
        let mut pauses = self.lock();
        match pause {
            Some(pause) => {
                if let Some(known) = pauses.get_mut(place) {
                    *known = Some((asked, pause));
                }
            }
            None => {
                pauses.remove(place);
            }
        }
    }

    /// Ends a pause: something that the resource rests on has changed, or it is gone. A pass that is under way sets none.
    pub fn end(&self, place: &Place) {
        self.lock().remove(place);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Option<(Asked, Pause)>>> {
        self.pauses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::token::client::LoadedClient;
    use crate::identity::oauth2::{ClientAuthentication, ClientCredentials};

    fn place() -> Place {
        ("shop".to_owned(), "orders".to_owned())
    }

    fn asked(generation: i64) -> Asked {
        Asked {
            generation,
            provider: None,
            client: None,
            requests: FulfilledRequests::default(),
        }
    }

    fn pause() -> Pause {
        let trouble = Trouble::to_mend("InvalidClient", "the client is unknown".to_owned());
        Pause::after(&trouble, None, None, "uid", Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_pause_holds_while_it_is_about_the_same() {
        let pauses = Pauses::default();
        pauses.begin(&place());
        assert_eq!(pauses.about(&place(), &asked(1)), None);
        pauses.set(&place(), asked(1), Some(pause()));
        assert_eq!(pauses.about(&place(), &asked(1)), Some(pause()));
        assert_eq!(pauses.about(&place(), &asked(2)), None);
        let other_provider = Asked {
            provider: Some(2),
            ..asked(1)
        };
        assert_eq!(pauses.about(&place(), &other_provider), None);
        pauses.set(&place(), asked(2), None);
        assert_eq!(pauses.about(&place(), &asked(1)), None);
    }

    #[test]
    fn a_pause_is_about_the_credentials_that_were_used() {
        let with = |secret: &str| Asked {
            client: Some(
                LoadedClient::new(ClientCredentials {
                    client_id: "orders".to_owned(),
                    authentication: ClientAuthentication::SecretBasic(secret.to_owned().into()),
                })
                .fingerprint,
            ),
            ..asked(1)
        };
        let pauses = Pauses::default();
        pauses.begin(&place());
        pauses.set(&place(), with("wrong"), Some(pause()));
        assert_eq!(pauses.about(&place(), &with("wrong")), Some(pause()));
        assert_eq!(
            pauses.about(&place(), &with("right")),
            None,
            "they are tried at once"
        );
        assert!(!format!("{:?}", with("wrong")).contains("wrong"));
    }

    #[test]
    fn a_pass_that_began_before_a_change_sets_no_pause_after_it() {
        let pauses = Pauses::default();
        for earlier in [None, Some(pause())] {
            pauses.begin(&place());
            pauses.set(&place(), asked(1), earlier.clone());
            pauses.begin(&place());
            assert_eq!(pauses.about(&place(), &asked(1)), earlier);
            pauses.end(&place());
            pauses.set(&place(), asked(1), Some(pause()));
            pauses.begin(&place());
            assert_eq!(
                pauses.about(&place(), &asked(1)),
                None,
                "the change is not slept over"
            );
        }
    }
}
