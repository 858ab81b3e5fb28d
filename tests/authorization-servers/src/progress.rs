//! What a person waiting in front of the terminal is told.

use std::fmt::Display;
use std::io::Write;

/// Writes a line to stderr. A closed stderr is no reason to stop.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "authorization-servers: {line}");
}
