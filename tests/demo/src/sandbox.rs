//! The sandbox of Didit, run as its own program.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{ChildStdout, Command};

use crate::failure::Failure;
use crate::program::{Casualties, Program, sibling, tail};

/// The port that `examples/` name.
pub(crate) const PORT: u16 = 8477;

/// How long one call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long its access tokens live, so that one is refreshed while somebody looks on.
pub(crate) const TOKEN_LIFETIME: Duration = Duration::from_secs(60);

#[derive(Debug, Deserialize)]
struct AccountSecret {
    #[serde(rename = "stringData")]
    data: Account,
}

/// An account that the sandbox has from the start.
#[derive(Debug, Deserialize)]
pub(crate) struct Account {
    pub(crate) email: String,
    password: String,
}

/// A running sandbox.
#[derive(Debug)]
pub(crate) struct Sandbox {
    pub(crate) program: Program,
    /// Its base address.
    pub(crate) url: String,
    client: reqwest::Client,
}

impl Sandbox {
    /// Starts it with these accounts, at the port that stands in `examples/` or at a free one.
    pub(crate) async fn start(
        directory: &Path,
        accounts: &[Account],
        casualties: Casualties,
    ) -> Result<Self, Failure> {
        let file = directory.join("accounts.json");
        let list: Vec<_> = accounts
            .iter()
            .map(|account| {
                json!({"email": account.email, "password": account.password, "organizations": ["Web shop"]})
            })
            .collect();
        std::fs::write(&file, json!(list).to_string()).map_err(Failure::file("write", &file))?;
        let log = directory.join("sandbox.log");
        let errors = File::create(&log).map_err(Failure::file("make", &log))?;
        let mut command = Command::new(sibling("keywright-sandbox")?);
        command
            .arg("--listen")
            .arg(address().to_string())
            .arg("--accounts-file")
            .arg(&file)
            .arg("--client-token-lifetime")
            .arg(format!("{}s", TOKEN_LIFETIME.as_secs()))
            .stdout(Stdio::piped())
            .stderr(errors);
        let (program, stdout) = Program::start("the sandbox", &mut command, casualties)?;
        let silent = || {
            Failure::Said(format!(
                "the sandbox did not start:\n{}",
                tail(&log).unwrap_or_default()
            ))
        };
        let url = greeting(stdout).await.ok_or_else(silent)?;
        // The demo's calls go nowhere else, whatever proxy is configured.
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(CALL_TIMEOUT)
            .build()?;
        Ok(Self { program, url, client })
    }

    /// Asks for the balance with an API key, and returns status and body.
    pub(crate) async fn balance(&self, api_url: &str, key: &str) -> Result<(u16, String), Failure> {
        let url = balance_url(api_url);
        let answer = self.client.get(url).header("x-api-key", key).send().await?;
        let status = answer.status().as_u16();
        Ok((status, answer.text().await?))
    }

    /// Asks about a token as an API would that is called with it, and returns status and body.
    pub(crate) async fn introspect(
        &self,
        client_id: &str,
        client_secret: &str,
        token: &str,
    ) -> Result<(u16, Value), Failure> {
        let answer = self
            .client
            .post(self.introspection())
            .basic_auth(client_id, Some(client_secret))
            .form(&[("token", token)])
            .send()
            .await?;
        let status = answer.status().as_u16();
        Ok((status, answer.json().await?))
    }

    /// Where the sandbox tells what a token is good for.
    pub(crate) fn introspection(&self) -> String {
        format!("{}/auth/v2/introspect/", self.url)
    }

    /// What the sandbox knows of an application.
    pub(crate) async fn application(&self, id: &str) -> Result<Value, Failure> {
        let all: Vec<Value> = self
            .client
            .get(self.controls())
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?;
        all.into_iter()
            .find(|application| application.get("uuid").and_then(Value::as_str) == Some(id))
            .ok_or_else(|| Failure::Said(format!("the sandbox has no application {id}")))
    }

    /// How often each operation was called.
    pub(crate) async fn counters(&self) -> Result<Value, Failure> {
        let answer = self.client.get(self.counters_url()).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    /// Where the sandbox tells that.
    pub(crate) fn counters_url(&self) -> String {
        format!("{}/_sandbox/counters", self.url)
    }

    /// Where the sandbox lists all applications.
    pub(crate) fn controls(&self) -> String {
        format!("{}/_sandbox/applications", self.url)
    }
}

/// Where an API answers with the balance of the organization.
pub(crate) fn balance_url(api_url: &str) -> String {
    format!("{api_url}/billing/balance/")
}

/// The account that `examples/` name.
pub(crate) fn example_account() -> Result<Account, Failure> {
    let path = Path::new("examples/2-account.yaml");
    let text = std::fs::read_to_string(path).map_err(Failure::file("read", path))?;
    serde_saphyr::from_str::<AccountSecret>(&text)
        .map(|secret| secret.data)
        .map_err(|error| Failure::Said(format!("{} has no account: {error}", path.display())))
}

fn address() -> SocketAddr {
    let preferred = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    match TcpListener::bind(preferred) {
        Ok(_) => preferred,
        Err(_) => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
    }
}

/// The address in the first line that the sandbox prints. The rest is read too, so that it never waits.
async fn greeting(stdout: Option<ChildStdout>) -> Option<String> {
    let mut lines = BufReader::new(stdout?).lines();
    let first = lines.next_line().await.ok()??;
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Some(first.strip_prefix("Didit sandbox listening on ")?.to_owned())
}
