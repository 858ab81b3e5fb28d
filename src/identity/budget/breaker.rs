//! Whether at all: a breaker for a provider that does not serve.

use std::time::Duration;

use tokio::time::Instant;

use super::rate::later;
use crate::credential::schedule::Backoff;

/// First long enough for a restart behind a load balancer, at last short enough that a provider which is back is
/// noticed within a minute.
const OPEN_FOR: Backoff = Backoff {
    first: Duration::from_secs(2),
    longest: Duration::from_secs(60),
};

/// What a breaker lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Everything.
    Closed,
    /// Nothing.
    Open,
    /// One trial call at a time.
    HalfOpen,
}

/// Opens after failures in a row, for a time that grows with each opening, and closes when a trial call is answered.
#[derive(Clone, Debug)]
pub(super) struct Breaker {
    /// Differs between budgets, so that their times do not run alike.
    seed: String,
    phase: Phase,
    /// How often it opened since it last closed.
    openings: u32,
    trials: u64,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Closed { failures: u32 },
    Open { until: Instant },
    HalfOpen { trial: Option<Trial> },
}

/// Tells a trial call from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trial(u64);

/// What keeps a call back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// Nothing.
    None,
    /// Nothing is tried before then.
    Until(Instant),
    /// A trial call is under way, and nobody knows how long it takes.
    Trial,
}

impl Breaker {
    pub(super) fn new(seed: String) -> Self {
        Self {
            seed,
            phase: Phase::Closed { failures: 0 },
            openings: 0,
            trials: 0,
        }
    }

    pub(super) fn state(&self) -> BreakerState {
        match self.phase {
            Phase::Closed { .. } => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    pub(super) fn hold(&self, now: Instant) -> Hold {
        match self.phase {
            Phase::Open { until } if now < until => Hold::Until(until),
            Phase::HalfOpen { trial: Some(_) } => Hold::Trial,
            _ => Hold::None,
        }
    }

    /// A call is made that nothing holds. It is a trial call unless the breaker is closed.
    pub(super) fn admit(&mut self) -> Option<Trial> {
        if matches!(self.phase, Phase::Closed { .. }) {
            return None;
        }
        self.trials = self.trials.wrapping_add(1);
        let trial = Some(Trial(self.trials));
        self.phase = Phase::HalfOpen { trial };
        trial
    }

    /// Any call was answered, whatever the answer: the provider serves.
    pub(super) fn answered(&mut self) {
        self.phase = Phase::Closed { failures: 0 };
        self.openings = 0;
    }

    /// A call failed. Those that were made before the breaker opened say nothing new once it has.
    pub(super) fn failed(&mut self, now: Instant, trial: Option<Trial>, threshold: u32) {
        match &mut self.phase {
            Phase::Closed { failures } => {
                *failures = failures.saturating_add(1);
                if *failures >= threshold {
                    self.open(now);
                }
            }
            Phase::HalfOpen { trial: current } if trial.is_some() && *current == trial => self.open(now),
            Phase::Open { .. } | Phase::HalfOpen { .. } => {}
        }
    }

    /// A call ended without telling anything of the provider. Another may be the trial call.
    pub(super) fn released(&mut self, trial: Option<Trial>) {
        if let Phase::HalfOpen { trial: current } = &mut self.phase
            && *current == trial
        {
            *current = None;
        }
    }

    fn open(&mut self, now: Instant) {
        self.openings = self.openings.saturating_add(1);
        let until = later(now, OPEN_FOR.pause(self.openings, &self.seed));
        self.phase = Phase::Open { until };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const THRESHOLD: u32 = 5;

    fn breaker() -> Breaker {
        Breaker::new("seed".to_owned())
    }

    /// Opens a breaker that is closed, and says until when.
    fn opened(breaker: &mut Breaker, now: Instant) -> Instant {
        for _ in 0..THRESHOLD {
            assert_eq!(breaker.hold(now), Hold::None);
            let trial = breaker.admit();
            breaker.failed(now, trial, THRESHOLD);
        }
        until(breaker, now)
    }

    fn until(breaker: &Breaker, now: Instant) -> Instant {
        match breaker.hold(now) {
            Hold::Until(until) => until,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_answer_between_failures_keeps_it_closed() {
        let (mut breaker, now) = (breaker(), Instant::now());
        for n in 0..100 {
            if n % THRESHOLD == 0 {
                breaker.answered();
            } else {
                breaker.failed(now, None, THRESHOLD);
            }
            assert_eq!(breaker.state(), BreakerState::Closed);
        }
    }

    #[test]
    fn it_stays_open_longer_each_time_up_to_a_minute_and_short_again_after_an_answer() {
        let (mut breaker, mut now) = (breaker(), Instant::now());
        let mut lengths = vec![opened(&mut breaker, now) - now];
        for _ in 0..10 {
            now = until(&breaker, now);
            let trial = breaker.admit();
            assert!(trial.is_some());
            breaker.failed(now, trial, THRESHOLD);
            lengths.push(until(&breaker, now) - now);
        }
        assert!(lengths[0] >= OPEN_FOR.first / 2 && lengths[0] <= OPEN_FOR.first);
        assert!(lengths[3] > lengths[0] * 3, "{lengths:?}");
        assert!(lengths.iter().all(|length| *length <= OPEN_FOR.longest));
        assert!(lengths[10] >= OPEN_FOR.longest / 2);
        breaker.answered();
        assert!(opened(&mut breaker, now) - now <= OPEN_FOR.first);
    }

    #[test]
    fn what_was_made_before_it_opened_does_not_open_it_longer() {
        let (mut breaker, now) = (breaker(), Instant::now());
        let end = opened(&mut breaker, now);
        breaker.failed(now, None, THRESHOLD);
        assert_eq!(until(&breaker, now), end);
        let trial = breaker.admit();
        breaker.failed(end, None, THRESHOLD);
        assert_eq!(breaker.hold(end), Hold::Trial);
        breaker.failed(end, trial, THRESHOLD);
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[test]
    fn a_trial_call_that_tells_nothing_makes_room_for_another() {
        let (mut breaker, now) = (breaker(), Instant::now());
        let end = opened(&mut breaker, now);
        let first = breaker.admit();
        breaker.released(None);
        assert_eq!(breaker.hold(end), Hold::Trial);
        breaker.released(first);
        assert_eq!(breaker.hold(end), Hold::None);
        let second = breaker.admit();
        assert_ne!(first, second);
        // Whoever was given up cannot speak for the one that is under way.
        breaker.failed(end, first, THRESHOLD);
        assert_eq!(breaker.hold(end), Hold::Trial);
        breaker.answered();
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[derive(Clone, Copy, Debug)]
    enum Event {
        Pass(u64),
        Admit,
        Answered(usize),
        Failed(usize),
        Released(usize),
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            (0_u64..30_000).prop_map(Event::Pass),
            Just(Event::Admit),
            any::<usize>().prop_map(Event::Answered),
            any::<usize>().prop_map(Event::Failed),
            any::<usize>().prop_map(Event::Failed),
            any::<usize>().prop_map(Event::Released),
        ]
    }

    proptest! {
        #[test]
        fn one_trial_call_at_a_time_and_never_stuck(events in prop::collection::vec(event(), 1..300)) {
            let (mut breaker, mut now) = (breaker(), Instant::now());
            let mut under_way: Vec<Option<Trial>> = Vec::new();
            for event in events {
                match event {
                    Event::Pass(millis) => now += Duration::from_millis(millis),
                    Event::Admit if breaker.hold(now) == Hold::None => under_way.push(breaker.admit()),
                    Event::Admit => {}
                    Event::Answered(which) if !under_way.is_empty() => {
                        under_way.remove(which % under_way.len());
                        breaker.answered();
                    }
                    Event::Failed(which) if !under_way.is_empty() => {
                        let trial = under_way.remove(which % under_way.len());
                        breaker.failed(now, trial, THRESHOLD);
                    }
                    Event::Released(which) if !under_way.is_empty() => {
                        let trial = under_way.remove(which % under_way.len());
                        breaker.released(trial);
                    }
                    Event::Answered(_) | Event::Failed(_) | Event::Released(_) => {}
                }
                if let Phase::HalfOpen { trial: Some(trial) } = breaker.phase {
                    prop_assert_eq!(under_way.iter().filter(|call| **call == Some(trial)).count(), 1);
                }
            }
            for trial in under_way {
                breaker.released(trial);
            }
            prop_assert_eq!(breaker.hold(now + OPEN_FOR.longest), Hold::None);
        }
    }
}
