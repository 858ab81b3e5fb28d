use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::plan::{Plan, plan};
use super::state::{
    CodeView, Evidence, Identifiers, Inputs, Learned, Observed, Resource, Saved, SecretContent, SecretView,
    Step, TokenView,
};
use crate::api::client_application::PublishedSecret;
use crate::api::conditions::{Finding, READY, Truth, find};
use crate::api::identity_account::{
    CODE_RECEIVED, IdentityAccountStatus, LoginNeeded, REGISTERED, RegistrationCall, VERIFIED,
};
use crate::api::token::TokenStatus;
use crate::controller::owned_secret::NOBODY;
use crate::controller::token::TokenPolicy;
use crate::credential::onboarding::{
    HourlyBudget, LoginOutcome, Outcome, Password, Recorded, Sending, Stop, Stopped,
};
use crate::credential::schedule::Backoff;

const NOW: i64 = 1_800_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(NOW + seconds).unwrap()
}

fn policy() -> TokenPolicy {
    let seconds = std::time::Duration::from_secs;
    TokenPolicy {
        propagation: seconds(240),
        backoff: Backoff {
            first: seconds(1),
            longest: seconds(60),
        },
        denied_pause: seconds(300),
    }
}

fn observed(change: &Value) -> Observed {
    let mut spec = json!({
        "didit": {}, "email": "ops@corp.example.net", "code": {"secretRef": {"name": "ops-code"}},
        "secret": {"name": "ops-account"},
    });
    for (key, value) in change.as_object().unwrap() {
        spec[key] = value.clone();
    }
    Observed {
        resource: Resource {
            namespace: "shop".into(),
            name: "ops".into(),
            uid: "uid-1".into(),
            generation: 1,
            is_deleted: false,
        },
        spec: serde_json::from_value(spec).unwrap(),
        status: IdentityAccountStatus::default(),
        recorded: Recorded::default(),
        is_unrecorded: false,
        secret: SecretView::Absent,
        earlier_secret: None,
        strays: Vec::new(),
        rival: None,
        claimant: None,
        is_password_outdated: false,
        inputs: Inputs::Ready {
            password: Password::Absent,
            version: String::new(),
        },
        is_budget_known: true,
        budget: HourlyBudget::default(),
        code: CodeView::NotLooked,
        is_code_polled: false,
        code_request: None,
        login_braked_until: None,
        token: TokenView::default(),
        learned: Learned::default(),
    }
}

fn published(digest: &str) -> PublishedSecret {
    PublishedSecret {
        name: "ops-account".into(),
        uid: "secret-1".into(),
        resource_version: "7".into(),
        form: "form".into(),
        content_digest: "content".into(),
        application_digest: digest.into(),
        api_url: if digest.is_empty() {
            String::new()
        } else {
            crate::api::provider::DIDIT_API_URL.into()
        },
    }
}

fn token(expires: i64) -> TokenStatus {
    TokenStatus {
        issued_at: Time(at(-100)),
        expires_at: Time(at(expires)),
        refresh_at: Time(at(expires - 1000)),
        allowance_seconds: 10,
        token_type: "Bearer".into(),
        scope: None,
        request_digest: super::token::request_digest(&observed(&json!({}))),
        fingerprint: "fingerprint".into(),
        remark: None,
    }
}

fn ours(digest: &str, content: SecretContent) -> SecretView {
    SecretView::Ours {
        published: published(digest),
        content,
        token: None,
    }
}

fn saved(digest: &str, identifiers: Option<Identifiers>) -> Box<Saved> {
    Box::new(Saved {
        published: published(digest),
        token: None,
        identifiers,
    })
}

fn belongings() -> Option<Identifiers> {
    Some(Identifiers {
        organization_id: Some("organization".into()),
        application_id: Some("application".into()),
        client_id: Some("client".into()),
    })
}

/// A verified account with its Secret.
fn settled(change: &Value) -> Observed {
    let mut observed = observed(change);
    observed.recorded.verified = true;
    observed.status.application_id = Some("application".into());
    observed.status.secret = Some(published("digest"));
    observed.secret = ours("digest", SecretContent::Current);
    observed.inputs = Inputs::NotNeeded;
    observed
}

fn code_sent(refused: u32) -> Recorded {
    Recorded {
        sending: Some(Sending {
            at: at(-60),
            mailed: crate::api::identity_account::CodeMailed::Yes,
            resend_after: at(0),
            refused,
            inputs_version: Some("secret-1/made".into()),
        }),
        mails: 1,
        calls: vec![at(-60)],
        ..Recorded::default()
    }
}

fn with_password(mut observed: Observed, recorded: Recorded) -> Observed {
    observed.recorded = recorded;
    observed.secret = ours("", SecretContent::Current);
    observed.inputs = Inputs::Ready {
        password: Password::Present,
        version: "secret-1/made".into(),
    };
    observed
}

fn next(observed: &Observed) -> Plan {
    plan(observed, &policy(), at(0))
}

fn step(observed: &Observed) -> Option<&'static str> {
    next(observed).step.map(|step| step.name())
}

fn condition(plan: &Plan, type_: &str) -> (String, String, String) {
    let condition = find(&plan.status.conditions, type_).unwrap();
    (
        condition.status.clone(),
        condition.reason.clone(),
        condition.message.clone(),
    )
}

/// Goes through a pass as `perform` would have it, and names its steps.
fn pass(observed: &mut Observed, outcome: &Outcome) -> (Vec<&'static str>, Plan) {
    let mut steps = Vec::new();
    loop {
        let plan = next(observed);
        let Some(step) = &plan.step else {
            return (steps, plan);
        };
        steps.push(step.name());
        assert!(steps.len() < 12, "no end: {steps:?}");
        let evidence = match step {
            Step::StorePassword => Evidence::PasswordStored {
                saved: saved("", None),
                version: "secret-1/made".into(),
            },
            Step::RecordStatus => Evidence::StatusRecorded(Box::new(plan.status)),
            Step::RecordIntent(call) => {
                let mut status = plan.status;
                let recorded =
                    observed
                        .recorded
                        .begin(*call, observed.mark(), None, observed.inputs_version(), at(0));
                recorded.write_to(&mut status);
                Evidence::IntentRecorded(Box::new(status))
            }
            Step::Call(_) => Evidence::CallEnded {
                outcome: outcome.clone(),
                trouble: None,
                saved: (*outcome == Outcome::Verified).then(|| saved("digest", belongings())),
                at: at(0),
            },
            Step::Abandon => Evidence::CallEnded {
                outcome: Outcome::Abandoned,
                trouble: None,
                saved: None,
                at: at(0),
            },
            Step::LogIn => Evidence::LoginEnded {
                outcome: LoginOutcome::Recovered,
                braked_until: None,
                trouble: None,
                saved: Some(saved("digest", belongings())),
                at: at(0),
            },
            Step::TakeInSaved => Evidence::SavedFound(belongings().unwrap()),
            Step::LookForCode if observed.spec.code.mailbox.is_some() => {
                Evidence::CodeLookedFor(CodeView::There("mark".into()))
            }
            Step::LookForCode => Evidence::CodeLookedFor(CodeView::Absent {
                reason: "WaitingForCode".into(),
                message: "put the code into a Secret".into(),
                again: None,
            }),
            Step::SettleMail => Evidence::MailSettled,
            other => panic!("{other:?}"),
        };
        observed.absorb(evidence);
    }
}

#[test]
fn the_password_is_stored_first_and_each_call_is_recorded_before_it_is_made() {
    let mut observed = observed(&json!({}));
    let (steps, plan) = pass(&mut observed, &Outcome::CodeMailed);
    assert_eq!(
        steps,
        [
            "store_password",
            "record_intent",
            "call",
            "record_status",
            "look_for_code"
        ]
    );
    assert_eq!(condition(&plan, READY).1, "WaitingForCode");

    // The next pass sees the code's Secret.
    observed.learned = Learned::default();
    observed.code = CodeView::There("mark".into());
    let (steps, plan) = pass(&mut observed, &Outcome::Verified);
    assert_eq!(steps, ["record_intent", "call", "record_status"]);
    assert_eq!(condition(&plan, READY).0, "True");
    assert_eq!(plan.status.application_id.as_deref(), Some("application"));
    assert_eq!(plan.status.client_id.as_deref(), Some("client"));
    assert_eq!(plan.wake, None);
}

#[test]
fn a_mailbox_brings_the_code_in_one_pass_and_its_mail_is_settled_at_the_end() {
    let spec = json!({"code": {"mailbox": {"host": "imap.corp.example.net", "secretRef": {"name": "box"}}}});
    let mut observed = with_password(observed(&spec), code_sent(0));
    let (steps, _) = pass(&mut observed, &Outcome::Verified);
    assert_eq!(
        steps,
        [
            "look_for_code",
            "record_intent",
            "call",
            "record_status",
            "settle_mail"
        ]
    );
}

#[test]
fn a_code_is_looked_for_before_another_mail_is_asked_for_and_after_each_call() {
    let spec = json!({"code": {"mailbox": {"host": "imap.corp.example.net", "secretRef": {"name": "box"}}}});
    let mut observed = with_password(observed(&spec), code_sent(0));
    // Another mail is due, and no operator ran meanwhile.
    let sending = observed.recorded.sending.as_mut().unwrap();
    (sending.at, sending.resend_after) = (at(-240), at(-180));
    assert_eq!(step(&observed), Some("look_for_code"));
    observed.code = CodeView::Later {
        until: at(5),
        unreadable: None,
    };
    assert_eq!(step(&observed), Some("record_intent"));

    for (call, outcome) in [
        (RegistrationCall::VerifyEmail, Outcome::CodeRefused),
        (RegistrationCall::Register, Outcome::Abandoned),
    ] {
        observed.code = CodeView::There("mark".into());
        observed.recorded = code_sent(0).begin(call, Some("mark"), None, "secret-1/made", at(-1));
        observed.absorb(Evidence::CallEnded {
            outcome,
            trouble: None,
            saved: None,
            at: at(0),
        });
        observed.is_unrecorded = false;
        assert_eq!(step(&observed), Some("look_for_code"), "{call:?}");
    }
}

#[test]
fn what_was_true_before_a_code_was_asked_for_is_not_said_after() {
    let mut observed = with_password(observed(&json!({})), Recorded::default());
    observed.status = next(&observed).status;
    assert_eq!(
        find(&observed.status.conditions, CODE_RECEIVED).unwrap().message,
        "no code was asked for yet"
    );
    observed.recorded = code_sent(0);
    observed.is_unrecorded = true;
    let plan = next(&observed);
    assert_eq!(plan.step.as_ref().map(Step::name), Some("record_status"));
    assert_eq!(condition(&plan, CODE_RECEIVED).2, "a code is waited for");
    assert_eq!(condition(&plan, READY).2, "a code is waited for");
}

#[test]
fn a_mailbox_without_the_mail_is_looked_into_again_and_says_why() {
    let spec = json!({"code": {"mailbox": {"host": "imap.corp.example.net", "secretRef": {"name": "box"}}}});
    let mut observed = with_password(observed(&spec), code_sent(0));
    observed.code = CodeView::Absent {
        reason: "NoMail".into(),
        message: "no mail has come".into(),
        again: Some(at(5)),
    };
    let plan = next(&observed);
    assert!(plan.step.is_none());
    assert_eq!(condition(&plan, READY).1, "NoMail");
    let wake = plan.wake.unwrap().as_secs();
    assert!((5..6).contains(&wake), "{wake}");
    // It is not looked into before, whatever wakes the resource.
    observed.code = CodeView::Later {
        until: at(5),
        unreadable: None,
    };
    assert_eq!(step(&observed), None);
}

#[test]
fn nothing_is_called_while_something_is_in_the_way() {
    let foreign = SecretView::Foreign { owner: NOBODY.into() };
    let missing = Finding::new(
        REGISTERED,
        Truth::False,
        "PasswordNotFound",
        "Secret shop/password does not exist",
    );
    let with = |change: &dyn Fn(&mut Observed)| {
        let mut observed = observed(&json!({}));
        change(&mut observed);
        observed
    };
    for (observed, reason) in [
        (
            with(&|observed| observed.secret = foreign.clone()),
            "SecretConflict",
        ),
        (
            with(&|observed| observed.rival = Some("AccessToken other".into())),
            "SecretClaimed",
        ),
        (with(&|observed| observed.spec.suspend = Some(true)), "Suspended"),
        (
            with(&|observed| observed.inputs = Inputs::Unusable(Box::new(missing.clone()))),
            "PasswordNotFound",
        ),
    ] {
        let plan = next(&observed);
        assert!(plan.step.is_none(), "{reason}");
        let (status, found, message) = condition(&plan, READY);
        assert_eq!((status.as_str(), found.as_str()), ("False", reason), "{message}");
        assert!(plan.blocked);
    }
    for observed in [
        with(&|observed| observed.is_budget_known = false),
        with(&|observed| observed.resource.is_deleted = true),
    ] {
        assert_eq!(step(&observed), None);
    }
}

#[test]
fn a_person_reads_the_very_command_that_brings_the_code() {
    let mut observed = with_password(observed(&json!({})), code_sent(0));
    observed.code = CodeView::Absent {
        reason: "WaitingForCode".into(),
        message: super::wording::create_code(&observed),
        again: None,
    };
    let plan = next(&observed);
    assert!(plan.step.is_none());
    let (status, reason, message) = condition(&plan, CODE_RECEIVED);
    assert_eq!((status.as_str(), reason.as_str()), ("False", "WaitingForCode"));
    let command = "kubectl create secret generic ops-code --namespace shop --from-literal=code=…";
    assert!(message.ends_with(command), "{message}");
    assert_eq!(condition(&plan, READY).2, message);
    observed.is_code_polled = true;
    assert!(
        next(&observed).wake.unwrap().as_secs() <= 10,
        "nobody tells of the Secret"
    );
}

#[test]
fn a_code_that_was_refused_is_not_tried_again_and_the_tries_are_counted_for_the_reader() {
    let mut recorded = code_sent(1);
    recorded.spent = vec!["mark".into()];
    let mut observed = with_password(observed(&json!({})), recorded);
    observed.code = CodeView::There("mark".into());
    let plan = next(&observed);
    assert!(plan.step.is_none());
    let (_, reason, message) = condition(&plan, CODE_RECEIVED);
    assert_eq!(reason, "CodeRefused");
    assert!(message.contains("1 of 3 codes"), "{message}");
    assert!(
        message.ends_with("kubectl apply --namespace shop --filename=-"),
        "{message}"
    );
}

#[test]
fn what_was_saved_before_a_crash_is_taken_without_a_call() {
    for call in [None, Some(RegistrationCall::VerifyEmail)] {
        let mut recorded = code_sent(0);
        recorded.login_needed = call.is_none().then_some(LoginNeeded::AnswerLost);
        if let Some(call) = call {
            recorded = recorded.begin(call, Some("mark"), None, "secret-1/made", at(-10));
        }
        let mut observed = with_password(observed(&json!({})), recorded);
        observed.secret = ours("digest", SecretContent::Current);
        let (steps, plan) = pass(&mut observed, &Outcome::Lost);
        assert_eq!(steps[..2], ["take_in_saved", "record_status"]);
        assert!(
            !steps.contains(&"call") && !steps.contains(&"log_in"),
            "{steps:?}"
        );
        assert_eq!(condition(&plan, VERIFIED).0, "True");
        assert_eq!(plan.status.application_id.as_deref(), Some("application"));
    }
}

#[test]
fn a_call_that_an_earlier_process_began_is_never_made_again_before_its_outcome_is_looked_at() {
    let recorded = code_sent(0).begin(
        RegistrationCall::VerifyEmail,
        Some("mark"),
        None,
        "secret-1/made",
        at(-300),
    );
    let mut observed = with_password(observed(&json!({})), recorded);
    observed.code = CodeView::There("mark".into());
    let (steps, plan) = pass(&mut observed, &Outcome::Verified);
    assert_eq!(steps, ["abandon", "record_status"], "it waits before it logs in");
    assert_eq!(condition(&plan, VERIFIED).1, "AnswerLost");
    observed.recorded.retry_at = None;
    observed.learned = Learned::default();
    let (steps, plan) = pass(&mut observed, &Outcome::Lost);
    assert_eq!(steps, ["log_in", "record_status"]);
    assert_eq!(condition(&plan, READY).0, "True");
}

#[test]
fn a_secret_that_was_lost_or_edited_is_brought_back_by_a_login_while_the_password_is_there() {
    for secret in [SecretView::Absent, ours("digest", SecretContent::Edited)] {
        let mut observed = settled(&json!({"passwordSecretRef": {"name": "password", "key": "password"}}));
        observed.secret = secret;
        observed.inputs = Inputs::Ready {
            password: Password::Present,
            version: "password/1".into(),
        };
        let (steps, plan) = pass(&mut observed, &Outcome::Lost);
        assert_eq!(steps, ["log_in", "record_status"]);
        assert_eq!(condition(&plan, READY).0, "True");
    }
    let mut observed = settled(&json!({}));
    observed.secret = SecretView::Absent;
    observed.inputs = Inputs::Ready {
        password: Password::Absent,
        version: String::new(),
    };
    let plan = next(&observed);
    assert!(plan.step.is_none());
    assert_eq!(condition(&plan, READY).1, "PasswordLost");
}

#[test]
fn a_settled_account_costs_nothing_and_its_token_is_got_when_it_is_due() {
    assert_eq!(step(&settled(&json!({}))), None);
    let keeps = json!({"keepToken": true});
    let mut observed = settled(&keeps);
    observed.secret = SecretView::Ours {
        published: published("digest"),
        content: SecretContent::Current,
        token: Some(Box::new(token(80_000))),
    };
    let plan = next(&observed);
    assert!(plan.step.is_none());
    assert!(plan.wake.unwrap().as_secs() > 10_000);
    assert_eq!(condition(&plan, READY).0, "True");
    for (seconds, expected) in [(80_000, None), (60, Some("obtain_token"))] {
        observed.secret = SecretView::Ours {
            published: published("digest"),
            content: SecretContent::Current,
            token: Some(Box::new(token(seconds))),
        };
        assert_eq!(step(&observed), expected);
    }
    observed.spec.keep_token = None;
    assert_eq!(
        step(&observed),
        Some("rewrite_secret"),
        "nobody wants it any more"
    );
}

#[test]
fn an_outdated_form_or_another_address_is_written_from_what_is_there() {
    let mut outdated = settled(&json!({}));
    outdated.secret = ours("digest", SecretContent::Outdated);
    assert_eq!(step(&outdated), Some("rewrite_secret"));
    let elsewhere = settled(&json!({"didit": {"apiUrl": "https://other.example/v3"}}));
    assert_eq!(step(&elsewhere), Some("rewrite_secret"));
    let mut rotated = settled(&json!({"passwordSecretRef": {"name": "password", "key": "password"}}));
    rotated.is_password_outdated = true;
    assert_eq!(step(&rotated), Some("rewrite_secret"));
    let mut renamed = settled(&json!({"secret": {"name": "ops-new"}}));
    renamed.secret = SecretView::Absent;
    renamed.earlier_secret = Some(ours("digest", SecretContent::Outdated));
    assert_eq!(step(&renamed), Some("rewrite_secret"));
    renamed.secret = SecretView::Ours {
        published: PublishedSecret {
            name: "ops-new".into(),
            ..published("digest")
        },
        content: SecretContent::Current,
        token: None,
    };
    assert_eq!(step(&renamed), Some("retire_secret"));
    renamed.learned.is_retired = true;
    renamed.strays = vec!["stray".into()];
    assert_eq!(step(&renamed), Some("retire_stray"));
}

#[test]
fn a_full_hour_is_waited_for_and_says_until_when() {
    let others = Recorded {
        calls: (0..5).map(|call| at(-call)).collect(),
        ..Recorded::default()
    };
    let mut observed = with_password(observed(&json!({})), Recorded::default());
    observed.budget = HourlyBudget::of(&[others]);
    let plan = next(&observed);
    assert!(plan.step.is_none());
    let (status, reason, message) = condition(&plan, READY);
    assert_eq!((status.as_str(), reason.as_str()), ("False", "HourlyBudget"));
    let until = at(0) + SignedDuration::try_from(plan.wake.unwrap()).unwrap();
    assert!(
        message.contains(&format!("{:.0}", at(until.as_second() - NOW))),
        "{message}"
    );
}

#[test]
fn what_was_given_up_says_what_to_do_and_is_silent() {
    for stop in Stop::ALL {
        let recorded = Recorded {
            stopped: Some(Stopped {
                stop,
                message: "Didit said no".into(),
                inputs_version: "secret-1/made".into(),
            }),
            ..code_sent(0)
        };
        let mut observed = with_password(observed(&json!({})), recorded);
        // The end of the brake is all that is waited for.
        let is_braked = stop == Stop::SecondFactorRequired;
        observed.login_braked_until = is_braked.then(|| at(600));
        let plan = next(&observed);
        assert!(
            plan.step.is_none() && plan.wake.is_some() == is_braked,
            "{stop:?}"
        );
        let (status, reason, message) = condition(&plan, READY);
        assert_eq!((status.as_str(), reason.as_str()), ("False", stop.as_str()));
        assert!(message.starts_with("Didit said no; "), "{message}");
        if message.contains("ask for another code") {
            let command = "kubectl annotate identityaccount ops --namespace shop --overwrite \
                           keywright.dev/code-requested-at=\"$(date)\"";
            assert!(message.ends_with(command), "{message}");
        }
    }
}

fn any_secret() -> impl Strategy<Value = SecretView> {
    prop_oneof![
        Just(SecretView::Absent),
        Just(SecretView::Foreign { owner: "X/y".into() }),
        (
            prop::sample::select(vec!["", "digest"]),
            prop::sample::select(vec![
                SecretContent::Current,
                SecretContent::Outdated,
                SecretContent::Edited
            ])
        )
            .prop_map(|(digest, content)| ours(digest, content)),
    ]
}

fn any_recorded() -> impl Strategy<Value = Recorded> {
    let call = prop::option::of(prop::sample::select(vec![
        RegistrationCall::Register,
        RegistrationCall::ResendOtp,
        RegistrationCall::VerifyEmail,
    ]));
    let needed = prop::option::of(prop::sample::select(vec![
        LoginNeeded::AnswerLost,
        LoginNeeded::AddressTaken,
    ]));
    let retry = prop::option::of(-10..100_i64);
    (any::<bool>(), any::<bool>(), 0..4_u32, call, needed, retry).prop_map(
        |(verified, is_sent, refused, call, login_needed, retry)| {
            let mut recorded = if is_sent {
                code_sent(refused)
            } else {
                Recorded::default()
            };
            recorded.verified = verified;
            recorded.login_needed = login_needed;
            recorded.retry_at = retry.map(at);
            match call {
                Some(call) => recorded.begin(call, Some("mark"), None, "secret-1/made", at(-5)),
                None => recorded,
            }
        },
    )
}

#[test]
fn a_brake_of_an_earlier_login_is_waited_for_and_no_refusal_of_this_account() {
    let mut recorded = code_sent(0);
    recorded.sending = None;
    recorded.login_needed = Some(LoginNeeded::AddressTaken);
    let mut observed = with_password(observed(&json!({})), recorded);
    assert_eq!(step(&observed), Some("log_in"));
    observed.absorb(Evidence::LoginBraked {
        until: at(600),
        message: "refused".into(),
    });
    let plan = next(&observed);
    assert!(plan.step.is_none(), "{:?}", plan.step);
    assert_eq!(condition(&plan, VERIFIED).1, "LoginBraked");
    assert_eq!(observed.recorded.stopped, None);
}

#[test]
fn a_younger_account_with_the_same_address_calls_nothing() {
    for recorded in [
        Recorded::default(),
        Recorded {
            calls: vec![at(-4000)],
            ..Recorded::default()
        },
    ] {
        let mut observed = with_password(observed(&json!({})), recorded);
        for (namespace, told) in [
            ("shop", "IdentityAccount first"),
            ("other", "of another namespace"),
        ] {
            observed.claimant = Some((namespace.into(), "first".into()));
            let plan = next(&observed);
            assert!(plan.step.is_none() && plan.blocked, "{:?}", plan.step);
            let (_, reason, message) = condition(&plan, REGISTERED);
            assert_eq!(reason, "AddressClaimed");
            assert!(message.contains(told), "{message}");
            assert_eq!(condition(&plan, READY).1, "AddressClaimed");
        }
        observed.inputs = Inputs::Ready {
            password: Password::Absent,
            version: String::new(),
        };
        assert!(!matches!(
            step(&observed),
            Some("store_password" | "record_intent")
        ));
        observed.claimant = None;
    }
    let mut begun = with_password(observed(&json!({})), code_sent(0));
    begun.claimant = Some(("shop".into(), "first".into()));
    begun.code = CodeView::There("mark".into());
    assert_eq!(
        step(&begun),
        Some("record_intent"),
        "the code is tried all the same"
    );
}

#[test]
fn no_mail_is_asked_for_while_the_mailbox_cannot_be_read() {
    let spec = json!({"code": {"mailbox": {"host": "imap.corp.example.net", "secretRef": {"name": "box"}}}});
    let mut first = with_password(observed(&spec), Recorded::default());
    assert_eq!(step(&first), Some("look_for_code"), "before the first mail");
    let mut later = with_password(observed(&spec), code_sent(0));
    let sending = later.recorded.sending.as_mut().unwrap();
    (sending.at, sending.resend_after) = (at(-240), at(-180));
    let finding = Box::new(Finding::new(
        CODE_RECEIVED,
        Truth::False,
        "MailboxLoginRefused",
        "the mail server refuses the password",
    ));
    for observed in [&mut first, &mut later] {
        for code in [
            CodeView::Unreadable {
                finding: finding.clone(),
                again: at(30),
            },
            CodeView::Later {
                until: at(30),
                unreadable: Some(finding.clone()),
            },
        ] {
            observed.code = code;
            let plan = next(observed);
            assert!(plan.step.is_none(), "{:?}", plan.step);
            assert_eq!(condition(&plan, READY).1, "MailboxLoginRefused");
            assert_eq!(plan.wake.map(|wake| wake.as_secs()), Some(30));
        }
        observed.code = CodeView::Absent {
            reason: "NoMail".into(),
            message: "no mail".into(),
            again: None,
        };
        assert_eq!(step(observed), Some("record_intent"));
    }
}

#[test]
fn a_second_factor_is_looked_for_again_when_the_brake_ends() {
    let mut recorded = code_sent(0);
    recorded.login_needed = Some(LoginNeeded::AnswerLost);
    let mut observed = with_password(observed(&json!({})), recorded);
    observed.absorb(Evidence::LoginEnded {
        outcome: LoginOutcome::SecondFactorRequired {
            message: "a second factor".into(),
        },
        braked_until: Some(at(600)),
        trouble: None,
        saved: None,
        at: at(0),
    });
    observed.is_unrecorded = false;
    let plan = next(&observed);
    assert_eq!(condition(&plan, VERIFIED).1, "SecondFactorRequired");
    assert!(
        plan.wake.is_some_and(|wake| wake.as_secs() == 600),
        "{:?}",
        plan.wake
    );
}

proptest! {
    #[test]
    fn whatever_is_found_no_call_is_made_that_this_pass_did_not_record(
        recorded in any_recorded(),
        secret in any_secret(),
        has_password in any::<bool>(),
        code in prop::option::of(prop::sample::select(vec!["mark", "other"])),
    ) {
        let mut observed = with_password(observed(&json!({})), recorded);
        observed.secret = secret;
        observed.status.application_id = Some("application".into());
        if !has_password {
            observed.inputs = Inputs::Ready { password: Password::Absent, version: String::new() };
        }
        if let Some(code) = code {
            observed.code = CodeView::There(code.into());
        }
        let plan = next(&observed);
        prop_assert!(!matches!(plan.step, Some(Step::Call(_))), "{:?}", plan.step);
        let foreign = matches!(observed.secret, SecretView::Foreign { .. });
        prop_assert!(!foreign || plan.step.is_none(), "a foreign Secret is settled before any call");
        if let Some(Step::RecordIntent(_) | Step::LogIn) = plan.step {
            prop_assert!(has_password);
            prop_assert!(!(observed.recorded.verified && observed.holds_account()));
        }
        if plan.step.is_none() {
            let ready = find(&plan.status.conditions, READY).unwrap();
            prop_assert!(!ready.message.is_empty());
            prop_assert_eq!(ready.status == "True", observed.recorded.verified && observed.holds_account());
            prop_assert_eq!(plan.status.observed_generation, Some(1));
        }
    }
}
