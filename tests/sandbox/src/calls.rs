//! The log of calls: what was asked for, in what order, and how it was answered. It holds no secret.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::operation::Operation;

/// One call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Its number, counted from 0 since the sandbox started.
    pub index: u64,
    /// What was called; none for a path or method that is no operation.
    pub operation: Option<Operation>,
    /// The HTTP method.
    pub method: String,
    /// The path, without the query; what might be secret in it is replaced by `…`.
    pub path: String,
    /// The status of the answer; none while the call is under way, and none if it was dropped.
    pub status: Option<u16>,
    /// Whether the connection was closed without an answer.
    pub dropped: bool,
    /// When it arrived, by the sandbox's clock.
    pub at: Timestamp,
}

/// So many calls are remembered; older ones only count.
const REMEMBERED: usize = 200_000;

/// The log.
#[derive(Debug, Default)]
pub(crate) struct CallLog {
    next: u64,
    calls: VecDeque<Call>,
    counters: BTreeMap<Operation, u64>,
}

impl CallLog {
    /// Notes the arrival of a call and numbers it.
    pub(crate) fn arrive(
        &mut self,
        operation: Option<Operation>,
        method: String,
        path: String,
        at: Timestamp,
    ) -> u64 {
        let index = self.next;
        self.next = self.next.saturating_add(1);
        if let Some(operation) = operation {
            *self.counters.entry(operation).or_default() += 1;
        }
        if self.calls.len() == REMEMBERED {
            self.calls.pop_front();
        }
        self.calls.push_back(Call {
            index,
            operation,
            method,
            path,
            status: None,
            dropped: false,
            at,
        });
        index
    }

    /// Notes how a call ended: with a status, or dropped.
    pub(crate) fn end(&mut self, index: u64, status: Option<u16>) {
        let position = self.calls.binary_search_by_key(&index, |call| call.index);
        if let Some(call) = position.ok().and_then(|position| self.calls.get_mut(position)) {
            call.status = status;
            call.dropped = status.is_none();
        }
    }

    pub(crate) fn list(&self) -> Vec<Call> {
        self.calls.iter().cloned().collect()
    }

    pub(crate) fn counters(&self) -> BTreeMap<Operation, u64> {
        self.counters.clone()
    }

    pub(crate) fn count(&self, operation: Operation) -> u64 {
        self.counters.get(&operation).copied().unwrap_or_default()
    }

    /// Forgets the calls and sets the counters to zero; numbering goes on.
    pub(crate) fn clear(&mut self) {
        self.calls.clear();
        self.counters.clear();
    }
}
