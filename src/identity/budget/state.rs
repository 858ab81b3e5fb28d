//! Who may call now: rate, breaker, pause, slots and queue together. Pure, with the time passed in.

use std::time::Duration;

use tokio::time::Instant;

use super::breaker::{Breaker, BreakerState, Hold, Trial};
use super::pause::Pause;
use super::queue::{Queue, Ticket};
use super::rate::{Rate, later};
use super::{BudgetSettings, Outcome};
use crate::identity::token::Urgency;

/// The state of a budget. `W` is how one who waits is woken.
#[derive(Debug)]
pub(super) struct State<W> {
    settings: BudgetSettings,
    rate: Rate,
    breaker: Breaker,
    pause: Pause,
    queue: Queue<W>,
    under_way: u32,
}

/// What becomes of one who waits.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It is its turn.
    Go(Pass),
    /// Ask again then, or when woken.
    Wait(Instant),
    /// It has lost its place.
    Refused(Refusal),
}

/// One call that was let through. Has to be given back, by [`State::finished`].
#[derive(Debug)]
pub(super) struct Pass {
    admitted: Instant,
    trial: Option<Trial>,
}

/// Why a call is not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The provider has asked for a pause.
    Paused {
        /// Its end.
        until: Instant,
    },
    /// The breaker is open.
    Broken {
        /// When the next call is tried; `None` when one is being tried.
        until: Option<Instant>,
    },
    /// Too many were before it.
    Crowded {
        /// When it would have been its turn, by the rate.
        until: Instant,
    },
}

impl<W> State<W> {
    pub(super) fn new(settings: BudgetSettings, seed: String) -> Self {
        Self {
            settings,
            rate: Rate::new(settings.requests_per_second, settings.burst),
            breaker: Breaker::new(seed.clone()),
            pause: Pause::new(seed),
            queue: Queue::new(),
            under_way: 0,
        }
    }

    pub(super) fn update(&mut self, now: Instant, settings: BudgetSettings) {
        self.settings = settings;
        self.rate = self
            .rate
            .changed(now, settings.requests_per_second, settings.burst);
    }

    /// Takes a place, and says whom to wake because it has lost its own.
    pub(super) fn join(&mut self, now: Instant, urgency: Urgency, wake: W) -> (Ticket, Option<W>) {
        let deadline = later(now, self.settings.max_wait);
        let ticket = self.queue.join(urgency, deadline, wake);
        let shed = self.queue.shed(self.settings.queue_limit);
        if self.turn(now, ticket) > deadline && self.held(now, deadline).is_none() {
            self.queue.leave(ticket);
        }
        (ticket, shed)
    }

    /// What becomes of the one with this place.
    pub(super) fn attempt(&mut self, now: Instant, ticket: Ticket) -> Verdict {
        let Some(deadline) = self.queue.deadline(ticket) else {
            return Verdict::Refused(self.crowded(now, ticket));
        };
        if let Some(refusal) = self.held(now, deadline) {
            self.queue.leave(ticket);
            return Verdict::Refused(refusal);
        }
        let ready = self.ready(now, ticket);
        if ready.is_some_and(|ready| ready <= now) {
            return Verdict::Go(self.go(now, ticket));
        }
        if now < deadline {
            return Verdict::Wait(ready.map_or(deadline, |ready| ready.min(deadline)));
        }
        self.queue.leave(ticket);
        Verdict::Refused(match self.breaker.hold(now) {
            Hold::Trial => Refusal::Broken { until: None },
            _ => self.crowded(now, ticket),
        })
    }

    /// Gives up a place.
    pub(super) fn leave(&mut self, ticket: Ticket) {
        self.queue.leave(ticket);
    }

    /// A call that was let through has ended. Without an outcome it tells nothing of the provider. Says whether it
    /// changed what those behind the first one have to know.
    pub(super) fn finished(&mut self, now: Instant, pass: &Pass, outcome: Option<Outcome>) -> bool {
        self.under_way = self.under_way.saturating_sub(1);
        let before = (self.breaker.state(), self.pause.until(now));
        match outcome {
            None => self.breaker.released(pass.trial),
            Some(Outcome::Answered) => {
                self.breaker.answered();
                self.pause.answered(pass.admitted);
            }
            Some(Outcome::Throttled { retry_after }) => {
                // A provider that turns calls away serves.
                self.breaker.answered();
                let until = self.pause.throttled(now, pass.admitted, retry_after);
                // All who wait for the end of the pause must not come at the same moment.
                self.rate.spend_burst(until);
            }
            Some(Outcome::Unavailable) => {
                let threshold = self.settings.breaker_failures;
                self.breaker.failed(now, pass.trial, threshold);
            }
        }
        before != (self.breaker.state(), self.pause.until(now))
    }

    pub(super) fn breaker(&self) -> BreakerState {
        self.breaker.state()
    }

    pub(super) fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.pause.until(now)
    }

    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    #[cfg(test)]
    pub(super) fn under_way(&self) -> u32 {
        self.under_way
    }

    /// Who has to look whether it is their turn.
    pub(super) fn first(&self) -> Option<&W> {
        self.queue.first()
    }

    /// Everybody who waits.
    pub(super) fn all(&self) -> impl Iterator<Item = &W> {
        self.queue.all()
    }

    pub(super) fn settings(&self) -> BudgetSettings {
        self.settings
    }

    /// Why nobody who waits until `deadline` can be let through.
    fn held(&self, now: Instant, deadline: Instant) -> Option<Refusal> {
        if let Some(until) = self.pause.until(now).filter(|until| *until > deadline) {
            return Some(Refusal::Paused { until });
        }
        match self.breaker.hold(now) {
            Hold::Until(until) if until > deadline => Some(Refusal::Broken { until: Some(until) }),
            _ => None,
        }
    }

    /// When it can be let through; `None` when that depends on others.
    fn ready(&self, now: Instant, ticket: Ticket) -> Option<Instant> {
        if !self.queue.is_first(ticket) || self.under_way >= self.settings.concurrency {
            return None;
        }
        let breaker = match self.breaker.hold(now) {
            Hold::None => now,
            Hold::Until(until) => until,
            Hold::Trial => return None,
        };
        let pause = self.pause.until(now).unwrap_or(now);
        Some(self.rate.ready(now, 0).max(breaker).max(pause))
    }

    fn go(&mut self, now: Instant, ticket: Ticket) -> Pass {
        self.queue.leave(ticket);
        self.rate.take(now);
        self.under_way = self.under_way.saturating_add(1);
        Pass {
            admitted: now,
            trial: self.breaker.admit(),
        }
    }

    /// When it is its turn, as far as the rate goes.
    fn turn(&self, now: Instant, ticket: Ticket) -> Instant {
        let before = u32::try_from(self.queue.before(ticket)).unwrap_or(u32::MAX);
        self.rate.ready(now, before)
    }

    fn crowded(&self, now: Instant, ticket: Ticket) -> Refusal {
        // Where only the slots are taken the rate would let it through now, and now is not when to come back.
        let soonest = later(now, Duration::from_secs(1));
        Refusal::Crowded {
            until: self.turn(now, ticket).max(soonest),
        }
    }
}
