//! What every part of a running sandbox shares.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::calls::{Call, CallLog};
use crate::clock::Clock;
use crate::config::{Bounds, Switches, Times};
use crate::faults::{FaultError, FaultRule, Faults};
use crate::hooks::Hooks;
use crate::limits::{Allowance, RateWindows};
use crate::operation::Operation;
use crate::state::{
    AccountError, ApplicationEdit, ApplicationRecord, Context, CreatedAccount, Mail, NewAccount, World,
    address_key,
};
use crate::store::{Store, StoreError};

/// How an outage shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outage {
    /// Every call is answered with 503.
    #[default]
    Unavailable,
    /// Every connection is closed without an answer.
    Drop,
}

/// The sandbox behind its listener.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) times: Times,
    pub(crate) bounds: Bounds,
    switches: Mutex<Switches>,
    world: Mutex<World>,
    pub(crate) clock: Clock,
    faults: Mutex<Faults>,
    calls: Mutex<CallLog>,
    outage: Mutex<Option<Outage>>,
    rates: Mutex<RateWindows>,
    pub(crate) hooks: Hooks,
    store: Option<Store>,
}

impl Shared {
    /// A sandbox with these rules, continuing where the store left off. `times` are already scaled.
    pub(crate) fn new(
        times: Times,
        bounds: Bounds,
        switches: Switches,
        store: Option<Store>,
    ) -> Result<Self, StoreError> {
        let saved = store.as_ref().map(Store::load).transpose()?.flatten();
        let (world, clock_ahead) = saved.unwrap_or_default();
        Ok(Self {
            times,
            bounds,
            switches: Mutex::new(switches),
            world: Mutex::new(world),
            clock: Clock::ahead(clock_ahead),
            faults: Mutex::default(),
            calls: Mutex::default(),
            outage: Mutex::default(),
            rates: Mutex::default(),
            hooks: Hooks::default(),
            store,
        })
    }

    /// Looks at the world.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&World, &Context) -> T) -> T {
        let context = self.context();
        look(&lock(&self.world), &context)
    }

    /// Changes the world, and saves it.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut World, &Context) -> T) -> Result<T, StoreError> {
        let context = self.context();
        let mut world = lock(&self.world);
        let result = change(&mut world, &context);
        if let Some(store) = &self.store {
            store.save(&world, self.clock.offset())?;
        }
        Ok(result)
    }

    pub(crate) fn switches(&self) -> Switches {
        lock(&self.switches).clone()
    }

    pub(crate) fn set_switches(&self, switches: Switches) {
        *lock(&self.switches) = switches;
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        lock(&self.faults)
    }

    pub(crate) fn inject(&self, rule: FaultRule) -> Result<(), FaultError> {
        rule.check()?;
        self.faults().add(rule);
        Ok(())
    }

    pub(crate) fn call_log(&self) -> MutexGuard<'_, CallLog> {
        lock(&self.calls)
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.call_log().list()
    }

    pub(crate) fn counters(&self) -> BTreeMap<Operation, u64> {
        self.call_log().counters()
    }

    pub(crate) fn outage(&self) -> Option<Outage> {
        *lock(&self.outage)
    }

    pub(crate) fn set_outage(&self, outage: Option<Outage>) {
        *lock(&self.outage) = outage;
    }

    /// Counts a call to the verification host by caller and class.
    pub(crate) fn count_rate(&self, caller: &str, class: &'static str, limit: u32) -> Allowance {
        let (now, window) = (self.clock.now(), self.times.rate_window.get());
        lock(&self.rates).take((caller.to_owned(), class), now, limit, window)
    }

    pub(crate) fn advance(&self, step: Duration) -> Result<(), StoreError> {
        self.clock.advance(step);
        self.change(|_, _| ())
    }

    pub(crate) fn add_account(
        &self,
        account: NewAccount,
    ) -> Result<Result<CreatedAccount, AccountError>, StoreError> {
        self.change(|world, context| world.add_account(account, context))
    }

    pub(crate) fn set_password(
        &self,
        email: &str,
        password: &str,
    ) -> Result<Result<(), AccountError>, StoreError> {
        self.change(|world, context| world.set_password(email, password, context))
    }

    pub(crate) fn mailbox(&self, email: &str) -> Vec<Mail> {
        let key = address_key(email);
        self.read(|world, _| {
            world
                .mails
                .iter()
                .filter(|mail| address_key(&mail.to) == key)
                .cloned()
                .collect()
        })
    }

    pub(crate) fn applications(&self) -> Vec<ApplicationRecord> {
        self.read(|world, _| world.application_records())
    }

    pub(crate) fn edit_application(
        &self,
        uuid: Uuid,
        edit: ApplicationEdit,
    ) -> Result<Option<ApplicationRecord>, StoreError> {
        self.change(|world, _| world.edit_application(uuid, edit))
    }

    pub(crate) fn remove_application(&self, uuid: Uuid) -> Result<bool, StoreError> {
        self.change(|world, _| world.remove_application(uuid))
    }

    fn context(&self) -> Context {
        Context {
            now: self.clock.now(),
            times: self.times.clone(),
            bounds: self.bounds.clone(),
            switches: self.switches(),
        }
    }
}

/// Every change of shared state is completed under its lock, so a poisoned lock still guards sound state.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
