//! Parts of an operator's life, and what has to be true after each however often it was killed.

use std::path::PathBuf;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use keywright::api::names::{MANAGED_BY, MANAGED_BY_LABEL};
use keywright::api::{ClientApplication, IdentityProvider};
use keywright_sandbox::{Config, NewAccount, Operation, When};
use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::{Value, json};
use tokio::sync::oneshot::Receiver;
use tokio::time::timeout;

use super::points::{Board, Call, Point};
use super::proxy::Proxy;
use crate::harness::{
    EMAIL, ORGANIZATION, Operator, PASSWORD, PATIENCE, World, account_secret, client_application, entries,
    eventually,
};

const NAME: &str = "payments";
const DISPLAY_NAME: &str = "payments-prod";
const FIRST_SECRET: &str = "payments-first";
const SECOND_SECRET: &str = "payments-second";

/// A part of the life of one resource and its operator.
#[derive(Clone, Copy, Debug)]
pub(super) enum Life {
    /// From the first start to a published key.
    Creation,
    /// The same once an earlier process was killed when the application was just made.
    Recovery,
    /// The same with an application that exists already.
    Adoption,
    /// The Secret gets another name.
    Renaming,
    /// The resource is deleted.
    Deletion,
}

impl Life {
    /// What the operator calls in an undisturbed run.
    pub(super) async fn undisturbed(self) -> Vec<Call> {
        let mut stage = Stage::new(self.account()).await;
        self.prepare(&mut stage).await;
        stage.board().clear();
        self.begin(&mut stage).await;
        self.ends_well(&stage).await;
        stage.board().seen()
    }

    /// The same with the process killed at a point, and another one started.
    pub(super) async fn killed_at(self, point: &Point) {
        let mut stage = Stage::new(self.account()).await;
        self.prepare(&mut stage).await;
        stage.board().clear();
        let reached = stage.board().arm(point.clone());
        self.begin(&mut stage).await;
        if point.call.occurrence == 1 {
            stage.comes_to(point, reached).await;
        } else {
            // Whether something is done again depends on what the watches show first.
            tokio::select! {
                () = stage.comes_to(point, reached) => {}
                () = self.ends_well(&stage) => return,
            }
        }
        stage.kill().await;
        stage.start();
        self.ends_well(&stage).await;
    }

    /// The account, whose organization has an application where one is to be adopted.
    fn account(self) -> NewAccount {
        let organizations = (!matches!(self, Self::Adoption)).then(|| vec![ORGANIZATION.to_owned()]);
        NewAccount {
            organizations,
            ..NewAccount::new(EMAIL, PASSWORD)
        }
    }

    async fn prepare(self, stage: &mut Stage) {
        stage.apply_provider().await;
        match self {
            Self::Creation | Self::Adoption => {}
            Self::Recovery => {
                let call = Call {
                    name: Operation::CreateApplication.name().to_owned(),
                    occurrence: 1,
                };
                let point = Point {
                    call,
                    moment: When::After,
                };
                let reached = stage.board().arm(point.clone());
                stage.apply_application(FIRST_SECRET).await;
                stage.start();
                stage.comes_to(&point, reached).await;
                stage.kill().await;
            }
            Self::Renaming | Self::Deletion => {
                stage.apply_application(FIRST_SECRET).await;
                stage.start();
                stage.world.until_published(NAME).await;
            }
        }
    }

    async fn begin(self, stage: &mut Stage) {
        match self {
            Self::Creation => {
                stage.apply_application(FIRST_SECRET).await;
                stage.start();
            }
            Self::Recovery => stage.start(),
            Self::Adoption => {
                let adopted = stage.world.sandbox.applications()[0].uuid.to_string();
                let adopt = json!({"applicationId": adopted});
                let spec =
                    json!({"displayName": DISPLAY_NAME, "secret": {"name": FIRST_SECRET}, "adopt": adopt});
                stage.world.apply(client_application(NAME, spec)).await;
                stage.start();
            }
            Self::Renaming => stage.apply_application(SECOND_SECRET).await,
            Self::Deletion => stage.world.delete::<ClientApplication>(NAME).await,
        }
    }

    async fn ends_well(self, stage: &Stage) {
        match self {
            Self::Creation | Self::Recovery | Self::Adoption => stage.has_published(FIRST_SECRET).await,
            Self::Renaming => stage.has_published(SECOND_SECRET).await,
            Self::Deletion => stage.has_released().await,
        }
        let creations = u64::from(!matches!(self, Self::Adoption));
        assert_eq!(stage.world.sandbox.count(Operation::CreateApplication), creations);
        stage.has_logged_in_without_refusal().await;
    }
}

/// A world whose operator reaches everything through a proxy.
struct Stage {
    world: World,
    proxy: Proxy,
    kubeconfig: PathBuf,
    operator: Option<Operator>,
}

impl Stage {
    async fn new(account: NewAccount) -> Self {
        let config = Config {
            accounts: vec![account],
            ..Config::default()
        };
        let world = World::with_sandbox("killed", config).await;
        let proxy = Proxy::open(world.client.clone(), world.sandbox.url()).await;
        let kubeconfig = proxy.write_kubeconfig(world.directory());
        Self {
            world,
            proxy,
            kubeconfig,
            operator: None,
        }
    }

    fn board(&self) -> Arc<Board> {
        self.proxy.board.clone()
    }

    /// Starts the operator, or another one after it was killed.
    fn start(&mut self) {
        if let Some(operator) = &mut self.operator {
            operator.start_again();
            return;
        }
        // Without an election a process that is killed leaves no lease that the next one would wait for; and
        // a deletion has to end with the application released, not with the time that it may take.
        let settings = self
            .world
            .settings()
            .with("--leader-election", "false")
            .with("--release-timeout", "10m");
        self.operator = Some(self.world.operator_through(settings, self.kubeconfig.clone()));
    }

    async fn comes_to(&self, point: &Point, reached: Receiver<()>) {
        let reached = timeout(PATIENCE, reached).await;
        reached
            .unwrap_or_else(|_| panic!("never came to {point}: {:#?}", self.board().seen()))
            .unwrap();
    }

    async fn kill(&mut self) {
        self.operator.as_mut().unwrap().kill().await;
    }

    async fn apply_provider(&self) {
        let identity = &self.proxy.identity;
        let urls = json!({"authUrl": format!("{identity}/auth/v2"), "apiUrl": format!("{identity}/v3")});
        self.world
            .apply(account_secret(json!({"email": EMAIL, "password": PASSWORD})))
            .await;
        self.world.apply(self.world.identity_provider(urls)).await;
    }

    async fn apply_application(&self, secret: &str) {
        let spec: Value = json!({"displayName": DISPLAY_NAME, "secret": {"name": secret}});
        self.world.apply(client_application(NAME, spec)).await;
    }

    /// One application, one Secret with its key, and a status that says so.
    async fn has_published(&self, secret: &str) {
        let world = &self.world;
        let resource = eventually(
            &format!("{NAME} is published in {secret}"),
            PATIENCE,
            async || {
                let resource = world.until_published(NAME).await;
                let published = resource.status.as_ref().and_then(|status| status.secret.as_ref());
                if published.is_some_and(|published| published.name == secret) {
                    Ok(resource)
                } else {
                    Err(format!("{published:?}"))
                }
            },
        )
        .await;
        let made = world.sandbox.applications();
        assert_eq!(made.len(), 1, "{made:#?}");
        assert_eq!(made[0].name, DISPLAY_NAME);
        let status = resource.status.unwrap();
        assert_eq!(status.application_id, Some(made[0].uuid.to_string()));
        assert_eq!(status.client_id.as_ref(), Some(&made[0].client_id));
        assert_eq!(status.pending_creation, None);

        let ours = ListParams::default().labels(&format!("{MANAGED_BY_LABEL}={MANAGED_BY}"));
        let secrets = world.api::<Secret>().list(&ours).await.unwrap().items;
        assert_eq!(
            secrets.iter().map(ResourceExt::name_any).collect::<Vec<_>>(),
            [secret]
        );
        let (found, key) = (entries(&secrets[0]), world.sandbox.api_key(made[0].uuid).unwrap());
        assert!(
            found.get("api_key") == Some(&key),
            "the Secret does not hold the application's key"
        );
        assert_eq!(found.get("client_id"), Some(&made[0].client_id));
        assert_eq!(world.balance(&key).await, 200);
    }

    /// The resource and its Secret are gone, and the application stands without a mark.
    async fn has_released(&self) {
        self.world.until_gone::<ClientApplication>(NAME).await;
        self.world.until_gone::<Secret>(FIRST_SECRET).await;
        let left = self.world.sandbox.applications();
        assert_eq!(left.len(), 1, "{left:#?}");
        assert!(
            !left[0]
                .description
                .as_deref()
                .unwrap_or_default()
                .contains("[keywright "),
            "{left:#?}"
        );
    }

    async fn has_logged_in_without_refusal(&self) {
        let provider: IdentityProvider = self.world.api().get("didit").await.unwrap();
        let login = provider.status.unwrap().login.unwrap();
        assert_eq!((login.refusals, login.brake), (0, None));
        let logins = self.world.sandbox.calls();
        let logins = logins
            .iter()
            .filter(|call| call.operation == Some(Operation::Login));
        assert!(
            logins
                .clone()
                .all(|call| call.status.is_none_or(|status| status == 200)),
            "{logins:#?}"
        );
    }
}
