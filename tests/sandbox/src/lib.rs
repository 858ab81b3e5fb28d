//! A sandbox of Didit's account-management API, to test and to try Keywright without an account.
//!
//! It follows the written contract of that API (`didit.md`, whose sections the comments here cite). Every
//! question the contract leaves open is a switch whose default is the answer the contract proposes. One
//! listener serves both hosts and the sandbox's own controls:
//!
//! | Path | What |
//! | --- | --- |
//! | `/auth/v2/…` | the auth host: registration, login, organizations, applications, legacy OAuth |
//! | `/v3/…`, `/system/healthcheck` | the verification host: balance, webhook configuration and destinations |
//! | `/_sandbox/…` | accounts, mailbox, faults, the log of calls, the clock, outages, switches |
//!
//! What it guarantees: a call's change is made under one lock, and is in the state file, if there is one,
//! before the answer leaves. A call is completed even when its client goes away. Nothing secret is logged.
//!
//! # Map
//!
//! - [`Sandbox`]: the sandbox within a test's own process; [`Config`] and [`Cli`]: what it starts with
//! - `pipeline`: the way of every call; `operation`: names, methods and paths
//! - `auth_host`, `verification_host`: the API's routes; `control`: the controls
//! - `state`: the world, a pure model; `limits`: windows and lockout; `store`: the state file
//! - `faults`, `hooks`, `calls`: going wrong, holding and observing calls
//!
//! ```no_run
//! # async fn example() -> Result<(), keywright_sandbox::SandboxError> {
//! use keywright_sandbox::{Config, Fault, FaultRule, NewAccount, Operation, Sandbox};
//!
//! let sandbox = Sandbox::start(Config::default()).await?;
//! sandbox.create_account(NewAccount::new("ops@corp.example.net", "Corr3ct!horse"))?;
//! sandbox.inject(FaultRule::new(Operation::CreateApplication, Fault::Drop).after())?;
//! // … point a client at sandbox.auth_url() …
//! assert_eq!(sandbox.count(Operation::Login), 1);
//! sandbox.stop().await;
//! # Ok(())
//! # }
//! ```

mod auth_host;
mod body;
mod calls;
mod clock;
mod config;
mod control;
mod error;
mod faults;
mod hooks;
mod limits;
mod operation;
mod peer;
mod pipeline;
mod reply;
mod sandbox;
mod secrets;
mod server;
mod shared;
mod state;
mod store;
mod tls;
mod verification_host;

pub use calls::Call;
pub use config::{
    AccountRefresh, ApplicationDelete, Bounds, Cli, CliError, ClientTokenExpiry, Config, ConsoleAccounts,
    Creation, DestinationDelete, Foreign, ListOrder, ListShape, Locked, LockoutScope, MissingKey,
    PasswordChange, Period, Refusal, RegisteredAddress, ResendPassword, Switches, Times, TokenAlgorithm,
    TrailingSlash, UnnamedEvents, WrongCode, WrongKey, WrongPassword,
};
pub use error::SandboxError;
pub use faults::{Fault, FaultError, FaultRule, RetryAfter, When};
pub use hooks::{CallEvent, Gate, Stopped};
pub use operation::{Operation, Route, UnknownOperation};
pub use sandbox::Sandbox;
pub use shared::Outage;
pub use state::{
    AccountError, ApplicationEdit, ApplicationRecord, CreatedAccount, CreatedApplication,
    CreatedOrganization, KeyState, Mail, Mode, NewAccount, Role,
};
pub use store::StoreError;
pub use tls::{Tls, TlsError};
