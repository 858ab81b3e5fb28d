//! The operator as users run it: the real binary against a real kube-apiserver and the Didit sandbox.
//!
//! Every test has a namespace, a sandbox and an operator of its own and says in its name what a user sees.
//! Nothing here waits for a fixed time: a test looks until something is true, and when it never becomes true
//! it shows the resources, the calls and the operator's log.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "helpers of tests may stop at the first surprise, as tests may"
)]

mod harness;

mod adoption;
mod claims;
mod command_line;
mod credentials;
mod deletion;
mod drift;
mod healing;
mod killed;
mod leadership;
mod leaks;
mod malformed;
mod onboarding;
mod organizations;
mod outage;
mod publishing;
mod servers;
mod shared_provider;
mod spec_changes;
mod suspension;
mod tokens;
mod trust;
