//! What the person in front of the terminal reads.

use std::io::{Write, stderr, stdout};

use crate::failure::Failure;

/// A line.
pub(crate) fn say(text: impl AsRef<str>) -> Result<(), Failure> {
    let mut out = stdout().lock();
    writeln!(out, "{}", text.as_ref())
        .and_then(|()| out.flush())
        .map_err(Failure::Output)
}

/// An error.
pub(crate) fn complain(text: &str) {
    // Nothing is left to be told when the standard error stream is gone.
    let _ = writeln!(stderr().lock(), "keywright-node: {text}");
}
