//! The decisions of the whole budget under random use.

use proptest::prelude::*;
use proptest::sample::Index;

use super::super::state::{Pass, State, Verdict};
use super::*;

#[derive(Clone, Copy, Debug)]
enum Event {
    Time(u64),
    Join(i64),
    Cancel(Index),
    End(Index, Option<Outcome>),
}

fn outcome() -> impl Strategy<Value = Option<Outcome>> {
    prop_oneof![
        4 => Just(Some(Outcome::Answered)),
        3 => Just(Some(Outcome::Unavailable)),
        1 => prop::option::of((0_u32..10).prop_map(|wait| wait * SECOND))
            .prop_map(|retry_after| Some(Outcome::Throttled { retry_after })),
        2 => Just(None),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0_u64..1500).prop_map(Event::Time),
        5 => (0_i64..6).prop_map(Event::Join),
        1 => any::<Index>().prop_map(Event::Cancel),
        4 => (any::<Index>(), outcome()).prop_map(|(which, outcome)| Event::End(which, outcome)),
    ]
}

/// A budget with everybody who waits for it or has leave.
struct World {
    state: State<()>,
    now: Instant,
    /// In the order in which they have to go.
    waiting: Vec<Ticket>,
    under_way: Vec<Pass>,
    begun: Vec<Instant>,
}

impl World {
    fn new(settings: BudgetSettings) -> Self {
        Self {
            state: State::new(settings, "seed".to_owned()),
            now: Instant::now(),
            waiting: Vec::new(),
            under_way: Vec::new(),
            begun: Vec::new(),
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Time(millis) => self.now += Duration::from_millis(millis),
            Event::Join(0) => self.join(Urgency::NeverSynced),
            Event::Join(5) => self.join(Urgency::Whenever),
            Event::Join(end) => self.join(ends_at(end)),
            Event::Cancel(which) if !self.waiting.is_empty() => {
                let ticket = self.waiting.remove(which.index(self.waiting.len()));
                self.state.leave(ticket);
            }
            Event::End(which, outcome) if !self.under_way.is_empty() => {
                let pass = self.under_way.remove(which.index(self.under_way.len()));
                self.state.finished(self.now, &pass, outcome);
            }
            Event::Cancel(_) | Event::End(..) => {}
        }
    }

    fn join(&mut self, urgency: Urgency) {
        let (ticket, _) = self.state.join(self.now, urgency, ());
        let place = self.waiting.partition_point(|other| *other < ticket);
        self.waiting.insert(place, ticket);
    }

    /// Everybody asks, the last ones first, until nobody is let through any more.
    fn ask(&mut self) -> Result<(), TestCaseError> {
        loop {
            let mut went = false;
            for ticket in self.waiting.clone().into_iter().rev() {
                let now = self.now;
                match self.state.attempt(now, ticket) {
                    Verdict::Wait(until) => prop_assert!(until > now, "it would spin"),
                    Verdict::Refused(_) => self.waiting.retain(|other| *other != ticket),
                    Verdict::Go(pass) => {
                        prop_assert_eq!(self.waiting.first(), Some(&ticket), "out of turn");
                        prop_assert_eq!(self.state.paused_until(now), None);
                        prop_assert_ne!(self.state.breaker(), BreakerState::Open);
                        self.waiting.remove(0);
                        self.under_way.push(pass);
                        self.begun.push(now);
                        went = true;
                    }
                }
            }
            if !went {
                return Ok(());
            }
        }
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let settings = self.state.settings();
        prop_assert_eq!(self.state.under_way() as usize, self.under_way.len());
        prop_assert!(self.under_way.len() <= settings.concurrency as usize);
        prop_assert_eq!(self.state.waiting(), self.waiting.len());
        prop_assert!(self.waiting.len() <= settings.queue_limit);
        for (number, start) in self.begun.iter().enumerate() {
            let window = self.now.duration_since(*start).as_secs_f64();
            let allowed = window.mul_add(settings.requests_per_second, f64::from(settings.burst));
            prop_assert!((self.begun.len() - number) as f64 <= allowed + 1e-6);
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn no_limit_is_passed_nobody_overtakes_and_nothing_leaks(
        events in prop::collection::vec(event(), 1..250),
        requests_per_second in 0.5_f64..20.0,
        burst in 1_u32..8,
        concurrency in 1_u32..5,
        queue_limit in 1_usize..12,
    ) {
        let mut world = World::new(BudgetSettings {
            requests_per_second,
            burst,
            concurrency,
            queue_limit,
            ..BudgetSettings::default()
        });
        for event in events {
            world.happen(event);
            world.ask()?;
            world.check()?;
        }
        // Whatever came before: when all have gone and time has passed, the budget is whole again.
        for ticket in std::mem::take(&mut world.waiting) {
            world.state.leave(ticket);
        }
        for pass in std::mem::take(&mut world.under_way) {
            world.state.finished(world.now, &pass, None);
        }
        world.now += MAX_PAUSE;
        world.join(Urgency::Whenever);
        world.ask()?;
        prop_assert_eq!(world.under_way.len(), 1);
        world.state.finished(world.now, &world.under_way[0], Some(Outcome::Answered));
        world.under_way.clear();
        for _ in 0..burst.min(concurrency).min(queue_limit as u32) {
            world.now += MAX_PAUSE;
            world.join(Urgency::Whenever);
            world.ask()?;
        }
        prop_assert_eq!(world.under_way.len(), burst.min(concurrency).min(queue_limit as u32) as usize);
    }
}
