//! What users read beside the code is true: pages, alerts and their runbooks, the dashboard.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the helpers of tests may stop at the first surprise, as tests may"
)]

mod alerts;
mod dashboard;
mod links;
mod metrics;
mod pages;
mod promtool;
mod reasons;
mod reference;
mod resources;
