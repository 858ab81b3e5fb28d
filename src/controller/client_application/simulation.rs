//! The plan against a model of the world, in which every step takes its time and may be cut off or fail, on a
//! clock of its own.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::json;

use super::plan::{Policy, plan};
use super::state::TokenView;
use super::state::{
    Evidence, Failure, Learned, Observed, ProviderView, Resource, Search, SecretContent, SecretView, Step,
    UsableProvider,
};
use super::{desired, token};
use crate::api::client_application::{ClientApplicationSpec, ClientApplicationStatus, PublishedSecret};
use crate::api::conditions;
use crate::api::token::{TokenSettings, TokenStatus};
use crate::controller::owned_secret;
use crate::controller::token::TokenPolicy;
use crate::controller::token::findings::Trouble;
use crate::controller::token::need;
use crate::controller::token::pauses::Pause;
use crate::controller::token::service::Obtained;
use crate::credential::schedule::Backoff;
use crate::identity::mark;
use crate::identity::{Application, ApplicationMetadata, CallError, ErrorKind, KeyVerdict};

const POLICY: Policy = Policy {
    drift_interval: Duration::from_secs(3600),
    creation_settle_time: Duration::from_secs(60),
    creation_deadline: Duration::from_secs(40),
    release_timeout: Duration::from_secs(120),
    backoff: Backoff {
        first: Duration::from_secs(1),
        longest: Duration::from_secs(30),
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

/// What goes wrong at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Nothing.
    None,
    /// The process is killed before the step takes effect.
    KilledBefore,
    /// The process is killed after the step took effect and before anybody learned of it.
    KilledAfter,
    /// The identity API cannot be reached.
    Unavailable,
    /// The answer is lost and nothing has happened.
    LostBefore,
    /// The answer is lost, and what was asked for happens this many seconds after it was given up.
    LostAfter(u8),
    /// The process is killed while it waits for the answer, and what was asked for happens this many seconds
    /// later, though within the time in which a creation has to settle.
    KilledInBetween(u8),
    /// The identity API wants a pause.
    Throttled,
    /// The account may not do that.
    Forbidden,
}

/// What becomes of a step or of a pause.
#[derive(Clone, Copy, Debug)]
struct Turn {
    fault: Fault,
    /// How many seconds it takes until the answer is there, or until it is given up.
    took: u8,
}

impl Turn {
    const SMOOTH: Self = Self {
        fault: Fault::None,
        took: 0,
    };
}

fn turns() -> impl Strategy<Value = Turn> {
    let fault = prop_oneof![
        4 => Just(Fault::None),
        2 => Just(Fault::KilledBefore),
        2 => Just(Fault::KilledAfter),
        1 => Just(Fault::Unavailable),
        1 => Just(Fault::LostBefore),
        2 => (0_u8..60).prop_map(Fault::LostAfter),
        2 => (0_u8..60).prop_map(Fault::KilledInBetween),
        1 => Just(Fault::Throttled),
        1 => Just(Fault::Forbidden),
    ];
    let took = prop_oneof![2 => Just(0), 3 => 0_u8..=30];
    (fault, took).prop_map(|(fault, took)| Turn { fault, took })
}

/// What users do meanwhile.
#[derive(Clone, Debug)]
enum Happening {
    /// Nothing.
    Nothing,
    /// They change the spec.
    Renamed,
    /// They suspend the resource, or resume it.
    Suspended(bool),
    /// Their provider is another, or none.
    Provider(ProviderView),
}

fn happenings() -> impl Strategy<Value = Happening> {
    let not_ready = ProviderView::NotReady {
        reason: "Suspended".into(),
        message: "spec.suspend is true".into(),
    };
    prop_oneof![
        2 => Just(Happening::Nothing),
        2 => Just(Happening::Renamed),
        2 => any::<bool>().prop_map(Happening::Suspended),
        1 => Just(Happening::Provider(ProviderView::Missing)),
        1 => Just(Happening::Provider(ProviderView::Pending)),
        1 => Just(Happening::Provider(not_ready)),
        2 => Just(Happening::Provider(ProviderView::Ready(usable_provider()))),
    ]
}

/// Kubernetes, the identity API and the clock.
struct World {
    now: Timestamp,
    spec: ClientApplicationSpec,
    status: ClientApplicationStatus,
    generation: i64,
    deletion: Option<Timestamp>,
    has_finalizer: bool,
    applications: Vec<Application>,
    /// Creations that are on their way.
    late: Vec<(Timestamp, ApplicationMetadata)>,
    /// Keys that the identity API was asked about.
    tried: BTreeSet<String>,
    /// Key and form of the Secret.
    secret: Option<(String, String)>,
    /// Somebody has changed an entry of it.
    edited: bool,
    /// The access token in it.
    token: Option<TokenStatus>,
    /// Access tokens that were given out.
    issued: usize,
    token_pause: Option<Pause>,
    versions: u64,
    created: usize,
    calls: usize,
    failures: u32,
    provider: ProviderView,
    ended: bool,
}

enum Ended {
    Pass { wake: Option<Duration> },
    Killed,
}

impl World {
    fn new() -> Self {
        let spec = json!({
            "providerRef": {"kind": "IdentityProvider", "name": "didit"},
            "displayName": "payments-prod",
            "secret": {"name": "payments"},
        });
        Self {
            now: Timestamp::from_second(1_800_000_000).unwrap(),
            spec: serde_json::from_value(spec).unwrap(),
            status: ClientApplicationStatus::default(),
            generation: 1,
            deletion: None,
            has_finalizer: false,
            applications: Vec::new(),
            late: Vec::new(),
            tried: BTreeSet::new(),
            secret: None,
            edited: false,
            token: None,
            issued: 0,
            token_pause: None,
            versions: 0,
            created: 0,
            calls: 0,
            failures: 0,
            provider: ProviderView::Ready(usable_provider()),
            ended: false,
        }
    }

    fn resource(&self) -> Resource {
        Resource {
            namespace: "shop".into(),
            name: "payments".into(),
            uid: "uid-1".into(),
            generation: self.generation,
            deletion: self.deletion,
            has_finalizer: self.has_finalizer,
            cluster: "cluster-1".into(),
        }
    }

    fn observe(&self) -> Observed {
        let secret = self
            .secret
            .as_ref()
            .map_or(SecretView::Absent, |(_, form)| SecretView::Ours {
                published: self.published(form),
                content: if self.edited {
                    SecretContent::Edited
                } else if *form == owned_secret::form(&self.spec.secret) {
                    SecretContent::Current
                } else {
                    SecretContent::Outdated
                },
                token: self.token.clone().map(Box::new),
            });
        Observed {
            resource: self.resource(),
            spec: self.spec.clone(),
            status: self.status.clone(),
            provider: self.provider.clone(),
            secret,
            rival: None,
            application_rival: None,
            token: TokenView {
                can_be_had: true,
                pause: self.token_pause.clone(),
                ..TokenView::default()
            },
            strays: Vec::new(),
            learned: Learned::default(),
            failure: None,
            earlier_failures: self.failures,
        }
    }

    fn published(&self, form: &str) -> PublishedSecret {
        let resource_version = self.versions.to_string();
        let digest = |key: &String| {
            let application = Application {
                id: "application-1".into(),
                client_id: "client-1".into(),
                api_key: key.clone().into(),
                metadata: ApplicationMetadata::default(),
            };
            desired::application_digest(&self.resource(), &usable_provider(), &application)
        };
        PublishedSecret {
            name: "payments".into(),
            uid: "secret-1".into(),
            resource_version,
            form: form.to_owned(),
            content_digest: String::new(),
            application_digest: self
                .secret
                .as_ref()
                .and_then(|(key, _)| digest(key))
                .unwrap_or_default(),
            api_url: "https://api.example/v3".into(),
        }
    }

    fn pass_time(&mut self, span: Duration) {
        self.now += SignedDuration::try_from(span).unwrap();
        let (due, late) = std::mem::take(&mut self.late)
            .into_iter()
            .partition(|(at, _)| *at <= self.now);
        self.late = late;
        let due: Vec<(Timestamp, ApplicationMetadata)> = due;
        for (_, metadata) in due {
            self.make(metadata);
        }
    }

    fn make(&mut self, metadata: ApplicationMetadata) -> Application {
        self.created += 1;
        let application = Application {
            id: format!("application-{}", self.created),
            client_id: format!("client-{}", self.created),
            api_key: format!("key-{}", self.created).into(),
            metadata,
        };
        self.applications.push(application.clone());
        application
    }

    /// One pass, with these turns of its steps; smooth ones once they are used up.
    fn run(&mut self, script: &mut impl Iterator<Item = Turn>) -> Ended {
        let mut observed = self.observe();
        for _ in 0..60 {
            let planned = plan(&observed, &POLICY, self.now);
            let Some(step) = planned.step else {
                self.status = planned.status;
                self.token_pause = planned.token_pause;
                self.failures = if planned.blocked { self.failures + 1 } else { 0 };
                return Ended::Pass { wake: planned.wake };
            };
            let kind = step.kind();
            let to_write = token::to_write(
                &observed,
                self.token.as_ref(),
                |recorded| self.recognised(recorded),
                self.now,
            );
            let turn = script.next().unwrap_or(Turn::SMOOTH);
            let had_token = self.has_token();
            let attempted = self.attempt(step, planned.status, to_write, turn);
            assert!(
                !had_token || self.token.is_some() || self.spec.access_token.is_none(),
                "{kind:?} takes the token from workloads"
            );
            match attempted {
                Ok(Some(evidence)) => observed.absorb(evidence),
                Ok(None) => {
                    // Restarting takes a moment, and a restarted process counts failures anew.
                    self.failures = 0;
                    self.token_pause = None;
                    self.pass_time(Duration::from_secs(2));
                    return Ended::Killed;
                }
                Err(error) => observed.failure = Some(Failure { step: kind, error }),
            }
        }
        panic!("a pass did not come to an end");
    }

    fn attempt(
        &mut self,
        step: Step,
        status: ClientApplicationStatus,
        to_write: Option<Obtained>,
        Turn { fault, took }: Turn,
    ) -> Result<Option<Evidence>, CallError> {
        if matches!(step, Step::ObtainToken(_)) {
            return Ok(self.attempt_token(fault));
        }
        let calls_provider = matches!(
            step,
            Step::FindMarked(_)
                | Step::Create { .. }
                | Step::Read(_)
                | Step::Update(..)
                | Step::Probe(_)
                | Step::Release(..)
        );
        let error = |kind| CallError {
            operation: "call",
            kind,
            message: "no".into(),
        };
        self.calls += usize::from(calls_provider);
        let took = Duration::from_secs(took.into()).min(self.limit_of(&step));
        match fault {
            Fault::KilledBefore => return Ok(None),
            Fault::KilledAfter => {
                self.take_effect(step, status, to_write);
                return Ok(None);
            }
            Fault::KilledInBetween(delay) => {
                self.pass_time(took);
                let settled = self.now + SignedDuration::try_from(self.unsettled()).unwrap();
                self.take_effect_later(step, status, to_write, delay, settled);
                return Ok(None);
            }
            _ if !calls_provider => {}
            Fault::Unavailable => {
                self.pass_time(took);
                return Err(error(ErrorKind::Unavailable));
            }
            Fault::Throttled => {
                return Err(error(ErrorKind::Throttled {
                    retry_after: Some(Duration::from_secs(30)),
                }));
            }
            Fault::Forbidden => return Err(error(ErrorKind::Forbidden)),
            Fault::LostBefore => {
                self.pass_time(took);
                return Err(error(ErrorKind::Unknown));
            }
            Fault::LostAfter(delay) => {
                self.pass_time(took);
                self.take_effect_later(step, status, to_write, delay, Timestamp::MAX);
                return Err(error(ErrorKind::Unknown));
            }
            Fault::None => {}
        }
        let evidence = self.take_effect(step, status, to_write);
        self.pass_time(took);
        Ok(Some(evidence))
    }

    /// How long a step may take before it is cut off.
    fn limit_of(&self, step: &Step) -> Duration {
        match step {
            Step::Create { deadline, .. } => {
                Duration::try_from(deadline.duration_since(self.now)).unwrap_or_default()
            }
            _ => Duration::MAX,
        }
    }

    /// How much is left of the time in which a creation has to settle whose process said nothing of its end.
    fn unsettled(&self) -> Duration {
        let pending = self.status.pending_creation.as_ref();
        pending.map_or(Duration::ZERO, |pending| {
            let passed =
                Duration::try_from(self.now.duration_since(pending.recorded_time.0)).unwrap_or_default();
            POLICY
                .creation_settle_time
                .saturating_sub(passed + Duration::from_secs(1))
        })
    }

    /// A creation happens so many seconds from now, though not after `latest`; anything else happens at once.
    fn take_effect_later(
        &mut self,
        step: Step,
        status: ClientApplicationStatus,
        to_write: Option<Obtained>,
        delay: u8,
        latest: Timestamp,
    ) {
        match step {
            Step::Create { metadata, .. } => {
                let at = self.now + SignedDuration::from_secs(delay.into());
                self.late.push((at.min(latest), metadata));
                self.pass_time(Duration::ZERO);
            }
            step => drop(self.take_effect(step, status, to_write)),
        }
    }

    /// Waits, unless the process is killed in the middle of that.
    fn pause(&mut self, wake: Duration, turn: Turn) {
        match turn.fault {
            Fault::KilledBefore | Fault::KilledAfter | Fault::KilledInBetween(_) => {
                self.failures = 0;
                self.pass_time(wake.min(Duration::from_secs(turn.took.into())));
            }
            _ => self.pass_time(wake),
        }
    }

    /// What becomes of asking for an access token. What is lost was given out all the same.
    fn attempt_token(&mut self, fault: Fault) -> Option<Evidence> {
        let trouble = match fault {
            Fault::KilledBefore => return None,
            Fault::KilledAfter | Fault::KilledInBetween(_) => {
                self.issued += 1;
                return None;
            }
            Fault::None => return Some(Evidence::TokenObtained(Box::new(self.issue()))),
            Fault::Unavailable => Trouble::passing("Unavailable", "no".into()),
            Fault::LostBefore | Fault::Forbidden => Trouble::to_mend("InvalidClient", "no".into()),
            Fault::LostAfter(_) => {
                self.issued += 1;
                Trouble::passing("OutcomeUnknown", "no answer".into())
            }
            Fault::Throttled => Trouble {
                retry_after: Some(Duration::from_secs(30)),
                ..Trouble::passing("Throttled", "slower".into())
            },
        };
        Some(Evidence::TokenFailed(trouble))
    }

    fn issue(&mut self) -> Obtained {
        self.issued += 1;
        let settings = self.spec.access_token.as_ref().unwrap();
        let client_id = self.status.client_id.as_deref().unwrap();
        let expires_at = Time(self.now + SignedDuration::from_secs(3600));
        Obtained {
            access_token: format!("token-{}", self.issued).into(),
            status: TokenStatus {
                issued_at: Time(self.now),
                expires_at: expires_at.clone(),
                refresh_at: expires_at,
                allowance_seconds: 10,
                token_type: "Bearer".into(),
                scope: None,
                request_digest: need::request_digest(client_id, settings),
                fingerprint: format!("sha256:token-{}", self.issued),
                remark: None,
            },
        }
    }

    /// Whether workloads read a token that is valid.
    fn has_token(&self) -> bool {
        self.token
            .as_ref()
            .is_some_and(|token| token.expires_at.0 > self.now)
    }

    /// The bytes in the Secret that a record is about.
    fn recognised(&self, recorded: &TokenStatus) -> Option<Obtained> {
        let held = self.token.as_ref()?;
        (held.fingerprint == recorded.fingerprint).then(|| Obtained {
            access_token: held.fingerprint.clone().into(),
            status: recorded.clone(),
        })
    }

    /// The Secret gets this token or none.
    fn write_token(&mut self, to_write: Option<Obtained>) -> Option<Box<TokenStatus>> {
        self.edited = false;
        self.token = to_write.map(|token| token.status);
        self.token.clone().map(Box::new)
    }

    fn take_effect(
        &mut self,
        step: Step,
        status: ClientApplicationStatus,
        to_write: Option<Obtained>,
    ) -> Evidence {
        match step {
            Step::AddFinalizer => {
                self.has_finalizer = true;
                Evidence::FinalizerAdded
            }
            Step::RecordStatus => {
                self.status = status.clone();
                Evidence::StatusRecorded(Box::new(status))
            }
            Step::FindMarked(_) => {
                let own = self.resource().mark();
                let found = self
                    .applications
                    .iter()
                    .find(|application| mark_of(application) == Some(own.clone()));
                Evidence::Searched {
                    found: found.map_or(Search::Nothing, |application| {
                        Search::Mine(application.id.clone())
                    }),
                    began: self.now,
                }
            }
            Step::Create { metadata, .. } => Evidence::Created(self.make(metadata)),
            Step::Read(id) => Evidence::Read(
                self.applications
                    .iter()
                    .find(|application| application.id == id)
                    .cloned(),
            ),
            Step::Update(id, changes) => Evidence::Updated(self.change(&id, changes)),
            Step::Release(id, changes) => {
                self.change(&id, changes);
                Evidence::Released
            }
            Step::WriteSecret(application) => {
                use secrecy::ExposeSecret;
                self.versions += 1;
                let form = owned_secret::form(&self.spec.secret);
                self.secret = Some((application.api_key.expose_secret().to_owned(), form.clone()));
                Evidence::SecretWritten {
                    published: self.published(&form),
                    token: self.write_token(to_write),
                }
            }
            Step::RewriteSecret => {
                self.versions += 1;
                let form = owned_secret::form(&self.spec.secret);
                Evidence::SecretWritten {
                    published: self.published(&form),
                    token: self.write_token(to_write),
                }
            }
            Step::ObtainToken(_) => panic!("that is another matter"),
            Step::Probe(key) => {
                use secrecy::ExposeSecret;
                self.tried.insert(key.expose_secret().to_owned());
                Evidence::Probed(Ok(KeyVerdict::Accepted))
            }
            Step::RetireSecret(_) => Evidence::SecretRetired,
            Step::RetireStray(name) => Evidence::StrayRetired(name),
            Step::RemoveFinalizer { .. } => {
                self.has_finalizer = false;
                self.ended = true;
                Evidence::FinalizerRemoved
            }
        }
    }

    fn change(&mut self, id: &str, changes: ApplicationMetadata) -> Application {
        let application = self
            .applications
            .iter_mut()
            .find(|application| application.id == id)
            .unwrap();
        let record = &mut application.metadata;
        record.name = changes.name.or(record.name.take());
        record.description = changes.description.or(record.description.take());
        record.redirect_uris = changes.redirect_uris.or(record.redirect_uris.take());
        application.clone()
    }

    fn happens(&mut self, happening: Happening) {
        match happening {
            Happening::Nothing => {}
            Happening::Renamed => {
                self.generation += 1;
                self.spec.display_name = Some(format!("payments-{}", self.generation));
            }
            Happening::Suspended(suspend) => {
                self.generation += 1;
                self.spec.suspend = Some(suspend);
            }
            Happening::Provider(provider) => self.provider = provider,
        }
    }

    /// Passes until nothing is left to do but to wait for the next check, or until the resource has ended.
    fn settle(&mut self, script: &mut impl Iterator<Item = Turn>) {
        for _ in 0..200 {
            match self.run(script) {
                _ if self.ended => return,
                Ended::Killed => {}
                Ended::Pass { wake }
                    if self.is_ready()
                        && self.failures == 0
                        && self.status.applied_generation == Some(self.generation)
                        && (self.spec.access_token.is_none() || self.holds("TokenFresh")) =>
                {
                    assert!(
                        // A refresh and the next check of the application may come close together.
                        wake.is_some_and(|wake| {
                            wake >= Duration::from_secs(60) || self.spec.access_token.is_some()
                        }),
                        "hot loop: {wake:?}"
                    );
                    return;
                }
                Ended::Pass { wake } => {
                    let wake = wake.expect("a wake while something is left to do");
                    self.pause(wake, script.next().unwrap_or(Turn::SMOOTH));
                }
            }
        }
        panic!("did not settle: {:#?}", self.status);
    }

    fn is_ready(&self) -> bool {
        self.holds("Ready")
    }

    fn holds(&self, type_: &str) -> bool {
        conditions::find(&self.status.conditions, type_).is_some_and(|found| found.status == "True")
    }
}

fn usable_provider() -> UsableProvider {
    UsableProvider {
        organization_id: "org".into(),
        api_url: "https://api.example/v3".into(),
        allows_adoption: true,
    }
}

fn mark_of(application: &Application) -> Option<mark::Mark> {
    mark::find(application.metadata.description.as_deref()?)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Whatever is cut off, lost or late: one application, and its key in the Secret.
    #[test]
    fn never_two_applications_and_never_one_without_a_secret(script in prop::collection::vec(turns(), 0..25)) {
        let mut world = World::new();
        world.settle(&mut script.into_iter());
        world.pass_time(Duration::from_secs(600));
        prop_assert_eq!(world.created, 1);
        prop_assert_eq!(world.secret.as_ref().map(|(key, _)| key.as_str()), Some("key-1"));
        prop_assert_eq!(world.status.application_id.as_deref(), Some("application-1"));
        prop_assert!(world.status.pending_creation.is_none());
    }

    #[test]
    fn a_converged_resource_costs_no_call_until_its_next_check(script in prop::collection::vec(turns(), 0..25)) {
        let mut world = World::new();
        world.settle(&mut script.into_iter());
        let calls = world.calls;
        for _ in 0..10 {
            world.run(&mut std::iter::empty());
        }
        prop_assert_eq!(world.calls, calls);
        world.pass_time(POLICY.drift_interval);
        world.run(&mut std::iter::empty());
        // One look at the record and one at the key.
        prop_assert_eq!(world.calls, calls + 2);
    }

    #[test]
    fn a_changed_spec_reaches_the_application_and_the_secret_is_never_without_its_key(
        first in prop::collection::vec(turns(), 0..15),
        second in prop::collection::vec(turns(), 0..15),
    ) {
        let mut world = World::new();
        world.settle(&mut first.into_iter());
        world.spec.display_name = Some("renamed".into());
        world.spec.secret.labels.insert("team".into(), "checkout".into());
        world.generation = 2;
        let mut second = second.into_iter();
        for _ in 0..100 {
            if let Ended::Pass { wake: Some(wake) } = world.run(&mut second) {
                world.pass_time(wake.min(Duration::from_secs(600)));
            }
            prop_assert_eq!(world.secret.as_ref().map(|(key, _)| key.as_str()), Some("key-1"));
            prop_assert!(world.is_ready(), "the published credential is valid all along");
        }
        prop_assert_eq!(world.applications[0].metadata.name.as_deref(), Some("renamed"));
        prop_assert_eq!(world.created, 1);
    }

    /// A key that was replaced at the console reaches the Secret, and nobody says of it what was found of the other.
    #[test]
    fn only_a_key_that_was_tried_is_called_accepted(
        first in prop::collection::vec(turns(), 0..15),
        second in prop::collection::vec(turns(), 0..15),
    ) {
        let mut world = World::new();
        world.settle(&mut first.into_iter());
        world.applications[0].api_key = "key-rotated".to_owned().into();
        world.pass_time(POLICY.drift_interval);
        let mut second = second.into_iter();
        for _ in 0..40 {
            let ended = world.run(&mut second);
            let key = world.secret.as_ref().map(|(key, _)| key.clone()).unwrap();
            if matches!(ended, Ended::Pass { .. }) && world.holds("KeyAccepted") {
                prop_assert!(world.tried.contains(&key), "{key} was not tried");
            }
            if let Ended::Pass { wake: Some(wake) } = ended {
                world.pass_time(wake.min(Duration::from_secs(600)));
            }
        }
        prop_assert_eq!(world.secret.as_ref().map(|(key, _)| key.as_str()), Some("key-rotated"));
        prop_assert!(world.holds("KeyAccepted"));
    }

    /// Whatever else happens to a resource whose application is gone: it is not called ready before the application
    /// was seen again.
    #[test]
    fn a_missing_application_is_never_called_ready(
        first in prop::collection::vec(turns(), 0..10),
        happenings in prop::collection::vec((happenings(), turns()), 1..25),
    ) {
        let mut world = World::new();
        world.settle(&mut first.into_iter());
        let lost = std::mem::take(&mut world.applications);
        world.pass_time(POLICY.drift_interval);
        world.run(&mut std::iter::empty());
        prop_assert!(!world.holds("Ready"));
        for (happening, turn) in happenings {
            let said = format!("{happening:?}");
            world.happens(happening);
            if let Ended::Pass { wake: Some(wake) } = world.run(&mut std::iter::repeat_n(turn, 2)) {
                world.pause(wake, turn);
            }
            prop_assert!(!world.holds("Ready"), "after {said} and {turn:?}");
            prop_assert!(!world.holds("KeyAccepted"), "after {said} and {turn:?}");
        }
        prop_assert_eq!(world.created, 1);

        world.applications = lost;
        world.spec.suspend = None;
        world.happens(Happening::Provider(ProviderView::Ready(usable_provider())));
        world.settle(&mut std::iter::empty());
        prop_assert!(world.holds("KeyAccepted"));
    }

    #[test]
    fn a_deletion_always_ends_and_leaves_no_mark_where_the_provider_answers(
        first in prop::collection::vec(turns(), 0..20),
        ending in prop::collection::vec(turns(), 0..20),
    ) {
        let mut world = World::new();
        let mut first = first.into_iter();
        world.run(&mut first);
        world.run(&mut first);
        world.deletion = Some(world.now);
        let mut ending = ending.into_iter();
        for _ in 0..200 {
            if world.ended || !world.has_finalizer {
                break;
            }
            if let Ended::Pass { wake } = world.run(&mut ending) {
                world.pass_time(wake.unwrap_or(Duration::from_secs(1)));
            }
        }
        prop_assert!(!world.has_finalizer, "the deletion hangs");
        let waited = world.now.duration_since(world.deletion.unwrap());
        if waited < SignedDuration::from_secs(100) {
            // Within the limit nothing is given up: what was made carries no mark any more.
            world.pass_time(Duration::from_secs(600));
            prop_assert!(world.applications.iter().all(|application| mark_of(application).is_none()));
        }
    }

    #[test]
    fn a_deletion_ends_within_the_limit_when_the_provider_is_gone(script in prop::collection::vec(turns(), 0..10)) {
        let mut world = World::new();
        world.settle(&mut script.into_iter());
        world.deletion = Some(world.now);
        world.provider = ProviderView::Missing;
        for _ in 0..300 {
            if world.ended {
                break;
            }
            if let Ended::Pass { wake: Some(wake) } = world.run(&mut std::iter::empty()) {
                world.pass_time(wake);
            }
        }
        prop_assert!(world.ended);
        let waited = world.now.duration_since(world.deletion.unwrap());
        prop_assert!(waited <= SignedDuration::from_secs(121), "{waited:?}");
    }

    /// A token beside the credentials: there in the end, and from then on never missing.
    #[test]
    fn a_token_that_is_wanted_is_there_and_follows_its_predecessor(
        first in prop::collection::vec(turns(), 0..15),
        second in prop::collection::vec(turns(), 0..15),
    ) {
        let mut world = World::new();
        world.spec.access_token = Some(TokenSettings::default());
        world.settle(&mut first.into_iter());
        prop_assert!(world.has_token() && world.holds("TokenFresh"));
        prop_assert_eq!(world.secret.as_ref().map(|(key, _)| key.as_str()), Some("key-1"));
        let mut second = second.into_iter();
        for _ in 0..8 {
            let refresh_at = world.status.token.as_ref().unwrap().refresh_at.0;
            let before = world.issued;
            let wait = Duration::try_from(refresh_at.duration_since(world.now)).unwrap_or_default();
            world.pass_time(wait + Duration::from_secs(1));
            world.settle(&mut second);
            prop_assert!(world.has_token() && world.holds("TokenFresh"));
            prop_assert!(world.issued > before);
        }
        prop_assert_eq!(world.created, 1);
    }

    /// A token whose bytes stand in the Secret and are good is never blanked by a write: each step of a pass looks after
    /// that.
    #[test]
    fn whatever_else_is_edited_in_the_secret_a_good_token_stays_in_it(
        first in prop::collection::vec(turns(), 0..10),
        happenings in prop::collection::vec((any::<bool>(), happenings(), prop::array::uniform4(turns())), 1..20),
    ) {
        let mut world = World::new();
        world.spec.access_token = Some(TokenSettings::default());
        world.settle(&mut first.into_iter());
        for (edited, happening, script) in happenings {
            world.edited |= edited;
            world.happens(happening);
            if let Ended::Pass { wake: Some(wake) } = world.run(&mut script.into_iter()) {
                world.pause(wake.min(Duration::from_secs(60)), Turn::SMOOTH);
            }
        }
        world.spec.suspend = None;
        world.happens(Happening::Provider(ProviderView::Ready(usable_provider())));
        world.settle(&mut std::iter::empty());
        prop_assert!(world.has_token() && !world.edited);
    }

    /// The account may be locked out for a day: the application's own credentials are good all the same.
    #[test]
    fn a_token_stays_fresh_without_the_account(script in prop::collection::vec(turns(), 0..15), missing in any::<bool>()) {
        let mut world = World::new();
        world.spec.access_token = Some(TokenSettings::default());
        world.settle(&mut script.into_iter());
        world.provider = ProviderView::NotReady { reason: "LoginRefused".into(), message: "no".into() };
        if missing {
            world.provider = ProviderView::Missing;
        }
        let end = world.now + SignedDuration::from_secs(24 * 3600);
        let (issued, mut passes) = (world.issued, 0);
        while world.now < end {
            passes += 1;
            match world.run(&mut std::iter::empty()) {
                Ended::Pass { wake } => world.pass_time(wake.expect("a wake for the refresh")),
                Ended::Killed => panic!("nobody kills it"),
            }
            prop_assert!(world.has_token() && world.is_ready());
        }
        prop_assert!(passes < 24 * 20, "{passes} passes in a day");
        prop_assert!(world.issued - issued <= 40, "{} tokens in a day", world.issued - issued);
    }

    #[test]
    fn a_token_that_is_wanted_no_more_is_gone_in_the_end(
        first in prop::collection::vec(turns(), 0..15),
        second in prop::collection::vec(turns(), 0..15),
    ) {
        let mut world = World::new();
        world.spec.access_token = Some(TokenSettings::default());
        world.settle(&mut first.into_iter());
        world.spec.access_token = None;
        world.generation = 2;
        world.settle(&mut second.into_iter());
        prop_assert!(world.token.is_none() && world.status.token.is_none());
        prop_assert_eq!(world.secret.as_ref().map(|(key, _)| key.as_str()), Some("key-1"));
    }
}
