//! No secret appears in the log, even at trace level, nor in events, resources and metrics: a long life with
//! everything that can go wrong, then a search for the real values in all the forms they could have.

mod evidence;
mod needles;
mod stages;
mod tokens;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::jiff::Timestamp;
use keywright_sandbox::{Config, NewAccount};
use kube::api::{ObjectMeta, PostParams};
use totp_rs::{Builder, Secret as Seed};

use self::evidence::Evidence;
use self::needles::Needle;
use crate::harness::{EMAIL, Operator, World};

// With characters that JSON, forms and base64 each write in a way of their own.
const PASSWORD: &str = "R1ght \"horse\" & b/tt?ry~~";
const WRONG_PASSWORD: &str = "Wr0ng \\ h+rse & 5taple>>";
const WRONG_CLIENT_SECRET: &str = "N0t the \"client's\" s/cret & more~~";
const SEED: &str = "KRUGS4ZANFZSAYJAONSWK3DFMQ";

/// The life of an operator, and what it has shown so far.
struct Life {
    world: World,
    operator: Operator,
    evidence: Evidence,
    begun: Timestamp,
}

#[tokio::test]
async fn nothing_shows_a_secret_with_logs_for_machines() {
    life("json").await;
}

#[tokio::test]
async fn nothing_shows_a_secret_with_logs_for_people() {
    life("pretty").await;
}

async fn life(format: &str) {
    let mut life = Life::begin(format).await;
    life.is_refused_and_then_logs_in().await;
    life.keeps_its_secret().await;
    life.lives_through_an_outage().await;
    life.reads_nonsense().await;
    life.is_told_its_own_secrets().await;
    life.adopts().await;
    life.keeps_tokens().await;
    life.is_refused_its_key().await;
    life.leaves_an_application_behind().await;
    life.operator.stop().await;
    life.evidence.collect_log(&life.operator);
    life.evidence_is_worth_searching();
    let needles = life.needles();
    let found = life.evidence.holds(&needles);
    assert!(found.is_empty(), "secrets were found:\n{}", found.join("\n"));
    life.a_planted_secret_is_found(&needles).await;
}

impl Life {
    async fn begin(format: &str) -> Self {
        let begun = Timestamp::now();
        let account = NewAccount {
            totp_seed: Some(SEED.to_owned()),
            ..NewAccount::new(EMAIL, PASSWORD)
        };
        let world = World::with_sandbox(
            "leaks",
            Config {
                accounts: vec![account],
                ..Config::default()
            },
        )
        .await;
        let operator = world.operator_with(world.settings().with("--log-format", format));
        Self {
            world,
            operator,
            evidence: Evidence::default(),
            begun,
        }
    }

    async fn look(&mut self) {
        self.evidence.collect(&self.world, &self.operator).await;
    }

    fn secrets(&self) -> Vec<String> {
        let mut secrets = self.world.sandbox.known_secrets();
        secrets.extend([WRONG_PASSWORD, WRONG_CLIENT_SECRET].map(str::to_owned));
        secrets
    }

    fn needles(&self) -> Vec<Needle> {
        let secrets = self.secrets();
        let applications = self.world.sandbox.applications();
        let keys: Vec<_> = applications
            .iter()
            .map(|made| self.world.sandbox.api_key(made.uuid).unwrap())
            .collect();
        assert_eq!(keys.len(), 2);
        let named = [PASSWORD, WRONG_PASSWORD, WRONG_CLIENT_SECRET, SEED]
            .into_iter()
            .chain(keys.iter().map(String::as_str));
        assert!(
            named
                .clone()
                .all(|secret| secrets.iter().any(|known| known == secret))
        );
        // Beside those: an access token of the account, a refresh token and a temporary one, and tokens of clients.
        assert!(
            secrets.len() >= named.count() + 3 + 4,
            "the sandbox knows only {} secrets",
            secrets.len()
        );
        let kept = secrets
            .iter()
            .enumerate()
            .map(|(number, secret)| Needle::new(format!("secret {number}"), secret));
        kept.chain(self.codes()).collect()
    }

    /// The codes that the account's authenticator showed during this life.
    fn codes(&self) -> impl Iterator<Item = Needle> {
        let authenticator = Builder::new()
            .with_secret(Seed::try_from_base32(SEED).unwrap())
            .build_noncompliant();
        let (begun, now) = (self.begun.as_second(), Timestamp::now().as_second() + 30);
        (begun..=now).step_by(30).map(move |second| {
            let code = authenticator.generate(u64::try_from(second).unwrap()).to_string();
            Needle::code(format!("the code of second {second}"), &code)
        })
    }

    /// What was searched is what was meant to be.
    fn evidence_is_worth_searching(&self) {
        let made = self.made().to_string();
        for (place, expected) in [
            ("log", EMAIL),
            ("log", "DEBUG"),
            ("log", "Rejected"),
            ("events", "ApplicationLeftBehind"),
            ("events", "Rejected"),
            ("events", "LoginRefused"),
            ("client applications", &made),
            ("client applications", "Rejected"),
            ("access tokens", "InvalidClient"),
            ("access tokens", EMAIL),
            ("events", "InvalidClient"),
            ("events", "TokenRefused"),
            ("identity providers", EMAIL),
            ("metadata of secrets", "keywright.dev/"),
            ("metrics", "keywright_login_brake"),
            ("leases", "holderIdentity"),
        ] {
            assert!(
                self.evidence.of(place).contains(expected),
                "{place} lacks {expected}"
            );
        }
    }

    /// The search would have found something.
    async fn a_planted_secret_is_found(&mut self, needles: &[Needle]) {
        assert!(
            needles
                .iter()
                .all(|needle| needle.planted().all(|text| needle.find_in(&text).is_some()))
        );
        let planted = ConfigMap {
            metadata: ObjectMeta {
                name: Some("planted".to_owned()),
                ..ObjectMeta::default()
            },
            data: Some([("seed".to_owned(), format!("otpauth://totp/ops?secret={SEED}"))].into()),
            ..ConfigMap::default()
        };
        self.world
            .api::<ConfigMap>()
            .create(&PostParams::default(), &planted)
            .await
            .unwrap();
        self.look().await;
        let [found] = &self.evidence.holds(needles)[..] else {
            panic!("not found once")
        };
        assert!(found.starts_with("config maps: secret "), "{found}");
    }
}
