//! What the rest of the process knows of the election.

use tokio::{sync::watch, time::Instant};

/// Whether this replica leads, and whether it may write. Clones are cheap and agree.
///
/// Both answers run out by themselves, so they are right even while the task that renews hangs.
#[derive(Clone, Debug)]
pub struct Leadership {
    term: watch::Receiver<Term>,
}

/// The one place from which a [`Leadership`] is changed; given to an [`super::Elector`].
#[derive(Debug)]
pub struct Seat {
    term: watch::Sender<Term>,
}

/// From when to when this replica leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Term {
    /// It does not.
    None,
    /// There is no election.
    Unlimited,
    /// It holds the lease.
    Until {
        /// When new work may no longer start.
        lead: Instant,
        /// When nothing may be written any more: another may have taken the lease.
        write: Instant,
    },
}

impl Term {
    pub(super) fn is_leading(self, now: Instant) -> bool {
        match self {
            Self::None => false,
            Self::Unlimited => true,
            Self::Until { lead, .. } => now < lead,
        }
    }

    pub(super) fn may_write(self, now: Instant) -> bool {
        match self {
            Self::None => false,
            Self::Unlimited => true,
            Self::Until { write, .. } => now < write,
        }
    }
}

impl Leadership {
    /// For a process that takes no part in an election (`--leader-election=false`): it always leads.
    #[must_use]
    pub fn always() -> Self {
        Self {
            term: watch::channel(Term::Unlimited).1,
        }
    }

    /// For a process that has to be elected: it does not lead until the seat's elector says so.
    #[must_use]
    pub fn contested() -> (Self, Seat) {
        let (sender, receiver) = watch::channel(Term::None);
        (Self { term: receiver }, Seat { term: sender })
    }

    /// Whether new work may start: the renew deadline has not passed.
    #[must_use]
    pub fn is_leading(&self) -> bool {
        self.term.borrow().is_leading(Instant::now())
    }

    /// Whether work under way may still write: no other replica can have taken the lease yet.
    #[must_use]
    pub fn may_write(&self) -> bool {
        self.term.borrow().may_write(Instant::now())
    }
}

impl Seat {
    pub(super) fn publish(&self, term: Term) {
        self.term.send_replace(term);
    }

    /// A seat whose holder leads for `lead` and may write for `write`, both from now.
    #[cfg(test)]
    pub(crate) fn take(&self, lead: std::time::Duration, write: std::time::Duration) {
        let now = Instant::now();
        self.publish(Term::Until {
            lead: now + lead,
            write: now + write,
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn without_an_election_the_process_leads() {
        let leadership = Leadership::always();
        assert!(leadership.is_leading() && leadership.clone().may_write());
    }

    #[tokio::test(start_paused = true)]
    async fn a_term_runs_out_by_itself_even_when_the_elector_is_gone() {
        let (leadership, seat) = Leadership::contested();
        assert!(!leadership.is_leading() && !leadership.may_write());

        seat.take(Duration::from_secs(10), Duration::from_secs(15));
        drop(seat);
        assert!(leadership.is_leading() && leadership.may_write());
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(!leadership.is_leading() && leadership.may_write());
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(!leadership.is_leading() && !leadership.may_write());
    }
}
