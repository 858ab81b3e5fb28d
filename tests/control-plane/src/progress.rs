//! What a person waiting in front of the terminal is told.

use std::fmt::Display;
use std::io::Write;

/// Writes a line about the control plane to stderr.
pub(crate) fn say(line: impl Display) {
    say_of("control-plane", line);
}

/// Writes a line about something to stderr. A closed stderr is no reason to stop.
pub(crate) fn say_of(name: &str, line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{name}: {line}");
}
