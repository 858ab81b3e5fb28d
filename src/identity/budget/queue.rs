//! Who goes first.

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::identity::token::Urgency;

/// A place in the queue. Smaller goes first; equal urgency in the order of coming.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket {
    urgency: Urgency,
    number: u64,
}

/// Those who wait, in order. `W` is how one of them is woken.
#[derive(Debug)]
pub(super) struct Queue<W> {
    waiting: BTreeMap<Ticket, Waiter<W>>,
    next: u64,
}

#[derive(Debug)]
struct Waiter<W> {
    deadline: Instant,
    wake: W,
}

impl<W> Queue<W> {
    pub(super) fn new() -> Self {
        Self {
            waiting: BTreeMap::new(),
            next: 0,
        }
    }

    /// Takes a place.
    pub(super) fn join(&mut self, urgency: Urgency, deadline: Instant, wake: W) -> Ticket {
        let ticket = Ticket {
            urgency,
            number: self.next,
        };
        self.next = self.next.wrapping_add(1);
        self.waiting.insert(ticket, Waiter { deadline, wake });
        ticket
    }

    /// Gives up the last place, where more than `limit` are taken.
    pub(super) fn shed(&mut self, limit: usize) -> Option<W> {
        if self.waiting.len() <= limit {
            return None;
        }
        self.waiting.pop_last().map(|(_, waiter)| waiter.wake)
    }

    /// Gives up a place. One that is gone already is gone.
    pub(super) fn leave(&mut self, ticket: Ticket) {
        self.waiting.remove(&ticket);
    }

    /// Until when the place is waited for; `None` when it was given up.
    pub(super) fn deadline(&self, ticket: Ticket) -> Option<Instant> {
        self.waiting.get(&ticket).map(|waiter| waiter.deadline)
    }

    pub(super) fn is_first(&self, ticket: Ticket) -> bool {
        self.waiting
            .first_key_value()
            .is_some_and(|(first, _)| *first == ticket)
    }

    /// How many go before.
    pub(super) fn before(&self, ticket: Ticket) -> usize {
        self.waiting.range(..ticket).count()
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Who goes first.
    pub(super) fn first(&self) -> Option<&W> {
        self.waiting.first_key_value().map(|(_, waiter)| &waiter.wake)
    }

    /// Everybody, in order.
    pub(super) fn all(&self) -> impl Iterator<Item = &W> {
        self.waiting.values().map(|waiter| &waiter.wake)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::jiff::Timestamp;
    use proptest::prelude::*;

    fn urgency() -> impl Strategy<Value = Urgency> {
        prop_oneof![
            Just(Urgency::NeverSynced),
            (0_i64..20).prop_map(|second| Urgency::EndsAt(Timestamp::from_second(second).unwrap())),
            Just(Urgency::Whenever),
        ]
    }

    /// The order as a user would state it.
    fn rank(urgency: Urgency) -> (u8, i64) {
        match urgency {
            Urgency::NeverSynced => (0, 0),
            Urgency::EndsAt(end) => (1, end.as_second()),
            Urgency::Whenever => (2, 0),
        }
    }

    proptest! {
        #[test]
        fn never_synced_then_the_soonest_end_then_the_rest_and_equals_in_turn(
            urgencies in prop::collection::vec(urgency(), 1..60),
            given_up in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        ) {
            let mut queue = Queue::new();
            let now = Instant::now();
            let tickets: Vec<_> = urgencies
                .iter()
                .enumerate()
                .map(|(number, urgency)| queue.join(*urgency, now, number))
                .collect();
            let mut expected: Vec<_> = (0..urgencies.len()).collect();
            for index in given_up {
                let gone = index.index(tickets.len());
                queue.leave(tickets[gone]);
                expected.retain(|number| *number != gone);
            }
            // Stable, so that equals stay in the order of coming.
            expected.sort_by_key(|number| rank(urgencies[*number]));
            for (before, number) in expected.iter().enumerate() {
                prop_assert_eq!(queue.before(tickets[*number]), before);
            }
            let mut order = Vec::new();
            while let Some(number) = queue.first().copied() {
                prop_assert!(queue.is_first(tickets[number]));
                queue.leave(tickets[number]);
                order.push(number);
            }
            prop_assert_eq!(order, expected);
        }
    }

    #[test]
    fn who_is_least_urgent_makes_room_and_not_who_came_last() {
        let (mut queue, now) = (Queue::new(), Instant::now());
        let cleaning = queue.join(Urgency::Whenever, now, "cleaning");
        assert_eq!(queue.shed(1), None);
        let new = queue.join(Urgency::NeverSynced, now, "new");
        assert_eq!(queue.shed(1), Some("cleaning"));
        assert_eq!((queue.deadline(cleaning), queue.deadline(new)), (None, Some(now)));
        queue.join(Urgency::Whenever, now, "late");
        assert_eq!(queue.shed(1), Some("late"));
        assert_eq!(queue.len(), 1);
    }
}
