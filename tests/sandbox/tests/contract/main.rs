//! The sandbox against its contract, over HTTP, section by section.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the helpers of tests may stop at the first surprise, as tests may"
)]

mod applications;
mod control;
mod faults;
mod keys;
mod legacy_oauth;
mod login;
mod organizations;
mod program;
mod protocol;
mod registration;
mod second_factor;
mod store;
mod support;
mod webhooks;
