//! Starts the servers in order, and stops them.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::api::{self, Condition};
use crate::component::Component;
use crate::directory::{self, RunDirectory};
use crate::kubeconfig::{self, Access, Published};
use crate::pki::Pki;
use crate::probe::{self, Environment};
use crate::progress::say;
use crate::tool::{PerTool, Tool};
use crate::{Error, flags};

/// Much more than a start takes, for machines that are busy with something else.
const READY_TIMEOUT: Duration = Duration::from_secs(120);

/// How long a server may take to end. The state is thrown away, so nothing is lost by killing it after that;
/// the API server would take about seven seconds.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// How often another port is tried when the chosen one was taken before the API server used it.
const PORT_ATTEMPTS: u32 = 5;

/// How often it is looked whether a server has ended.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

const ADMINISTRATOR: &str = "keywright-administrator";
const CONTROLLER_MANAGER: &str = "system:kube-controller-manager";

/// How to start a control plane. The default fits tests.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Also writes the administrator's kubeconfig here. It is removed at the end. A kubeconfig of anything else
    /// is not overwritten.
    pub kubeconfig: Option<PathBuf>,
    /// Keeps the directory with logs, keys and etcd's data, and says on stderr where it is.
    pub keep: bool,
    /// Flags for kube-apiserver, each as `--name=value`; they prevail over those set here.
    pub api_server_flags: Vec<String>,
}

/// A running control plane, which is killed when the value is dropped.
#[derive(Debug)]
pub struct ControlPlane {
    /// In the order of their start. Dropped first, so that nothing writes when the directory is removed.
    servers: Vec<Component>,
    published: Option<Published>,
    kubeconfig: PathBuf,
    kubectl: PathBuf,
    directory: RunDirectory,
}

impl ControlPlane {
    /// Finds or builds the programs, starts the servers, and waits until the API server is ready and namespace
    /// `default` has its service account.
    ///
    /// Takes some five seconds; the first time, when the programs must be built, minutes.
    ///
    /// # Errors
    ///
    /// See [`Error`]; the text says what to do. Nothing is left running.
    pub async fn start(options: Options) -> Result<Self, Error> {
        if let Some(path) = &options.kubeconfig {
            // Before minutes are spent on a build.
            kubeconfig::refuse_foreign(path)?;
        }
        let programs = probe::locate(&Environment::of_process()).await?;
        let mut attempt = 1;
        loop {
            match Self::start_servers(&programs, &options).await {
                Err(error) if error.is_port_taken() && attempt < PORT_ATTEMPTS => {
                    say("another process took the API server's port; trying again with another one");
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn start_servers(programs: &PerTool<PathBuf>, options: &Options) -> Result<Self, Error> {
        let directory = RunDirectory::create(options.keep)?;
        let pki = Pki::create(directory.path())?;
        let credentials = Credentials::create(directory.path())?;
        let port = free_port()?;
        let server = format!("https://127.0.0.1:{port}");
        let access = |user, token| Access {
            server: &server,
            ca_certificate: &pki.ca_pem,
            user,
            token,
        };
        let administrator = access(ADMINISTRATOR, &credentials.administrator);

        let mut plane = Self {
            servers: Vec::new(),
            published: None,
            kubeconfig: directory.path().join("kubeconfig"),
            kubectl: link_kubectl(&programs.kubectl, directory.path())?,
            directory,
        };
        kubeconfig::write(&plane.kubeconfig, administrator)?;
        let manager_kubeconfig = plane.directory.path().join("kube-controller-manager.kubeconfig");
        kubeconfig::write(
            &manager_kubeconfig,
            access(CONTROLLER_MANAGER, &credentials.controller_manager),
        )?;

        plane.start_etcd(&programs.etcd).await?;
        let path = plane.directory.path();
        let flags = flags::api_server(path, &pki, &credentials.file, port, &options.api_server_flags);
        let client = api::api_client(&pki.ca_pem, &credentials.administrator)?;
        plane.launch(Tool::ApiServer, &programs.api_server, &flags)?;
        plane
            .until(
                &client,
                "readiness of the API server",
                &format!("{server}/readyz"),
            )
            .await?;
        let flags = flags::controller_manager(&pki, &manager_kubeconfig);
        plane.launch(Tool::ControllerManager, &programs.controller_manager, &flags)?;
        let account = format!("{server}/api/v1/namespaces/default/serviceaccounts/default");
        plane
            .until(
                &client,
                "creation of namespace default's service account",
                &account,
            )
            .await?;
        plane.published = options
            .kubeconfig
            .as_ref()
            .map(|path| Published::write(path, administrator))
            .transpose()?;
        Ok(plane)
    }

    async fn start_etcd(&mut self, program: &Path) -> Result<(), Error> {
        let directory = self.directory.path();
        let client = api::etcd_client(&flags::etcd_socket(directory))?;
        let flags = flags::etcd(directory);
        self.launch(Tool::Etcd, program, &flags)?;
        self.until(&client, "readiness of etcd", "http://localhost/health")
            .await
    }

    fn launch(&mut self, tool: Tool, program: &Path, flags: &[String]) -> Result<(), Error> {
        self.servers
            .push(Component::spawn(tool, program, flags, self.directory.path())?);
        Ok(())
    }

    async fn until(&mut self, client: &reqwest::Client, what: &'static str, url: &str) -> Result<(), Error> {
        let condition = Condition {
            what,
            url,
            timeout: READY_TIMEOUT,
        };
        api::wait(client, condition, &mut self.servers).await
    }

    /// The administrator's kubeconfig: group `system:masters`, namespace `default`. In the directory that goes
    /// away with the control plane.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A kubectl that fits the API server. It is the only program in its directory, which can therefore be put
    /// into `PATH`.
    #[must_use]
    pub fn kubectl(&self) -> &Path {
        &self.kubectl
    }

    /// The process ids of etcd, kube-apiserver and kube-controller-manager.
    #[must_use]
    pub fn process_ids(&self) -> Vec<u32> {
        self.servers.iter().map(Component::id).collect()
    }

    /// Waits until a server ends although nobody stopped it, and returns that as an error.
    pub async fn failure(&mut self) -> Error {
        loop {
            for server in &mut self.servers {
                if let Err(error) = server.check() {
                    return error;
                }
            }
            tokio::time::sleep(WATCH_INTERVAL).await;
        }
    }

    /// Stops the servers, clients before those they depend on, and removes everything. Takes up to three
    /// seconds. Dropping the value does the same at once, without asking the servers to end.
    ///
    /// # Errors
    ///
    /// If the directory cannot be removed. No server is left running.
    pub async fn stop(mut self) -> Result<(), Error> {
        while let Some(server) = self.servers.pop() {
            server.stop(STOP_GRACE).await;
        }
        drop(self.published.take());
        self.directory.close()
    }
}

/// The tokens that the API server accepts.
#[derive(Debug)]
struct Credentials {
    administrator: String,
    controller_manager: String,
    /// The API server's list of them.
    file: PathBuf,
}

impl Credentials {
    fn create(directory: &Path) -> Result<Self, Error> {
        let [administrator, controller_manager] = [random_token(), random_token()];
        // The controller manager's own role is too small without a service account per controller.
        let list = format!(
            "{administrator},{ADMINISTRATOR},{ADMINISTRATOR},\"system:masters\"\n\
             {controller_manager},{CONTROLLER_MANAGER},{CONTROLLER_MANAGER},\"system:masters\"\n"
        );
        let file = directory.join("tokens.csv");
        directory::write_private(&file, list.as_bytes())?;
        Ok(Self {
            administrator,
            controller_manager,
            file,
        })
    }
}

fn random_token() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// A port that nobody uses at this moment.
fn free_port() -> Result<u16, Error> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(Error::file("find a free port on", Path::new("127.0.0.1")))
}

/// Puts kubectl where [`crate::shared`] finds it too, alone in its directory.
fn link_kubectl(program: &Path, directory: &Path) -> Result<PathBuf, Error> {
    let link = kubectl_beside(&directory.join("kubeconfig"));
    if let Some(parent) = link.parent() {
        std::fs::create_dir(parent).map_err(Error::file("make the directory", parent))?;
    }
    symlink(program, &link).map_err(Error::file("make the link", &link))?;
    Ok(link)
}

/// Where the kubectl lies that goes with a control plane's own kubeconfig.
pub(crate) fn kubectl_beside(kubeconfig: &Path) -> PathBuf {
    kubeconfig.with_file_name("bin").join(Tool::Kubectl.name())
}
