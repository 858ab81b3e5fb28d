//! Watching calls from inside the process, and holding them at a chosen point.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{oneshot, watch};

use crate::faults::When;
use crate::operation::{Operation, Route};

/// A call at one of its two points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallEvent {
    /// What was called.
    pub operation: Operation,
    /// Before or after the change.
    pub when: When,
    /// The call's number, counted from 0 since the sandbox started.
    pub index: u64,
}

type Callback = Arc<dyn Fn(CallEvent) + Send + Sync>;

/// The sandbox was stopped before any call came to the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sandbox stopped before a call came to the gate")]
pub struct Stopped;

/// Holds one call until it is released. Dropping the gate releases the call.
#[derive(Debug)]
pub struct Gate {
    reached: watch::Receiver<Option<u64>>,
    _release: oneshot::Sender<()>,
}

impl Gate {
    /// Waits until a call stands at the gate; its number.
    ///
    /// # Errors
    /// [`Stopped`] if no call can come any more.
    pub async fn reached(&mut self) -> Result<u64, Stopped> {
        self.reached
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|index| *index)
            .ok_or(Stopped)
    }

    /// Lets the call go on.
    pub fn release(self) {
        drop(self);
    }
}

struct Hold {
    route: Route,
    when: When,
    reached: watch::Sender<Option<u64>>,
    released: oneshot::Receiver<()>,
}

/// Callbacks and gates.
#[derive(Default)]
pub(crate) struct Hooks {
    callbacks: Mutex<Vec<Callback>>,
    holds: Mutex<Vec<Hold>>,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Hooks").finish_non_exhaustive()
    }
}

impl Hooks {
    pub(crate) fn on_call(&self, callback: impl Fn(CallEvent) + Send + Sync + 'static) {
        self.callbacks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::new(callback));
    }

    pub(crate) fn hold(&self, route: Route, when: When) -> Gate {
        let (reached_sender, reached) = watch::channel(None);
        let (release, released) = oneshot::channel();
        let hold = Hold {
            route,
            when,
            reached: reached_sender,
            released,
        };
        self.holds
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(hold);
        Gate {
            reached,
            _release: release,
        }
    }

    /// Drops every gate that no call has come to, so that whoever waits there learns of the end.
    pub(crate) fn close(&self) {
        self.holds.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Takes a call past the hooks of one point.
    pub(crate) async fn pass(&self, event: CallEvent) {
        let callbacks = self
            .callbacks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for callback in callbacks {
            callback(event);
        }
        if let Some(hold) = self.take_hold(event) {
            hold.reached.send_replace(Some(event.index));
            // An error means that the gate was dropped, which releases the call as well.
            let _ = hold.released.await;
        }
    }

    fn take_hold(&self, event: CallEvent) -> Option<Hold> {
        let mut holds = self.holds.lock().unwrap_or_else(PoisonError::into_inner);
        let matches = |hold: &Hold| hold.when == event.when && hold.route.covers(event.operation);
        let index = holds.iter().position(matches)?;
        Some(holds.remove(index))
    }
}
