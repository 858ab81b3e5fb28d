//! The world as it is written to a file.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::World;

/// The layout of the state file. Another number is refused.
pub(crate) const SNAPSHOT_VERSION: u32 = 1;

/// What the state file holds, to be read.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Snapshot {
    pub(crate) version: u32,
    /// How far the sandbox's clock is ahead.
    pub(crate) clock_ahead: SignedDuration,
    pub(crate) world: World,
}

/// What the state file holds, to be written.
#[derive(Debug, Serialize)]
pub(crate) struct SnapshotRef<'a> {
    pub(crate) version: u32,
    pub(crate) clock_ahead: SignedDuration,
    pub(crate) world: &'a World,
}

impl World {
    /// Rebuilds what is not written: the index of keys and the list of secrets.
    pub(crate) fn restored(mut self) -> Self {
        self.index_keys();
        let mut secrets: Vec<String> = self
            .tokens
            .keys()
            .chain(self.challenges.keys())
            .cloned()
            .collect();
        for account in self.accounts.values() {
            let own = account
                .password
                .iter()
                .chain(&account.totp_seed)
                .chain(&account.backup_codes);
            secrets.extend(own.cloned());
        }
        for application in self.applications.values() {
            secrets.extend(application.secrets());
        }
        secrets.extend(self.mails.iter().map(|mail| mail.code.clone()));
        self.secrets = secrets.into_iter().collect();
        self
    }
}
