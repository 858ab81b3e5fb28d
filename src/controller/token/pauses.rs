//! Pauses after failures, while nothing they rest on has changed.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_openapi::jiff::Timestamp;

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
            until: retry(kind, failures, now, published, uid).at,
            failures,
        }
    }
}

/// What a pause is about: a change of it ends the pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Generation of the spec.
    pub generation: i64,
    /// What somebody asked for by annotation.
    pub requests: FulfilledRequests,
}

/// The pauses of all resources of a kind. A restart forgets them, which costs one earlier try.
#[derive(Debug, Default)]
pub struct Pauses {
    pauses: Mutex<HashMap<Place, (Asked, Pause)>>,
}

impl Pauses {
    /// The pause of a resource, if it still is about the same.
    #[must_use]
    pub fn get(&self, place: &Place, asked: &Asked) -> Option<Pause> {
        let pauses = self.lock();
        let (about, pause) = pauses.get(place)?;
        (about == asked).then(|| pause.clone())
    }

    /// Remembers a pause, or that there is none.
    pub fn set(&self, place: Place, asked: Asked, pause: Option<Pause>) {
        match pause {
            Some(pause) => self.lock().insert(place, (asked, pause)),
            None => self.lock().remove(&place),
        };
    }

    /// Ends a pause: something that the resource rests on has changed.
    pub fn end(&self, place: &Place) {
        self.lock().remove(place);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, (Asked, Pause)>> {
        self.pauses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
