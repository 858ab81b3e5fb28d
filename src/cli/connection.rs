//! Talking to the cluster as the user of the command.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::DynamicObject;
use kube::{Api, Client, Config};

use super::Failure;
use super::kind::Kind;
use super::record::Record;

/// How long the API server may take for an answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// HTTP status of what is not there.
const NOT_FOUND: u16 = 404;

/// Objects that are asked for at a time.
const PAGE: u32 = 500;

/// Which cluster, and as whom: the flags of kubectl.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Cluster")]
pub(super) struct ConnectionArgs {
    /// Kubeconfig file; otherwise that of $KUBECONFIG or ~/.kube/config, or the pod's service account
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; the current one when absent
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// User to impersonate
    #[arg(long = "as", value_name = "USER")]
    as_user: Option<String>,
    /// Group to impersonate; may be repeated
    #[arg(long, value_name = "GROUP", requires = "as_user")]
    as_group: Vec<String>,
}

/// A cluster, and the namespace that is meant when none is named.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) namespace: String,
    /// The address of the API server.
    pub(super) server: String,
}

/// What became of a list.
#[derive(Debug)]
pub(super) enum Listed {
    Records(Vec<Record>),
    /// The cluster does not have the kind.
    NotInstalled,
    /// The user may not list it. What the API server said.
    Forbidden(String),
}

impl ConnectionArgs {
    /// Makes the client. Nothing is called yet.
    pub(super) async fn connect(&self) -> Result<Connection, Failure> {
        let mut config = self.config().await?;
        config.read_timeout = Some(TIMEOUT);
        config.reset_reader_on_write = true;
        if let Some(user) = &self.as_user {
            config.auth_info.impersonate = Some(user.clone());
            config.auth_info.impersonate_groups = Some(self.as_group.clone());
        }
        let (namespace, server) = (config.default_namespace.clone(), config.cluster_url.to_string());
        let client = Client::try_from(config)
            .map_err(|error| format!("the Kubernetes configuration cannot be used: {}", said(&error)))?;
        Ok(Connection {
            client,
            namespace,
            server,
        })
    }

    async fn config(&self) -> Result<Config, Failure> {
        let options = KubeConfigOptions {
            context: self.context.clone(),
            ..KubeConfigOptions::default()
        };
        let found = match &self.kubeconfig {
            Some(path) => {
                let kubeconfig = Kubeconfig::read_from(path).map_err(|error| error.to_string())?;
                Config::from_custom_kubeconfig(kubeconfig, &options).await
            }
            None if self.context.is_some() => Config::from_kubeconfig(&options).await,
            None => {
                return Config::infer().await.map_err(|error| {
                    format!("no cluster was found: {error}. Set KUBECONFIG, or name a file with --kubeconfig")
                });
            }
        };
        found.map_err(|error| format!("the kubeconfig cannot be used: {error}"))
    }
}

impl Connection {
    /// The API of a kind, in one namespace or in all of them.
    pub(super) fn api(&self, kind: Kind, namespace: Option<&str>) -> Api<DynamicObject> {
        let resource = kind.api_resource();
        match namespace.filter(|_| kind.is_namespaced()) {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        }
    }

    /// All resources of a kind in one namespace, or in all of them.
    pub(super) async fn list(&self, kind: Kind, namespace: Option<&str>) -> Result<Listed, Failure> {
        let api = self.api(kind, namespace);
        let mut parameters = ListParams::default().limit(PAGE);
        let mut records = Vec::new();
        loop {
            let page = match api.list(&parameters).await {
                Ok(page) => page,
                // An API server that has never known the kind answers without a reason.
                Err(kube::Error::Api(status)) if status.code == NOT_FOUND => return Ok(Listed::NotInstalled),
                Err(kube::Error::Api(status)) if status.is_forbidden() => {
                    return Ok(Listed::Forbidden(status.message));
                }
                Err(error) => return Err(format!("listing {}: {}", kind.plural(), said(&error))),
            };
            records.extend(page.items.iter().map(|object| Record::new(kind, object)));
            match page.metadata.continue_.filter(|more| !more.is_empty()) {
                Some(more) => parameters = parameters.continue_token(&more),
                None => return Ok(Listed::Records(records)),
            }
        }
    }

    /// One resource.
    pub(super) async fn get(&self, kind: Kind, namespace: &str, name: &str) -> Result<Record, Failure> {
        match self.api(kind, Some(namespace)).get(name).await {
            Ok(object) => Ok(Record::new(kind, &object)),
            Err(error) => Err(not_got(kind, namespace, name, &error)),
        }
    }
}

fn not_got(kind: Kind, namespace: &str, name: &str, error: &kube::Error) -> Failure {
    match error {
        kube::Error::Api(status)
            if status.is_not_found() && status.details.as_ref().is_some_and(|of| of.name == name) =>
        {
            let label = format!("{}/{name}", kind.as_str());
            if kind.is_namespaced() {
                format!(
                    "there is no {label} in namespace {namespace}. Name another namespace with -n, or look at all with `status -A`"
                )
            } else {
                format!("there is no {label}")
            }
        }
        kube::Error::Api(status) if status.code == NOT_FOUND => not_installed(kind),
        error => said(error),
    }
}

/// What is said where the cluster does not have a kind.
pub(super) fn not_installed(kind: Kind) -> Failure {
    format!(
        "the cluster does not know {}: install the definitions with `keywright crd | kubectl apply --server-side -f -`",
        kind.plural()
    )
}

/// What went wrong, in the words of the API server or of what lies between.
pub(super) fn said(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        return format!("{} ({})", status.message, status.code);
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    text
}
