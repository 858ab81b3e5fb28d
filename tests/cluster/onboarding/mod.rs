//! Accounts that Keywright signs up: from an e-mail address to credentials.
//!
//! Each test ends `Ready`, or in a condition that says what to do, and counts the calls that the identity API got.
//! Where an hour has to go by, the operator is killed and its world is made an hour older: see [`time`].

mod budget;
mod by_hand;
mod by_mailbox;
mod lost_answers;
mod stage;
mod taken;
pub(crate) mod time;
mod token;
