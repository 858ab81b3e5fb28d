//! One token over weeks against a model of its server, the operator and the kubelet, on a clock of its own.
//!
//! Our clock is the true one, in milliseconds; the server's is off. The server is away at times, answers after a
//! while, and says of its tokens what it likes. The operator wakes late, is restarted, and knows after a restart only
//! what a status holds, as text.

use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::schedule::{Promise, Recorded, Refresh, refresh};
use super::{Failure, Said, lifetime, retry};

const START: i64 = 1_800_000_000_000;

/// How a server tells the life of its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Telling {
    ExpiresIn,
    Expiry,
    ExpiryAndIssue,
    Everything,
    /// Without a `Date`.
    EverythingUndated,
    /// `exp` is ten times too late.
    Contradiction,
}

/// A time in which the server gives out nothing.
#[derive(Clone, Copy, Debug)]
struct Outage {
    from: i64,
    until: i64,
    /// Whether it says for how long.
    is_announced: bool,
}

#[derive(Clone, Debug)]
struct Scenario {
    /// Life of a token in seconds.
    life: i64,
    telling: Telling,
    /// The server's clock minus ours, in milliseconds.
    skew: i64,
    /// Shortest time for an answer in milliseconds. The longest is twice that.
    latency: i64,
    promise: Promise,
    outages: Vec<Outage>,
    restarts: Vec<i64>,
    /// Latest wake-up after its time, in milliseconds.
    lateness: i64,
    /// Gives out-of-the-way values where they are free.
    dice: u64,
    uid: String,
    until: i64,
}

/// What pods could read.
struct Published {
    from: i64,
    /// When the token really ends, by the true clock.
    ends: i64,
    refresh: Refresh,
}

/// What survives a restart: text in a status.
struct Status {
    issued_at: String,
    expires_at: String,
    refresh_at: String,
    allowance_seconds: u64,
}

impl Status {
    fn recorded(&self) -> Recorded {
        Recorded {
            issued_at: self.issued_at.parse().unwrap(),
            expires_at: self.expires_at.parse().unwrap(),
            allowance: Duration::from_secs(self.allowance_seconds),
        }
    }
}

struct World {
    now: i64,
    scenario: Scenario,
    dice: u64,
    status: Option<Status>,
    published: Vec<Published>,
    /// Since the last success or restart.
    failures: u32,
    retry_at: Option<i64>,
    /// When each call was sent.
    calls: Vec<i64>,
    /// Calls that were sent before they were due by the status.
    early: usize,
}

fn time(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap()
}

impl World {
    fn run(scenario: Scenario) -> Self {
        let mut world = Self {
            now: START,
            dice: scenario.dice,
            scenario,
            status: None,
            published: Vec::new(),
            failures: 0,
            retry_at: None,
            calls: Vec::new(),
            early: 0,
        };
        while world.now < world.scenario.until {
            let due = world.due();
            let restart = world.scenario.restarts.iter().copied().find(|at| *at > world.now);
            match restart.filter(|at| *at <= due) {
                Some(at) => world.restart(at),
                None => {
                    let late = world.roll(world.scenario.lateness);
                    world.now = due.max(world.now) + late;
                    world.call();
                }
            }
        }
        world
    }

    /// A number in `0..=most`.
    fn roll(&mut self, most: i64) -> i64 {
        self.dice = self
            .dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(self.dice >> 33).unwrap() % (most + 1)
    }

    fn refresh(&self) -> Option<Refresh> {
        let recorded = self.status.as_ref()?.recorded();
        Some(refresh(&recorded, &self.scenario.promise, &self.scenario.uid))
    }

    /// When the operator calls the server next, by what it knows.
    fn due(&self) -> i64 {
        self.retry_at
            .or_else(|| self.refresh().map(|refresh| refresh.at.as_millisecond()))
            .unwrap_or(self.now)
    }

    fn restart(&mut self, at: i64) {
        self.now = at;
        self.failures = 0;
        self.retry_at = None;
    }

    fn call(&mut self) {
        let due = self
            .status
            .as_ref()
            .map(|status| status.refresh_at.parse().unwrap());
        self.early += usize::from(due.is_some_and(|due: Timestamp| time(self.now) < due));
        self.calls.push(self.now);
        let asked_at = self.now;
        let issued = asked_at + self.latency() / 2;
        self.now = issued + self.latency() / 2;
        match self.outage(asked_at, issued) {
            Some(outage) => self.failed(outage),
            None => self.answered(asked_at, issued),
        }
    }

    fn latency(&mut self) -> i64 {
        self.scenario.latency + self.roll(self.scenario.latency)
    }

    fn outage(&self, from: i64, until: i64) -> Option<Outage> {
        let outages = &self.scenario.outages;
        outages
            .iter()
            .copied()
            .find(|outage| outage.from < until && from < outage.until)
    }

    fn failed(&mut self, outage: Outage) {
        self.failures += 1;
        let wait = u64::try_from(outage.until - self.now).ok();
        let failure = Failure::Passing {
            retry_after: wait.filter(|_| outage.is_announced).map(Duration::from_millis),
        };
        let recorded = self.status.as_ref().map(Status::recorded);
        let published = self.refresh().zip(recorded.map(|recorded| recorded.expires_at));
        let at = retry(
            failure,
            self.failures,
            time(self.now),
            published,
            &self.scenario.uid,
        );
        self.retry_at = Some(at.as_millisecond());
    }

    fn answered(&mut self, asked_at: i64, issued: i64) {
        let (said, ends) = self.scenario.answer(asked_at, issued, self.now);
        let lifetime = lifetime(&said).unwrap();
        let recorded = lifetime.recorded();
        let refresh = refresh(&recorded, &self.scenario.promise, &self.scenario.uid);
        self.status = Some(Status {
            issued_at: recorded.issued_at.to_string(),
            expires_at: recorded.expires_at.to_string(),
            refresh_at: refresh.at.to_string(),
            allowance_seconds: recorded.allowance.as_secs(),
        });
        self.published.push(Published {
            from: self.now,
            ends,
            refresh,
        });
        self.failures = 0;
        self.retry_at = None;
    }

    /// Most calls in any 60 seconds.
    fn most_per_minute(&self) -> usize {
        let within = |from: i64| {
            self.calls
                .iter()
                .filter(|at| (from..from + 60_000).contains(*at))
                .count()
        };
        self.calls
            .iter()
            .map(|from| within(*from))
            .max()
            .unwrap_or_default()
    }
}

impl Scenario {
    /// What the server says, and when the token really ends.
    fn answer(&self, asked_at: i64, issued: i64, received_at: i64) -> (Said, i64) {
        let clock = |at: i64| (at + self.skew).div_euclid(1000);
        let exact = issued + self.life * 1000;
        let claim = clock(issued) + self.life;
        let mut said = Said {
            asked_at: time(asked_at),
            received_at: time(received_at),
            server_date: Some(Timestamp::from_second(clock(issued)).unwrap()),
            expires_in: Some(self.life),
            unreadable_expires_in: None,
            expiry_claim: Some(claim),
            issued_at_claim: Some(clock(issued)),
        };
        let by_claim = claim * 1000 - self.skew;
        let ends = match self.telling {
            Telling::ExpiresIn => {
                said.expiry_claim = None;
                exact
            }
            Telling::Expiry => {
                said.expires_in = None;
                said.issued_at_claim = None;
                by_claim
            }
            Telling::ExpiryAndIssue => {
                said.expires_in = None;
                by_claim
            }
            Telling::Everything => by_claim,
            Telling::EverythingUndated => {
                said.server_date = None;
                by_claim
            }
            Telling::Contradiction => {
                said.expiry_claim = Some(clock(issued) + 10 * self.life);
                exact
            }
        };
        (said, ends)
    }

    /// Whether the server could be reached when the refresh had to happen at the latest.
    fn is_reachable_until(&self, latest: i64) -> bool {
        let margin = 5_000 + self.lateness + 4 * self.latency;
        let (from, until) = (latest - margin, latest + margin);
        !self
            .outages
            .iter()
            .any(|outage| outage.from < until && from < outage.until)
    }
}

fn scenarios() -> impl Strategy<Value = Scenario> {
    let life = prop_oneof![
        60..900_i64,
        900..7200_i64,
        7200..90_000_i64,
        90_000..2_592_000_i64
    ];
    let telling = prop_oneof![
        Just(Telling::ExpiresIn),
        Just(Telling::Expiry),
        Just(Telling::ExpiryAndIssue),
        Just(Telling::Everything),
        Just(Telling::EverythingUndated),
        Just(Telling::Contradiction),
    ];
    let part = 0.0..1.0_f64;
    let outages = prop::collection::vec((part.clone(), 1..7200_i64, any::<bool>()), 0..6);
    (
        (life, telling, -120_000..120_000_i64, 20..2_500_i64),
        (0.0..0.95_f64, 0..=240_u64),
        outages,
        prop::collection::vec(part, 0..8),
        (0..3_000_i64, any::<u64>(), "[0-9a-f]{8}"),
        5..25_i64,
    )
        .prop_map(
            |(
                (life, telling, skew, latency),
                (margin, propagation),
                outages,
                restarts,
                (lateness, dice, uid),
                lives,
            )| {
                let span = lives * life * 1000;
                let at = |part: f64| {
                    START
                        + i64::try_from(
                            Duration::from_millis(span.unsigned_abs())
                                .mul_f64(part)
                                .as_millis(),
                        )
                        .unwrap()
                };
                let mut restarts: Vec<i64> = restarts.into_iter().map(at).collect();
                restarts.sort_unstable();
                Scenario {
                    life,
                    telling,
                    skew,
                    latency,
                    promise: Promise {
                        minimum_remaining: Duration::from_secs(life.unsigned_abs()).mul_f64(margin),
                        propagation: Duration::from_secs(propagation),
                    },
                    outages: outages
                        .into_iter()
                        .map(|(from, seconds, is_announced)| Outage {
                            from: at(from),
                            until: at(from) + seconds * 1000,
                            is_announced,
                        })
                        .collect(),
                    restarts,
                    lateness,
                    dice,
                    uid,
                    until: START + span,
                }
            },
        )
}

/// No more calls than successes at the scheduled distance, and tries that thin out in outages.
fn most_calls(world: &World) -> i64 {
    let scenario = &world.scenario;
    let shortest = world
        .published
        .iter()
        .map(|published| published.refresh.at.as_millisecond() - published.from)
        .min()
        .unwrap_or(i64::MAX)
        .max(1_000);
    let scheduled = (scenario.until - START) / shortest + 2;
    let failed: i64 = scenario
        .outages
        .iter()
        .map(|outage| 120 + (outage.until - outage.from) / 100_000)
        .sum();
    scheduled + failed + i64::try_from(scenario.restarts.len()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(1024)))]

    #[test]
    fn no_pod_reads_a_token_with_too_little_left_while_the_server_can_be_reached(scenario in scenarios()) {
        let world = World::run(scenario);
        let scenario = &world.scenario;
        let propagation = i64::try_from(scenario.promise.propagation.as_millis()).unwrap();
        let minimum = i64::try_from(scenario.promise.minimum_remaining.as_millis()).unwrap();
        for pair in world.published.windows(2) {
            let (old, new) = (&pair[0], &pair[1]);
            let latest = old.refresh.latest.as_millisecond();
            if old.refresh.kept && scenario.is_reachable_until(latest) {
                let last_read = new.from + propagation;
                prop_assert!(
                    old.ends - last_read >= minimum,
                    "{} ms left of {minimum} at {last_read}, refresh {:?}",
                    old.ends - last_read,
                    old.refresh
                );
            }
        }
    }

    #[test]
    fn calls_are_few_and_a_restart_makes_none_of_its_own(scenario in scenarios()) {
        let world = World::run(scenario);
        prop_assert_eq!(world.early, 0, "calls before they were due");
        let (calls, most) = (i64::try_from(world.calls.len()).unwrap(), most_calls(&world));
        prop_assert!(calls <= most, "{calls} calls, at most {most} are needed");
        prop_assert!(world.most_per_minute() <= 40, "{} calls in a minute", world.most_per_minute());
    }

    #[test]
    fn a_restart_between_two_refreshes_changes_nothing(mut scenario in scenarios()) {
        scenario.outages.clear();
        scenario.lateness = 0;
        let restarted = World::run(scenario.clone());
        scenario.restarts.clear();
        let undisturbed = World::run(scenario);
        prop_assert_eq!(restarted.calls, undisturbed.calls);
    }

    #[test]
    fn a_changed_promise_moves_the_refresh_and_makes_no_token(
        scenario in scenarios(),
        minimum in 0..100_000_u64,
    ) {
        let world = World::run(scenario);
        let Some(status) = &world.status else { return Ok(()) };
        let tighter = Promise {
            minimum_remaining: world.scenario.promise.minimum_remaining + Duration::from_secs(minimum),
            ..world.scenario.promise
        };
        let before = refresh(&status.recorded(), &world.scenario.promise, &world.scenario.uid);
        let after = refresh(&status.recorded(), &tighter, &world.scenario.uid);
        prop_assert!(after.latest <= before.latest);
        prop_assert!(!after.kept || (before.kept && after.at <= before.at));
    }

    #[test]
    fn no_answer_makes_a_hot_loop(
        answers in prop::collection::vec((prop::option::of(-5..5_i64), any::<[Option<i64>; 3]>()), 1..20),
        minimum in 0..100_000_u64,
    ) {
        let promise = Promise::new(Duration::from_secs(minimum));
        let mut now = START;
        let mut failures = 0;
        let mut calls = Vec::new();
        for (short, [long, expiry_claim, issued_at_claim]) in answers.iter().cycle().take(200) {
            calls.push(now);
            let said = Said {
                asked_at: time(now),
                received_at: time(now + 50),
                server_date: None,
                expires_in: short.or(*long),
                unreadable_expires_in: None,
                expiry_claim: *expiry_claim,
                issued_at_claim: *issued_at_claim,
            };
            now = match lifetime(&said) {
                Ok(lifetime) => {
                    failures = 0;
                    refresh(&lifetime.recorded(), &promise, "uid").at.as_millisecond()
                }
                Err(_) => {
                    failures += 1;
                    retry(Failure::Refused, failures, time(now + 50), None, "uid").as_millisecond()
                }
            };
        }
        for pair in calls.windows(2) {
            prop_assert!(pair[1] - pair[0] > 1_000, "{} ms between two calls", pair[1] - pair[0]);
        }
    }
}

/// The properties above would hold if nothing was ever published.
#[test]
fn weeks_of_an_hourly_token_are_one_call_each() {
    let scenario = Scenario {
        life: 3600,
        telling: Telling::ExpiresIn,
        skew: 0,
        latency: 200,
        promise: Promise::new(Duration::from_secs(600)),
        outages: Vec::new(),
        restarts: vec![START + 1_234_567],
        lateness: 500,
        dice: 1,
        uid: "uid-1".into(),
        until: START + 21 * 86_400_000,
    };
    let world = World::run(scenario);
    assert_eq!(world.published.len(), world.calls.len());
    // Every 36 to 44 minutes.
    assert!(
        (690..=850).contains(&world.calls.len()),
        "{} calls in three weeks",
        world.calls.len()
    );
}

/// An outage of a day: the tries thin out, and the first one after it succeeds within minutes.
#[test]
fn an_outage_ends_with_a_token_soon_after() {
    let scenario = Scenario {
        life: 86_400,
        telling: Telling::Everything,
        skew: 0,
        latency: 100,
        promise: Promise::new(Duration::from_secs(600)),
        outages: vec![Outage {
            from: START + 1000,
            until: START + 2 * 86_400_000,
            is_announced: false,
        }],
        restarts: Vec::new(),
        lateness: 0,
        dice: 1,
        uid: "uid-1".into(),
        until: START + 3 * 86_400_000,
    };
    let world = World::run(scenario);
    let after = world.published[1].from - (START + 2 * 86_400_000);
    assert!(after <= 301_000, "{after} ms after the outage");
}

/// Tries come closer together towards the last moment, so none is slept past.
#[test]
fn an_outage_that_ends_before_the_last_moment_breaks_no_promise() {
    let undisturbed = |uid: String| Scenario {
        life: 3600,
        telling: Telling::ExpiresIn,
        skew: 0,
        latency: 100,
        promise: Promise::new(Duration::from_secs(600)),
        outages: Vec::new(),
        restarts: Vec::new(),
        lateness: 0,
        dice: 1,
        uid,
        until: START + 3_600_000,
    };
    for n in 0..200 {
        let mut scenario = undisturbed(format!("uid-{n}"));
        let latest = World::run(scenario.clone()).published[0]
            .refresh
            .latest
            .as_millisecond();
        scenario.outages.push(Outage {
            from: START + 1_500_000,
            until: latest - 10_000 - 1_000 * n,
            is_announced: false,
        });
        let world = World::run(scenario);
        assert!(
            world.published[1].from <= latest,
            "uid-{n} slept past the last moment"
        );
    }
}

#[test]
fn tokens_that_were_made_together_are_refreshed_apart() {
    let recorded = Recorded::new(
        time(START),
        time(START + 3_600_000),
        SignedDuration::ZERO,
        Duration::from_millis(200),
    );
    let promise = Promise::new(Duration::from_secs(600));
    let mut seconds: Vec<i64> = (0..500)
        .map(|n| refresh(&recorded, &promise, &format!("uid-{n}")).at.as_second())
        .collect();
    seconds.sort_unstable();
    let most_within = |window: i64| {
        let within = |from: i64| {
            seconds
                .iter()
                .filter(|at| (from..from + window).contains(*at))
                .count()
        };
        seconds.iter().map(|from| within(*from)).max().unwrap()
    };
    assert!(most_within(1) <= 8, "{} in one second", most_within(1));
    // The spread is 15 % of a usable life of three quarters.
    assert!(
        most_within(180) <= 300,
        "{} of 500 within 5 % of the life",
        most_within(180)
    );
}

#[test]
fn resources_that_failed_together_try_again_apart() {
    let tries = |failure| {
        let at = |n| retry(failure, 6, time(START), None, &format!("uid-{n}")).as_second();
        (0..100).map(at).collect::<std::collections::BTreeSet<_>>().len()
    };
    assert!(tries(Failure::Passing { retry_after: None }) > 20);
    assert!(
        tries(Failure::Passing {
            retry_after: Some(Duration::from_secs(600))
        }) > 20
    );
    assert!(tries(Failure::Refused) > 50);
}
