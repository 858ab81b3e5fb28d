//! The client against the sandbox, and against answers that the sandbox would not give.

mod applications;
mod budget;
mod login;
mod malformed;
mod registration;
mod trouble;

use keywright_sandbox::{Config, Fault, NewAccount, Sandbox};

use super::*;
use crate::identity::http::testing::Observed;

const EMAIL: &str = "ops@corp.example.net";
const PASSWORD: &str = "Corr3ct!horse";

struct NoLedger;

#[async_trait]
impl LoginLedger for NoLedger {
    async fn record(&self, _: &LoginRecord) -> Result<(), String> {
        Ok(())
    }
}

fn config(auth_url: String, api_url: String) -> DiditConfig {
    DiditConfig {
        auth_url,
        api_url,
        email: EMAIL.to_owned(),
        password: PASSWORD.into(),
        totp_seed: None,
        organization: OrganizationChoice::Only,
        ca_bundle: None,
        allow_insecure: true,
        request_timeout: Duration::from_secs(30),
        budget: None,
    }
}

fn connect_with(config: DiditConfig, record: &LoginRecord) -> Didit {
    let observed = Arc::new(Observed::default());
    Didit::connect(
        config,
        observed,
        &SessionRegistry::new(),
        Arc::new(NoLedger),
        record,
    )
    .unwrap()
}

fn connect(config: DiditConfig) -> Didit {
    connect_with(config, &LoginRecord::for_credentials(None, "v1"))
}

/// A sandbox with one account.
struct World {
    sandbox: Sandbox,
}

impl World {
    async fn new() -> Self {
        Self::with_account(NewAccount::new(EMAIL, PASSWORD)).await
    }

    async fn with_account(account: NewAccount) -> Self {
        Self::with_config(Config {
            accounts: vec![account],
            ..Config::default()
        })
        .await
    }

    async fn with_config(config: Config) -> Self {
        Self {
            sandbox: Sandbox::start(config).await.unwrap(),
        }
    }

    fn config(&self) -> DiditConfig {
        config(self.sandbox.auth_url(), self.sandbox.api_url())
    }

    fn connect(&self) -> Didit {
        connect(self.config())
    }

    fn host(&self) -> String {
        self.sandbox.address().to_string()
    }
}

/// Lets the tokens in use grow old enough to be given up.
async fn grow_old() {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(301)).await;
    tokio::time::resume();
}

fn named(name: &str) -> ApplicationMetadata {
    ApplicationMetadata {
        name: Some(name.to_owned()),
        ..ApplicationMetadata::default()
    }
}

fn status(status: u16) -> Fault {
    Fault::Status {
        status,
        body: None,
        retry_after: None,
    }
}
