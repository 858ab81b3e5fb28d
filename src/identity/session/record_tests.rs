use k8s_openapi::jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{Gate, LoginRecord};
use crate::identity::BrakeReason;

fn start() -> Timestamp {
    "2026-11-23T10:00:00Z".parse().unwrap()
}

fn at(minutes: i64) -> Timestamp {
    start() + SignedDuration::from_mins(minutes)
}

fn fresh() -> LoginRecord {
    LoginRecord::for_credentials(None, "v1")
}

fn refused_at(record: &LoginRecord, now: Timestamp) -> LoginRecord {
    record.begin(now).refused(now, "wrong password".to_owned())
}

/// Minutes from the start at which a login is made, if one is asked for every minute.
fn attempts(minutes: i64, mut outcome: impl FnMut(&LoginRecord, Timestamp) -> LoginRecord) -> Vec<i64> {
    let mut record = fresh();
    (0..minutes)
        .filter(|&minute| {
            let open = record.gate(at(minute)) == Gate::Open;
            if open {
                record = outcome(&record, at(minute));
            }
            open
        })
        .collect()
}

#[test]
fn a_record_is_about_one_version_of_the_credentials() {
    let braked = refused_at(&fresh(), start());
    assert_eq!(LoginRecord::for_credentials(Some(braked.clone()), "v1"), braked);
    let changed = LoginRecord::for_credentials(Some(braked), "v2");
    assert_eq!(
        changed,
        LoginRecord {
            credentials_version: "v2".to_owned(),
            ..LoginRecord::default()
        }
    );
    assert_eq!(changed.gate(start()), Gate::Open);
}

#[test]
fn a_refusal_closes_the_gate_until_exactly_its_end() {
    let record = refused_at(&fresh(), start());
    let Gate::Closed(brake) = record.gate(at(0)) else {
        panic!("open after a refusal")
    };
    assert_eq!((brake.reason, brake.until), (BrakeReason::LoginRefused, at(60)));
    assert_eq!(brake.message, "wrong password");
    assert_eq!(
        record.gate(at(60) - SignedDuration::from_nanos(1)),
        Gate::Closed(brake)
    );
    assert_eq!(record.gate(at(60)), Gate::Open);
}

#[test]
fn refusals_double_the_brake_up_to_a_day() {
    let hours: Vec<i64> = attempts(15 * 24 * 60, refused_at)
        .iter()
        .map(|minute| minute / 60)
        .collect();
    assert_eq!(
        hours,
        [
            0, 1, 3, 7, 15, 31, 55, 79, 103, 127, 151, 175, 199, 223, 247, 271, 295, 319, 343
        ],
        "the fifth attempt after fifteen hours, the tenth after five days, the twentieth not within two weeks"
    );
}

#[test]
fn logins_without_an_answer_are_braked_from_the_third_on() {
    let minutes = attempts(24 * 60, |record, now| record.begin(now).lost("no answer"));
    assert_eq!(minutes, [0, 1, 2, 17, 47, 107, 227, 467, 947]);
    let third = fresh()
        .begin(start())
        .begin(start())
        .begin(start())
        .lost("HTTP 500");
    assert_eq!(
        third.brake.unwrap().message,
        "3 logins in a row ended without an answer, and each may have counted as a failed one; the last one: \
         HTTP 500"
    );
}

#[test]
fn logins_that_are_throttled_count_like_refusals_from_the_third_on() {
    let throttled = |record: &LoginRecord, now| record.begin(now).throttled(now, None, "429".to_owned());
    let minutes = attempts(12 * 60, throttled);
    assert_eq!(minutes, [0, 1, 3, 63, 183, 423]);
    // Credentials that have worked may have been changed since.
    let mut record = fresh().begin(start()).succeeded();
    record = (0..1000).fold(record, |record, minute| {
        record.begin(at(minute)).lost("no answer")
    });
    for (now, until) in [(1000, 1001), (1001, 1003), (1003, 1063)] {
        record = throttled(&record, at(now));
        assert_eq!(record.brake.as_ref().unwrap().until, at(until));
    }
}

#[test]
fn credentials_that_have_worked_are_not_braked_by_an_outage() {
    let verified = fresh().begin(start()).succeeded();
    assert!(verified.verified);
    let after_outage = (0..1000).fold(verified, |record, minute| {
        record.begin(at(minute)).lost("no answer")
    });
    assert_eq!(after_outage.gate(at(1000)), Gate::Open);
    // They are not trusted for ever: once refused, they count as any others.
    let refused = after_outage
        .begin(at(1000))
        .refused(at(1000), "changed".to_owned());
    assert!(!refused.verified);
    assert!(matches!(refused.gate(at(1001)), Gate::Closed(_)));
}

#[test]
fn what_was_not_sent_leaves_no_trace() {
    let record = fresh().begin(start()).lost("no answer");
    let again = (0..50).fold(record.clone(), |record, minute| {
        record.begin(at(minute)).not_sent()
    });
    assert_eq!(again, record);
}

#[test]
fn a_missing_second_factor_waits_a_day_and_a_refused_code_an_hour() {
    let missing = fresh()
        .begin(start())
        .second_factor(start(), "no seed".to_owned());
    let refused = fresh()
        .begin(start())
        .code_refused(start(), "wrong code".to_owned());
    for (record, minutes) in [(missing, 24 * 60), (refused, 60)] {
        let brake = record.brake.unwrap();
        assert_eq!(
            (brake.reason, brake.until),
            (BrakeReason::SecondFactorRequired, at(minutes))
        );
    }
}

#[test]
fn a_success_forgets_what_was_before() {
    let record = refused_at(&fresh().begin(start()).lost("no answer"), start());
    let succeeded = record.begin(at(60)).succeeded();
    assert_eq!(
        succeeded,
        LoginRecord {
            credentials_version: "v1".to_owned(),
            verified: true,
            ..LoginRecord::default()
        }
    );
}

#[test]
fn the_end_of_time_does_not_panic() {
    let record = refused_at(&fresh(), Timestamp::MAX);
    assert_eq!(record.brake.unwrap().until, Timestamp::MAX);
    let worn = LoginRecord {
        unanswered: u32::MAX,
        refusals: u32::MAX,
        throttled: u32::MAX,
        ..fresh()
    };
    let refused = refused_at(&worn, start());
    assert_eq!(refused.brake.unwrap().until, at(24 * 60));
    let throttled = worn
        .begin(start())
        .throttled(start(), Some(std::time::Duration::MAX), String::new());
    assert_eq!(throttled.brake.unwrap().until, at(24 * 60));
}

/// Didit's lockout as the contract describes it (section 2.4), for an account whose password is wrong.
#[derive(Default)]
struct Ladder {
    failures: u32,
    locked_until: Option<Timestamp>,
    arrivals: Vec<Timestamp>,
    longest_lock_minutes: i64,
}

impl Ladder {
    /// Whether the login was judged, rather than turned away because the account is locked.
    fn login(&mut self, now: Timestamp) -> bool {
        self.arrivals.push(now);
        if self.locked_until.is_some_and(|until| now < until) {
            return false;
        }
        self.failures += 1;
        let minutes = match self.failures {
            5 => 15,
            10 => 60,
            20 => 24 * 60,
            _ => 0,
        };
        self.longest_lock_minutes = self.longest_lock_minutes.max(minutes);
        self.locked_until = Some(now + SignedDuration::from_mins(minutes));
        true
    }

    fn most_in_a_day(&self) -> usize {
        self.most_within(SignedDuration::from_hours(24))
    }

    fn most_within(&self, span: SignedDuration) -> usize {
        let within = |&first: &Timestamp| {
            self.arrivals
                .iter()
                .filter(|&&arrival| arrival >= first && arrival < first + span)
                .count()
        };
        self.arrivals.iter().map(within).max().unwrap_or_default()
    }
}

/// What becomes of one attempt to log in. A restart keeps only what was recorded.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Answered,
    /// The answer is 429, of which nobody knows whether it is one.
    Throttled,
    /// The answer is lost on its way.
    Lost,
    /// The process ends after the attempt was recorded and before it is sent.
    KilledBefore,
    /// The process ends after it was sent and before its outcome is recorded.
    KilledAfter,
    /// Nothing could be sent.
    Unreachable,
}

fn fates() -> impl Strategy<Value = Vec<(i64, Fate)>> {
    let fate = prop_oneof![
        4 => Just(Fate::Answered),
        2 => Just(Fate::Throttled),
        2 => Just(Fate::Lost),
        2 => Just(Fate::KilledBefore),
        2 => Just(Fate::KilledAfter),
        1 => Just(Fate::Unreachable),
    ];
    prop::collection::vec((0_i64..90, fate), 0..400)
}

/// Runs the attempts against an account with a wrong password; gives the record that is left, and its time.
fn run(fates: &[(i64, Fate)], ladder: &mut Ladder) -> (LoginRecord, Timestamp) {
    let (mut record, mut now) = (fresh(), start());
    for &(minutes, fate) in fates {
        now += SignedDuration::from_mins(minutes);
        if record.gate(now) != Gate::Open {
            continue;
        }
        let begun = record.begin(now);
        record = match fate {
            Fate::KilledBefore => begun,
            Fate::Unreachable => begun.not_sent(),
            Fate::KilledAfter => {
                ladder.login(now);
                begun
            }
            Fate::Lost => {
                ladder.login(now);
                begun.lost("no answer")
            }
            Fate::Throttled => {
                ladder.login(now);
                begun.throttled(now, None, "429".to_owned())
            }
            Fate::Answered => {
                ladder.login(now);
                begun.refused(now, "refused".to_owned())
            }
        };
    }
    (record, now)
}

proptest! {
    #[test]
    fn restarts_and_losses_do_not_climb_the_ladder(fates in fates()) {
        let mut ladder = Ladder::default();
        run(&fates, &mut ladder);
        prop_assert!(ladder.most_in_a_day() <= 12, "{} logins in a day", ladder.most_in_a_day());
        let within = ladder.most_within(SignedDuration::from_mins(15));
        prop_assert!(within < 5, "{within} logins in a quarter of an hour");
        // Two lost answers cost nothing, so the first lock can come early; the last must not come at all
        // while a week of attempts runs.
        let week = start() + SignedDuration::from_hours(7 * 24);
        if ladder.arrivals.last().is_none_or(|&last| last < week) {
            prop_assert!(ladder.longest_lock_minutes < 24 * 60, "{:?}", ladder.arrivals);
        }
    }

    #[test]
    fn one_judged_refusal_is_one_login_until_the_brake_ends(
        fates in prop::collection::vec((0_i64..59, prop_oneof![Just(Fate::Answered), Just(Fate::KilledAfter)]), 1..50)
    ) {
        let mut ladder = Ladder::default();
        let mut all = vec![(0, Fate::Answered)];
        let mut left = 59;
        all.extend(fates.into_iter().take_while(|(minutes, _)| { left -= minutes; left >= 0 }));
        run(&all, &mut ladder);
        prop_assert_eq!(ladder.arrivals.len(), 1);
    }

    #[test]
    fn a_brake_always_ends_within_a_day(fates in fates()) {
        let (record, now) = run(&fates, &mut Ladder::default());
        prop_assert_eq!(record.gate(now + SignedDuration::from_hours(24)), Gate::Open);
    }

    #[test]
    fn changed_credentials_are_tried_at_once(fates in fates()) {
        let (record, now) = run(&fates, &mut Ladder::default());
        let changed = LoginRecord::for_credentials(Some(record), "v2");
        prop_assert_eq!(changed.gate(now), Gate::Open);
    }
}
