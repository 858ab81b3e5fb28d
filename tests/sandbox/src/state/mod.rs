//! The world the API shows: accounts, organizations, applications, tokens, mails and counters.
//!
//! A pure model: no I/O and no clock of its own. Every method that depends on time or on an open question
//! takes a [`Context`].

mod account;
mod application;
mod application_record;
mod login;
mod mail;
mod new_account;
mod organization;
mod registration;
mod snapshot;
mod token;
mod webhook;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) use account::{Account, is_address};
pub(crate) use application::{Application, ApplicationInput};
pub use application::{KeyState, Mode};
pub use application_record::{ApplicationEdit, ApplicationRecord};
pub(crate) use login::{LoginError, LoginOutcome};
pub use mail::Mail;
pub use new_account::{AccountError, CreatedAccount, CreatedApplication, CreatedOrganization, NewAccount};
pub use organization::Role;
pub(crate) use organization::{Access, Organization};
pub(crate) use registration::{RegisterError, Registered};
pub(crate) use snapshot::{SNAPSHOT_VERSION, Snapshot, SnapshotRef};
pub(crate) use token::{SessionTokens, Token, TokenKind};
pub(crate) use webhook::{Destination, DestinationInput, EVENTS, VERSIONS, WebhookSettings};

use crate::config::{Bounds, Switches, Times};
use crate::limits::{Lockout, Window};

/// What a call happens in: the moment and the rules.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) now: Timestamp,
    pub(crate) times: Times,
    pub(crate) bounds: Bounds,
    pub(crate) switches: Switches,
}

/// Everything the sandbox knows.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct World {
    /// By e-mail address in lower case.
    pub(crate) accounts: BTreeMap<String, Account>,
    pub(crate) organizations: BTreeMap<Uuid, Organization>,
    pub(crate) applications: BTreeMap<Uuid, Application>,
    /// By the token itself.
    pub(crate) tokens: HashMap<String, Token>,
    /// Logins that wait for a second factor, by temporary token.
    pub(crate) challenges: HashMap<String, login::Challenge>,
    pub(crate) mails: Vec<Mail>,
    /// Registrations and resends by IP address.
    pub(crate) registrations: HashMap<String, Window>,
    /// Failed logins by e-mail address or IP address.
    pub(crate) lockouts: HashMap<String, Lockout>,
    /// Counts creations, so that lists can be ordered by them.
    sequence: u64,
    /// Applications by API key.
    #[serde(skip)]
    keys: HashMap<String, Uuid>,
    /// Every secret that was ever issued or set, for tests that look for leaks.
    #[serde(skip)]
    secrets: BTreeSet<String>,
}

impl World {
    fn next_sequence(&mut self) -> u64 {
        self.sequence = self.sequence.saturating_add(1);
        self.sequence
    }

    /// Remembers a secret and hands it back.
    fn remember(&mut self, secret: String) -> String {
        self.secrets.insert(secret.clone());
        secret
    }

    /// Every secret ever issued or set since the start.
    pub(crate) fn known_secrets(&self) -> Vec<String> {
        self.secrets.iter().cloned().collect()
    }
}

/// The form in which addresses are compared.
pub(crate) fn address_key(email: &str) -> String {
    email.trim().to_lowercase()
}
