//! The flags of the binary.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Parser;
use serde::de::DeserializeOwned;

use super::{Bounds, Config, Switches, Times};
use crate::faults::FaultRule;
use crate::state::NewAccount;
use crate::tls::Tls;

/// A sandbox of Didit's account-management API, for trying and testing Keywright without an account.
///
/// It follows the contract of the API; where that leaves a question open, a switch chooses the answer.
/// Numbers in parentheses are sections of the contract. Everything the sandbox knows, passwords and keys
/// included, is for tests only.
#[derive(Clone, Debug, Parser)]
#[command(name = "keywright-sandbox", version)]
pub struct Cli {
    /// Where to listen; port 0 takes a free one
    #[arg(long, env = "KEYWRIGHT_SANDBOX_LISTEN", default_value = "127.0.0.1:8477")]
    listen: SocketAddr,
    /// Keep the state in this file, so that it survives a restart
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Set up a verified account with an organization and an application; may be repeated
    #[arg(long = "account", value_name = "EMAIL:PASSWORD[:TOTP-SEED]", value_parser = account)]
    accounts: Vec<NewAccount>,
    /// Set up the accounts of this file: a JSON array of what POST /_sandbox/accounts takes
    #[arg(long, value_name = "FILE")]
    accounts_file: Option<PathBuf>,
    /// Inject the faults of this file: a JSON array of what POST /_sandbox/faults takes
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// Serve HTTPS with this certificate chain (PEM)
    #[arg(
        long,
        value_name = "FILE",
        requires = "tls_key",
        conflicts_with = "tls_self_signed"
    )]
    tls_cert: Option<PathBuf>,
    /// The private key of --tls-cert (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Serve HTTPS with a certificate of its own; ca.crt, tls.crt and tls.key are kept in this folder
    #[arg(long, value_name = "DIR")]
    tls_self_signed: Option<PathBuf>,
    /// A further DNS name or IP address for the self-signed certificate; may be repeated
    #[arg(long = "tls-name", value_name = "NAME", requires = "tls_self_signed")]
    tls_names: Vec<String>,
    #[command(flatten)]
    times: Times,
    #[command(flatten)]
    bounds: Bounds,
    #[command(flatten)]
    switches: Switches,
}

/// A file named by a flag cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// It cannot be read.
    #[error("{flag} {path}: {source}")]
    Read {
        /// The flag.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It does not hold what it should.
    #[error("{flag} {path}: {source}; write a JSON array")]
    Content {
        /// The flag.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}

impl Cli {
    /// The configuration these flags ask for.
    ///
    /// # Errors
    /// If a file cannot be read or does not hold what it should.
    pub fn into_config(self) -> Result<Config, CliError> {
        let mut accounts = self.accounts;
        if let Some(path) = &self.accounts_file {
            accounts.extend(array::<NewAccount>("--accounts-file", path)?);
        }
        let faults = self
            .faults
            .as_deref()
            .map(|path| array::<FaultRule>("--faults", path))
            .transpose()?;
        let tls = match (self.tls_cert, self.tls_key, self.tls_self_signed) {
            (Some(certificate), Some(key), _) => Tls::Files { certificate, key },
            (_, _, Some(directory)) => Tls::SelfSigned {
                directory,
                names: self.tls_names,
            },
            _ => Tls::Off,
        };
        Ok(Config {
            listen: self.listen,
            tls,
            state_file: self.state,
            accounts,
            faults: faults.unwrap_or_default(),
            times: self.times,
            bounds: self.bounds,
            switches: self.switches,
        })
    }
}

fn array<T: DeserializeOwned>(flag: &'static str, path: &Path) -> Result<Vec<T>, CliError> {
    let text = fs::read(path).map_err(|source| CliError::Read {
        flag,
        path: path.to_owned(),
        source,
    })?;
    serde_json::from_slice(&text).map_err(|source| CliError::Content {
        flag,
        path: path.to_owned(),
        source,
    })
}

/// Reads `EMAIL:PASSWORD[:TOTP-SEED]`. A password that holds a colon needs the accounts file.
fn account(text: &str) -> Result<NewAccount, String> {
    let mut parts = text.split(':');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(email), Some(password), seed, None) if !email.is_empty() && !password.is_empty() => {
            Ok(NewAccount {
                totp_seed: seed.map(str::to_owned),
                ..NewAccount::new(email, password)
            })
        }
        _ => Err(
            "write EMAIL:PASSWORD or EMAIL:PASSWORD:TOTP-SEED, without a colon in the password \
                  (--accounts-file takes any password)"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(flags: &[&str]) -> Result<Config, clap::Error> {
        Cli::try_parse_from(["keywright-sandbox"].iter().chain(flags)).map(|cli| cli.into_config().unwrap())
    }

    #[test]
    fn no_flags_mean_the_contract() {
        let config = parse(&[]).unwrap();
        assert_eq!(config.switches, Switches::default());
        assert_eq!(config.times, Times::default());
        assert_eq!(config.bounds, Bounds::default());
        assert_eq!(config.listen.to_string(), "127.0.0.1:8477");
    }

    #[test]
    fn flags_reach_the_configuration() {
        let config = parse(&[
            "--account=ops@corp.example.net:Corr3ct!horse:JBSWY3DPEHPK3PXP",
            "--wrong-password=forbidden",
            "--time-scale=60",
            "--code-lifetime=15m",
            "--data-locations=eu,au",
            "--unique-names",
        ])
        .unwrap();
        assert_eq!(config.accounts[0].totp_seed.as_deref(), Some("JBSWY3DPEHPK3PXP"));
        assert_eq!(
            config.switches.wrong_password,
            super::super::WrongPassword::Forbidden
        );
        assert_eq!(config.switches.data_locations, ["eu", "au"]);
        assert!(config.switches.unique_names);
        assert_eq!(
            config.times.scaled().code_lifetime,
            super::super::Period::seconds(15)
        );
    }

    #[test]
    fn wrong_flags_are_refused() {
        for flags in [
            &["--account=ops"][..],
            &["--account=a@b.io:p:s:x"],
            &["--time-scale=0"],
            &["--tls-cert=a.pem"],
            &["--tls-name=a.io"],
            &["--wrong-password=maybe"],
        ] {
            assert!(parse(flags).is_err(), "{flags:?}");
        }
    }
}
