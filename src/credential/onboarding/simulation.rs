//! Sign-ups over weeks against a model of Didit, of those who bring codes, and of a process that is killed, on a clock
//! of its own.
//!
//! The clock counts seconds. Calls, answers, writes and kills are events of their own, so a kill can come between any two
//! of them. Of an account survives what its status holds, as text, and its Secret.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::api::identity_account::{IdentityAccountStatus, RegistrationCall};

const START: i64 = 1_800_000_000;
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// From then on nothing goes wrong any more, so that every story can come to its end.
const CALM: i64 = 3 * DAY;
const END: i64 = 14 * DAY;

/// What the identity API knows of the address before the story begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Nothing,
    Pending,
    PendingWithOtherPassword,
    Verified,
    VerifiedWithOtherPassword,
    Undeliverable,
}

/// Who brings codes, and how well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Habit {
    /// Everyone, after so many seconds at the most.
    Within(i64),
    /// So many wrong ones for each mail first.
    WrongFirst(u32),
    /// None before this second, then within a minute.
    AwayUntil(i64),
    Never,
}

#[derive(Clone, Debug)]
struct AccountPlan {
    before: Before,
    habit: Habit,
    source: Source,
    makes_password: bool,
    /// When somebody asks for a code by annotation.
    requests: Vec<i64>,
}

#[derive(Clone, Debug)]
struct Scenario {
    accounts: Vec<AccountPlan>,
    kills: Vec<i64>,
    /// Of a hundred calls, as many go wrong.
    trouble: i64,
    dice: u64,
}

/// The account as the identity API has it.
#[derive(Clone, Debug)]
struct Remote {
    own_password: bool,
    verified: bool,
    code: Option<(String, i64)>,
    last_resend: Option<i64>,
}

/// An answer that is on its way, or has come and is not recorded yet.
enum Answer {
    Call(Outcome),
    Login(LoginOutcome),
}

struct Account {
    plan: AccountPlan,
    /// The status, as text.
    status: String,
    password_stored: bool,
    published: bool,
    remote: Option<Remote>,
    code: Option<String>,
    deliveries: Vec<(i64, String)>,
    is_own_intent: bool,
    answer: Option<(i64, Answer)>,
    /// A right code that takes effect late.
    late_effect: Option<i64>,
    had_late_effect: bool,
    login_braked_until: Option<i64>,
    wake: i64,
    tried: BTreeSet<String>,
    sent: usize,
    verifications: usize,
    logins: usize,
    steps: usize,
    last: Option<Move>,
}

struct World {
    now: i64,
    dice: u64,
    trouble: i64,
    accounts: Vec<Account>,
    /// Calls that the identity API counts by IP address.
    counted: Vec<i64>,
    codes: u32,
}

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(START + second).unwrap()
}

fn second(time: Timestamp) -> i64 {
    time.as_second() - START
}

impl Account {
    fn new(plan: &AccountPlan) -> Self {
        let remote = |own_password, verified| {
            Some(Remote {
                own_password,
                verified,
                code: None,
                last_resend: None,
            })
        };
        Self {
            plan: plan.clone(),
            status: "{}".to_owned(),
            password_stored: !plan.makes_password,
            published: false,
            remote: match plan.before {
                Before::Nothing | Before::Undeliverable => None,
                Before::Pending => remote(!plan.makes_password, false),
                Before::PendingWithOtherPassword => remote(false, false),
                Before::Verified => remote(!plan.makes_password, true),
                Before::VerifiedWithOtherPassword => remote(false, true),
            },
            code: None,
            deliveries: Vec::new(),
            is_own_intent: false,
            answer: None,
            late_effect: None,
            had_late_effect: false,
            login_braked_until: None,
            wake: 0,
            tried: BTreeSet::new(),
            sent: 0,
            verifications: 0,
            logins: 0,
            steps: 0,
            last: None,
        }
    }

    fn recorded(&self) -> Recorded {
        Recorded::of(&serde_json::from_str(&self.status).unwrap())
    }

    fn record(&mut self, recorded: &Recorded) {
        let mut status: IdentityAccountStatus = serde_json::from_str(&self.status).unwrap();
        recorded.write_to(&mut status);
        self.status = serde_json::to_string(&status).unwrap();
    }

    fn request(&self, now: i64) -> Option<String> {
        let asked = self.plan.requests.iter().filter(|at| **at <= now).max();
        asked.map(|at| format!("at {at}"))
    }

    fn next_event(&self, now: i64) -> i64 {
        let requests = self.plan.requests.iter().copied().filter(|at| *at > now);
        let deliveries = self.deliveries.iter().map(|(at, _)| *at);
        let late = self.late_effect.into_iter();
        requests
            .chain(deliveries)
            .chain(late)
            .chain([self.wake])
            .min()
            .unwrap()
    }
}

impl World {
    fn run(scenario: &Scenario) -> Self {
        let mut world = Self {
            now: 0,
            dice: scenario.dice,
            trouble: scenario.trouble,
            accounts: scenario.accounts.iter().map(Account::new).collect(),
            counted: Vec::new(),
            codes: 0,
        };
        loop {
            let now = world.now;
            let (index, event) = world
                .accounts
                .iter()
                .enumerate()
                .map(|(index, account)| (index, account.next_event(now)))
                .min_by_key(|(_, at)| *at)
                .unwrap();
            let kill = scenario
                .kills
                .iter()
                .copied()
                .find(|at| *at > now && *at <= event);
            if let Some(at) = kill {
                world.kill(at);
                continue;
            }
            if event >= END {
                return world;
            }
            world.now = event.max(now);
            world.happen(index);
        }
    }

    /// A number in `0..=most`.
    fn roll(&mut self, most: i64) -> i64 {
        self.dice = self
            .dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(self.dice >> 33).unwrap() % (most + 1)
    }

    fn kill(&mut self, at: i64) {
        self.now = at;
        for account in &mut self.accounts {
            account.is_own_intent = false;
            account.answer = None;
            account.wake = at + 5;
        }
    }

    /// What is due for an account: things outside first, then a step of the operator.
    fn happen(&mut self, index: usize) {
        let now = self.now;
        let account = &mut self.accounts[index];
        if account.late_effect.is_some_and(|at| at <= now) {
            account.late_effect = None;
            if let Some(remote) = &mut account.remote {
                remote.verified = true;
            }
        }
        if let Some(position) = account.deliveries.iter().position(|(at, _)| *at <= now) {
            account.code = Some(account.deliveries.remove(position).1);
        }
        account.steps += 1;
        assert!(account.steps < 3000, "a hot loop: {:?}", account.last);
        match account.answer.take() {
            Some((at, answer)) if at > now => {
                account.answer = Some((at, answer));
                account.wake = at;
            }
            Some((_, answer)) => self.take_in(index, &answer),
            None => self.step(index),
        }
    }

    fn take_in(&mut self, index: usize, answer: &Answer) {
        let now = self.now;
        let account = &mut self.accounts[index];
        let verified = matches!(
            answer,
            Answer::Call(Outcome::Verified) | Answer::Login(LoginOutcome::Recovered)
        );
        if verified && !account.published {
            // The Secret first. The record is an event of its own.
            account.published = true;
            let again = match answer {
                Answer::Call(outcome) => Answer::Call(outcome.clone()),
                Answer::Login(outcome) => Answer::Login(outcome.clone()),
            };
            account.answer = Some((now + 1, again));
            account.wake = now + 1;
            return;
        }
        let recorded = account.recorded();
        let recorded = match answer {
            Answer::Call(outcome) => recorded.after(outcome, "v1", time(now)),
            Answer::Login(outcome) => {
                recorded.after_login(outcome, "v1", account.request(now).as_deref(), time(now))
            }
        };
        assert!(
            !recorded.verified || account.published,
            "recorded before it was written"
        );
        account.is_own_intent = false;
        account.record(&recorded);
        account.wake = now;
    }

    fn step(&mut self, index: usize) {
        let now = self.now;
        let all: Vec<Recorded> = self.accounts.iter().map(Account::recorded).collect();
        let budget = HourlyBudget::of(&all);
        let account = &self.accounts[index];
        let recorded = all[index].clone();
        let request = account.request(now);
        let facts = Facts {
            recorded: &recorded,
            password: if account.password_stored {
                Password::Present
            } else {
                Password::Absent
            },
            is_published: account.published,
            inputs_version: "v1",
            is_own_intent: account.is_own_intent,
            source: account.plan.source,
            code: account.code.as_deref(),
            request: request.as_deref(),
            login_braked_until: account.login_braked_until.map(time),
            budget: &budget,
        };
        let decided = decide(&facts, time(now));
        let code = account.code.clone();
        self.accounts[index].last = Some(decided);
        let wake = match decided {
            Move::StorePassword => {
                self.accounts[index].password_stored = true;
                now + 1
            }
            Move::RecordIntent(call) => {
                let next = recorded.begin(call, code.as_deref(), request.as_deref(), "v1", time(now));
                self.accounts[index].record(&next);
                self.accounts[index].is_own_intent = true;
                // The call leaves a while later.
                now + self.roll(40)
            }
            Move::RecordAbandoned => {
                self.accounts[index].record(&recorded.after(&Outcome::Abandoned, "v1", time(now)));
                now
            }
            Move::Call(call) => self.call(index, call, &recorded),
            Move::RecoverByLogin | Move::LogIn => self.login(index, &recorded),
            Move::WaitForCode { until } | Move::Wait { until, .. } => {
                assert!(
                    second(until) > now,
                    "a wait that is over before it begins: {decided:?}"
                );
                second(until)
            }
            Move::Settled | Move::Stop(_) => END,
        };
        self.accounts[index].wake = wake;
    }

    /// Makes the call: what it does happens now, its answer comes a while later.
    fn call(&mut self, index: usize, call: RegistrationCall, recorded: &Recorded) -> i64 {
        assert!(
            self.accounts[index].password_stored,
            "the password comes before the first call"
        );
        let pending = recorded.pending.clone().unwrap();
        let code = pending.code.as_deref();
        let outcome = if self.goes_wrong() {
            self.wrong_call(index, call, code)
        } else {
            self.serve(index, call, code)
        };
        if call == RegistrationCall::VerifyEmail && outcome != Outcome::NotMade {
            let code = code.unwrap().to_owned();
            assert!(self.accounts[index].tried.insert(code), "a code is tried twice");
        }
        self.answer(index, Answer::Call(outcome))
    }

    fn goes_wrong(&mut self) -> bool {
        self.now < CALM && self.roll(99) < self.trouble
    }

    fn wrong_call(&mut self, index: usize, call: RegistrationCall, code: Option<&str>) -> Outcome {
        match self.roll(6) {
            0 => Outcome::NotMade,
            1 => {
                let wait = self.roll(7200);
                Outcome::Throttled {
                    retry_after: (wait > 600).then(|| Duration::from_secs(wait.unsigned_abs())),
                }
            }
            2 => Outcome::Rejected,
            3 => Outcome::Lost,
            4 if call == RegistrationCall::VerifyEmail => {
                // It arrives when the caller has given up.
                if self.try_code(index, code) {
                    self.accounts[index].late_effect = Some(self.now + 60);
                    self.accounts[index].had_late_effect = true;
                }
                Outcome::Lost
            }
            4 => Outcome::MailNotSent,
            _ => {
                self.serve(index, call, code);
                Outcome::Lost
            }
        }
    }

    fn answer(&mut self, index: usize, answer: Answer) -> i64 {
        let at = self.now + self.roll(30);
        self.accounts[index].answer = Some((at, answer));
        at
    }

    fn serve(&mut self, index: usize, call: RegistrationCall, code: Option<&str>) -> Outcome {
        match call {
            RegistrationCall::VerifyEmail => {
                if self.try_code(index, code) {
                    self.accounts[index].remote.as_mut().unwrap().verified = true;
                    Outcome::Verified
                } else {
                    Outcome::CodeRefused
                }
            }
            RegistrationCall::Register | RegistrationCall::ResendOtp => self.request_code(index, call),
        }
    }

    fn request_code(&mut self, index: usize, call: RegistrationCall) -> Outcome {
        let now = self.now;
        self.counted.retain(|at| *at + HOUR > now);
        assert!(self.counted.len() < 5, "the hourly limit would refuse this call");
        self.counted.push(now);
        let account = &mut self.accounts[index];
        account.sent += 1;
        if account.plan.before == Before::Undeliverable {
            return Outcome::MailNotSent;
        }
        if let Some(remote) = &account.remote
            && (remote.verified || !remote.own_password)
        {
            return match call {
                RegistrationCall::ResendOtp => Outcome::Rejected,
                _ => Outcome::AddressTaken,
            };
        }
        let last_resend = account.remote.as_ref().and_then(|remote| remote.last_resend);
        let resends = call == RegistrationCall::ResendOtp;
        if resends {
            assert!(
                last_resend.is_none_or(|last| now - last >= 60),
                "the cooldown would refuse this call"
            );
        }
        self.codes += 1;
        let code = format!("code {}", self.codes);
        let last_resend = if resends { Some(now) } else { last_resend };
        self.accounts[index].remote = Some(Remote {
            own_password: true,
            verified: false,
            code: Some((code.clone(), now)),
            last_resend,
        });
        self.deliver(index, code);
        Outcome::CodeMailed
    }

    fn deliver(&mut self, index: usize, code: String) {
        let now = self.now;
        let delay = match self.accounts[index].plan.habit {
            Habit::Within(most) => 1 + self.roll(most),
            Habit::WrongFirst(_) => 100 + self.roll(200),
            Habit::AwayUntil(back) => (back - now).max(0) + self.roll(60),
            Habit::Never => return,
        };
        let account = &mut self.accounts[index];
        // Who comes back reads the newest mail.
        account.deliveries.clear();
        if let Habit::WrongFirst(count) = account.plan.habit {
            for number in 0..count {
                let wrong = format!("wrong {number} for {code}");
                account.deliveries.push((now + 1 + i64::from(number) * 20, wrong));
            }
        }
        account.deliveries.push((now + delay, code));
    }

    /// Whether it is the right code, in time.
    fn try_code(&mut self, index: usize, code: Option<&str>) -> bool {
        let now = self.now;
        let account = &mut self.accounts[index];
        account.verifications += 1;
        let code = code.unwrap();
        let Some(remote) = account.remote.as_mut().filter(|remote| !remote.verified) else {
            return false;
        };
        let is_right = remote
            .code
            .as_ref()
            .is_some_and(|(right, sent_at)| right == code && now < sent_at + 600);
        if is_right {
            remote.code = None;
        }
        is_right
    }

    fn login(&mut self, index: usize, recorded: &Recorded) -> i64 {
        let goes_wrong = self.goes_wrong();
        let now = self.now;
        let account = &mut self.accounts[index];
        assert!(account.login_braked_until.is_none_or(|until| until <= now));
        account.logins += 1;
        let fits = account
            .remote
            .as_ref()
            .is_some_and(|remote| remote.verified && remote.own_password);
        let outcome = if goes_wrong {
            LoginOutcome::Later { until: None }
        } else if fits {
            LoginOutcome::Recovered
        } else {
            account.login_braked_until = Some(now + HOUR);
            assert_ne!(
                recorded.login_needed, None,
                "a verified account lets its password in"
            );
            LoginOutcome::Refused {
                message: "no".to_owned(),
            }
        };
        self.answer(index, Answer::Login(outcome))
    }
}

fn accounts() -> impl Strategy<Value = AccountPlan> {
    let before = prop_oneof![
        6 => Just(Before::Nothing),
        1 => Just(Before::Pending),
        1 => Just(Before::PendingWithOtherPassword),
        1 => Just(Before::Verified),
        1 => Just(Before::VerifiedWithOtherPassword),
        1 => Just(Before::Undeliverable),
    ];
    let habit = prop_oneof![
        4 => (5..900_i64).prop_map(Habit::Within),
        2 => (1..5_u32).prop_map(Habit::WrongFirst),
        2 => (0..2 * DAY).prop_map(Habit::AwayUntil),
        1 => Just(Habit::Never),
    ];
    let source = prop_oneof![Just(Source::Person), Just(Source::Mailbox)];
    let requests = prop::collection::vec(0..2 * DAY, 0..3);
    (before, habit, source, any::<bool>(), requests).prop_map(
        |(before, habit, source, makes_password, requests)| AccountPlan {
            before,
            habit,
            source,
            makes_password,
            requests,
        },
    )
}

fn scenarios() -> impl Strategy<Value = Scenario> {
    let early = prop::collection::vec(1..1200_i64, 0..8);
    let late = prop::collection::vec(1..CALM, 0..8);
    (
        prop::collection::vec(accounts(), 1..6),
        early,
        late,
        prop_oneof![Just(0_i64), 5..60_i64],
        any::<u64>(),
    )
        .prop_map(|(accounts, mut kills, late, trouble, dice)| {
            kills.extend(late);
            kills.sort_unstable();
            Scenario {
                accounts,
                kills,
                trouble,
                dice,
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    /// That no limit is exceeded, no code tried twice and nothing recorded before it is written is asserted on the way.
    #[test]
    fn every_sign_up_ends_with_an_account_or_a_reason(scenario in scenarios()) {
        let world = World::run(&scenario);
        for account in &world.accounts {
            let is_ours = account.remote.as_ref().is_some_and(|remote| remote.verified && remote.own_password);
            match account.last {
                Some(Move::Settled) => prop_assert!(account.published && is_ours),
                Some(Move::Stop(stop)) => {
                    prop_assert!(!account.recorded().verified);
                    // A code that took effect after everything was given up is for a person to find out.
                    let is_lost = is_ours && account.plan.before != Before::Verified && !account.had_late_effect;
                    prop_assert!(!is_lost, "{stop:?} of an account that was verified");
                }
                other => prop_assert!(false, "{other:?} of {account_plan:?}", account_plan = account.plan),
            }
            let asked = 1 + account.plan.requests.len();
            prop_assert!(account.sent <= 6 * asked, "{} mails", account.sent);
            prop_assert!(account.verifications <= 3 * 6 * asked);
            prop_assert!(account.logins <= 60, "{} logins", account.logins);
        }
    }

    #[test]
    fn without_trouble_who_brings_the_code_gets_an_account_with_the_first_mail(
        count in 1..5_usize,
        delay in 1..120_i64,
        source in prop_oneof![Just(Source::Person), Just(Source::Mailbox)],
        makes_password: bool,
        dice: u64,
    ) {
        let plan = AccountPlan {
            before: Before::Nothing,
            habit: Habit::Within(delay),
            source,
            makes_password,
            requests: Vec::new(),
        };
        let world = World::run(&Scenario { accounts: vec![plan; count], kills: Vec::new(), trouble: 0, dice });
        for account in &world.accounts {
            prop_assert_eq!(account.last, Some(Move::Settled));
            prop_assert_eq!((account.sent, account.verifications, account.logins), (1, 1, 0));
        }
    }

    /// A kill at any second, right after the one-time answer too: the account is found again by logging in.
    #[test]
    fn a_kill_at_any_time_loses_nothing(kills in prop::collection::vec(1..400_i64, 1..6), dice: u64) {
        let plan = AccountPlan {
            before: Before::Nothing,
            habit: Habit::Within(60),
            source: Source::Mailbox,
            makes_password: true,
            requests: Vec::new(),
        };
        let mut kills = kills;
        kills.sort_unstable();
        let world = World::run(&Scenario { accounts: vec![plan], kills, trouble: 0, dice });
        let account = &world.accounts[0];
        prop_assert_eq!(account.last, Some(Move::Settled));
        prop_assert!(account.sent <= 6 && account.logins <= 6);
    }
}
