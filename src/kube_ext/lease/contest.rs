//! The election as one replica sees it: decisions without I/O and without a clock of their own.

use std::time::Duration;

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
    jiff::Timestamp,
};
use tokio::time::Instant;

use super::{leadership::Term, timings::Timings};

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Write our claim: the lease is free, expired, or ours and due for renewal.
    Write,
    /// Nothing before then.
    Wait(Instant),
    /// Stop leading: another holds the lease, or it could not be renewed in time.
    StepDown,
}

/// What one replica knows of the lease.
#[derive(Clone, Debug)]
pub(super) struct Contest {
    me: String,
    namespace: String,
    name: String,
    timings: Timings,
    role: Role,
    seen: Option<Seen>,
    /// When a write was last sent.
    tried: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
enum Role {
    Candidate,
    /// Holds the lease; `renewed` is when the last write that succeeded was sent.
    Holder {
        renewed: Instant,
    },
    /// Held the lease, and gave it up or lost it to another.
    Out,
}

/// The Lease as it was last read.
#[derive(Clone, Debug)]
struct Seen {
    spec: LeaseSpec,
    /// Since when, on our clock, the spec has been like that.
    since: Instant,
    /// The object to write over; none when it was deleted since.
    lease: Option<Lease>,
}

impl Seen {
    fn holder(&self) -> &str {
        self.spec.holder_identity.as_deref().unwrap_or_default()
    }
}

impl Contest {
    pub(super) fn new(namespace: &str, name: &str, me: String, timings: Timings) -> Self {
        Self {
            me,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            timings,
            role: Role::Candidate,
            seen: None,
            tried: None,
        }
    }

    pub(super) fn identity(&self) -> &str {
        &self.me
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn holds(&self) -> bool {
        matches!(self.role, Role::Holder { .. })
    }

    /// Who else holds the lease, as far as we know.
    pub(super) fn other_holder(&self) -> Option<&str> {
        self.seen
            .as_ref()
            .map(Seen::holder)
            .filter(|holder| !holder.is_empty() && *holder != self.me)
    }

    /// The Lease was read; `None` means that there is none.
    pub(super) fn observed(&mut self, lease: Option<Lease>, now: Instant) {
        match (lease, &mut self.seen) {
            // Only the metadata may have changed, which says nothing of the holder.
            (Some(lease), Some(seen)) if lease.spec.as_ref() == Some(&seen.spec) => seen.lease = Some(lease),
            (Some(lease), _) => {
                let spec = lease.spec.clone().unwrap_or_default();
                self.seen = Some(Seen {
                    spec,
                    since: now,
                    lease: Some(lease),
                });
            }
            // A deleted Lease does not stop its holder, who may not know yet: its time goes on.
            (None, Some(seen)) => seen.lease = None,
            (None, None) => {}
        }
        if self.holds() && self.other_holder().is_some() {
            self.role = Role::Out;
        }
    }

    /// A write is being sent.
    pub(super) fn tried(&mut self, sent: Instant) {
        self.tried = Some(sent);
    }

    /// Our claim, sent at `sent`, has become the Lease.
    pub(super) fn wrote(&mut self, lease: Lease, sent: Instant, now: Instant) {
        self.observed(Some(lease), now);
        if !matches!(self.role, Role::Out) {
            self.role = Role::Holder { renewed: sent };
        }
    }

    /// Gives the lease up.
    pub(super) fn resign(&mut self) {
        self.role = Role::Out;
    }

    /// What to do at `now`.
    pub(super) fn decide(&self, now: Instant) -> Decision {
        match self.role {
            Role::Out => Decision::StepDown,
            Role::Holder { renewed } => self.decide_as_holder(renewed, now),
            Role::Candidate => match self.expiry() {
                Some(expiry) if now < expiry => Decision::Wait(expiry),
                _ => Decision::Write,
            },
        }
    }

    fn decide_as_holder(&self, renewed: Instant, now: Instant) -> Decision {
        let deadline = renewed + self.timings.renew_deadline();
        let due = self.tried.unwrap_or(renewed) + self.timings.retry_period();
        if now >= deadline {
            Decision::StepDown
        } else if now >= due {
            Decision::Write
        } else {
            Decision::Wait(due.min(deadline))
        }
    }

    /// When the time of another holder is over: as long after we saw its last renewal as it said itself.
    fn expiry(&self) -> Option<Instant> {
        self.other_holder()?;
        let seen = self.seen.as_ref()?;
        let seconds = seen
            .spec
            .lease_duration_seconds
            .and_then(|seconds| u64::try_from(seconds).ok());
        let duration = match seconds {
            Some(seconds) if seconds > 0 => Duration::from_secs(seconds),
            _ => self.timings.lease_duration(),
        };
        Some(seen.since + duration)
    }

    /// When a candidate is to read the Lease again: soon enough to notice that it was released.
    pub(super) fn next_look(&self, now: Instant) -> Instant {
        let soon = now + self.timings.retry_period();
        match self.decide(now) {
            Decision::Wait(until) => until.min(soon),
            Decision::Write | Decision::StepDown => soon,
        }
    }

    /// Whether a holder whose write met a conflict may write again at once.
    pub(super) fn may_retry(&self, now: Instant) -> bool {
        matches!(self.role, Role::Holder { renewed } if now < renewed + self.timings.renew_deadline())
    }

    /// When a request that is sent at `sent` is given up: in time for a second one, and for a holder no later
    /// than its leadership.
    pub(super) fn deadline(&self, sent: Instant) -> Instant {
        let deadline = sent + self.timings.request_timeout();
        match self.role {
            Role::Holder { renewed } => deadline.min(sent.max(renewed + self.timings.renew_deadline())),
            Role::Candidate | Role::Out => deadline,
        }
    }

    /// What this replica may do, and until when.
    pub(super) fn term(&self) -> Term {
        match self.role {
            Role::Holder { renewed } => Term::Until {
                lead: renewed + self.timings.renew_deadline(),
                write: renewed + self.timings.write_window(),
            },
            Role::Candidate | Role::Out => Term::None,
        }
    }

    /// The Lease with us as its holder, based on what was last seen; `wall` is for people to read.
    pub(super) fn claim(&self, wall: Timestamp) -> Lease {
        let mut lease = self.base();
        let mut spec = self
            .seen
            .as_ref()
            .map(|seen| seen.spec.clone())
            .unwrap_or_default();
        if spec.holder_identity.as_deref() != Some(&self.me) {
            spec.acquire_time = Some(MicroTime(wall));
            spec.lease_transitions = Some(match self.seen {
                Some(_) => spec.lease_transitions.unwrap_or_default().saturating_add(1),
                None => 0,
            });
        }
        spec.holder_identity = Some(self.me.clone());
        spec.lease_duration_seconds = Some(self.timings.lease_seconds());
        spec.renew_time = Some(MicroTime(wall));
        lease.spec = Some(spec);
        lease
    }

    /// The Lease without a holder, if we are it.
    pub(super) fn release(&self, wall: Timestamp) -> Option<Lease> {
        let seen = self.seen.as_ref().filter(|seen| seen.holder() == self.me)?;
        let mut lease = seen.lease.clone()?;
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(String::new()),
            lease_duration_seconds: Some(1),
            renew_time: Some(MicroTime(wall)),
            ..seen.spec.clone()
        });
        Some(lease)
    }

    fn base(&self) -> Lease {
        self.seen
            .as_ref()
            .and_then(|seen| seen.lease.clone())
            .unwrap_or_else(|| Lease {
                metadata: ObjectMeta {
                    namespace: Some(self.namespace.clone()),
                    name: Some(self.name.clone()),
                    ..ObjectMeta::default()
                },
                spec: None,
            })
    }
}

#[cfg(test)]
mod tests;
