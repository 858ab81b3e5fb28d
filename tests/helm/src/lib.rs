//! Helm, for the tests of the chart: the real program, built from its Go module once and kept outside the
//! repository.

#![allow(
    clippy::panic,
    reason = "tests may stop at the first surprise, and only they use this"
)]

mod build;
mod helm;

pub use build::built_program;
pub use helm::{Failure, Helm, chart};
