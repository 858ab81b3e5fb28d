//! How the clocks stand to that of the API server.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::finding::Finding;
use crate::cli::age;

/// What a `Date` header cannot tell apart, and a network may add.
const NOTHING: SignedDuration = SignedDuration::from_secs(5);

/// Tokens of a few minutes suffer from a clock that is this wrong.
const MUCH: SignedDuration = SignedDuration::from_secs(60);

/// What an answer of the API server tells of its clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// How far this machine's clock is ahead; negative when it is behind.
    ahead: SignedDuration,
}

impl Clock {
    /// `date` is the time in an answer, in whole seconds that have been cut off; the request was sent at `sent` and
    /// answered at `received` by this machine's clock.
    pub(super) fn new(date: Timestamp, sent: Timestamp, received: Timestamp) -> Self {
        let half_a_second = SignedDuration::from_millis(500);
        let middle = received.duration_since(sent) / 2;
        let ahead = sent
            .duration_since(date)
            .saturating_add(middle)
            .saturating_sub(half_a_second);
        Self { ahead }
    }

    /// A time of this machine by the API server's clock.
    pub(super) fn corrected(&self, time: Timestamp) -> Timestamp {
        time.saturating_sub(self.ahead).unwrap_or(time)
    }
}

/// How this machine's clock stands. The operator's may stand otherwise.
pub(super) fn of_this_machine(clock: Option<&Clock>) -> Finding {
    let check = "clock";
    let Some(clock) = clock else {
        return Finding::warn(
            check,
            "the API server's answer says no time, so this machine's clock could not be compared",
            "ask without a proxy that takes the Date header off",
        );
    };
    if clock.ahead.abs() <= NOTHING {
        return Finding::ok(check, "this machine and the API server agree");
    }
    Finding::warn(
        check,
        format!(
            "this machine's clock is {} that of the API server",
            side(clock.ahead)
        ),
        "set it, for example by NTP: what `status` and `describe` say is left goes by it",
    )
}

/// How the clock of the operator stands: `wrote` is the time that it wrote, `recorded` that of the API server for the
/// same write, in whole seconds.
pub(super) fn of_operator(wrote: Timestamp, recorded: Timestamp) -> Finding {
    let check = "clock";
    let ahead = wrote.duration_since(recorded);
    if ahead.abs() <= NOTHING {
        return Finding::ok(check, "the operator and the API server agree");
    }
    let message = format!("the operator's clock is {} that of the API server", side(ahead));
    let mend = "set the clock of its node, for example by NTP: tokens are refreshed by it";
    if ahead.abs() > MUCH {
        Finding::wrong(check, message, mend)
    } else {
        Finding::warn(check, message, mend)
    }
}

fn side(ahead: SignedDuration) -> String {
    let word = if ahead.is_positive() { "ahead of" } else { "behind" };
    format!("{} {word}", age::short(ahead))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Level;
    use crate::cli::testing::at;

    #[test]
    fn a_slow_answer_is_not_taken_for_a_wrong_clock() {
        for (sent, received, level) in [
            (0, 0, Level::Ok),
            (-4, 4, Level::Ok),
            (37, 37, Level::Warn),
            (-37, -37, Level::Warn),
        ] {
            let clock = Clock::new(at(0), at(sent), at(received));
            assert_eq!(of_this_machine(Some(&clock)).level, level, "{clock:?}");
        }
        let ahead = Clock::new(at(0), at(37), at(38));
        assert_eq!(
            of_this_machine(Some(&ahead)).message,
            "this machine's clock is 37s ahead of that of the API server"
        );
        assert_eq!(ahead.corrected(at(37)), at(0));
        assert_eq!(of_this_machine(None).level, Level::Warn);
    }

    #[test]
    fn the_operators_clock_is_told_apart() {
        for (wrote, level) in [
            (1, Level::Ok),
            (-5, Level::Ok),
            (6, Level::Warn),
            (61, Level::Wrong),
            (-61, Level::Wrong),
        ] {
            assert_eq!(of_operator(at(wrote), at(0)).level, level, "{wrote}");
        }
        assert_eq!(
            of_operator(at(-90), at(0)).message,
            "the operator's clock is 90s behind that of the API server"
        );
    }
}
