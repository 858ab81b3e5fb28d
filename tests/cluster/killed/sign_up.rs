//! The operator is killed on the way from an e-mail address to an account's credentials.

use std::path::PathBuf;
use std::time::Duration;

use keywright::api::IdentityAccount;
use keywright_sandbox::{Config, Operation};
use serde_json::json;
use tokio::time::timeout;

use super::points::{Call, Point};
use super::proxy::Proxy;
use crate::harness::{EMAIL, Operator, PATIENCE, World, entries};
use crate::onboarding::time;

const NAME: &str = "ops";
const SECRET: &str = "ops-didit";

/// How long nobody starts another process: longer than a call that was cut off may still take effect, and than a mail
/// takes to come.
const AWAY: Duration = Duration::from_secs(4 * 60);

/// What the operator calls in an undisturbed run.
pub(super) async fn undisturbed() -> Vec<Call> {
    let mut stage = Stage::new().await;
    stage.start();
    stage.with_somebody(stage.ends_well()).await;
    stage.proxy.board.seen()
}

/// The same with the process killed at a point, and another one started minutes later.
pub(super) async fn killed_at(point: &Point) {
    let mut stage = Stage::new().await;
    let reached = stage.proxy.board.arm(point.clone());
    stage.start();
    let comes_to = stage.with_somebody(timeout(PATIENCE, reached)).await;
    comes_to
        .unwrap_or_else(|_| panic!("never came to {point}: {:#?}", stage.proxy.board.seen()))
        .unwrap();
    stage.operator.as_mut().unwrap().kill().await;
    stage.world.sandbox.advance(AWAY).unwrap();
    time::goes_by(&stage.world.api(), AWAY).await;
    stage.start();
    stage.with_somebody(stage.ends_well()).await;
}

/// A world whose operator reaches everything through a proxy, with an account to sign up.
struct Stage {
    world: World,
    proxy: Proxy,
    kubeconfig: PathBuf,
    operator: Option<Operator>,
}

impl Stage {
    async fn new() -> Self {
        let world = World::with_sandbox("killed", Config::default()).await;
        let proxy = Proxy::open(world.client.clone(), world.sandbox.url()).await;
        let kubeconfig = proxy.write_kubeconfig(world.directory());
        let identity = &proxy.identity;
        world
            .apply(json!({
                "apiVersion": "keywright.dev/v1alpha1",
                "kind": "IdentityAccount",
                "metadata": {"name": NAME},
                "spec": {
                    "didit": {
                        "authUrl": format!("{identity}/auth/v2"),
                        "apiUrl": format!("{identity}/v3"),
                        "allowInsecure": true,
                    },
                    "email": EMAIL,
                    "code": {"secretRef": {"name": "ops-code"}},
                    "secret": {"name": SECRET},
                },
            }))
            .await;
        Self {
            world,
            proxy,
            kubeconfig,
            operator: None,
        }
    }

    /// Starts the operator, or another one after it was killed.
    fn start(&mut self) {
        if let Some(operator) = &mut self.operator {
            operator.start_again();
            return;
        }
        let settings = self.world.settings().with("--leader-election", "false");
        self.operator = Some(self.world.operator_through(settings, self.kubeconfig.clone()));
    }

    /// Waits for something while somebody brings the code of each mail that comes.
    async fn with_somebody<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::select! {
            done = work => done,
            () = self.brings_codes() => unreachable!("somebody went away"),
        }
    }

    async fn brings_codes(&self) {
        let mut brought = 0;
        loop {
            let mails = self.world.sandbox.mailbox(EMAIL);
            if let Some(newest) = mails.last().filter(|_| mails.len() > brought) {
                let code = json!({
                    "apiVersion": "v1",
                    "kind": "Secret",
                    "metadata": {"name": "ops-code"},
                    "stringData": {"code": newest.code},
                });
                self.world.apply(code).await;
                brought = mails.len();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// One account, whose Secret holds the key of its one application, without calls that nobody needed.
    async fn ends_well(&self) {
        let world = &self.world;
        world
            .until::<IdentityAccount>(NAME, ("Ready", "True", "Published"))
            .await;
        let made = world.sandbox.applications();
        assert_eq!(made.len(), 1, "{made:#?}");
        let found = entries(&world.secret(SECRET).await.unwrap());
        assert!(
            found.get("api_key") == world.sandbox.api_key(made[0].uuid).as_ref(),
            "the Secret does not hold the application's key"
        );
        assert_eq!(found.get("application_id"), Some(&made[0].uuid.to_string()));
        assert_eq!(world.balance(&found["api_key"]).await, 200);

        let count = |operation| world.sandbox.count(operation);
        let calls = world.sandbox.calls();
        assert!(
            count(Operation::Register) + count(Operation::ResendOtp) <= 2,
            "{calls:#?}"
        );
        assert!(count(Operation::VerifyEmail) <= 2, "{calls:#?}");
        assert!(count(Operation::Login) <= 1, "{calls:#?}");
        assert_eq!(count(Operation::CreateApplication), 0, "{calls:#?}");
    }
}
