//! Helm, for the tests of the chart: the real program, built from its Go module once and kept outside the
//! repository.

mod build;
mod helm;

pub use build::built_program;
pub use helm::{Failure, Helm, chart};
