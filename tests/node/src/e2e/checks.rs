//! What must be true of everything that pods have read.

use std::path::Path;

use keywright_witness::digest;

use super::pods::{ENVIRONMENT, FIXED, MOUNTED, READERS, VARIABLE, sightings};
use super::writes::Write;
use crate::failure::{Failure, ensure};
use crate::screen::say;

/// Fails unless each mounted file was one whole token after the other, in the order in which they were written, and
/// what Kubernetes never changes was not changed.
pub(super) fn all(run: &Path, writes: &[Write]) -> Result<(), Failure> {
    let tokens: Vec<_> = writes.iter().map(|write| Some(digest(&write.token))).collect();
    let read = |pod: &str, place: &str| -> Vec<_> {
        let all = sightings(run, pod, place);
        all.into_iter().map(|sighting| sighting.digest).collect()
    };
    for pod in READERS {
        let mounted = read(pod, MOUNTED);
        ensure(mounted == tokens, || {
            format!("{pod} read {mounted:x?} in its volume, and {tokens:x?} were written")
        })?;
    }
    for (pod, place) in [(ENVIRONMENT, VARIABLE), (READERS[0], FIXED)] {
        let fixed = read(pod, place);
        ensure(fixed == tokens.get(..1).unwrap_or_default(), || {
            format!("{pod} read {fixed:x?} in {place}, and it began with the first of {tokens:x?}")
        })?;
    }
    say(
        "Each file was one whole token after the other, never empty and never half. The environment variable and the \
         subPath mount are the token that the pod began with.",
    )
}
