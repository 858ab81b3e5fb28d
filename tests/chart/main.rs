//! The Helm chart: what it renders, and what becomes of it on a real control plane.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the helpers of tests may stop at the first surprise, as tests may"
)]

mod readme;
mod region;
mod rendered;
mod rights;
mod values;
