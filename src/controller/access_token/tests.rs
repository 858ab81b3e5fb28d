//! What the user reads of a token, situation by situation.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::findings::not_revoked_yet;
use super::plan::{Plan, Policy, plan};
use super::state::{
    ClientView, Evidence, Failure, Learned, Observed, ProviderView, Resource, Step, UsableProvider,
};
use crate::api::access_token::AccessTokenStatus;
use crate::api::client_application::PublishedSecret;
use crate::api::conditions;
use crate::api::token::{FulfilledRequests, TokenStatus};
use crate::controller::owned_secret::{self, SecretContent, SecretView};
use crate::controller::token::TokenPolicy;
use crate::controller::token::findings::Trouble;
use crate::controller::token::need::{self, Why};
use crate::controller::token::pauses::Pause;
use crate::controller::token::service::Obtained;
use crate::credential::schedule::Backoff;
use crate::identity::token::{OAuthErrorCode, TokenError};
use crate::identity::{CallError, ErrorKind};

pub(super) const POLICY: Policy = Policy {
    token: TokenPolicy {
        propagation: Duration::from_secs(240),
        backoff: Backoff {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(60),
        },
        denied_pause: Duration::from_secs(600),
    },
    release_timeout: Duration::from_secs(120),
};

/// How long the server lets tokens live, in seconds.
pub(super) const LIFE: i64 = 3600;

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

pub(super) fn after(time: Timestamp, seconds: i64) -> Timestamp {
    time.checked_add(SignedDuration::from_secs(seconds)).unwrap()
}

pub(super) fn new_resource(spec: Value) -> Observed {
    let mut whole = json!({
        "providerRef": {"kind": "ClusterIdentityProvider", "name": "login"},
        "client": {"secretRef": {"name": "orders-client"}},
        "secret": {"name": "orders-token"},
    });
    let Value::Object(spec) = spec else {
        panic!("not a spec")
    };
    whole.as_object_mut().unwrap().extend(spec);
    Observed {
        resource: Resource {
            namespace: "shop".into(),
            name: "orders".into(),
            uid: "uid-1".into(),
            generation: 1,
            deletion: None,
            has_finalizer: false,
            requests: FulfilledRequests::default(),
        },
        spec: serde_json::from_value(whole).unwrap(),
        status: AccessTokenStatus::default(),
        provider: ProviderView::Usable(UsableProvider {
            server_digest: "server-1".into(),
            allowed_scopes: None,
            allows_account_tokens: false,
            has_account: false,
        }),
        client: ClientView::Ready {
            client_id: "client-1".into(),
        },
        secret: SecretView::Absent,
        rival: None,
        strays: Vec::new(),
        learned: Learned::default(),
        failure: None,
        pause: None,
    }
}

/// A token that this resource asked for.
pub(super) fn token(observed: &Observed, name: &str, issued: Timestamp, life: i64) -> TokenStatus {
    TokenStatus {
        issued_at: Time(issued),
        expires_at: Time(after(issued, life)),
        refresh_at: Time(after(issued, life)),
        allowance_seconds: 10,
        token_type: "Bearer".into(),
        scope: None,
        request_digest: need::request_digest_at("server-1", "client-1", &observed.spec.token),
        fingerprint: format!("sha256:{name}"),
        remark: None,
    }
}

pub(super) fn recorded(observed: &Observed, name: &str, version: u64) -> PublishedSecret {
    PublishedSecret {
        name: name.into(),
        uid: format!("uid-of-{name}"),
        resource_version: version.to_string(),
        form: owned_secret::form(&observed.spec.secret),
        content_digest: "sha256:content".into(),
        application_digest: String::new(),
        api_url: String::new(),
    }
}

/// The resource with a token that was issued so many seconds ago.
fn published(spec: Value, age: i64) -> Observed {
    let mut observed = new_resource(spec);
    let token = token(&observed, "token-1", after(now(), -age), LIFE);
    let published = recorded(&observed, "orders-token", 7);
    observed.status.client_id = Some("client-1".into());
    observed.status.token = Some(token.clone());
    observed.status.secret = Some(published.clone());
    observed.secret = SecretView::Ours {
        published,
        content: SecretContent::Current,
        token: Some(Box::new(token)),
    };
    observed
}

fn obtained(observed: &Observed, name: &str, life: i64) -> Evidence {
    Evidence::Obtained {
        obtained: Box::new(Obtained {
            access_token: name.to_owned().into(),
            status: token(observed, name, now(), life),
        }),
        why: match plan(observed, &POLICY, now()).step {
            Some(Step::Obtain { why }) => why,
            step => panic!("no token is wanted, but {step:?}"),
        },
    }
}

fn written(observed: &Observed) -> Evidence {
    let token = observed.learned.obtained.as_ref().map(|it| it.status.clone());
    Evidence::SecretWritten {
        published: recorded(observed, &observed.spec.secret.name, 8),
        token: Box::new(token.or_else(|| observed.published().cloned()).unwrap()),
    }
}

/// Gets a token and publishes it.
fn renewed(mut observed: Observed, name: &str, life: i64) -> Observed {
    observed.absorb(obtained(&observed, name, life));
    assert!(matches!(step(&observed), Some(Step::WriteSecret)));
    observed.absorb(written(&observed));
    observed
}

/// The pass after this one, by the same process or by another.
fn next_pass(observed: &Observed) -> Observed {
    let planned = plan(observed, &POLICY, now());
    assert!(planned.step.is_none(), "{:?}", planned.step);
    Observed {
        status: planned.status,
        learned: Learned::default(),
        failure: None,
        pause: planned.pause,
        ..observed.clone()
    }
}

fn step(observed: &Observed) -> Option<Step> {
    plan(observed, &POLICY, now()).step
}

#[track_caller]
fn obtains(observed: &Observed, expected: Why) {
    match step(observed) {
        Some(Step::Obtain { why }) => assert_eq!(why, expected),
        step => panic!("no token is asked for, but {step:?}"),
    }
}

#[track_caller]
fn says_at(
    observed: &Observed,
    at: Timestamp,
    type_: &str,
    status: &str,
    reason: &str,
    sentence: &str,
) -> Plan {
    let planned = plan(observed, &POLICY, at);
    assert!(
        planned.step.is_none(),
        "something is done all the same: {:?}",
        planned.step
    );
    let condition = conditions::find(&planned.status.conditions, type_).unwrap();
    assert_eq!(
        (condition.status.as_str(), condition.reason.as_str()),
        (status, reason),
        "{}",
        condition.message
    );
    assert!(
        condition.message.contains(sentence),
        "{:?} does not say {sentence:?}",
        condition.message
    );
    planned
}

#[track_caller]
fn says(observed: &Observed, type_: &str, status: &str, reason: &str, sentence: &str) -> Plan {
    says_at(observed, now(), type_, status, reason, sentence)
}

#[track_caller]
fn ready(planned: &Plan, expected: &str) {
    let ready = conditions::find(&planned.status.conditions, "Ready").unwrap();
    assert_eq!(ready.status, expected, "{}: {}", ready.reason, ready.message);
}

fn failing(mut observed: Observed, trouble: Trouble) -> Observed {
    observed.failure = Some(Failure { trouble });
    observed
}

fn refused(code: OAuthErrorCode, observed: &Observed) -> Trouble {
    let call = CallError {
        operation: "requestToken",
        kind: ErrorKind::Rejected,
        message: "login.example said no".into(),
    };
    Trouble::of(
        &TokenError {
            call,
            code: Some(code),
        },
        &observed.spec.token,
    )
}

fn away() -> Trouble {
    Trouble::passing("Unavailable", "login.example cannot be reached".into())
}

fn asking(mut observed: Observed, refresh: Option<&str>, revoke: Option<&str>) -> Observed {
    observed.resource.requests = FulfilledRequests {
        refresh: refresh.map(str::to_owned),
        revoke: revoke.map(str::to_owned),
        revoking: None,
    };
    observed
}

#[test]
fn the_first_token_is_asked_for_and_published() {
    let observed = new_resource(json!({}));
    obtains(&observed, Why::NonePublished);
    let observed = renewed(observed, "token-1", LIFE);
    let planned = says(
        &observed,
        "Ready",
        "True",
        "Published",
        "Secret orders-token holds a token that is valid until 2027-01-15T09:00:00Z",
    );
    assert_eq!(planned.status.client_id.as_deref(), Some("client-1"));
    assert_eq!(planned.status.observed_generation, Some(1));
    says(
        &observed,
        "TokenFresh",
        "True",
        "Fresh",
        "is refreshed at 2027-01-15",
    );
    for (type_, reason) in [
        ("ProviderReady", "Usable"),
        ("ClientReady", "CredentialsFound"),
        ("SecretSynced", "Written"),
        ("TokenAsRequested", "AsRequested"),
        ("LifetimeSufficient", "Sufficient"),
    ] {
        says(&observed, type_, "True", reason, "");
    }
}

#[test]
fn a_fresh_token_needs_nothing_until_its_refresh() {
    let observed = published(json!({}), 60);
    let planned = plan(&observed, &POLICY, now());
    assert!(planned.step.is_none());
    assert!(!planned.blocked && planned.pause.is_none());
    let token = planned.status.token.unwrap();
    let wake = planned.wake.unwrap();
    let until_refresh = Duration::try_from(token.refresh_at.0.duration_since(now())).unwrap();
    assert!(wake >= until_refresh && wake < until_refresh + Duration::from_secs(1));
    assert!(
        token.refresh_at.0 <= after(token.expires_at.0, -310),
        "a minute, the kubelet and the clocks fit between"
    );
    assert!(
        plan(&observed, &POLICY, after(token.refresh_at.0, 1))
            .step
            .is_some(),
        "then it is refreshed"
    );
}

#[test]
fn what_makes_another_token_needed() {
    let due = published(json!({}), 3400);
    obtains(&due, Why::Due);

    let mut other_scopes = published(json!({}), 60);
    other_scopes.spec.token.scopes = vec!["orders:read".into()];
    obtains(&other_scopes, Why::RequestChanged);

    let mut other_client = published(json!({}), 60);
    other_client.client = ClientView::Ready {
        client_id: "client-2".into(),
    };
    obtains(&other_client, Why::RequestChanged);

    let mut edited = published(json!({}), 60);
    if let SecretView::Ours { content, .. } = &mut edited.secret {
        *content = SecretContent::Edited;
    }
    obtains(&edited, Why::NonePublished);

    let mut deleted = published(json!({}), 60);
    deleted.secret = SecretView::Absent;
    obtains(&deleted, Why::NonePublished);
}

#[test]
fn a_longer_promise_moves_the_refresh_without_another_token() {
    let observed = published(json!({"minimumRemaining": "40m"}), 60);
    let planned = plan(&observed, &POLICY, now());
    assert!(planned.step.is_none());
    let token = planned.status.token.unwrap();
    assert!(token.refresh_at.0 <= after(token.expires_at.0, -2650));
}

#[test]
fn while_the_server_is_away_ready_stays_true_as_long_as_the_token_lives() {
    let observed = failing(published(json!({}), 3400), away());
    let planned = says(
        &observed,
        "TokenFresh",
        "False",
        "Unavailable",
        "login.example cannot be reached. Trying again at 2027-01-15T08:00:0",
    );
    ready(&planned, "True");
    says(
        &observed,
        "TokenFresh",
        "False",
        "Unavailable",
        "The published token is valid until 2027-01-15T08:03:20Z",
    );
    says(
        &observed,
        "Ready",
        "True",
        "Published",
        "TokenFresh is False: Unavailable",
    );
    assert!(planned.blocked);
    let pause = planned.pause.unwrap();
    assert_eq!(pause.failures, 1);
    assert!(planned.wake.unwrap() <= Duration::from_secs(3));

    // Until the next try nothing is asked for, and the same is said.
    let waiting = Observed {
        failure: None,
        pause: Some(Pause {
            until: after(now(), 90),
            ..pause
        }),
        ..observed
    };
    let planned = says(&waiting, "TokenFresh", "False", "Unavailable", "Trying again at");
    assert!(planned.pause.is_some(), "the count of failures is not lost");
    obtains_at(&waiting, after(now(), 91), Why::Due);
}

#[track_caller]
fn obtains_at(observed: &Observed, at: Timestamp, expected: Why) {
    match plan(observed, &POLICY, at).step {
        Some(Step::Obtain { why }) => assert_eq!(why, expected),
        step => panic!("no token is asked for, but {step:?}"),
    }
}

#[test]
fn ready_becomes_false_at_the_very_end_of_the_token() {
    let mut observed = published(json!({}), 3400);
    observed.pause = Some(Pause {
        trouble: refused(OAuthErrorCode::InvalidClient, &observed),
        until: after(now(), 1200),
        failures: 3,
    });
    let planned = plan(&observed, &POLICY, now());
    ready(&planned, "True");
    let wake = planned.wake.unwrap();
    assert!(
        wake > Duration::from_secs(200) && wake < Duration::from_secs(201),
        "woken when it expires: {wake:?}"
    );
    let planned = says_at(
        &observed,
        after(now(), 201),
        "Ready",
        "False",
        "Expired",
        "the token in Secret orders-token expired at 2027-01-15T08:03:20Z: requestToken: login.example said no",
    );
    assert!(
        planned.wake.unwrap() > Duration::from_secs(900),
        "and not in a circle"
    );
}

#[test]
fn each_refusal_has_its_own_reason_and_a_long_pause() {
    let spec = json!({"scopes": ["orders:read"], "resources": ["urn:orders"], "audience": "orders"});
    for (code, reason, sentence) in [
        (
            OAuthErrorCode::InvalidClient,
            "InvalidClient",
            "Correct the client's Secret",
        ),
        (
            OAuthErrorCode::InvalidScope,
            "InvalidScope",
            "Correct scopes (now orders:read), or allow them for this client",
        ),
        (
            OAuthErrorCode::InvalidTarget,
            "InvalidTarget",
            "Correct resources or audience (now urn:orders, orders)",
        ),
        (
            OAuthErrorCode::UnauthorizedClient,
            "UnauthorizedClient",
            "Allow the client credentials grant",
        ),
        (
            OAuthErrorCode::UnsupportedGrantType,
            "UnsupportedGrantType",
            "Check the token endpoint",
        ),
        (OAuthErrorCode::InvalidRequest, "InvalidRequest", "Check scopes"),
    ] {
        for observed in [new_resource(spec.clone()), published(spec.clone(), 600)] {
            let has_token = observed.published().is_some();
            let trouble = refused(code, &observed);
            let planned = says(
                &failing(observed, trouble),
                "TokenFresh",
                "False",
                reason,
                sentence,
            );
            ready(&planned, if has_token { "True" } else { "False" });
            let until = planned.pause.unwrap().until;
            assert!(
                until >= after(now(), 600) && until <= after(now(), 1800),
                "{until}"
            );
        }
    }
}

#[test]
fn a_pause_that_the_server_asks_for_is_kept() {
    let trouble = Trouble {
        retry_after: Some(Duration::from_secs(100)),
        ..Trouble::passing("Throttled", "too many requests".into())
    };
    let planned = says(
        &failing(new_resource(json!({})), trouble),
        "TokenFresh",
        "False",
        "Throttled",
        "too many requests. Trying again at 2027-01-15T08:01:4",
    );
    ready(&planned, "False");
    assert!(planned.wake.unwrap() >= Duration::from_secs(100));
}

#[test]
fn pauses_grow_while_the_server_is_away() {
    let mut observed = new_resource(json!({}));
    let mut waits = Vec::new();
    for _ in 0..12 {
        let planned = plan(&failing(observed.clone(), away()), &POLICY, now());
        waits.push(planned.wake.unwrap());
        observed.pause = planned.pause;
    }
    assert!(waits[0] <= Duration::from_secs(3) && waits[11] >= Duration::from_secs(30));
    assert!(
        waits.iter().all(|wait| *wait <= Duration::from_secs(61)),
        "somebody waits for a token"
    );
}

#[test]
fn a_narrower_scope_is_told_and_does_not_make_the_token_useless() {
    let mut observed = published(json!({"scopes": ["orders:read", "orders:write"]}), 60);
    if let SecretView::Ours {
        token: Some(token), ..
    } = &mut observed.secret
    {
        token.scope = Some("orders:read".into());
    }
    let planned = says(
        &observed,
        "TokenAsRequested",
        "False",
        "ScopeNarrowed",
        "the server granted orders:read and left out orders:write",
    );
    ready(&planned, "True");
}

#[test]
fn tokens_that_live_too_short_for_the_promise_are_told() {
    let observed = renewed(new_resource(json!({"minimumRemaining": "2h"})), "token-1", LIFE);
    let planned = plan(&observed, &POLICY, now());
    let condition = conditions::find(&planned.status.conditions, "LifetimeSufficient").unwrap();
    assert_eq!(condition.status, "False", "{}", condition.message);
    ready(&planned, "True");
    assert!(planned.step.is_none());
    assert!(
        planned.wake.unwrap() >= Duration::from_secs(1),
        "the next is not asked for in a circle"
    );
}

#[test]
fn a_token_that_is_due_as_soon_as_it_is_there_is_not_asked_for_in_a_circle() {
    let observed = renewed(new_resource(json!({})), "token-1", 1);
    let planned = plan(&observed, &POLICY, after(now(), 3));
    assert!(planned.step.is_none());
    assert!(planned.wake.unwrap() >= Duration::from_secs(1));
}

#[test]
fn each_value_of_the_annotation_refreshes_once() {
    let observed = asking(published(json!({}), 60), Some("monday"), None);
    obtains(&observed, Why::RefreshRequested);
    let observed = renewed(observed, "token-2", LIFE);
    let restarted = next_pass(&observed);
    assert_eq!(
        restarted
            .status
            .fulfilled_requests
            .as_ref()
            .unwrap()
            .refresh
            .as_deref(),
        Some("monday")
    );
    assert!(step(&restarted).is_none(), "a restart does not repeat it");

    let again = asking(restarted.clone(), Some("tuesday"), None);
    obtains(&again, Why::RefreshRequested);

    let removed = next_pass(&asking(restarted, None, None));
    assert_eq!(removed.status.fulfilled_requests, None);
    obtains(&asking(removed, Some("monday"), None), Why::RefreshRequested);
}

#[test]
fn a_revocation_replaces_the_token_before_it_is_revoked() {
    let observed = asking(published(json!({}), 60), None, Some("leaked"));
    obtains(&observed, Why::RevocationRequested);
    let mut observed = renewed(observed, "token-2", LIFE);
    assert!(matches!(step(&observed), Some(Step::RevokeReplaced)));
    observed.absorb(Evidence::Revoked(Ok(())));
    let restarted = next_pass(&observed);
    assert_eq!(
        restarted.status.fulfilled_requests,
        Some(FulfilledRequests {
            revoke: Some("leaked".into()),
            ..FulfilledRequests::default()
        })
    );
    assert!(step(&restarted).is_none());
    obtains(
        &asking(restarted, None, Some("leaked again")),
        Why::RevocationRequested,
    );
}

#[test]
fn a_token_of_another_server_is_replaced() {
    let mut observed = published(json!({}), 60);
    assert!(step(&observed).is_none());
    if let ProviderView::Usable(provider) = &mut observed.provider {
        provider.server_digest = "server-2".into();
    }
    obtains(&observed, Why::RequestChanged);
}

#[test]
fn a_revocation_is_never_served_by_the_token_that_is_to_go() {
    // Whoever finds a token leaked may delete the Secret or ask for other scopes in the same breath.
    let mut deleted = asking(published(json!({}), 60), None, Some("leaked"));
    deleted.secret = SecretView::Absent;
    obtains(&deleted, Why::RevocationRequested);

    let mut changed = asking(published(json!({}), 60), None, Some("leaked"));
    changed.spec.token.scopes = vec!["orders:read".into()];
    obtains(&changed, Why::RevocationRequested);

    let mut refreshed = asking(published(json!({}), 60), Some("now"), None);
    refreshed.secret = SecretView::Absent;
    obtains(&refreshed, Why::RefreshRequested);
}

#[test]
fn a_revocation_that_fails_is_tried_again_without_another_token() {
    let observed = asking(published(json!({}), 60), None, Some("leaked"));
    let mut observed = renewed(observed, "token-2", LIFE);
    observed.absorb(Evidence::Failed(not_revoked_yet(&away())));
    let planned = says(
        &observed,
        "TokenFresh",
        "True",
        "Fresh",
        "; the replaced token is not revoked yet: login.example cannot be reached. Trying again at",
    );
    ready(&planned, "True");

    let mut waiting = next_pass(&observed);
    assert!(step(&waiting).is_none(), "the pause is kept");
    let pause = waiting.pause.as_mut().unwrap();
    pause.until = after(now(), LIFE);
    let due = after(waiting.published().unwrap().expires_at.0, -200);
    obtains_at(&waiting, due, Why::Due);
    waiting.pause = None;
    assert!(matches!(step(&waiting), Some(Step::RevokeReplaced)));

    // It does not keep the token from being refreshed.
    let at = after(waiting.published().unwrap().expires_at.0, -200);
    obtains_at(&waiting, at, Why::Due);

    waiting.absorb(Evidence::Revoked(Err("the server offers no revocation".into())));
    let ended = next_pass(&waiting);
    assert!(
        step(&ended).is_none(),
        "what cannot be revoked is not tried for ever"
    );
    assert_eq!(
        ended.status.fulfilled_requests.unwrap().revoke.as_deref(),
        Some("leaked")
    );
}

/// A resource whose deletion revokes its token, deleted so many seconds ago.
fn deleted(ago: i64) -> Observed {
    let mut observed = published(json!({"revocationPolicy": "OnDeletion"}), 60);
    observed.resource.has_finalizer = true;
    observed.resource.deletion = Some(after(now(), -ago));
    observed
}

#[track_caller]
fn leaves_behind(observed: &Observed, sentence: &str) {
    match step(observed) {
        Some(Step::RemoveFinalizer {
            left_behind: Some(left),
        }) => assert!(left.contains(sentence), "{left:?} does not say {sentence:?}"),
        step => panic!("{step:?}"),
    }
}

#[track_caller]
fn ends_quietly(observed: &Observed) {
    assert!(matches!(
        step(observed),
        Some(Step::RemoveFinalizer { left_behind: None })
    ));
}

#[test]
fn the_finalizer_stands_while_a_deletion_is_to_revoke() {
    let wanted = new_resource(json!({"revocationPolicy": "OnDeletion"}));
    assert!(matches!(step(&wanted), Some(Step::AddFinalizer)));
    let mut no_more = published(json!({"revocationPolicy": "Never"}), 60);
    no_more.resource.has_finalizer = true;
    ends_quietly(&no_more);
}

#[test]
fn a_deletion_revokes_the_token_where_that_is_wanted() {
    let mut observed = deleted(1);
    assert!(matches!(step(&observed), Some(Step::RevokePublished)));
    observed.absorb(Evidence::Revoked(Ok(())));
    ends_quietly(&observed);
    observed.absorb(Evidence::FinalizerRemoved);
    let planned = plan(&observed, &POLICY, now());
    assert!(planned.step.is_none() && planned.wake.is_none());

    let mut expired = deleted(1);
    expired.secret = published(json!({}), 4000).secret;
    ends_quietly(&expired);

    let mut never = deleted(1);
    never.spec.token.revocation_policy = None;
    ends_quietly(&never);
}

#[test]
fn what_a_deletion_cannot_revoke_is_left_behind_and_told() {
    let mut not_offered = deleted(1);
    not_offered.absorb(Evidence::Revoked(Err("the server offers no revocation".into())));
    leaves_behind(
        &not_offered,
        "the access token was not revoked: the server offers no revocation. It is valid until 2027-01-15T08:59:00Z",
    );

    let mut lost = deleted(1);
    lost.secret = SecretView::Absent;
    leaves_behind(&lost, "the Secret does not hold it any more. It is valid until");
}

#[test]
fn a_deletion_waits_for_the_server_until_the_release_timeout() {
    let away_now = failing(deleted(30), away());
    let planned = says(
        &away_now,
        "TokenFresh",
        "False",
        "Revoking",
        "login.example cannot be reached. The token is to be revoked before this resource goes; that is tried until 2027-01-15T08:01:30Z",
    );
    let pause = planned.pause.unwrap();
    assert_eq!(pause.failures, 1);

    let mut waiting = deleted(30);
    waiting.pause = Some(Pause {
        until: after(now(), 20),
        failures: 5,
        ..pause
    });
    let planned = says(&waiting, "TokenFresh", "False", "Revoking", "cannot be reached");
    assert!(planned.wake.unwrap() >= Duration::from_secs(20));
    assert_eq!(planned.pause.unwrap().failures, 5);

    leaves_behind(
        &failing(deleted(121), away()),
        "login.example cannot be reached. It is valid until",
    );
}

#[test]
fn a_deletion_keeps_the_pauses_that_the_server_asks_for() {
    let trouble = Trouble {
        retry_after: Some(Duration::from_secs(50)),
        ..Trouble::passing("Throttled", "too many requests".into())
    };
    let planned = plan(&failing(deleted(30), trouble), &POLICY, now());
    assert!(planned.wake.unwrap() >= Duration::from_secs(50));
    assert!(planned.pause.unwrap().until >= after(now(), 50));
}

#[test]
fn a_deletion_without_a_provider_ends_at_the_release_timeout() {
    let gone = |ago| {
        let mut observed = deleted(ago);
        observed.provider = ProviderView::NotUsable {
            reason: "ProviderNotFound".into(),
            message: "it does not exist".into(),
        };
        observed
    };
    let planned = says(&gone(30), "TokenFresh", "False", "Revoking", "cannot be used");
    assert!(planned.wake.unwrap() <= Duration::from_secs(91));
    leaves_behind(&gone(121), "cannot be used. It is valid until");
}

#[test]
fn suspension_stops_all_but_the_truth() {
    let mut observed = published(json!({"suspend": true}), 3400);
    let planned = says(
        &observed,
        "Suspended",
        "True",
        "Suspended",
        "the token is not refreshed",
    );
    ready(&planned, "True");
    says(
        &observed,
        "TokenFresh",
        "False",
        "RefreshOverdue",
        "a refresh was due at",
    );
    assert!(
        planned.wake.unwrap() < Duration::from_secs(201),
        "its end makes Ready false"
    );
    says_at(
        &observed,
        after(now(), 300),
        "Ready",
        "False",
        "Expired",
        "expired at",
    );

    observed.secret = SecretView::Absent;
    says(&observed, "Ready", "False", "Suspended", "spec.suspend is true");
    observed.resource.deletion = Some(now());
    assert!(plan(&observed, &POLICY, now()).step.is_none());
}

#[test]
fn a_secret_of_somebody_else_is_refused_before_the_server_is_asked() {
    let mut observed = new_resource(json!({}));
    observed.secret = SecretView::Foreign {
        owner: "Certificate/shop-tls".into(),
    };
    let planned = says(
        &observed,
        "SecretSynced",
        "False",
        "SecretConflict",
        "Secret orders-token belongs to Certificate/shop-tls and is not touched",
    );
    ready(&planned, "False");

    observed.secret = SecretView::Absent;
    observed.rival = Some("ClientApplication payments".into());
    says(
        &observed,
        "SecretSynced",
        "False",
        "SecretClaimed",
        "is claimed by ClientApplication payments, which is older",
    );

    observed.rival = None;
    observed.learned.secret_refused = Some("quota exceeded".into());
    says(
        &observed,
        "SecretSynced",
        "False",
        "SecretRefused",
        "quota exceeded",
    );
}

#[test]
fn a_renamed_secret_is_written_before_the_old_one_is_removed() {
    let mut observed = published(json!({}), 60);
    observed.spec.secret.name = "renamed".into();
    observed.secret = SecretView::Absent;
    let mut observed = renewed(observed, "token-1", LIFE);
    let before = plan(&observed, &POLICY, now());
    assert!(matches!(&before.step, Some(Step::RetireSecret(name)) if name == "orders-token"));
    observed.absorb(Evidence::SecretRetired);
    let planned = plan(&observed, &POLICY, now());
    assert!(planned.step.is_none());
    assert_eq!(planned.status.secret.unwrap().name, "renamed");
}

#[test]
fn secrets_that_no_status_speaks_of_are_removed() {
    let mut observed = published(json!({}), 60);
    observed.strays = vec!["one".into(), "two".into()];
    for name in ["one", "two"] {
        assert!(matches!(step(&observed), Some(Step::RetireStray(stray)) if stray == name));
        observed.absorb(Evidence::StrayRetired(name.into()));
    }
    assert!(step(&observed).is_none());
    let mut without_token = new_resource(json!({}));
    without_token.strays = vec!["one".into()];
    obtains(&without_token, Why::NonePublished);
}

#[test]
fn a_shared_provider_limits_scopes() {
    let limited = |scopes: Value| {
        let mut observed = published(json!({ "scopes": scopes }), 60);
        observed.provider = ProviderView::Usable(UsableProvider {
            server_digest: "server-1".into(),
            allowed_scopes: Some(vec!["orders:read".into()]),
            allows_account_tokens: false,
            has_account: false,
        });
        observed
    };
    assert!(step(&limited(json!(["orders:read"]))).is_none());
    let denied = limited(json!(["orders:read", "orders:write"]));
    let planned = says(
        &denied,
        "TokenFresh",
        "False",
        "ScopeNotAllowed",
        "the provider does not allow orders:write. Ask its administrator",
    );
    ready(&planned, "True");
    assert!(
        planned.pause.is_none(),
        "nothing was tried, and a change is seen at once"
    );
    says(
        &limited(json!([])),
        "TokenFresh",
        "False",
        "ScopeNotNamed",
        "scopes has to name something of orders:read",
    );
}

#[test]
fn the_accounts_own_token_has_to_be_allowed() {
    let account = |has_account, allows_account_tokens| {
        let mut observed = new_resource(json!({"client": {"providerAccount": true}}));
        observed.provider = ProviderView::Usable(UsableProvider {
            server_digest: "server-1".into(),
            allowed_scopes: Some(vec!["orders:read".into()]),
            allows_account_tokens,
            has_account,
        });
        observed
    };
    obtains(&account(true, true), Why::NonePublished);
    says(
        &account(true, false),
        "Ready",
        "False",
        "AccountTokenNotAllowed",
        "Ask its administrator to set spec.allowAccountTokens",
    );
    says(
        &account(false, true),
        "Ready",
        "False",
        "ProviderHasNoAccount",
        "Name a client in spec.client.secretRef",
    );
}

#[test]
fn another_form_is_written_with_the_token_that_there_is() {
    let mut observed = published(
        json!({"secret": {"name": "orders-token", "formats": ["Json"]}}),
        60,
    );
    if let SecretView::Ours { content, .. } = &mut observed.secret {
        *content = SecretContent::Outdated;
    }
    assert!(matches!(step(&observed), Some(Step::WriteSecret)));
    let mut rewritten = observed.clone();
    rewritten.absorb(written(&observed));
    assert!(step(&rewritten).is_none());
    let next = next_pass(&rewritten);
    assert_eq!(next.published().unwrap().fingerprint, "sha256:token-1");

    // What cannot be read back is got anew.
    observed.absorb(Evidence::TokenLost);
    obtains(&observed, Why::NonePublished);
}

#[test]
fn a_provider_or_client_that_cannot_be_used_is_named() {
    let mut observed = published(json!({}), 60);
    observed.provider = ProviderView::NotUsable {
        reason: "NamespaceNotAllowed".into(),
        message: "it does not allow namespace shop".into(),
    };
    let planned = says(
        &observed,
        "ProviderReady",
        "False",
        "NamespaceNotAllowed",
        "does not allow namespace shop",
    );
    ready(&planned, "True");
    says(&observed, "TokenFresh", "True", "Fresh", "");

    let mut observed = new_resource(json!({}));
    observed.client = ClientView::NotReady(Trouble::to_mend(
        "ClientSecretNotFound",
        "Secret shop/orders-client does not exist".into(),
    ));
    let planned = says(
        &observed,
        "ClientReady",
        "False",
        "ClientSecretNotFound",
        "orders-client does not exist",
    );
    ready(&planned, "False");
}

#[test]
fn a_start_says_nothing_new_until_the_provider_was_looked_at() {
    let mut observed = new_resource(json!({}));
    observed.provider = ProviderView::Pending;
    let first = says(
        &observed,
        "Ready",
        "Unknown",
        "ProviderPending",
        "not been looked at yet",
    );

    let mut known = next_pass(&published(json!({}), 60));
    let recorded = known.status.clone();
    known.provider = ProviderView::Pending;
    let planned = plan(&known, &POLICY, now());
    assert!(planned.step.is_none());
    assert_eq!(planned.status, recorded);
    for planned in [first, planned] {
        assert!(planned.wake.unwrap() <= Duration::from_secs(5));
    }
}
