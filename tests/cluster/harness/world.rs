//! The surroundings of one test.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use k8s_openapi::api::core::v1::Namespace;
use keywright_control_plane::Shared;
use keywright_sandbox::{Config, NewAccount, Sandbox};
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tempfile::TempDir;

use super::operator::{Operator, Settings};
use super::{plane, report};

/// The account that every sandbox here has, unless a test sets up its own.
pub(crate) const EMAIL: &str = "ops@corp.example.net";

/// Its password.
pub(crate) const PASSWORD: &str = "Corr3ct!horse";

/// The organization it belongs to, without any application.
pub(crate) const ORGANIZATION: &str = "corp";

/// A namespace, a namespace for the operator, an identity API, and a client for the cluster.
///
/// A test that fails shows what there was.
pub(crate) struct World {
    /// Where the test's resources live.
    pub(crate) namespace: String,
    /// Where the operator's Lease lives, and what a `ClusterIdentityProvider` reads.
    pub(crate) operator_namespace: String,
    /// The identity API.
    pub(crate) sandbox: Sandbox,
    /// An administrator's client.
    pub(crate) client: Client,
    plane: &'static Shared,
    directory: TempDir,
    operators: AtomicU32,
}

impl World {
    /// A world whose sandbox has one account in one organization, and no application.
    pub(crate) async fn new(name: &str) -> Self {
        let account = NewAccount {
            organizations: Some(vec![ORGANIZATION.to_owned()]),
            ..NewAccount::new(EMAIL, PASSWORD)
        };
        Self::with_sandbox(
            name,
            Config {
                accounts: vec![account],
                ..Config::default()
            },
        )
        .await
    }

    /// A world with another sandbox. `name` begins the names of its namespaces.
    pub(crate) async fn with_sandbox(name: &str, config: Config) -> Self {
        let plane = plane::plane().await;
        let client = plane::client(plane).await;
        plane::install_definitions(&client).await;
        // A control plane may be shared with other processes, and with earlier runs.
        let namespace = format!("{name}-{:08x}", rand::random::<u32>());
        let world = Self {
            operator_namespace: format!("{namespace}-operator"),
            namespace,
            sandbox: Sandbox::start(config).await.unwrap(),
            client,
            plane,
            directory: tempfile::tempdir().unwrap(),
            operators: AtomicU32::new(0),
        };
        world.create_namespace(&world.namespace).await;
        world.create_namespace(&world.operator_namespace).await;
        world
    }

    /// Creates a namespace.
    pub(crate) async fn create_namespace(&self, name: &str) {
        let metadata = ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        };
        let namespace = Namespace {
            metadata,
            ..Namespace::default()
        };
        let api: Api<Namespace> = Api::all(self.client.clone());
        api.create(&PostParams::default(), &namespace).await.unwrap();
    }

    /// How the operator is run unless a test says otherwise: for this namespace only, without the providers
    /// that all tests would share, and impatient.
    pub(crate) fn settings(&self) -> Settings {
        Settings::default()
            .with("--watch-namespaces", &self.namespace)
            .with("--operator-namespace", &self.operator_namespace)
            .with("--cluster-identity-providers", "false")
            .with("--creation-settle-time", "6s")
            .with("--request-timeout", "2s")
            .with("--longest-backoff", "1s")
            .with("--release-timeout", "3s")
    }

    /// Starts the operator.
    pub(crate) fn operator(&self) -> Operator {
        self.operator_with(self.settings())
    }

    /// Starts the operator with other settings.
    pub(crate) fn operator_with(&self, settings: Settings) -> Operator {
        self.operator_through(settings, self.plane.kubeconfig().to_owned())
    }

    /// Starts the operator with other settings and another way to the API server.
    pub(crate) fn operator_through(&self, settings: Settings, kubeconfig: PathBuf) -> Operator {
        let number = self.operators.fetch_add(1, Ordering::Relaxed);
        let log = self.directory.path().join(format!("operator-{number}.log"));
        Operator::start(settings, kubeconfig, log)
    }

    /// Runs kubectl in the test's namespace, with `input` as its standard input.
    ///
    /// # Panics
    /// When it fails.
    pub(crate) async fn kubectl(&self, arguments: &[&str], input: &str) -> String {
        let all: Vec<String> = ["--namespace", &self.namespace]
            .iter()
            .chain(arguments)
            .map(ToString::to_string)
            .collect();
        let (plane, input) = (self.plane, input.to_owned());
        let output = tokio::task::spawn_blocking(move || plane::kubectl(plane, &all, &input))
            .await
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "kubectl {arguments:?}: {}",
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    /// The administrator's kubeconfig.
    pub(crate) fn kubeconfig(&self) -> &'static Path {
        self.plane.kubeconfig()
    }

    /// A kubectl that fits the API server.
    pub(crate) fn kubectl_program(&self) -> PathBuf {
        self.plane.kubectl().to_owned()
    }

    /// A directory that goes away with the world.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            report::print(
                self.plane,
                &self.namespace,
                &self.operator_namespace,
                &self.sandbox,
                self.directory.path(),
            );
        }
    }
}
