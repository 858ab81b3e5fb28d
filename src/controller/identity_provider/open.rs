//! Opens the connection of a provider: to Didit as an account, or to an authorization server.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use tokio::time::Instant;

use super::account::AccountSecret;
use super::credentials::{self, Credentials};
use super::findings::Ready;
use super::kind::Server;
use super::server_digest;
use super::{IdentityProviders, ProviderResource};
use crate::api::conditions::Finding;
use crate::api::oauth2::{OAuth2Endpoints, OAuth2Provider, RequestBudget};
use crate::api::provider::{DIDIT_AUTH_URL, DiditProvider};
use crate::controller::registry::{AccountTokens, ProviderKey, Tokens};
use crate::controller::{ReconcileError, login_ledger};
use crate::credential::secret_content::Vocabulary;
use crate::identity::budget::{BreakerState, Budget, BudgetObserver, BudgetSettings};
use crate::identity::didit::Didit;
use crate::identity::oauth2::{ManualEndpoints, OAuth2Config, OAuth2Server};
use crate::identity::session::LoginRecord;
use crate::identity::{CallError, ErrorKind, IdentityApi};
use crate::telemetry::metrics::Metrics;

/// A connection, and what it was opened with.
#[derive(Clone)]
pub struct Opened {
    /// UID of the provider, generation of its spec, and versions of what it refers to.
    pub(super) version: String,
    /// What was opened.
    pub(super) connection: OpenConnection,
    /// Where it gives out tokens.
    pub(super) tokens: Tokens,
    /// The last check that succeeded.
    pub(super) checked: Option<(Instant, Ready)>,
}

/// An open connection.
#[derive(Clone)]
pub(super) enum OpenConnection {
    /// To Didit, as an account.
    Didit(Arc<Didit>),
    /// To an authorization server.
    OAuth2(Arc<OAuth2Server>),
}

/// Why nothing could be opened.
pub(super) enum NotOpened {
    /// The cluster lacks something.
    Unusable(Finding),
    /// What it has does not fit.
    Failed(CallError),
}

impl OpenConnection {
    /// Finds out whether it can be used.
    pub(super) async fn check(&self) -> Result<Ready, CallError> {
        match self {
            Self::Didit(api) => {
                let account = api.verify().await?;
                let api: Arc<dyn IdentityApi> = api.clone();
                Ok(Ready::Didit { api, account })
            }
            Self::OAuth2(server) => Ok(Ready::OAuth2 {
                name: server.name().to_owned(),
                offers: server.check().await?,
            }),
        }
    }

    /// Whether tokens can be asked for although a check has failed: clients have credentials of their own, and a server
    /// that is down for one is tried by those who need it in the order of their need.
    pub(super) fn gives_tokens_despite(&self, error: &CallError) -> bool {
        match self {
            Self::Didit(_) => true,
            Self::OAuth2(_) => !matches!(error.kind, ErrorKind::Misconfigured { .. }),
        }
    }
}

impl<K: ProviderResource> IdentityProviders<K> {
    /// The connection as the spec and what it refers to want it: the one that is open, or a new one.
    pub(super) async fn open(
        &self,
        object: &Arc<K>,
        key: &ProviderKey,
        account: Option<&AccountSecret>,
        namespace: &str,
    ) -> Result<Result<Opened, NotOpened>, ReconcileError> {
        match (object.server(), account) {
            (Server::Didit(spec), Some(account)) => {
                let credentials = match credentials::load(&self.client, spec, account, namespace).await? {
                    Ok(credentials) => credentials,
                    Err(missing) => return Ok(Err(NotOpened::Unusable(missing))),
                };
                let version = version(object.as_ref(), &credentials.version);
                Ok(self.reuse(key, &version, || {
                    self.open_didit(object, key, spec, credentials, &version)
                }))
            }
            (Server::OAuth2(spec), _) => {
                let (ca_bundle, bundle_version) =
                    match credentials::authorities(&self.client, spec, namespace).await? {
                        Ok(authorities) => authorities,
                        Err(missing) => return Ok(Err(NotOpened::Unusable(missing))),
                    };
                let version = version(object.as_ref(), &bundle_version);
                Ok(self.reuse(key, &version, || {
                    self.open_oauth2(object.as_ref(), key, spec, ca_bundle, &version)
                }))
            }
            (Server::Didit(_) | Server::Neither, _) => Ok(Err(NotOpened::Failed(CallError {
                operation: "connect",
                kind: ErrorKind::Misconfigured {
                    reason: "InvalidProvider",
                },
                message: "spec needs exactly one of didit and oauth2".to_owned(),
            }))),
        }
    }

    fn reuse(
        &self,
        key: &ProviderKey,
        version: &str,
        open: impl FnOnce() -> Result<Opened, CallError>,
    ) -> Result<Opened, NotOpened> {
        if let Some(opened) = self
            .connections()
            .get(key)
            .filter(|opened| opened.version == version)
        {
            return Ok(opened.clone());
        }
        let opened = open().map_err(NotOpened::Failed)?;
        self.connections().insert(key.clone(), opened.clone());
        Ok(opened)
    }

    fn open_didit(
        &self,
        object: &Arc<K>,
        key: &ProviderKey,
        spec: &DiditProvider,
        credentials: Credentials,
        version: &str,
    ) -> Result<Opened, CallError> {
        let stored = object
            .status()
            .and_then(|status| status.login.as_ref())
            .map(login_ledger::record_of);
        let record = LoginRecord::for_credentials(stored, &credentials.account_version);
        let ledger = login_ledger::StatusLedger::new(
            object.api(&self.client),
            Arc::clone(object),
            credentials.account_version.clone(),
        );
        let budget = self.budget(object.as_ref(), key);
        let auth_url = spec.auth_url.as_deref().unwrap_or(DIDIT_AUTH_URL);
        let server = OAuth2Server::new(
            OAuth2Config {
                ca_bundle: credentials.ca_bundle.clone(),
                request_timeout: self.request_timeout,
                budget: Some(Arc::clone(&budget)),
                ..OAuth2Config::didit(auth_url, spec.allow_insecure.unwrap_or_default())?
            },
            Arc::clone(&self.observers.didit),
            &self.metadata,
        )?;
        let didit = Didit::connect(
            credentials.config(spec, self.request_timeout, budget),
            Arc::clone(&self.observers.didit),
            &self.sessions,
            Arc::new(ledger),
            &record,
        )?;
        let tokens = Tokens {
            version: version.to_owned(),
            server_digest: server_digest::of_didit(auth_url),
            server: Arc::new(server),
            account: Some(AccountTokens {
                name: didit.account().to_owned(),
                api: didit.account_tokens(),
            }),
            authentication: None,
            shared: object.shares_tokens(),
            vocabulary: Vocabulary::Didit,
        };
        Ok(Opened {
            version: version.to_owned(),
            connection: OpenConnection::Didit(Arc::new(didit)),
            tokens,
            checked: None,
        })
    }

    fn open_oauth2(
        &self,
        object: &K,
        key: &ProviderKey,
        spec: &OAuth2Provider,
        ca_bundle: Option<Vec<u8>>,
        version: &str,
    ) -> Result<Opened, CallError> {
        let OAuth2Endpoints {
            token,
            introspection,
            revocation,
        } = spec.endpoints.clone().unwrap_or_default();
        let config = OAuth2Config {
            issuer: spec.issuer.clone(),
            endpoints: ManualEndpoints {
                token,
                introspection,
                revocation,
            },
            extra_parameters: spec.extra_parameters.clone(),
            ca_bundle,
            allow_insecure: spec.allow_insecure.unwrap_or_default(),
            request_timeout: self.request_timeout,
            budget: Some(self.budget(object, key)),
        };
        let server = OAuth2Server::new(config, Arc::clone(&self.observers.oauth2), &self.metadata)?;
        let server = Arc::new(server);
        Ok(Opened {
            version: version.to_owned(),
            connection: OpenConnection::OAuth2(Arc::clone(&server)),
            tokens: Tokens {
                version: version.to_owned(),
                server_digest: server_digest::of_oauth2(spec),
                server,
                account: None,
                authentication: spec.client_authentication.clone(),
                shared: object.shares_tokens(),
                vocabulary: Vocabulary::OAuth2,
            },
            checked: None,
        })
    }

    /// The budget of this provider. It outlives a change of the spec, and so does a pause that the server asked for.
    fn budget(&self, object: &K, key: &ProviderKey) -> Arc<Budget> {
        let name = format!("{}/{}/{}", K::KIND, key.namespace, key.name);
        let observer = Observer {
            metrics: self.metrics.clone(),
            kind: K::KIND,
            namespace: key.namespace.clone(),
            name: key.name.clone(),
        };
        self.budgets
            .get(&name, settings(object.request_budget()), Arc::new(observer))
    }
}

fn version<K: ProviderResource>(object: &K, of_references: &str) -> String {
    let metadata = object.meta();
    format!(
        "{}/{}/{of_references}",
        object.uid().unwrap_or_default(),
        metadata.generation.unwrap_or_default(),
    )
}

fn settings(budget: Option<&RequestBudget>) -> BudgetSettings {
    let usual = BudgetSettings::default();
    let wanted = budget.cloned().unwrap_or_default();
    BudgetSettings {
        requests_per_second: wanted
            .requests_per_minute
            .map_or(usual.requests_per_second, |minute| f64::from(minute) / 60.0),
        burst: wanted.burst.unwrap_or(usual.burst),
        concurrency: wanted.concurrency.unwrap_or(usual.concurrency),
        ..usual
    }
}

/// Tells metrics of a provider's budget.
struct Observer {
    metrics: Metrics,
    kind: &'static str,
    namespace: String,
    name: String,
}

impl BudgetObserver for Observer {
    fn waited(&self, wait: Duration) {
        self.metrics
            .budget_waited(self.kind, &self.namespace, &self.name, wait);
    }

    fn breaker(&self, state: BreakerState) {
        let state = match state {
            BreakerState::Closed => 0,
            BreakerState::HalfOpen => 1,
            BreakerState::Open => 2,
        };
        self.metrics
            .set_breaker(self.kind, &self.namespace, &self.name, state);
    }

    fn paused_until(&self, until: Option<Timestamp>) {
        self.metrics
            .set_paused_until(self.kind, &self.namespace, &self.name, until);
    }

    fn queue_length(&self, length: usize) {
        self.metrics
            .set_budget_queue(self.kind, &self.namespace, &self.name, length);
    }
}
