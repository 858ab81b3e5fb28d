//! What the user reads, situation by situation.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::desired;
use super::plan::{Plan, Policy, plan};
use super::state::TokenView;
use super::state::{
    Evidence, Failure, Learned, Observed, ProviderView, Resource, Search, SecretContent, SecretView, Step,
    StepKind, UsableProvider,
};
use crate::api::client_application::{ClientApplicationStatus, PendingCreation, PublishedSecret};
use crate::api::conditions;
use crate::controller::index::Consumer;
use crate::controller::owned_secret;
use crate::controller::token::TokenPolicy;
use crate::credential::schedule::Backoff;
use crate::identity::mark::{self, Mark};
use crate::identity::{
    Application, ApplicationMetadata, BrakeReason, CallError, ErrorKind, INVALID_APPLICATION_ID, KeyVerdict,
};

pub(super) const POLICY: Policy = Policy {
    drift_interval: Duration::from_secs(3600),
    creation_settle_time: Duration::from_secs(60),
    creation_deadline: Duration::from_secs(40),
    release_timeout: Duration::from_secs(120),
    backoff: Backoff {
        first: Duration::from_secs(1),
        longest: Duration::from_secs(300),
    },
    denied_pause: Duration::from_secs(600),
    token: TokenPolicy {
        propagation: Duration::from_secs(240),
        backoff: Backoff {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(60),
        },
        denied_pause: Duration::from_secs(600),
    },
};

pub(super) fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn usable(allows_adoption: bool) -> ProviderView {
    ProviderView::Ready(UsableProvider {
        organization_id: "org".into(),
        api_url: "https://api.example/v3".into(),
        allows_adoption,
    })
}

pub(super) fn new_resource(spec: Value) -> Observed {
    let mut whole = json!({
        "providerRef": {"kind": "ClusterIdentityProvider", "name": "didit"},
        "secret": {"name": "payments-didit"},
    });
    let Value::Object(spec) = spec else {
        panic!("not a spec")
    };
    whole.as_object_mut().unwrap().extend(spec);
    Observed {
        resource: Resource {
            namespace: "shop".into(),
            name: "payments".into(),
            uid: "uid-1".into(),
            generation: 1,
            deletion: None,
            has_finalizer: true,
            cluster: "cluster-1".into(),
        },
        spec: serde_json::from_value(whole).unwrap(),
        status: ClientApplicationStatus::default(),
        provider: usable(true),
        secret: SecretView::Absent,
        rival: None,
        application_rival: None,
        token: TokenView::default(),
        strays: Vec::new(),
        learned: Learned::default(),
        failure: None,
        earlier_failures: 0,
    }
}

pub(super) fn ours(content: SecretContent) -> SecretView {
    let observed = new_resource(json!({}));
    let provider = observed.provider.usable().unwrap();
    let digest = desired::application_digest(&observed.resource, provider, &record(None));
    let published = PublishedSecret {
        name: "payments-didit".into(),
        uid: "secret-1".into(),
        resource_version: "7".into(),
        form: owned_secret::form(&observed.spec.secret),
        content_digest: "sha256:content".into(),
        application_digest: digest.unwrap(),
        api_url: "https://api.example/v3".into(),
    };
    SecretView::Ours {
        published,
        content,
        token: None,
    }
}

pub(super) fn provisioned() -> Observed {
    let mut observed = new_resource(json!({}));
    observed.status.application_id = Some("app-1".into());
    observed.status.client_id = Some("client-1".into());
    observed.status.organization_id = Some("org".into());
    observed.secret = ours(SecretContent::Current);
    observed
}

pub(super) fn record(description: Option<&str>) -> Application {
    Application {
        id: "app-1".into(),
        client_id: "client-1".into(),
        api_key: "sk_test_secret".to_owned().into(),
        metadata: ApplicationMetadata {
            description: description.map(str::to_owned),
            ..ApplicationMetadata::default()
        },
    }
}

pub(super) fn failing(mut observed: Observed, kind: ErrorKind) -> Observed {
    let error = CallError {
        operation: "getApplication",
        kind,
        message: "apx.didit.me said no".into(),
    };
    observed.failure = Some(Failure {
        step: StepKind::Read,
        error,
    });
    observed
}

#[track_caller]
pub(super) fn says(observed: &Observed, type_: &str, status: &str, reason: &str, sentence: &str) -> Plan {
    let planned = plan(observed, &POLICY, now());
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
    assert!(
        planned.step.is_none(),
        "something is done all the same: {:?}",
        planned.step
    );
    assert_eq!(planned.status.observed_generation, Some(1));
    planned
}

#[track_caller]
pub(super) fn ready(planned: &Plan, expected: &str) {
    assert_eq!(
        conditions::find(&planned.status.conditions, "Ready")
            .unwrap()
            .status,
        expected
    );
}

#[test]
fn a_provider_that_cannot_be_used_is_named_with_what_to_do() {
    let view = |provider| Observed {
        provider,
        ..new_resource(json!({}))
    };
    for (observed, reason, sentence) in [
        (
            view(ProviderView::Missing),
            "ProviderNotFound",
            "ClusterIdentityProvider didit does not exist. Create it, or create another ClientApplication that names the right one",
        ),
        (
            view(ProviderView::NotAllowed),
            "NamespaceNotAllowed",
            "does not allow namespace shop. Ask its administrator to add the namespace to spec.allowedNamespaces",
        ),
        (
            view(ProviderView::NotReady {
                reason: "LoginRefused".into(),
                message: "wrong password".into(),
            }),
            "LoginRefused",
            "ClusterIdentityProvider didit is not ready (LoginRefused). Its status tells its administrator why",
        ),
        (
            view(ProviderView::TurnedOff),
            "SharedProvidersTurnedOff",
            "does not look after ClusterIdentityProviders",
        ),
    ] {
        let planned = says(&observed, "ProviderReady", "False", reason, sentence);
        says(&observed, "Ready", "False", reason, sentence);
        assert!(
            planned.wake.is_some_and(|wake| wake >= Duration::from_secs(60)),
            "a change wakes it, not a timer"
        );
    }
}

#[test]
fn a_secret_of_somebody_else_is_refused_before_anything_else_is_looked_at() {
    let mut observed = new_resource(json!({}));
    observed.provider = ProviderView::Missing;
    observed.resource.has_finalizer = false;
    observed.secret = SecretView::Foreign {
        owner: "Certificate/shop-tls".into(),
    };
    says(
        &observed,
        "SecretSynced",
        "False",
        "SecretConflict",
        "Secret payments-didit belongs to Certificate/shop-tls and is not touched",
    );

    observed.secret = SecretView::Absent;
    observed.rival = Some("ClientApplication billing".into());
    says(
        &observed,
        "SecretSynced",
        "False",
        "SecretClaimed",
        "is claimed by ClientApplication billing, which is older",
    );
}

#[test]
fn nobody_is_told_to_delete_a_secret_that_somebody_needs() {
    let mut observed = new_resource(json!({}));
    for (owner, advice) in [
        (
            owned_secret::NOBODY,
            "is not touched. Choose another spec.secret.name, or delete that Secret if nothing needs it",
        ),
        (
            "ClientApplication/billing",
            "is not touched. Choose another spec.secret.name",
        ),
        (
            "IdentityProvider didit, which reads it",
            "is not touched. Choose another spec.secret.name",
        ),
    ] {
        observed.secret = SecretView::Foreign { owner: owner.into() };
        let planned = says(&observed, "SecretSynced", "False", "SecretConflict", advice);
        let said = conditions::find(&planned.status.conditions, "SecretSynced").unwrap();
        assert!(said.message.ends_with(advice), "{}", said.message);
    }
}

#[test]
fn a_field_that_cannot_change_is_not_to_be_corrected() {
    for (spec, advice) in [
        (json!({}), ". Correct the spec"),
        (
            json!({"didit": {"dataLocation": "us"}}),
            ". Correct the spec, or, for a field that cannot change, create another ClientApplication",
        ),
    ] {
        let planned = plan(&failing(new_resource(spec), ErrorKind::Rejected), &POLICY, now());
        let said = conditions::find(&planned.status.conditions, "Provisioned").unwrap();
        assert!(said.message.ends_with(advice), "{}", said.message);
    }
}

#[test]
fn a_younger_claim_does_not_lose_a_secret_that_it_holds() {
    let observed = Observed {
        rival: Some("billing".into()),
        ..provisioned()
    };
    assert!(matches!(
        plan(&observed, &POLICY, now()).step,
        Some(Step::Read(_))
    ));
}

#[test]
fn ready_stays_true_while_the_published_credentials_are_valid() {
    for (kind, type_, reason) in [
        (ErrorKind::Unavailable, "ProviderReady", "Unavailable"),
        (
            ErrorKind::Throttled {
                retry_after: Some(Duration::from_secs(30)),
            },
            "ProviderReady",
            "Throttled",
        ),
        (ErrorKind::Unauthorized, "ProviderReady", "Unauthorized"),
        (
            ErrorKind::Braked {
                reason: BrakeReason::LoginRefused,
                until: now(),
            },
            "ProviderReady",
            "LoginRefused",
        ),
        (
            ErrorKind::Misconfigured {
                reason: "OrganizationAmbiguous",
            },
            "ProviderReady",
            "OrganizationAmbiguous",
        ),
        (ErrorKind::Forbidden, "Provisioned", "Forbidden"),
        (ErrorKind::NotFound, "Provisioned", "NotFound"),
        (ErrorKind::Rejected, "Provisioned", "Rejected"),
    ] {
        let planned = says(
            &failing(provisioned(), kind),
            type_,
            "False",
            reason,
            "getApplication: apx.didit.me said no",
        );
        ready(&planned, "True");
    }
    for (kind, reason) in [
        (ErrorKind::Unknown, "OutcomeUnknown"),
        (ErrorKind::Malformed, "UnexpectedAnswer"),
    ] {
        let planned = says(
            &failing(provisioned(), kind),
            "Provisioned",
            "Unknown",
            reason,
            "apx.didit.me said no",
        );
        ready(&planned, "True");
    }
}

#[test]
fn without_a_valid_secret_ready_is_false_and_gives_the_reason() {
    let mut observed = failing(provisioned(), ErrorKind::Unavailable);
    observed.secret = SecretView::Absent;
    says(
        &observed,
        "Ready",
        "False",
        "Unavailable",
        "apx.didit.me said no. Trying again",
    );
    observed.secret = ours(SecretContent::Edited);
    let planned = says(
        &observed,
        "SecretSynced",
        "False",
        "SecretEdited",
        "was changed by somebody else",
    );
    ready(&planned, "False");
}

#[test]
fn pauses_fit_the_failure() {
    let wake = |kind| plan(&failing(provisioned(), kind), &POLICY, now()).wake.unwrap();
    assert_eq!(
        wake(ErrorKind::Throttled {
            retry_after: Some(Duration::from_secs(30))
        }),
        Duration::from_secs(30)
    );
    assert!(wake(ErrorKind::Unavailable) <= Duration::from_secs(1));
    assert_eq!(wake(ErrorKind::Forbidden), Duration::from_secs(600));
    let mut observed = failing(provisioned(), ErrorKind::Unavailable);
    observed.earlier_failures = 40;
    assert!(plan(&observed, &POLICY, now()).wake.unwrap() <= Duration::from_secs(300));
}

#[test]
fn an_application_that_is_gone_is_not_replaced_by_itself() {
    let mut observed = provisioned();
    observed.learned.gone = true;
    let planned = says(
        &observed,
        "Provisioned",
        "False",
        "ApplicationMissing",
        "no longer knows application app-1. The Secret is left as it is",
    );
    ready(&planned, "False");
}

#[test]
fn an_application_that_somebody_else_holds_is_left_to_them() {
    let holder = Mark {
        cluster: "cluster-2".into(),
        namespace: "a".into(),
        name: "b".into(),
        uid: "c".into(),
    };
    let mut observed = new_resource(json!({"adopt": {"applicationId": "app-1"}}));
    observed.learned.application = Some(record(Some(&holder.to_string())));
    says(
        &observed,
        "Provisioned",
        "False",
        "ApplicationHeld",
        "application app-1 is held by a ClientApplication of another namespace or cluster",
    );
}

#[test]
fn an_application_that_another_resource_claims_is_not_even_looked_at() {
    let mut observed = new_resource(json!({"adopt": {"applicationId": "app-1"}}));
    for (namespace, sentence) in [
        (
            "shop",
            "application app-1 is claimed by ClientApplication billing. ",
        ),
        (
            "other",
            "application app-1 is claimed by a ClientApplication of another namespace. ",
        ),
    ] {
        observed.application_rival = Some(Consumer::application(namespace, "billing"));
        says(&observed, "Provisioned", "False", "ApplicationClaimed", sentence);
    }
}

#[test]
fn an_id_that_cannot_be_one_is_the_specs_fault_and_leaves_nothing_to_release() {
    let observed = new_resource(json!({"adopt": {"applicationId": "my-shop"}}));
    let reason = INVALID_APPLICATION_ID;
    let mut observed = failing(observed, ErrorKind::Misconfigured { reason });
    let planned = says(
        &observed,
        "Provisioned",
        "False",
        "InvalidApplicationId",
        "spec.adopt.applicationId: apx.didit.me said no. It cannot change: delete this resource",
    );
    ready(&planned, "False");
    let provider = conditions::find(&planned.status.conditions, "ProviderReady").unwrap();
    assert_eq!(provider.status, "True");
    observed.resource.deletion = Some(now());
    assert!(matches!(
        plan(&observed, &POLICY, now()).step,
        Some(Step::RemoveFinalizer { left_behind: None })
    ));
}

#[test]
fn while_the_provider_is_not_looked_at_yet_nothing_is_said_to_be_wrong() {
    let mut observed = new_resource(json!({}));
    observed.provider = ProviderView::Pending;
    for type_ in ["ProviderReady", "Ready"] {
        says(
            &observed,
            type_,
            "Unknown",
            "ProviderPending",
            "ClusterIdentityProvider didit has not been looked at yet",
        );
    }
    // What was said before stays.
    observed.provider = ProviderView::Missing;
    let said = plan(&observed, &POLICY, now()).status;
    observed.status = said.clone();
    observed.provider = ProviderView::Pending;
    assert_eq!(plan(&observed, &POLICY, now()).status, said);
}

#[test]
fn an_unknown_application_is_not_adopted() {
    let mut observed = new_resource(json!({"adopt": {"applicationId": "app-9"}}));
    observed.learned.gone = true;
    says(
        &observed,
        "Provisioned",
        "False",
        "ApplicationNotFound",
        "spec.adopt.applicationId: the account sees no application app-9",
    );
}

#[test]
fn an_adopted_application_of_an_earlier_resource_of_this_name_is_marked_anew() {
    let mut observed = new_resource(json!({"adopt": {"applicationId": "app-1"}}));
    let earlier = Mark {
        uid: "uid-0".into(),
        ..observed.resource.mark()
    };
    observed.learned.application = Some(record(Some(&mark::compose("Checkout", &earlier))));
    let Some(Step::Update(_, changes)) = plan(&observed, &POLICY, now()).step else {
        panic!("no update")
    };
    assert_eq!(
        changes.description,
        Some(mark::compose("Checkout", &observed.resource.mark()))
    );
}

#[test]
fn an_application_left_by_an_earlier_resource_of_this_name_is_neither_taken_nor_doubled() {
    let mut observed = new_resource(json!({}));
    observed.learned.search = Search::Predecessor("app-7".into());
    says(
        &observed,
        "Provisioned",
        "False",
        "ApplicationOfEarlierResource",
        "Set spec.adopt.applicationId to app-7 to take it",
    );
}

#[test]
fn a_data_location_that_differs_cannot_be_mended() {
    let mut observed =
        new_resource(json!({"adopt": {"applicationId": "app-1"}, "didit": {"dataLocation": "eu"}}));
    let mut application = record(None);
    application.metadata.data_location = Some("au".into());
    observed.learned.application = Some(application);
    says(
        &observed,
        "Provisioned",
        "False",
        "DataLocationDiffers",
        "differs from the application's, which is au",
    );
}

#[test]
fn after_a_creation_of_unknown_outcome_no_other_is_tried_before_it_must_have_settled() {
    let mut observed = new_resource(json!({}));
    let recorded_time = Time(now() - SignedDuration::from_secs(20));
    observed.status.pending_creation = Some(PendingCreation {
        display_name: "payments".into(),
        organization_id: "org".into(),
        recorded_time,
    });
    observed.learned.search = Search::Nothing;
    let planned = says(
        &observed,
        "Provisioned",
        "Unknown",
        "CreationUnconfirmed",
        "again in 40 seconds",
    );
    assert_eq!(planned.wake, Some(Duration::from_secs(40)));
}

#[test]
fn the_intent_is_recorded_before_the_application_is_made() {
    let mut observed = new_resource(json!({}));
    observed.learned.search = Search::Nothing;
    let planned = plan(&observed, &POLICY, now());
    assert!(matches!(planned.step, Some(Step::RecordStatus)));
    assert_eq!(
        planned.status.pending_creation.as_ref().unwrap().display_name,
        "payments"
    );
}

#[test]
fn a_name_that_was_refused_is_not_used_again_once_it_is_corrected() {
    let mut observed = new_resource(json!({"displayName": "corrected"}));
    observed.status.pending_creation = Some(PendingCreation {
        display_name: "refused".into(),
        organization_id: "org".into(),
        recorded_time: Time(now() - SignedDuration::from_secs(600)),
    });
    observed.learned.search = Search::Nothing;
    let planned = plan(&observed, &POLICY, now());
    assert_eq!(planned.status.pending_creation.unwrap().display_name, "corrected");
}

#[test]
fn a_creation_that_certainly_failed_leaves_nothing_to_wait_for() {
    let mut observed = failing(new_resource(json!({})), ErrorKind::Rejected);
    observed.failure.as_mut().unwrap().step = StepKind::Create;
    observed.learned.intent_recorded = true;
    observed.status.pending_creation = Some(PendingCreation {
        display_name: "payments".into(),
        organization_id: "org".into(),
        recorded_time: Time(now()),
    });
    assert_eq!(plan(&observed, &POLICY, now()).status.pending_creation, None);
}

#[test]
fn a_creation_that_was_given_up_settles_from_then_on() {
    for kind in [ErrorKind::Unknown, ErrorKind::Malformed] {
        let mut observed = failing(new_resource(json!({})), kind);
        observed.failure.as_mut().unwrap().step = StepKind::Create;
        observed.learned.intent_recorded = true;
        observed.status.pending_creation = Some(PendingCreation {
            display_name: "payments".into(),
            organization_id: "org".into(),
            recorded_time: Time(now() - SignedDuration::from_secs(38)),
        });
        let planned = plan(&observed, &POLICY, now());
        assert!(planned.step.is_none());
        observed.status = planned.status;
        observed.failure = None;
        observed.learned = Learned {
            search: Search::Nothing,
            ..Learned::default()
        };
        for (later, made) in [(1, false), (59, false), (60, true)] {
            let planned = plan(&observed, &POLICY, now() + SignedDuration::from_secs(later));
            assert_eq!(planned.step.is_some(), made, "{later} seconds later");
        }
    }
}

#[test]
fn an_intent_whose_recording_took_long_is_recorded_anew_before_the_call() {
    let mut observed = new_resource(json!({}));
    observed.learned.search = Search::Nothing;
    observed.learned.intent_recorded = true;
    for (ago, made) in [(0, true), (20, true), (21, false), (300, false)] {
        let recorded = now() - SignedDuration::from_secs(ago);
        observed.status.pending_creation = Some(PendingCreation {
            display_name: "payments".into(),
            organization_id: "org".into(),
            recorded_time: Time(recorded),
        });
        let planned = plan(&observed, &POLICY, now());
        match planned.step {
            Some(Step::Create { deadline, .. }) if made => {
                assert_eq!(deadline, recorded + SignedDuration::from_secs(40));
            }
            Some(Step::RecordStatus) if !made => {
                let pending = planned.status.pending_creation.unwrap();
                assert_eq!(pending.recorded_time.0, now());
            }
            other => panic!("{ago} seconds ago: {other:?}"),
        }
    }
}

#[test]
fn an_adoption_that_was_added_meanwhile_takes_the_place_of_a_creation_that_came_to_nothing() {
    let mut observed = new_resource(json!({"adopt": {"applicationId": "app-9"}}));
    observed.learned.search = Search::Nothing;
    observed.status.pending_creation = Some(PendingCreation {
        display_name: "payments".into(),
        organization_id: "org".into(),
        recorded_time: Time(now() - SignedDuration::from_secs(600)),
    });
    let planned = plan(&observed, &POLICY, now());
    assert!(matches!(planned.step, Some(Step::RecordStatus)));
    observed.status = planned.status;
    assert!(
        matches!(plan(&observed, &POLICY, now()).step, Some(Step::Read(id)) if id == "app-9"),
        "it is adopted"
    );
}

#[test]
fn a_key_that_changed_at_the_identity_api_is_written() {
    let mut observed = provisioned();
    let mut application = record(Some(&observed.resource.mark().to_string()));
    application.api_key = "sk_test_rotated".to_owned().into();
    observed.learned.application = Some(application);
    assert!(matches!(
        plan(&observed, &POLICY, now()).step,
        Some(Step::WriteSecret(_))
    ));
}

pub(super) fn with_accepted_key() -> Observed {
    let mut observed = provisioned();
    observed.learned.application = Some(record(Some(&observed.resource.mark().to_string())));
    observed.learned.verdict = Some(Ok(KeyVerdict::Accepted));
    observed.status = plan(&observed, &POLICY, now()).status;
    observed.learned = Learned::default();
    says(
        &observed,
        "KeyAccepted",
        "True",
        "Accepted",
        "accepts the published key",
    );
    observed
}

#[test]
fn what_was_found_of_a_key_is_not_said_of_another() {
    let mut observed = with_accepted_key();
    let mut application = record(Some(&observed.resource.mark().to_string()));
    application.api_key = "sk_test_rotated".to_owned().into();
    observed.learned.application = Some(application);
    let mut refused = observed.clone();
    refused.learned.secret_refused = Some("exceeded quota".into());
    says(
        &refused,
        "KeyAccepted",
        "Unknown",
        "NotChecked",
        "another key than before",
    );

    // It was written, and the identity API did not say whether it accepts it.
    observed.learned.published = true;
    observed.learned.verdict = Some(Err(CallError {
        operation: "getBalance",
        kind: ErrorKind::Unavailable,
        message: "no answer".into(),
    }));
    says(&observed, "KeyAccepted", "Unknown", "NotChecked", "no answer");
}

#[test]
fn a_key_that_a_killed_process_wrote_is_tried() {
    let mut observed = with_accepted_key();
    let SecretView::Ours { published, .. } = &mut observed.secret else {
        panic!("not ours")
    };
    published.application_digest = "sha256:another".into();
    assert!(matches!(
        plan(&observed, &POLICY, now()).step,
        Some(Step::Read(_))
    ));
}

#[test]
fn another_address_of_the_api_is_written() {
    let mut observed = provisioned();
    observed.status.applied_generation = Some(1);
    let ProviderView::Ready(usable) = &mut observed.provider else {
        panic!("not usable")
    };
    usable.api_url = "https://other.example/v3".into();
    assert!(matches!(
        plan(&observed, &POLICY, now()).step,
        Some(Step::Read(_))
    ));
    observed.learned.application = Some(record(Some(&observed.resource.mark().to_string())));
    assert!(matches!(
        plan(&observed, &POLICY, now()).step,
        Some(Step::WriteSecret(_))
    ));
}

#[test]
fn another_organization_of_the_provider_does_not_make_an_application_look_lost() {
    let mut observed = provisioned();
    observed.status.organization_id = Some("another".into());
    let planned = says(
        &observed,
        "ProviderReady",
        "False",
        "OrganizationChanged",
        "application app-1 belongs to organization another",
    );
    ready(&planned, "True");
}

#[test]
fn a_shared_provider_allows_adoption_only_when_it_says_so() {
    let mut observed = new_resource(json!({"adopt": {"applicationId": "app-1"}}));
    observed.provider = usable(false);
    says(
        &observed,
        "Provisioned",
        "False",
        "AdoptionNotAllowed",
        "Ask its administrator to set spec.allowAdoption",
    );
}

#[test]
fn a_spec_that_is_not_applied_is_not_called_provisioned() {
    let mut observed = failing(provisioned(), ErrorKind::Unavailable);
    observed.status.applied_generation = Some(0);
    let planned = says(
        &observed,
        "Provisioned",
        "Unknown",
        "NotApplied",
        "the spec has changed and is not applied yet: getApplication: apx.didit.me said no",
    );
    ready(&planned, "True");
}

#[test]
fn bad_news_of_a_key_outlives_an_answer_that_says_nothing() {
    let mut observed = provisioned();
    observed.learned.application = Some(record(Some(&observed.resource.mark().to_string())));
    observed.learned.verdict = Some(Ok(KeyVerdict::Refused {
        message: "expired".into(),
    }));
    observed.status = plan(&observed, &POLICY, now()).status;
    let error = CallError {
        operation: "getBalance",
        kind: ErrorKind::Unavailable,
        message: "no answer".into(),
    };
    observed.learned.verdict = Some(Err(error));
    let planned = says(&observed, "KeyAccepted", "False", "KeyRefused", "expired");
    ready(&planned, "False");
    assert!(planned.wake.unwrap() <= POLICY.denied_pause);
}

/// A resource whose application is known to be missing, and whose spec has changed since.
fn known_missing() -> Observed {
    let mut observed = with_accepted_key();
    observed.learned.gone = true;
    observed.status = plan(&observed, &POLICY, now()).status;
    observed.status.applied_generation = Some(0);
    observed.learned = Learned::default();
    observed
}

#[test]
fn an_application_that_is_gone_stays_bad_news_whatever_keeps_it_from_being_looked_at() {
    let known = known_missing();
    let with = |change: fn(&mut Observed)| {
        let mut observed = known.clone();
        change(&mut observed);
        observed
    };
    for (what, observed) in [
        ("suspended", with(|observed| observed.spec.suspend = Some(true))),
        (
            "without provider",
            with(|observed| observed.provider = ProviderView::Missing),
        ),
        (
            "being deleted",
            with(|observed| {
                observed.resource.deletion = Some(now());
                observed.provider = ProviderView::NotAllowed;
                observed.status.pending_creation = None;
            }),
        ),
        ("unavailable", failing(known.clone(), ErrorKind::Unavailable)),
        ("forbidden", failing(known.clone(), ErrorKind::Forbidden)),
        ("without answer", failing(known.clone(), ErrorKind::Malformed)),
    ] {
        let planned = plan(&observed, &POLICY, now());
        if planned.step.is_some() {
            assert_eq!(what, "being deleted", "{:?}", planned.step);
            continue;
        }
        ready(&planned, "False");
        says(
            &observed,
            "Provisioned",
            "False",
            "ApplicationMissing",
            "no longer knows application app-1",
        );
        says(
            &observed,
            "KeyAccepted",
            "Unknown",
            "NotChecked",
            "so its key is not tried",
        );
    }
    let forbidden = failing(known.clone(), ErrorKind::Forbidden);
    says(
        &forbidden,
        "Provisioned",
        "False",
        "ApplicationMissing",
        "The last look failed: getApplication: apx.didit.me said no",
    );
}

#[test]
fn an_application_that_is_seen_again_is_no_longer_missing() {
    let mut observed = known_missing();
    observed.learned.application = Some(record(Some(&observed.resource.mark().to_string())));
    let Some(Step::Probe(_)) = plan(&observed, &POLICY, now()).step else {
        panic!("its key is not tried")
    };
    observed.learned.verdict = Some(Ok(KeyVerdict::Accepted));
    ready(&plan(&observed, &POLICY, now()), "True");
}

#[test]
fn a_secret_that_is_not_written_again_is_not_promised() {
    for (secret, message) in [
        (SecretView::Absent, "Secret payments-didit does not exist"),
        (
            ours(SecretContent::Edited),
            "Secret payments-didit was changed by somebody else",
        ),
    ] {
        let observed = Observed {
            secret,
            provider: ProviderView::Missing,
            ..known_missing()
        };
        let status = plan(&observed, &POLICY, now()).status;
        let said = conditions::find(&status.conditions, "SecretSynced").unwrap();
        assert_eq!(said.message, message);
    }
}

#[test]
fn a_deletion_and_a_suspension_are_no_changes_that_wait_to_be_applied() {
    let mut suspended = with_accepted_key();
    suspended.status.applied_generation = Some(0);
    suspended.spec.suspend = Some(true);
    says(
        &suspended,
        "Provisioned",
        "True",
        "Created",
        "was made for this resource",
    );
    let planned = says(
        &suspended,
        "Ready",
        "True",
        "Published",
        "app-1; suspended, so nothing",
    );
    let message = &conditions::find(&planned.status.conditions, "Ready")
        .unwrap()
        .message;
    assert!(!message.contains("Unknown"), "{message}");

    let mut deleted = failing(with_accepted_key(), ErrorKind::Unavailable);
    deleted.status.applied_generation = Some(0);
    deleted.resource.deletion = Some(now());
    says(
        &deleted,
        "Provisioned",
        "True",
        "Created",
        "was made for this resource",
    );
}

#[test]
fn a_repair_that_failed_is_tried_again_before_the_next_check() {
    let mut observed = failing(provisioned(), ErrorKind::Unavailable);
    observed.learned.application = Some(record(None));
    assert_eq!(plan(&observed, &POLICY, now()).status.last_checked_time, None);
}

#[test]
fn a_retry_after_of_zero_does_not_switch_the_backoff_off() {
    let mut observed = failing(
        provisioned(),
        ErrorKind::Throttled {
            retry_after: Some(Duration::ZERO),
        },
    );
    observed.earlier_failures = 8;
    assert!(plan(&observed, &POLICY, now()).wake.unwrap() > Duration::from_secs(60));
}

#[test]
fn a_refused_key_is_not_called_ready() {
    let mut observed = provisioned();
    observed.learned.application = Some(record(Some(&observed.resource.mark().to_string())));
    observed.learned.verdict = Some(Ok(KeyVerdict::Refused {
        message: "This API key has expired.".into(),
    }));
    let planned = says(
        &observed,
        "KeyAccepted",
        "False",
        "KeyRefused",
        "This API key has expired.",
    );
    ready(&planned, "False");
}

#[test]
fn a_key_that_could_not_be_checked_is_no_reason_to_doubt_it() {
    let mut observed = provisioned();
    observed.learned.application = Some(record(Some(&observed.resource.mark().to_string())));
    let error = CallError {
        operation: "getBalance",
        kind: ErrorKind::Unavailable,
        message: "no answer".into(),
    };
    observed.learned.verdict = Some(Err(error));
    let planned = says(
        &observed,
        "KeyAccepted",
        "Unknown",
        "NotChecked",
        "getBalance: no answer",
    );
    ready(&planned, "True");
}

#[test]
fn an_address_at_which_no_key_can_be_tried_is_named() {
    for (kind, message) in [
        (ErrorKind::NotFound, "api.example answered 404 Not Found"),
        (
            ErrorKind::Unavailable,
            "api.example could not be reached: there is no such name",
        ),
    ] {
        let mut observed = provisioned();
        observed.learned.application = Some(record(Some(&observed.resource.mark().to_string())));
        observed.learned.verdict = Some(Err(CallError {
            operation: "getBalance",
            kind,
            message: message.into(),
        }));
        let sentence =
            format!("getBalance: {message}. Check spec.didit.apiUrl of ClusterIdentityProvider didit");
        says(&observed, "KeyAccepted", "Unknown", "NotChecked", &sentence);
    }
}

#[test]
fn a_key_that_could_not_be_checked_is_tried_again_only_when_that_is_due() {
    let mut observed = provisioned();
    observed.learned.application = Some(record(Some(&observed.resource.mark().to_string())));
    let error = CallError {
        operation: "getBalance",
        kind: ErrorKind::Malformed,
        message: "not JSON".into(),
    };
    observed.learned.verdict = Some(Err(error));
    let planned = plan(&observed, &POLICY, now());
    assert_eq!(planned.wake, Some(POLICY.denied_pause));

    // Our own write of the Secret wakes the resource at once.
    observed.status = planned.status;
    observed.learned = Learned::default();
    let soon = plan(&observed, &POLICY, now() + SignedDuration::from_secs(1));
    assert!(soon.step.is_none(), "{:?}", soon.step);
    assert_eq!(soon.wake, Some(POLICY.denied_pause - Duration::from_secs(1)));
    let due = plan(&observed, &POLICY, now() + SignedDuration::from_secs(600));
    assert!(matches!(due.step, Some(Step::Read(_))), "{:?}", due.step);
}

#[test]
fn a_secret_that_kubernetes_does_not_take_is_said() {
    let mut observed = provisioned();
    observed.secret = SecretView::Absent;
    observed.learned.secret_refused = Some("exceeded quota: secrets".into());
    says(
        &observed,
        "SecretSynced",
        "False",
        "SecretRefused",
        "the Kubernetes API does not take Secret payments-didit: exceeded quota: secrets",
    );
}

#[test]
fn a_suspended_resource_does_nothing_and_says_so() {
    let mut observed = provisioned();
    observed.spec.suspend = Some(true);
    let planned = says(
        &observed,
        "Suspended",
        "True",
        "Suspended",
        "spec.suspend is true",
    );
    ready(&planned, "True");
    assert_eq!(planned.wake, None);
}

#[test]
fn a_secret_of_a_name_that_was_never_recorded_goes_once_the_right_one_is_there() {
    let mut observed = with_accepted_key();
    observed.strays = vec!["stray".into()];
    let step = plan(&observed, &POLICY, now()).step;
    assert!(
        matches!(&step, Some(Step::RetireStray(name)) if name == "stray"),
        "{step:?}"
    );

    let mut without = observed.clone();
    without.secret = SecretView::Absent;
    let step = plan(&without, &POLICY, now()).step;
    assert!(
        matches!(step, Some(Step::Read(_))),
        "first the right one: {step:?}"
    );

    observed.absorb(Evidence::StrayRetired("stray".into()));
    assert!(plan(&observed, &POLICY, now()).step.is_none());
}

#[test]
fn a_secret_that_is_left_as_it_is_is_not_complained_of() {
    let mut observed = provisioned();
    observed.spec.suspend = Some(true);
    observed.status = plan(&observed, &POLICY, now()).status;
    observed.secret = ours(SecretContent::Outdated);
    says(
        &observed,
        "SecretSynced",
        "True",
        "Written",
        "holds the credentials",
    );
    observed.secret = SecretView::Absent;
    let planned = says(
        &observed,
        "SecretSynced",
        "False",
        "SecretMissing",
        "does not exist",
    );
    let said = conditions::find(&planned.status.conditions, "SecretSynced").unwrap();
    assert_eq!(said.message, "Secret payments-didit does not exist");

    observed.spec.suspend = None;
    observed.resource.deletion = Some(now());
    observed.provider = ProviderView::Missing;
    says(
        &observed,
        "SecretSynced",
        "True",
        "Written",
        "holds the credentials",
    );
}

#[test]
fn a_deletion_that_waits_says_how_long_and_then_says_what_is_left() {
    let mut observed = failing(provisioned(), ErrorKind::Unavailable);
    observed.resource.deletion = Some(now() - SignedDuration::from_secs(30));
    let planned = says(
        &observed,
        "ProviderReady",
        "False",
        "Unavailable",
        "Deletion waits for this until 2027-01-15T08:01:30Z at the latest",
    );
    assert!(planned.wake.unwrap() <= Duration::from_secs(90));

    observed.resource.deletion = Some(now() - SignedDuration::from_secs(120));
    let Some(Step::RemoveFinalizer {
        left_behind: Some(said),
    }) = plan(&observed, &POLICY, now()).step
    else {
        panic!("the deletion goes on")
    };
    assert_eq!(
        said,
        "application app-1 was left at the identity API and may carry Keywright's mark: remove the line that begins with \
         \"[keywright \" from its description. It could not be released within 120 seconds: getApplication: apx.didit.me \
         said no"
    );
}

#[test]
fn a_deletion_does_not_wait_long_for_a_provider_that_is_gone() {
    let mut observed = provisioned();
    observed.provider = ProviderView::Missing;
    observed.resource.deletion = Some(now());
    let planned = plan(&observed, &POLICY, now());
    assert!(planned.step.is_none(), "{:?}", planned.step);
    observed.resource.deletion = Some(now() - SignedDuration::from_secs(10));
    let Some(Step::RemoveFinalizer {
        left_behind: Some(said),
    }) = plan(&observed, &POLICY, now()).step
    else {
        panic!("the deletion goes on")
    };
    assert!(
        said.ends_with(
            ". It could not be released within 10 seconds: ClusterIdentityProvider didit does not exist"
        ),
        "{said}"
    );
}

#[test]
fn a_deletion_waits_for_nothing_where_nothing_of_ours_is() {
    let mut unknown = new_resource(json!({"adopt": {"applicationId": "app-9"}}));
    unknown.learned.gone = true;
    let mut claimed = new_resource(json!({"adopt": {"applicationId": "app-9"}}));
    claimed.application_rival = Some(Consumer::application("shop", "billing"));
    let mut denied = new_resource(json!({"adopt": {"applicationId": "app-9"}}));
    denied.provider = usable(false);
    for mut observed in [unknown, claimed, denied, known_missing()] {
        // The provider goes away before the resource does.
        for provider in [observed.provider.clone(), ProviderView::Missing] {
            observed.provider = provider;
            observed.status = plan(&observed, &POLICY, now()).status;
            observed.learned = Learned::default();
        }
        observed.resource.deletion = Some(now());
        let step = plan(&observed, &POLICY, now()).step;
        assert!(
            matches!(step, Some(Step::RemoveFinalizer { left_behind: None })),
            "{step:?} {:?}",
            observed.status.conditions
        );
    }
}

#[test]
fn only_a_secret_that_was_there_is_restored() {
    let recorded = |name: &str| {
        let SecretView::Ours { published, .. } = ours(SecretContent::Current) else {
            panic!("not ours")
        };
        PublishedSecret {
            name: name.into(),
            ..published
        }
    };
    let name = "payments-didit";
    for (secret, recorded, expected) in [
        (SecretView::Absent, None, None),
        (SecretView::Absent, Some(recorded("earlier-name")), None),
        (
            SecretView::Absent,
            Some(recorded(name)),
            Some("Secret payments-didit was deleted, and was written again"),
        ),
        (
            ours(SecretContent::Edited),
            Some(recorded(name)),
            Some("Secret payments-didit was changed by somebody else, and was written again"),
        ),
        (ours(SecretContent::Outdated), Some(recorded(name)), None),
        (ours(SecretContent::Current), Some(recorded(name)), None),
    ] {
        let restored = owned_secret::restored(name, &secret, recorded.as_ref());
        assert_eq!(restored.as_deref(), expected, "{secret:?}");
    }
}

#[test]
fn only_fields_that_are_set_are_compared() {
    let observed = new_resource(json!({"didit": {"redirectUris": ["https://a.example/done"]}}));
    let mark = observed.resource.mark();
    let kept = ApplicationMetadata {
        name: Some("a name from the console".into()),
        website_url: Some("https://console.example".into()),
        redirect_uris: Some(vec!["https://a.example/done".into()]),
        description: Some(mark::compose("text from the console", &mark)),
        ..ApplicationMetadata::default()
    };
    assert_eq!(
        desired::difference(&observed.resource, &observed.spec, &kept),
        None
    );

    let drifted = ApplicationMetadata {
        redirect_uris: Some(vec![]),
        description: Some("text from the console".into()),
        ..kept.clone()
    };
    let changes = desired::difference(&observed.resource, &observed.spec, &drifted).unwrap();
    assert_eq!(
        changes,
        ApplicationMetadata {
            redirect_uris: kept.redirect_uris,
            description: kept.description,
            ..ApplicationMetadata::default()
        }
    );
    assert_eq!(
        desired::changed_fields(&changes),
        ["didit.redirectUris", "didit.description"]
    );
}
