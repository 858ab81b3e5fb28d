//! What a process takes.

use std::fmt;
use std::path::Path;

use crate::failure::Failure;

/// Memory of a process that is in RAM (resident set size), in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) now: u64,
    pub(crate) peak: u64,
}

impl Memory {
    /// Reads it from `/proc`.
    pub(crate) fn of(process: u32) -> Result<Self, Failure> {
        let path = format!("/proc/{process}/status");
        let status = std::fs::read_to_string(&path).map_err(Failure::file("read", Path::new(&path)))?;
        let field = |name: &str| {
            let kibibytes = status.lines().find_map(|line| line.strip_prefix(name))?;
            let number: u64 = kibibytes.trim().trim_end_matches(" kB").parse().ok()?;
            Some(number * 1024)
        };
        match (field("VmRSS:"), field("VmHWM:")) {
            (Some(now), Some(peak)) => Ok(Self { now, peak }),
            _ => Err(Failure::said(format!(
                "{path} does not tell the memory of the process"
            ))),
        }
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} resident, {} at its peak",
            Bytes(self.now),
            Bytes(self.peak)
        )
    }
}

/// A number of bytes for people.
pub(crate) struct Bytes(pub(crate) u64);

impl fmt::Display for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = self.0 * 10 / (1 << 20);
        write!(formatter, "{}.{} MiB", tenths / 10, tenths % 10)
    }
}
