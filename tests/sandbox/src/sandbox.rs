//! The sandbox inside a test's own process.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use crate::calls::Call;
use crate::config::{Config, Switches};
use crate::error::SandboxError;
use crate::faults::{FaultRule, When};
use crate::hooks::{CallEvent, Gate};
use crate::operation::{Operation, Route};
use crate::server::Server;
use crate::shared::{Outage, Shared};
use crate::state::{AccountError, ApplicationEdit, ApplicationRecord, CreatedAccount, Mail, NewAccount};
use crate::store::Store;

/// A running sandbox. Dropping it stops it without waiting; [`stop`](Self::stop) waits.
#[derive(Debug)]
pub struct Sandbox {
    shared: Arc<Shared>,
    server: Server,
}

impl Sandbox {
    /// Starts a sandbox. Accounts of the configuration that the state file already holds stay as they are.
    ///
    /// # Errors
    /// If the address, the certificates, the state file, an account or a fault cannot be used.
    pub async fn start(config: Config) -> Result<Self, SandboxError> {
        let store = config.state_file.as_deref().map(Store::new);
        let shared = Shared::new(config.times.scaled(), config.bounds, config.switches, store)?;
        for account in config.accounts {
            match shared.add_account(account)? {
                Ok(_) | Err(AccountError::Exists(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        for rule in config.faults {
            shared.inject(rule)?;
        }
        let shared = Arc::new(shared);
        let server = Server::start(Arc::clone(&shared), config.listen, &config.tls)?;
        Ok(Self { shared, server })
    }

    /// The address it listens on.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The root, such as `http://127.0.0.1:41234`, without a slash at the end. With TLS it names
    /// `localhost` in place of a loopback address, as certificates do.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The base URL of the auth host.
    #[must_use]
    pub fn auth_url(&self) -> String {
        format!("{}/auth/v2", self.url())
    }

    /// The base URL of the verification host.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("{}/v3", self.url())
    }

    /// Sets up a verified account.
    ///
    /// # Errors
    /// If the address is taken or is none, or the seed is not base32.
    pub fn create_account(&self, account: NewAccount) -> Result<CreatedAccount, SandboxError> {
        Ok(self.shared.add_account(account)??)
    }

    /// Changes an account's password.
    ///
    /// # Errors
    /// If nobody has this address.
    pub fn set_password(&self, email: &str, password: &str) -> Result<(), SandboxError> {
        Ok(self.shared.set_password(email, password)??)
    }

    /// The mails sent to an address, oldest first.
    #[must_use]
    pub fn mailbox(&self, email: &str) -> Vec<Mail> {
        self.shared.mailbox(email)
    }

    /// Adds a fault.
    ///
    /// # Errors
    /// If the rule cannot be carried out.
    pub fn inject(&self, rule: FaultRule) -> Result<(), SandboxError> {
        Ok(self.shared.inject(rule)?)
    }

    /// The faults that are still to be met.
    #[must_use]
    pub fn faults(&self) -> Vec<FaultRule> {
        self.shared.faults().list()
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.shared.faults().clear();
    }

    /// Starts an outage of both hosts, or ends it.
    pub fn set_outage(&self, outage: Option<Outage>) {
        self.shared.set_outage(outage);
    }

    /// The calls so far, in the order of their arrival.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.shared.calls()
    }

    /// How often an operation was called, whatever became of the calls.
    #[must_use]
    pub fn count(&self, operation: Operation) -> u64 {
        self.shared.call_log().count(operation)
    }

    /// How often each operation was called.
    #[must_use]
    pub fn counters(&self) -> BTreeMap<Operation, u64> {
        self.shared.counters()
    }

    /// Forgets the calls and sets the counters to zero.
    pub fn clear_calls(&self) {
        self.shared.call_log().clear();
    }

    /// All applications of all organizations, oldest first.
    #[must_use]
    pub fn applications(&self) -> Vec<ApplicationRecord> {
        self.shared.applications()
    }

    /// Changes an application as a human in the console would.
    ///
    /// # Errors
    /// If there is no such application.
    pub fn edit_application(
        &self,
        uuid: Uuid,
        edit: ApplicationEdit,
    ) -> Result<ApplicationRecord, SandboxError> {
        self.shared
            .edit_application(uuid, edit)?
            .ok_or(SandboxError::UnknownApplication(uuid))
    }

    /// Removes an application as Didit's support would.
    ///
    /// # Errors
    /// If there is no such application.
    pub fn remove_application(&self, uuid: Uuid) -> Result<(), SandboxError> {
        let removed = self.shared.remove_application(uuid)?;
        removed
            .then_some(())
            .ok_or(SandboxError::UnknownApplication(uuid))
    }

    /// The API key of an application.
    #[must_use]
    pub fn api_key(&self, uuid: Uuid) -> Option<String> {
        self.shared
            .read(|world, _| world.applications.get(&uuid).map(|found| found.api_key.clone()))
    }

    /// The sandbox's present.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// Moves the sandbox's clock forward.
    ///
    /// # Errors
    /// If the state file cannot be written.
    pub fn advance(&self, step: Duration) -> Result<(), SandboxError> {
        Ok(self.shared.advance(step)?)
    }

    /// The answers to the open questions that are in force.
    #[must_use]
    pub fn switches(&self) -> Switches {
        self.shared.switches()
    }

    /// Changes them, from the next call on.
    pub fn set_switches(&self, switches: Switches) {
        self.shared.set_switches(switches);
    }

    /// Every password, authenticator seed, code, key, token and webhook secret that was ever issued or set
    /// since the start, or is in the state file.
    #[must_use]
    pub fn known_secrets(&self) -> Vec<String> {
        self.shared.read(|world, _| world.known_secrets())
    }

    /// Tells `callback` of every call at its two points. It runs within the call, which waits for it.
    pub fn on_call(&self, callback: impl Fn(CallEvent) + Send + Sync + 'static) {
        self.shared.hooks.on_call(callback);
    }

    /// Holds the next call of `route` at this point until the gate is released or dropped. Gates are
    /// passed before a fault at the same point is met.
    #[must_use = "dropping the gate releases the call"]
    pub fn hold_next(&self, route: impl Into<Route>, when: When) -> Gate {
        self.shared.hooks.hold(route.into(), when)
    }

    /// Stops listening, closes all connections and waits until no call is under way.
    pub async fn stop(mut self) {
        self.begin_stop();
        self.server.stopped().await;
    }

    fn begin_stop(&self) {
        self.shared.hooks.close();
        self.server.begin_stop();
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.begin_stop();
    }
}
