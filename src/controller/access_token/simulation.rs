//! The plan against a model of the world, in which every step takes its time and may be cut off or fail, on a
//! clock of its own.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::json;

use super::plan::{Plan, plan, promise};
use super::state::{Evidence, Observed, ProviderView, Step};
use super::tests::{LIFE, POLICY, after, new_resource, recorded, token};
use crate::api::conditions;
use crate::api::token::TokenStatus;
use crate::controller::owned_secret::{self, SecretContent, SecretView};
use crate::controller::token::findings::Trouble;
use crate::controller::token::need::{Why, refresh_of};
use crate::controller::token::pauses::Pause;
use crate::controller::token::service::Obtained;

/// What goes wrong at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Nothing.
    None,
    /// The process is killed before the step takes effect.
    KilledBefore,
    /// The process is killed in the middle of a step with two parts.
    KilledBetween,
    /// The process is killed after the step took effect and before anybody learned of it.
    KilledAfter,
    /// The server cannot be reached.
    Unavailable,
    /// The server did what was asked, and its answer is lost.
    Lost,
    /// The server wants a pause.
    Throttled,
    /// The server refuses.
    Refused,
}

/// What becomes of a step.
#[derive(Clone, Copy, Debug)]
struct Turn {
    fault: Fault,
    /// How many seconds it takes.
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
        2 => Just(Fault::KilledBetween),
        2 => Just(Fault::KilledAfter),
        2 => Just(Fault::Unavailable),
        2 => Just(Fault::Lost),
        1 => Just(Fault::Throttled),
        1 => Just(Fault::Refused),
    ];
    (fault, 0_u8..=30).prop_map(|(fault, took)| Turn { fault, took })
}

fn script() -> impl Strategy<Value = Vec<Turn>> {
    prop::collection::vec(turns(), 0..20)
}

#[derive(Clone)]
struct Stored {
    token: TokenStatus,
    form: String,
    version: u64,
}

/// Kubernetes, the authorization server, one process and the clock.
struct World {
    now: Timestamp,
    /// What is in the API server. The Secret is looked at by `observe`.
    resource: Observed,
    secret: Option<Stored>,
    /// Fingerprints in the companion Secret.
    to_revoke: Vec<String>,
    /// What the server gave out, and what it revoked.
    issued: Vec<TokenStatus>,
    revoked: BTreeSet<String>,
    revocation_offered: bool,
    /// What was told of tokens that could not be revoked.
    told_not_revoked: BTreeSet<String>,
    /// What the process remembers.
    kept: Option<Obtained>,
    pause: Option<Pause>,
    versions: u64,
    ended: bool,
}

enum Ended {
    Pass { wake: Option<Duration> },
    Killed,
}

impl World {
    fn new(spec: serde_json::Value) -> Self {
        Self {
            now: Timestamp::from_second(1_800_000_000).unwrap(),
            resource: new_resource(spec),
            secret: None,
            to_revoke: Vec::new(),
            issued: Vec::new(),
            revoked: BTreeSet::new(),
            revocation_offered: true,
            told_not_revoked: BTreeSet::new(),
            kept: None,
            pause: None,
            versions: 0,
            ended: false,
        }
    }

    fn observe(&self) -> Observed {
        let wanted = owned_secret::form(&self.resource.spec.secret);
        let secret = self.secret.as_ref().map(|stored| SecretView::Ours {
            published: recorded(&self.resource, &self.resource.spec.secret.name, stored.version),
            content: if stored.form == wanted {
                SecretContent::Current
            } else {
                SecretContent::Outdated
            },
            token: Some(Box::new(stored.token.clone())),
        });
        Observed {
            secret: secret.unwrap_or(SecretView::Absent),
            pause: self.pause.clone(),
            ..self.resource.clone()
        }
    }

    fn pass_time(&mut self, span: Duration) {
        self.now += SignedDuration::try_from(span).unwrap();
    }

    /// One pass, with these turns of its steps; smooth ones once they are used up.
    fn run(&mut self, script: &mut impl Iterator<Item = Turn>) -> Ended {
        let mut observed = self.observe();
        for _ in 0..16 {
            let Plan {
                step,
                status,
                wake,
                pause,
                ..
            } = plan(&observed, &POLICY, self.now);
            let Some(step) = step else {
                self.resource.status = status;
                self.pause = pause;
                return Ended::Pass { wake };
            };
            let served = self.is_served();
            let turn = script.next().unwrap_or(Turn::SMOOTH);
            let evidence = self.attempt(&step, &observed, turn);
            assert!(
                !served || self.is_served() || self.resource.resource.deletion.is_some(),
                "{} takes a valid token from workloads",
                step.name()
            );
            self.pass_time(Duration::from_secs(turn.took.into()));
            match evidence {
                Some(evidence) => observed.absorb(evidence),
                None => {
                    self.kept = None;
                    self.pause = None;
                    self.pass_time(Duration::from_secs(2));
                    return Ended::Killed;
                }
            }
        }
        panic!("a pass did not come to an end");
    }

    /// Whether workloads read a token that the server accepts.
    fn is_served(&self) -> bool {
        self.secret.as_ref().is_some_and(|stored| {
            stored.token.expires_at.0 > self.now && !self.revoked.contains(&stored.token.fingerprint)
        })
    }

    /// The evidence, or nothing when the process is killed.
    fn attempt(&mut self, step: &Step, observed: &Observed, turn: Turn) -> Option<Evidence> {
        match turn.fault {
            Fault::KilledBefore => return None,
            Fault::KilledBetween => {
                self.take_half_effect(step, observed);
                return None;
            }
            Fault::KilledAfter => {
                self.take_effect(step, observed);
                return None;
            }
            _ => {}
        }
        let calls_server = matches!(
            step,
            Step::Obtain { .. } | Step::RevokeReplaced | Step::RevokePublished
        );
        let trouble = match turn.fault {
            _ if !calls_server => return Some(self.take_effect(step, observed)),
            Fault::Unavailable => Trouble::passing("Unavailable", "away".into()),
            Fault::Lost => {
                self.take_half_effect(step, observed);
                Trouble::passing("OutcomeUnknown", "no answer".into())
            }
            Fault::Throttled => Trouble {
                retry_after: Some(Duration::from_secs(45)),
                ..Trouble::passing("Throttled", "slower".into())
            },
            Fault::Refused if matches!(step, Step::Obtain { .. }) => {
                Trouble::to_mend("InvalidClient", "no".into())
            }
            _ => return Some(self.take_effect(step, observed)),
        };
        Some(Evidence::Failed(trouble))
    }

    /// What has happened when a step with two parts is cut in the middle.
    fn take_half_effect(&mut self, step: &Step, observed: &Observed) {
        match step {
            Step::Obtain { .. } => drop(self.issue()),
            Step::WriteSecret => self.keep_for_revocation(observed),
            Step::RevokeReplaced if self.revocation_offered => {
                let tokens = self.to_revoke.clone();
                self.revoked.extend(tokens);
            }
            _ => {}
        }
    }

    fn issue(&mut self) -> Obtained {
        let name = format!("token-{}", self.issued.len() + 1);
        let status = token(&self.resource, &name, self.now, LIFE);
        self.issued.push(status.clone());
        Obtained {
            access_token: name.into(),
            status,
        }
    }

    fn obtain(&mut self, why: Why) -> Obtained {
        let kept = self.kept.clone().filter(|kept| {
            let promise = promise(&self.resource, &POLICY);
            !why.needs_new()
                && kept.status.request_digest == token(&self.resource, "", self.now, LIFE).request_digest
                && refresh_of(&kept.status, promise, "uid-1").at > self.now
        });
        kept.unwrap_or_else(|| self.issue())
    }

    fn keep_for_revocation(&mut self, observed: &Observed) {
        let next = observed.learned.obtained.as_ref();
        if let (Some(stored), Some(next), Some(Why::RevocationRequested)) =
            (&self.secret, next, observed.learned.why)
            && stored.token.fingerprint != next.status.fingerprint
        {
            self.to_revoke.push(stored.token.fingerprint.clone());
        }
    }

    fn revoke(&mut self, tokens: Vec<String>) -> Evidence {
        if self.revocation_offered {
            self.revoked.extend(tokens);
            Evidence::Revoked(Ok(()))
        } else {
            self.told_not_revoked.extend(tokens);
            Evidence::Revoked(Err("the server offers no revocation".into()))
        }
    }

    fn take_effect(&mut self, step: &Step, observed: &Observed) -> Evidence {
        match step {
            Step::AddFinalizer => {
                self.resource.resource.has_finalizer = true;
                Evidence::FinalizerAdded
            }
            Step::Obtain { why } => {
                let obtained = self.obtain(*why);
                self.kept = Some(obtained.clone());
                Evidence::Obtained {
                    obtained: Box::new(obtained),
                    why: *why,
                }
            }
            Step::WriteSecret => {
                self.keep_for_revocation(observed);
                let obtained = observed.learned.obtained.as_ref().map(|it| it.status.clone());
                let token = obtained.or_else(|| observed.published().cloned()).unwrap();
                self.versions += 1;
                self.secret = Some(Stored {
                    token: token.clone(),
                    form: owned_secret::form(&self.resource.spec.secret),
                    version: self.versions,
                });
                Evidence::SecretWritten {
                    published: recorded(&self.resource, &self.resource.spec.secret.name, self.versions),
                    token: Box::new(token),
                }
            }
            Step::RevokeReplaced => {
                let tokens = std::mem::take(&mut self.to_revoke);
                self.revoke(tokens)
            }
            Step::RevokePublished => {
                let mut tokens = self.to_revoke.clone();
                tokens.extend(self.secret.iter().map(|stored| stored.token.fingerprint.clone()));
                self.revoke(tokens)
            }
            Step::RetireSecret(_) => Evidence::SecretRetired,
            Step::RetireStray(name) => Evidence::StrayRetired(name.clone()),
            Step::RemoveFinalizer { left_behind } => {
                if left_behind.is_some() {
                    let told = self.secret.iter().map(|stored| stored.token.fingerprint.clone());
                    self.told_not_revoked.extend(told);
                }
                self.resource.resource.has_finalizer = false;
                self.ended = self.resource.resource.deletion.is_some();
                Evidence::FinalizerRemoved
            }
        }
    }

    /// Passes until nothing is left to do but to wait for the next refresh, or until the resource has ended.
    fn settle(&mut self, script: &mut impl Iterator<Item = Turn>) {
        for _ in 0..200 {
            match self.run(script) {
                _ if self.ended => return,
                Ended::Killed => {}
                Ended::Pass { wake } if self.is_converged() => {
                    assert!(
                        wake.is_some_and(|wake| wake >= Duration::from_secs(60)),
                        "hot loop: {wake:?}"
                    );
                    return;
                }
                Ended::Pass { wake } => {
                    self.pass_time(wake.expect("a wake while something is left to do"));
                }
            }
        }
        panic!("did not settle: {:#?}", self.resource.status);
    }

    fn is_converged(&self) -> bool {
        let holds = |type_| {
            conditions::find(&self.resource.status.conditions, type_)
                .is_some_and(|found| found.status == "True")
        };
        let form = owned_secret::form(&self.resource.spec.secret);
        holds("Ready")
            && holds("TokenFresh")
            && self.secret.as_ref().is_some_and(|stored| stored.form == form)
            && self.is_served()
    }

    fn restart(&mut self) {
        self.kept = None;
        self.pause = None;
    }

    fn published(&self) -> String {
        self.secret.as_ref().unwrap().token.fingerprint.clone()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn whatever_goes_wrong_there_is_a_token_in_the_end(script in script()) {
        let turns = script.len();
        let mut world = World::new(json!({}));
        world.settle(&mut script.into_iter());
        prop_assert!(world.issued.len() <= turns + 1, "no more than one for each mishap");
    }

    #[test]
    fn a_restart_obtains_nothing_while_the_secret_is_intact(script in script()) {
        let mut world = World::new(json!({}));
        world.settle(&mut script.into_iter());
        let issued = world.issued.len();
        for _ in 0..5 {
            world.restart();
            world.settle(&mut std::iter::empty());
        }
        prop_assert_eq!(world.issued.len(), issued);
    }

    /// Weeks of refreshes: `run` asserts at each step that no valid token is taken from workloads.
    #[test]
    fn tokens_follow_one_another(script in prop::collection::vec(turns(), 0..60)) {
        let mut world = World::new(json!({"revocationPolicy": "OnDeletion"}));
        let mut script = script.into_iter();
        world.settle(&mut script);
        for _ in 0..8 {
            let at = world.resource.status.token.as_ref().unwrap().refresh_at.0;
            let wait = Duration::try_from(at.duration_since(world.now)).unwrap_or_default();
            world.pass_time(wait + Duration::from_secs(1));
            let before = world.published();
            world.settle(&mut script);
            prop_assert_ne!(before, world.published());
        }
        prop_assert!(world.revoked.is_empty());
    }

    #[test]
    fn a_refresh_on_demand_is_fulfilled_once(first in script(), second in script()) {
        let mut world = World::new(json!({}));
        world.settle(&mut first.into_iter());
        let before = world.published();
        world.resource.resource.requests.refresh = Some("now".into());
        world.settle(&mut second.into_iter());
        prop_assert_ne!(before, world.published());
        let issued = world.issued.len();
        world.restart();
        world.settle(&mut std::iter::empty());
        prop_assert_eq!(world.issued.len(), issued);
    }

    #[test]
    fn a_token_that_is_to_be_revoked_is_revoked_or_said_not_to_be(
        first in script(), second in script(), offered in any::<bool>(),
    ) {
        let mut world = World::new(json!({}));
        world.revocation_offered = offered;
        world.settle(&mut first.into_iter());
        let leaked = world.published();
        world.resource.resource.requests.revoke = Some("leaked".into());
        world.settle(&mut second.into_iter());
        let done = if offered { &world.revoked } else { &world.told_not_revoked };
        prop_assert!(done.contains(&leaked));
        prop_assert_ne!(leaked, world.published());
        prop_assert!(world.to_revoke.is_empty());
        let fulfilled = world.resource.status.fulfilled_requests.clone().unwrap();
        prop_assert_eq!((fulfilled.revoke.as_deref(), fulfilled.revoking), (Some("leaked"), None));
        let issued = world.issued.len();
        world.restart();
        world.settle(&mut std::iter::empty());
        prop_assert_eq!(world.issued.len(), issued);
    }

    #[test]
    fn another_form_needs_no_other_token(first in script(), second in script()) {
        let mut world = World::new(json!({}));
        world.settle(&mut first.into_iter());
        let before = world.published();
        let issued = world.issued.len();
        world.resource.spec.secret.labels.insert("team".into(), "checkout".into());
        world.resource.resource.generation = 2;
        // Without pauses of minutes no token comes due.
        world.settle(&mut second.into_iter().filter(|turn| turn.fault != Fault::Refused));
        prop_assert_eq!(before, world.published());
        prop_assert_eq!(world.issued.len(), issued);
    }

    #[test]
    fn a_deletion_ends_with_the_token_revoked_or_told(
        first in script(), second in script(), offered in any::<bool>(), gone in any::<bool>(),
    ) {
        let mut world = World::new(json!({"revocationPolicy": "OnDeletion"}));
        world.revocation_offered = offered;
        world.settle(&mut first.into_iter());
        world.resource.resource.deletion = Some(world.now);
        // Deletion is another generation: what was paused before is not paused any more.
        world.pause = None;
        if gone {
            world.resource.provider = ProviderView::NotUsable { reason: "Gone".into(), message: "gone".into() };
        }
        world.settle(&mut second.into_iter());
        prop_assert!(world.ended);
        let last = world.published();
        prop_assert!(world.revoked.contains(&last) || world.told_not_revoked.contains(&last));
        let waited = world.now.duration_since(world.resource.resource.deletion.unwrap());
        prop_assert!(waited <= SignedDuration::from_secs(120 + 20 * 33), "{waited:?}");
        prop_assert!(world.now < after(world.resource.resource.deletion.unwrap(), LIFE));
    }
}
