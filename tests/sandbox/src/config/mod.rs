//! What a sandbox is started with.

mod choices;
mod cli;
mod period;
mod switches;
mod times;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

pub use choices::{
    AccountRefresh, ApplicationDelete, ClientTokenExpiry, ConsoleAccounts, Creation, DestinationDelete,
    Foreign, ListOrder, ListShape, Locked, LockoutScope, MissingKey, PasswordChange, Refusal,
    RegisteredAddress, ResendPassword, TokenAlgorithm, TrailingSlash, UnnamedEvents, WrongCode, WrongKey,
    WrongPassword,
};
pub use cli::{Cli, CliError};
pub use period::Period;
pub use switches::Switches;
pub use times::{Bounds, Times};

use crate::faults::FaultRule;
use crate::state::NewAccount;
use crate::tls::Tls;

/// A sandbox to be started. By default it listens on a free loopback port, in plain HTTP, with the
/// contract's times and proposed answers, and keeps its state in memory.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether to speak TLS.
    pub tls: Tls,
    /// The file that keeps the state; without one it is lost at the end.
    pub state_file: Option<PathBuf>,
    /// Accounts to set up.
    pub accounts: Vec<NewAccount>,
    /// Faults to inject.
    pub faults: Vec<FaultRule>,
    /// Lifetimes and windows.
    pub times: Times,
    /// Limits.
    pub bounds: Bounds,
    /// Answers to the contract's open questions.
    pub switches: Switches,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: Tls::Off,
            state_file: None,
            accounts: Vec::new(),
            faults: Vec::new(),
            times: Times::default(),
            bounds: Bounds::default(),
            switches: Switches::default(),
        }
    }
}
