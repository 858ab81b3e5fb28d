//! The Helm chart: what it renders, and what becomes of it on a real control plane.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "the helpers of tests may stop at the first surprise, as tests may"
)]

mod cluster;
mod life;
mod operator;
mod readme;
mod region;
mod release;
mod rendered;
mod rights;
mod used;
mod values;
