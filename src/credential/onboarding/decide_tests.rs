//! Single decisions that a user would notice.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::*;
use crate::api::identity_account::{
    AccountState, CodeMailed, IdentityAccountStatus, LoginNeeded, RegistrationCall,
};

const REGISTER: Move = Move::RecordIntent(RegistrationCall::Register);
const RESEND: Move = Move::RecordIntent(RegistrationCall::ResendOtp);
const VERIFY: Move = Move::RecordIntent(RegistrationCall::VerifyEmail);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

/// One account, told step by step.
struct Story {
    recorded: Recorded,
    password: Password,
    is_published: bool,
    source: Source,
    code: Option<&'static str>,
    request: Option<&'static str>,
    inputs: &'static str,
    others: Vec<Recorded>,
}

impl Story {
    fn new(source: Source) -> Self {
        Self {
            recorded: Recorded::default(),
            password: Password::Present,
            is_published: false,
            source,
            code: None,
            request: None,
            inputs: "v1",
            others: Vec::new(),
        }
    }

    fn decide(&self, second: i64) -> Move {
        self.decide_with(second, false, None)
    }

    fn decide_with(&self, second: i64, is_own_intent: bool, login_braked_until: Option<Timestamp>) -> Move {
        let budget = HourlyBudget::of(self.others.iter().chain([&self.recorded]));
        let facts = Facts {
            recorded: &self.recorded,
            password: self.password,
            is_published: self.is_published,
            inputs_version: self.inputs,
            is_own_intent,
            source: self.source,
            code: self.code,
            request: self.request,
            login_braked_until,
            budget: &budget,
        };
        decide(&facts, at(second))
    }

    /// Makes the call that is decided, and takes its outcome in a second later.
    fn call(&mut self, second: i64, outcome: &Outcome) {
        let Move::RecordIntent(call) = self.decide(second) else {
            panic!("{:?} after {second}", self.decide(second))
        };
        self.recorded = self
            .recorded
            .begin(call, self.code, self.request, self.inputs, at(second));
        assert_eq!(self.decide_with(second, true, None), Move::Call(call));
        self.recorded = self.recorded.after(outcome, self.inputs, at(second + 1));
    }

    fn logged_in(&mut self, second: i64, outcome: &LoginOutcome) {
        self.recorded = self
            .recorded
            .after_login(outcome, self.inputs, self.request, at(second));
    }
}

fn until(seconds: i64) -> Move {
    Move::WaitForCode { until: at(seconds) }
}

fn waits(seconds: i64, reason: WaitReason) -> Move {
    Move::Wait {
        until: at(seconds),
        reason,
    }
}

fn refused() -> LoginOutcome {
    LoginOutcome::Refused {
        message: "no".to_owned(),
    }
}

#[test]
fn the_straight_way() {
    let mut story = Story::new(Source::Person);
    story.password = Password::Absent;
    assert_eq!(story.decide(0), Move::StorePassword);
    story.password = Password::Present;
    assert_eq!(story.decide(0), REGISTER);
    story.call(0, &Outcome::CodeMailed);
    assert_eq!(story.recorded.state(), AccountState::CodeSent);
    assert_eq!(story.decide(5), until(600));
    story.code = Some("good");
    assert_eq!(story.decide(60), VERIFY);
    story.call(60, &Outcome::Verified);
    story.is_published = true;
    assert_eq!(story.decide(62), Move::Settled);
    assert_eq!(story.recorded.state(), AccountState::Verified);
}

#[test]
fn a_mailbox_that_stays_empty_is_worth_one_resend_and_a_person_is_waited_for() {
    let mut mailbox = Story::new(Source::Mailbox);
    mailbox.call(0, &Outcome::CodeMailed);
    assert_eq!(mailbox.decide(10), until(180));
    assert_eq!(mailbox.decide(180), RESEND);
    mailbox.call(180, &Outcome::CodeMailed);
    assert_eq!(
        mailbox.decide(400),
        until(180 + 900),
        "a late mail is still taken"
    );

    let mut person = Story::new(Source::Person);
    person.call(0, &Outcome::CodeMailed);
    assert_eq!(person.decide(180), until(600));
    assert_eq!(person.decide(600), REGISTER, "the code has lapsed");
    person.call(600, &Outcome::CodeMailed);
    assert_eq!(person.decide(1200), until(1500));
    assert_eq!(person.decide(1500), waits(600 + 600 + 3600, WaitReason::Renewal));
    person.code = Some("late");
    assert_eq!(person.decide(1600), REGISTER, "somebody is there");
}

#[test]
fn a_request_gets_a_code_after_the_cooldown_and_once() {
    let mut story = Story::new(Source::Person);
    story.call(0, &Outcome::CodeMailed);
    story.request = Some("now");
    assert_eq!(story.decide(30), until(61));
    assert_eq!(story.decide(61), RESEND);
    story.call(61, &Outcome::NotMade);
    assert_eq!(story.recorded.calls, [at(0)], "what was not sent does not count");
    story.call(90, &Outcome::CodeMailed);
    assert_eq!(story.decide(200), until(690), "it is fulfilled");
    story.request = Some("again");
    assert_eq!(story.decide(200), RESEND);
}

#[test]
fn three_wrong_codes_and_the_next_mail_comes() {
    let mut story = Story::new(Source::Person);
    story.call(0, &Outcome::CodeMailed);
    for (second, code) in [(10, "a"), (20, "b"), (30, "c")] {
        story.code = Some(code);
        story.call(second, &Outcome::CodeRefused);
        assert!(
            !matches!(story.decide(second + 2), VERIFY),
            "no code is tried twice"
        );
    }
    story.code = Some("d");
    assert_eq!(story.decide(40), waits(61, WaitReason::Renewal));
    assert_eq!(story.decide(61), RESEND);
    story.call(61, &Outcome::CodeMailed);
    assert_eq!(
        story.decide(63),
        until(961),
        "what stood there before the mail is not its code"
    );
    story.code = Some("e");
    assert_eq!(story.decide(70), VERIFY);
}

#[test]
fn a_lost_answer_to_the_code_is_looked_at_by_login() {
    let mut story = Story::new(Source::Person);
    story.call(0, &Outcome::CodeMailed);
    story.code = Some("good");
    story.call(10, &Outcome::Lost);
    assert_eq!(story.decide(12), waits(16, WaitReason::Retry));
    assert_eq!(story.decide(16), Move::RecoverByLogin);
    assert_eq!(
        story.decide_with(16, false, Some(at(100))),
        waits(100, WaitReason::LoginBrake)
    );
    let mut refused_login = story.recorded.clone();
    story.logged_in(20, &LoginOutcome::Recovered);
    story.is_published = true;
    assert_eq!(story.decide(21), Move::Settled);

    // It did not take effect after all.
    refused_login = refused_login.after_login(&refused(), "v1", None, at(20));
    story.recorded = refused_login;
    story.is_published = false;
    assert_eq!(story.decide(21), waits(61, WaitReason::Renewal));
    assert_eq!(story.decide(61), RESEND);
    story.call(61, &Outcome::AddressTaken);
    assert_eq!(story.decide(63), Move::LogIn, "or it did, later");
}

#[test]
fn a_call_of_a_process_that_is_gone_may_have_taken_effect() {
    let mut story = Story::new(Source::Mailbox);
    story.recorded = story
        .recorded
        .begin(RegistrationCall::Register, None, None, "v1", at(0));
    assert_eq!(story.decide(5), Move::RecordAbandoned);
    story.recorded = story.recorded.after(&Outcome::Abandoned, "v1", at(5));
    assert_eq!(story.decide(6), until(180), "a code may come");
    let sending = story.recorded.sending.clone().unwrap();
    assert_eq!(sending.mailed, CodeMailed::Unknown);
    assert_eq!(sending.resend_after, at(180), "the mail may be sent late");

    story.code = Some("good");
    story.recorded = story
        .recorded
        .begin(RegistrationCall::VerifyEmail, story.code, None, "v1", at(20));
    story.recorded = story.recorded.after(&Outcome::Abandoned, "v1", at(21));
    assert_eq!(story.recorded.login_needed, Some(LoginNeeded::AnswerLost));
    assert_eq!(story.decide(22), waits(140, WaitReason::Retry));
    assert_eq!(story.decide(140), Move::RecoverByLogin);
}

#[test]
fn a_taken_address_is_one_login_and_then_silence_until_something_changes() {
    let mut story = Story::new(Source::Person);
    story.call(0, &Outcome::AddressTaken);
    assert_eq!(story.decide(2), Move::LogIn);
    let fits = story
        .recorded
        .after_login(&LoginOutcome::Recovered, "v1", None, at(3));
    assert_eq!(fits.state(), AccountState::Verified);

    story.logged_in(3, &refused());
    for second in [4, 4000, 4_000_000] {
        assert_eq!(story.decide(second), Move::Stop(Stop::AddressTaken));
    }
    story.inputs = "v2";
    assert_eq!(
        story.decide(4000),
        REGISTER,
        "the right password may find a code waited for"
    );
    story.inputs = "v1";
    story.request = Some("try");
    assert_eq!(story.decide(4000), REGISTER);
    story.call(4000, &Outcome::AddressTaken);
    story.logged_in(4003, &refused());
    assert_eq!(story.decide(4004), Move::Stop(Stop::AddressTaken), "once");
}

#[test]
fn what_cannot_work_stops_at_once() {
    let message = || "said".to_owned();
    for (outcome, stop) in [
        (Outcome::InvalidEmail { message: message() }, Stop::InvalidEmail),
        (Outcome::WeakPassword { message: message() }, Stop::WeakPassword),
    ] {
        let mut story = Story::new(Source::Person);
        story.call(0, &outcome);
        assert_eq!(story.decide(1_000_000), Move::Stop(stop));
        assert_eq!(story.recorded.stopped.as_ref().unwrap().message, "said");
        story.inputs = "v2";
        assert_eq!(story.decide(1_000_000), REGISTER);
    }
    let mut lost = Story::new(Source::Person);
    lost.call(0, &Outcome::CodeMailed);
    lost.password = Password::Absent;
    assert_eq!(
        lost.decide(10),
        Move::Stop(Stop::PasswordLost),
        "another one would not fit"
    );

    let mut account = Story::new(Source::Person);
    account.recorded.verified = true;
    assert_eq!(
        account.decide(0),
        Move::RecoverByLogin,
        "a Secret that is gone is made again"
    );
    account.logged_in(1, &refused());
    assert_eq!(account.decide(2), Move::Stop(Stop::PasswordRefused));
    account.inputs = "v2";
    account.logged_in(3, &LoginOutcome::SecondFactorRequired { message: message() });
    let braked = Some(at(86_400));
    assert_eq!(
        account.decide_with(4, false, braked),
        Move::Stop(Stop::SecondFactorRequired)
    );
    assert_eq!(
        account.decide_with(86_400, false, braked),
        Move::RecoverByLogin,
        "it may be switched off by then"
    );
}

#[test]
fn mails_become_rarer_and_end_with_a_reason() {
    for (outcome, stop) in [
        (Outcome::CodeMailed, Stop::CodeMissing),
        (Outcome::MailNotSent, Stop::MailNotSent),
        (Outcome::Lost, Stop::RegistrationRefused),
        (Outcome::Rejected, Stop::RegistrationRefused),
    ] {
        let mut story = Story::new(Source::Person);
        let mut mails = 0;
        let mut second = 0;
        let stopped = loop {
            match story.decide(second) {
                Move::RecordIntent(RegistrationCall::Register) => {
                    story.call(second, &outcome);
                    mails += 1;
                }
                Move::WaitForCode { until } | Move::Wait { until, .. } => {
                    assert!(until > at(second), "no wait is over before it begins");
                    second = until.duration_since(at(0)).as_secs();
                }
                Move::Stop(stopped) => break stopped,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((stopped, mails), (stop, 6));
        assert!(second < 3 * 24 * 3600, "{second}");
        story.request = Some("again");
        assert_eq!(story.decide(second), REGISTER);
    }
}

#[test]
fn a_full_hour_is_waited_for_whoever_filled_it() {
    let other = |seconds: &[i64]| Recorded {
        calls: seconds.iter().copied().map(at).collect(),
        ..Recorded::default()
    };
    let mut story = Story::new(Source::Person);
    story.others = vec![other(&[0, 10]), other(&[20, 30])];
    assert_eq!(story.decide(40), waits(3720, WaitReason::HourlyBudget));
    story.request = Some("now");
    assert_eq!(story.decide(40), REGISTER, "one is kept for who asks");
    story.request = None;
    assert_eq!(story.decide(3720), REGISTER);
}

#[test]
fn a_throttle_is_waited_for_and_counts_as_no_mail() {
    let mut story = Story::new(Source::Person);
    let asked = Some(Duration::from_secs(90));
    story.call(0, &Outcome::Throttled { retry_after: asked });
    assert_eq!(story.decide(2), waits(91, WaitReason::HourlyBudget));
    assert_eq!(
        (story.recorded.mails, story.recorded.state()),
        (0, AccountState::NotRegistered)
    );
    story.call(91, &Outcome::Throttled { retry_after: None });
    assert_eq!(story.decide(100), waits(92 + 3600, WaitReason::HourlyBudget));
}

#[test]
fn a_code_proves_the_password_that_it_was_asked_for_with_and_no_other() {
    let mut story = Story::new(Source::Person);
    story.call(0, &Outcome::CodeMailed);
    story.code = Some("good");
    story.inputs = "v2";
    assert_eq!(story.decide(10), waits(61, WaitReason::Renewal));
    assert_eq!(story.decide(61), REGISTER);
    story.inputs = "v1";
    assert_eq!(story.decide(61), VERIFY, "the first password is back");

    // A waiting registration takes no other password.
    story.inputs = "v2";
    let mut taken = story.recorded.clone();
    story.call(61, &Outcome::AddressTaken);
    assert_eq!(story.decide(63), Move::LogIn);
    story.logged_in(64, &refused());
    assert_eq!(story.decide(65), Move::Stop(Stop::AddressTaken));

    // The answer was lost, and a login with the other password would tell nothing.
    story.inputs = "v1";
    story.recorded = taken.clone();
    story.call(61, &Outcome::Lost);
    assert_eq!(story.decide(100), Move::RecoverByLogin);
    story.inputs = "v2";
    assert_eq!(story.decide(100), REGISTER);
    story.call(100, &Outcome::CodeMailed);
    assert_eq!(story.recorded.login_needed, None);
    story.code = Some("newer");
    assert_eq!(story.decide(110), VERIFY);

    // Mails for another password are counted anew.
    taken.mails = 6;
    story.recorded = taken;
    story.call(70, &Outcome::CodeMailed);
    assert_eq!(story.recorded.mails, 1);
}

#[test]
fn a_code_that_was_throttled_is_tried_again_while_it_lives() {
    for (wait, again) in [(Some(90), VERIFY), (Some(590), REGISTER), (None, REGISTER)] {
        let mut story = Story::new(Source::Person);
        story.call(0, &Outcome::CodeMailed);
        story.code = Some("good");
        let retry_after = wait.map(Duration::from_secs);
        story.call(20, &Outcome::Throttled { retry_after });
        let Move::Wait { until, reason } = story.decide(22) else {
            panic!("{:?}", story.decide(22))
        };
        assert_eq!(reason, WaitReason::Retry);
        assert_eq!(
            story.decide(until.duration_since(at(0)).as_secs()),
            again,
            "{wait:?}"
        );
    }
}

#[test]
fn a_clock_that_was_ahead_delays_nothing_for_longer_than_a_day() {
    let ahead = 30 * 86_400;
    let mut story = Story::new(Source::Person);
    story.call(ahead, &Outcome::CodeMailed);
    let waiting = story.recorded.clone();
    story.recorded = waiting.clone().as_of(at(0));
    assert_eq!(
        story.decide(0),
        until(600),
        "the mail is there, whatever the time was"
    );
    story.code = Some("good");
    assert_eq!(story.decide(0), VERIFY);
    assert_eq!(story.recorded.calls, [at(0)]);

    story.recorded = waiting.begin(RegistrationCall::Register, None, None, "v1", at(ahead + 100));
    story.recorded = story.recorded.as_of(at(0));
    assert_eq!(story.recorded.pending.as_ref().unwrap().at, at(0));
    story.recorded = story
        .recorded
        .after(&Outcome::Throttled { retry_after: None }, "v1", at(ahead));
    story.recorded.retry_at = Some(at(ahead));
    story.recorded = story.recorded.as_of(at(0));
    assert_eq!(story.recorded.throttled_until, Some(at(86_400)));
    assert_eq!(story.recorded.retry_at, Some(at(86_400)));

    let mut usual = Story::new(Source::Person);
    usual.call(0, &Outcome::CodeMailed);
    assert_eq!(
        usual.recorded.clone().as_of(at(1)),
        usual.recorded,
        "a clock that is right changes nothing"
    );
}

#[test]
fn what_did_not_leave_is_tried_again_with_pauses() {
    let mut story = Story::new(Source::Person);
    let mut second = 0;
    for _ in 0..20 {
        story.call(second, &Outcome::NotMade);
        let Move::Wait { until, reason } = story.decide(second + 1) else {
            panic!()
        };
        assert_eq!(reason, WaitReason::Retry);
        second = until.duration_since(at(0)).as_secs();
    }
    assert!(second > 2000, "{second}");
    assert_eq!(story.recorded.calls, []);
}

#[test]
fn a_status_holds_all_of_it() {
    let mut story = Story::new(Source::Person);
    story.call(0, &Outcome::CodeMailed);
    story.code = Some("a");
    story.call(10, &Outcome::CodeRefused);
    story.code = Some("b");
    story.call(20, &Outcome::Lost);
    let mut recorded = story
        .recorded
        .begin(RegistrationCall::ResendOtp, Some("c"), Some("r"), "v1", at(30));
    recorded.throttled_until = Some(at(40));
    recorded.failures = 2;
    recorded.stopped = Some(Stopped {
        stop: Stop::AddressTaken,
        message: "m".to_owned(),
        inputs_version: "v1".to_owned(),
    });
    recorded.fulfilled_request = Some("q".to_owned());
    for recorded in [Recorded::default(), story.recorded, recorded] {
        let mut status = IdentityAccountStatus::default();
        recorded.write_to(&mut status);
        let text = serde_json::to_string(&status).unwrap();
        assert_eq!(
            Recorded::of(&serde_json::from_str(&text).unwrap()),
            recorded,
            "{text}"
        );
    }
    for stop in Stop::ALL {
        assert_eq!(Stop::parse(stop.as_str()), Some(stop));
    }
}
