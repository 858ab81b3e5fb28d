//! The points at which a process can be killed, and the trap that stops a call at one of them.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use keywright_sandbox::When;
use tokio::sync::oneshot;

/// One call of the operator: what it does, and the how manieth of that kind it is.
///
/// Calls are told apart by what they do and not by their place among all calls, since two controllers make
/// them side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) occurrence: usize,
}

/// A moment in the life of the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) call: Call,
    /// Before: the request never arrives. After: it took effect, and its answer never arrives.
    pub(super) moment: When,
}

impl Point {
    /// Both moments of a call.
    pub(super) fn of(call: &Call) -> [Self; 2] {
        [When::Before, When::After].map(|moment| Self {
            call: call.clone(),
            moment,
        })
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            call: Call { name, occurrence },
            moment,
        } = self;
        write!(f, "{moment:?} {name:?} (number {occurrence})")
    }
}

/// Who waits for a point to be reached.
struct Trap {
    point: Point,
    reached: oneshot::Sender<()>,
}

/// The calls that came by, and the trap for one of them.
#[derive(Default)]
pub(super) struct Board(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    seen: Vec<Call>,
    trap: Option<Trap>,
}

/// Where a call is stopped.
pub(super) struct Stop {
    pub(super) moment: When,
    reached: oneshot::Sender<()>,
}

impl Stop {
    /// Says that the point is reached, and stays there until the caller's connection is closed.
    pub(super) async fn hold<T>(self) -> T {
        // Whoever waited may have given up; the call is held all the same.
        let _ = self.reached.send(());
        std::future::pending().await
    }
}

impl Board {
    /// Forgets the calls that were seen, so that counting begins anew.
    pub(super) fn clear(&self) {
        self.inner().seen.clear();
    }

    /// Stops the first call that comes to this point. Later ones pass.
    pub(super) fn arm(&self, point: Point) -> oneshot::Receiver<()> {
        let (reached, wait) = oneshot::channel();
        self.inner().trap = Some(Trap { point, reached });
        wait
    }

    /// The calls since the board was cleared.
    pub(super) fn seen(&self) -> Vec<Call> {
        self.inner().seen.clone()
    }

    /// Notes a call and says whether it is to be stopped.
    pub(super) fn arrive(&self, name: String) -> Option<Stop> {
        let mut inner = self.inner();
        let occurrence = inner.seen.iter().filter(|seen| seen.name == name).count() + 1;
        let call = Call { name, occurrence };
        inner.seen.push(call.clone());
        let trap = inner.trap.take_if(|trap| trap.point.call == call)?;
        Some(Stop {
            moment: trap.point.moment,
            reached: trap.reached,
        })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
