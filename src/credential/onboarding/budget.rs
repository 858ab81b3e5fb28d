//! The calls that Didit counts by IP address.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::{Recorded, SETTLE_TIME, plus};

/// Didit counts them over this time (section 2.1).
const WINDOW: SignedDuration = SignedDuration::from_hours(1);

/// Calls in an hour that Didit takes from one IP address: register and resend-otp together (sections 2.1 and 2.2).
const LIMIT: usize = 5;

/// Of these, as many are kept for whoever asks by hand.
const RESERVE: usize = 1;

/// For whom a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// For nobody in particular: it leaves the reserve alone.
    Schedule,
    /// For a person who asked for it.
    Person,
}

/// The calls that were made to one auth host in the last hour, for all accounts together: they leave from the same IP
/// address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HourlyBudget {
    calls: Vec<Timestamp>,
    throttled_until: Option<Timestamp>,
}

impl HourlyBudget {
    /// What follows from the records of all accounts at this auth host.
    #[must_use]
    pub fn of<'a>(accounts: impl IntoIterator<Item = &'a Recorded>) -> Self {
        let mut budget = Self::default();
        for account in accounts {
            budget.calls.extend(&account.calls);
            budget.throttled_until = budget.throttled_until.max(account.throttled_until);
        }
        budget.calls.sort_unstable();
        budget
    }

    /// When the next call may be made. `None` for now.
    #[must_use]
    pub fn wait(&self, caller: Caller, now: Timestamp) -> Option<Timestamp> {
        let limit = match caller {
            Caller::Schedule => LIMIT - RESERVE,
            Caller::Person => LIMIT,
        };
        let ends: Vec<Timestamp> = self
            .calls
            .iter()
            .map(|call| window_end(*call))
            .filter(|end| *end > now)
            .collect();
        // So many have to leave the window.
        let excess = (ends.len() + 1).checked_sub(limit).filter(|excess| *excess > 0);
        let window = excess.and_then(|excess| ends.get(excess - 1)).copied();
        window.max(self.throttled_until.filter(|until| *until > now))
    }
}

/// When a call stops to count. It may have arrived later than it was recorded.
pub(super) fn window_end(call: Timestamp) -> Timestamp {
    plus(call, WINDOW + SETTLE_TIME)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn account(calls: &[i64], throttled_until: Option<i64>) -> Recorded {
        Recorded {
            calls: calls.iter().copied().map(at).collect(),
            throttled_until: throttled_until.map(at),
            ..Recorded::default()
        }
    }

    #[test]
    fn four_calls_in_an_hour_and_a_fifth_for_who_asks() {
        let budget = HourlyBudget::of(&[account(&[0, 20], None), account(&[10], None)]);
        assert_eq!(budget.wait(Caller::Schedule, at(30)), None);
        let full = HourlyBudget::of(&[account(&[0, 20], None), account(&[10, 30], None)]);
        assert_eq!(full.wait(Caller::Schedule, at(40)), Some(at(3720)));
        assert_eq!(full.wait(Caller::Person, at(40)), None);
        let empty = HourlyBudget::of(&[account(&[0, 20, 40], None), account(&[10, 30], None)]);
        assert_eq!(empty.wait(Caller::Person, at(50)), Some(at(3720)));
        assert_eq!(empty.wait(Caller::Schedule, at(50)), Some(at(3730)));
        assert_eq!(empty.wait(Caller::Schedule, at(3730)), None);
    }

    #[test]
    fn a_pause_that_one_account_was_told_holds_for_all() {
        let budget = HourlyBudget::of(&[account(&[], Some(600)), account(&[], None)]);
        assert_eq!(budget.wait(Caller::Person, at(0)), Some(at(600)));
        assert_eq!(budget.wait(Caller::Person, at(600)), None);
    }
}
