//! The access token that stands beside an application's credentials.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::plan::{Plan, plan};
use super::state::{Evidence, Learned, Observed, ProviderView, SecretContent, SecretView, Step};
use super::tests::{POLICY, failing, new_resource, now, ours, ready, record, says, with_accepted_key};
use super::token::to_write;
use crate::api::conditions;
use crate::api::token::{TokenSettings, TokenStatus};
use crate::controller::token::findings::Trouble;
use crate::controller::token::need::{self, Why};
use crate::controller::token::service::Obtained;
use crate::identity::{ErrorKind, KeyVerdict};

fn token(settings: &TokenSettings, name: &str, age: i64) -> TokenStatus {
    let issued = now() - SignedDuration::from_secs(age);
    TokenStatus {
        issued_at: Time(issued),
        expires_at: Time(issued + SignedDuration::from_secs(3600)),
        refresh_at: Time(issued + SignedDuration::from_secs(3000)),
        allowance_seconds: 10,
        token_type: "Bearer".into(),
        scope: None,
        request_digest: need::request_digest("client-1", settings),
        fingerprint: format!("sha256:{name}"),
        remark: None,
    }
}

fn wanting(mut observed: Observed) -> Observed {
    observed.spec.access_token = Some(TokenSettings::default());
    observed.token.can_be_had = true;
    observed
}

/// A resource as it should be, with a token that was issued so many seconds ago.
fn with_token(age: i64) -> Observed {
    let mut observed = wanting(with_accepted_key());
    let status = token(&TokenSettings::default(), "token-1", age);
    if let SecretView::Ours { token, .. } = &mut observed.secret {
        *token = Some(Box::new(status.clone()));
    }
    observed.status.token = Some(status);
    observed
}

/// An application that was just read, of which no Secret tells yet.
fn just_provisioned() -> Observed {
    let mut observed = wanting(new_resource(json!({})));
    observed.status.application_id = Some("app-1".into());
    observed.status.client_id = Some("client-1".into());
    observed.status.organization_id = Some("org".into());
    observed.learned.application = Some(record(Some(&observed.resource.mark().to_string())));
    observed
}

fn step_at(observed: &Observed, at: Timestamp) -> Option<Step> {
    plan(observed, &POLICY, at).step
}

fn step(observed: &Observed) -> Option<Step> {
    step_at(observed, now())
}

#[track_caller]
fn obtains(observed: &Observed, expected: Why) {
    match step(observed) {
        Some(Step::ObtainToken(why)) => assert_eq!(why, expected),
        step => panic!("no token is asked for, but {step:?}"),
    }
}

fn obtained(observed: &mut Observed, name: &str) {
    let settings = observed.spec.access_token.clone().unwrap();
    observed.absorb(Evidence::TokenObtained(Box::new(Obtained {
        access_token: name.to_owned().into(),
        status: token(&settings, name, 0),
    })));
}

/// The Secret is written with what was obtained, or else with this token.
fn written(observed: &mut Observed, kept: Option<TokenStatus>) {
    let SecretView::Ours { published, .. } = ours(SecretContent::Current) else {
        panic!("not ours")
    };
    let token = observed
        .learned
        .token
        .obtained
        .as_ref()
        .map(|it| it.status.clone());
    observed.absorb(Evidence::SecretWritten {
        published,
        token: token.or(kept).map(Box::new),
    });
}

fn refused() -> Trouble {
    Trouble::to_mend("InvalidClient", "apx.didit.me refused the client".into())
}

fn about_token(planned: &Plan) -> (String, String) {
    let condition = conditions::find(&planned.status.conditions, "TokenFresh").unwrap();
    (condition.status.clone(), condition.reason.clone())
}

#[test]
fn the_first_token_comes_in_one_write_with_the_credentials() {
    let mut observed = just_provisioned();
    obtains(&observed, Why::NonePublished);
    obtained(&mut observed, "token-1");
    assert!(matches!(step(&observed), Some(Step::WriteSecret(_))));
    written(&mut observed, None);
    assert!(
        matches!(step(&observed), Some(Step::Probe(_))),
        "and no second write"
    );
    observed.absorb(Evidence::Probed(Ok(KeyVerdict::Accepted)));
    let planned = says(&observed, "TokenFresh", "True", "Fresh", "is refreshed at");
    ready(&planned, "True");
    let token = planned.status.token.unwrap();
    assert!(token.refresh_at.0 > now() && token.refresh_at.0 < token.expires_at.0);
    let until_refresh = Duration::try_from(token.refresh_at.0.duration_since(now())).unwrap();
    assert!(planned.wake.unwrap() <= until_refresh + Duration::from_secs(1));
}

#[test]
fn trouble_with_the_token_does_not_hold_back_the_credentials() {
    let mut observed = just_provisioned();
    obtains(&observed, Why::NonePublished);
    observed.absorb(Evidence::TokenFailed(refused()));
    assert!(matches!(step(&observed), Some(Step::WriteSecret(_))));
    written(&mut observed, None);
    observed.absorb(Evidence::Probed(Ok(KeyVerdict::Accepted)));
    let planned = says(
        &observed,
        "TokenFresh",
        "False",
        "InvalidClient",
        "apx.didit.me refused the client. Trying again at 2027-01-15T08:",
    );
    says(&observed, "SecretSynced", "True", "Written", "");
    says(&observed, "Provisioned", "True", "Created", "");
    // A token was asked for, and there is none.
    says(
        &observed,
        "Ready",
        "False",
        "InvalidClient",
        "No token is published yet",
    );
    let pause = planned.token_pause.unwrap();
    assert!(pause.until >= now() + SignedDuration::from_secs(600));
    assert!(planned.wake.unwrap() >= Duration::from_secs(600));

    observed.learned = Learned::default();
    observed.status = planned.status;
    observed.token.pause = Some(pause.clone());
    assert!(step(&observed).is_none(), "the pause is kept");
    observed.status.last_checked_time = Some(Time(pause.until));
    assert!(matches!(
        step_at(&observed, pause.until),
        Some(Step::ObtainToken(Why::NonePublished))
    ));
}

#[test]
fn without_a_wish_for_a_token_nothing_is_said_of_one() {
    let mut observed = with_accepted_key();
    observed.token.can_be_had = true;
    let planned = plan(&observed, &POLICY, now());
    assert!(planned.step.is_none());
    assert!(conditions::find(&planned.status.conditions, "TokenFresh").is_none());
    ready(&planned, "True");
}

#[test]
fn ready_ends_with_the_token() {
    let mut observed = with_token(3500);
    observed.learned.token.trouble = Some(Trouble::passing("Unavailable", "away".into()));
    let planned = says(&observed, "TokenFresh", "False", "Unavailable", "is valid until");
    ready(&planned, "True");
    assert!(planned.wake.unwrap() <= Duration::from_secs(101));

    let mut expired = with_token(3700);
    expired.learned.token.trouble = Some(Trouble::passing("Unavailable", "away".into()));
    let planned = says(&expired, "TokenFresh", "False", "Unavailable", "expired at");
    ready(&planned, "False");
}

#[test]
fn a_fresh_token_costs_no_call() {
    let planned = plan(&with_token(60), &POLICY, now());
    assert!(planned.step.is_none());
    assert_eq!(about_token(&planned), ("True".into(), "Fresh".into()));
}

#[test]
fn a_refresh_goes_on_while_the_accounts_login_is_braked() {
    let mut observed = with_token(3400);
    observed.provider = ProviderView::NotReady {
        reason: "LoginRefused".into(),
        message: "wrong password".into(),
    };
    obtains(&observed, Why::Due);
    obtained(&mut observed, "token-2");
    assert!(matches!(step(&observed), Some(Step::RewriteSecret)));
    written(&mut observed, None);
    let planned = says(
        &observed,
        "ProviderReady",
        "False",
        "LoginRefused",
        "LoginRefused",
    );
    ready(&planned, "True");
    assert_eq!(planned.status.token.unwrap().fingerprint, "sha256:token-2");

    let mut no_tokens = with_token(3400);
    no_tokens.provider = ProviderView::Missing;
    no_tokens.token.can_be_had = false;
    assert!(step(&no_tokens).is_none());
}

/// A spec that wants the Secret in another form, while the provider is down.
fn outdated_without_provider() -> Observed {
    let mut observed = with_token(3400);
    let token = observed.status.token.clone().map(Box::new);
    let SecretView::Ours { published, .. } = observed.secret else {
        panic!("not ours")
    };
    observed.secret = SecretView::Ours {
        published,
        content: SecretContent::Outdated,
        token,
    };
    observed.provider = ProviderView::NotReady {
        reason: "Unavailable".into(),
        message: "away".into(),
    };
    observed
}

#[test]
fn a_refresh_goes_on_in_a_secret_of_an_earlier_form() {
    let mut observed = outdated_without_provider();
    obtains(&observed, Why::Due);
    obtained(&mut observed, "token-2");
    assert!(matches!(step(&observed), Some(Step::RewriteSecret)));
    written(&mut observed, None);
    let planned = says(&observed, "TokenFresh", "True", "Fresh", "");
    ready(&planned, "True");
}

/// With other names of its entries nothing can be read from it before the application's record is there again.
#[test]
fn a_secret_that_cannot_be_rewritten_yet_is_still_good_for_workloads() {
    let asked = outdated_without_provider();
    let mut got = asked.clone();
    obtained(&mut got, "token-2");
    for mut observed in [asked, got] {
        observed.absorb(Evidence::SecretUnreadable);
        let planned = plan(&observed, &POLICY, now());
        assert!(planned.step.is_none(), "{:?}", planned.step);
        ready(&planned, "True");
        assert_eq!(planned.status.token.unwrap().fingerprint, "sha256:token-1");
        assert!(planned.wake.is_some());
    }
}

#[test]
fn a_refresh_goes_on_when_the_application_cannot_be_read() {
    for kind in [
        ErrorKind::Forbidden,
        ErrorKind::Unauthorized,
        ErrorKind::Unavailable,
        ErrorKind::Malformed,
    ] {
        let mut observed = failing(with_token(3400), kind);
        obtains(&observed, Why::Due);
        obtained(&mut observed, "token-2");
        assert!(matches!(step(&observed), Some(Step::RewriteSecret)));
        written(&mut observed, None);
        let planned = plan(&observed, &POLICY, now());
        assert!(planned.step.is_none());
        assert_eq!(about_token(&planned), ("True".into(), "Fresh".into()));

        let mut both = failing(with_token(3400), ErrorKind::Forbidden);
        both.absorb(Evidence::TokenFailed(refused()));
        assert!(step(&both).is_none(), "it is tried once");
    }
    let throttled = ErrorKind::Throttled {
        retry_after: Some(Duration::from_secs(30)),
    };
    assert!(
        step(&failing(with_token(3400), throttled)).is_none(),
        "a pause that is asked for is for everything"
    );
}

#[test]
fn a_token_that_nobody_wants_any_more_leaves_the_secret() {
    let mut observed = with_token(60);
    observed.spec.access_token = None;
    assert!(matches!(step(&observed), Some(Step::RewriteSecret)));
    written(&mut observed, None);
    let planned = plan(&observed, &POLICY, now());
    assert!(planned.step.is_none());
    assert_eq!(planned.status.token, None);
    assert_eq!(planned.status.fulfilled_requests, None);
    for type_ in ["TokenFresh", "TokenAsRequested", "LifetimeSufficient"] {
        assert!(
            conditions::find(&planned.status.conditions, type_).is_none(),
            "{type_}"
        );
    }
    ready(&planned, "True");
}

#[test]
fn a_new_key_is_written_beside_the_token_that_there_is() {
    let mut observed = with_token(60);
    let mut application = record(Some(&observed.resource.mark().to_string()));
    application.api_key = "sk_test_rotated".to_owned().into();
    observed.learned.application = Some(application.clone());
    assert!(
        matches!(step(&observed), Some(Step::WriteSecret(_))),
        "without another token"
    );

    // One that is due is got at once.
    let mut due = with_token(3400);
    due.learned.application = Some(application);
    obtains(&due, Why::Due);
}

#[test]
fn a_good_token_stays_whatever_else_somebody_did_to_the_secret() {
    let good = token(&TokenSettings::default(), "token-1", 60);
    let expired = token(&TokenSettings::default(), "token-1", 3700);
    let other = token(&TokenSettings::default(), "token-2", 60);
    for (recorded, annotated, stays) in [
        (Some(&good), None, true),
        (None, Some(&good), true),
        (Some(&other), Some(&good), true),
        (Some(&other), Some(&other), false),
        (Some(&expired), Some(&expired), false),
        (None, None, false),
    ] {
        for secret in [SecretView::Absent, ours(SecretContent::Edited)] {
            let mut observed = with_token(60);
            observed.secret = secret;
            observed.status.token = recorded.cloned();
            let standing = |record: &TokenStatus| {
                (record.fingerprint == "sha256:token-1").then(|| Obtained {
                    access_token: "token-1".to_owned().into(),
                    status: record.clone(),
                })
            };
            let kept = to_write(&observed, annotated, standing, now());
            assert_eq!(kept.is_some(), stays, "{recorded:?} {annotated:?}");
            observed.spec.access_token = None;
            assert!(to_write(&observed, annotated, standing, now()).is_none());
        }
    }
}

#[test]
fn the_secret_of_the_earlier_name_stays_while_only_it_holds_a_good_token() {
    let mut observed = with_token(60);
    let refused = Trouble::passing("Unavailable", "away".into());
    observed.learned.application = Some(record(Some(&observed.resource.mark().to_string())));
    observed.learned.updated = true;
    observed.learned.verdict = Some(Ok(KeyVerdict::Accepted));
    observed.learned.token.trouble = Some(refused);
    observed.status.secret.as_mut().unwrap().name = "earlier".into();
    written(&mut observed, None);
    let planned = plan(&observed, &POLICY, now());
    assert!(planned.step.is_none(), "{:?}", planned.step);
    assert_eq!(planned.status.token.unwrap().fingerprint, "sha256:token-1");
    assert_eq!(planned.status.secret.unwrap().name, "earlier");
    assert!(planned.wake.unwrap() <= Duration::from_secs(3541));

    let expired = now() + SignedDuration::from_secs(3540);
    assert!(matches!(step_at(&observed, expired), Some(Step::RetireSecret(_))));
    let kept = observed.status.token.clone();
    written(&mut observed, kept);
    assert!(matches!(step(&observed), Some(Step::RetireSecret(_))));
}

#[test]
fn each_value_of_the_annotation_refreshes_once() {
    let mut observed = with_token(60);
    observed.token.requests.refresh = Some("monday".into());
    obtains(&observed, Why::RefreshRequested);
    obtained(&mut observed, "token-2");
    written(&mut observed, None);
    let planned = plan(&observed, &POLICY, now());
    assert!(planned.step.is_none());
    observed.status = planned.status;
    observed.learned = Learned::default();
    assert!(step(&observed).is_none(), "a restart does not repeat it");
    let mut another = observed.clone();
    another.token.requests.refresh = Some("tuesday".into());
    obtains(&another, Why::RefreshRequested);

    observed.token.requests.refresh = None;
    observed.status = plan(&observed, &POLICY, now()).status;
    assert_eq!(observed.status.fulfilled_requests, None);
    observed.token.requests.refresh = Some("monday".into());
    obtains(&observed, Why::RefreshRequested);
}

/// Didit revokes no tokens, so a new one is all that can be done.
#[test]
fn a_request_to_revoke_brings_another_token_once() {
    let mut observed = with_token(60);
    observed.token.requests.revoke = Some("leaked".into());
    obtains(&observed, Why::RevocationRequested);
    obtained(&mut observed, "token-2");
    written(&mut observed, None);
    observed.status = plan(&observed, &POLICY, now()).status;
    observed.learned = Learned::default();
    assert!(step(&observed).is_none());
}

#[test]
fn other_settings_need_another_token() {
    let mut observed = with_token(60);
    observed.spec.access_token.as_mut().unwrap().audience = Some("orders".into());
    obtains(&observed, Why::RequestChanged);
}

#[test]
fn scopes_that_are_not_allowed_are_not_asked_for() {
    let mut observed = with_token(3400);
    observed.token.allowed_scopes = Some(vec!["orders:read".into()]);
    let planned = says(&observed, "TokenFresh", "False", "ScopeNotNamed", "orders:read");
    ready(&planned, "True");
    assert!(planned.token_pause.is_none());
}

#[test]
fn suspension_stops_refreshes() {
    let mut observed = with_token(3400);
    observed.spec.suspend = Some(true);
    let planned = plan(&observed, &POLICY, now());
    assert!(planned.step.is_none());
    ready(&planned, "True");
    assert!(
        planned.wake.is_some_and(|wake| wake <= Duration::from_secs(201)),
        "Ready ends with it"
    );
}
