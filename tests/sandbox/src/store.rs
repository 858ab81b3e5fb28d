//! Keeping the world in a file.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use tempfile::NamedTempFile;

use crate::state::{SNAPSHOT_VERSION, Snapshot, SnapshotRef, World};

/// A state file: JSON, replaced as a whole with each change, readable by its owner only. It holds the
/// sandbox's passwords, keys and tokens in the clear.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
}

/// The state file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It exists and cannot be read.
    #[error("cannot read the state file {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not what the sandbox wrote.
    #[error("the state file {path} is no state of this sandbox ({reason}); move it away to begin afresh")]
    Content {
        /// The file.
        path: PathBuf,
        /// Where reading broke off; never the text itself.
        reason: String,
    },
    /// It cannot be written.
    #[error("cannot write the state file {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Store {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// The saved world and how far its clock was ahead; none if there is no file yet.
    pub(crate) fn load(&self) -> Result<Option<(World, SignedDuration)>, StoreError> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(StoreError::Read {
                    path: self.path.clone(),
                    source,
                });
            }
        };
        let content = |reason| StoreError::Content {
            path: self.path.clone(),
            reason,
        };
        // serde_json's own message may quote a value, and values here are secrets.
        let snapshot: Snapshot = serde_json::from_slice(&text).map_err(|error| {
            content(format!(
                "{:?} error at line {} column {}",
                error.classify(),
                error.line(),
                error.column()
            ))
        })?;
        if snapshot.version != SNAPSHOT_VERSION {
            return Err(content(format!(
                "version {}, not {SNAPSHOT_VERSION}",
                snapshot.version
            )));
        }
        Ok(Some((snapshot.world.restored(), snapshot.clock_ahead)))
    }

    /// Replaces the file. A crash leaves the old one or the new one, never a part.
    pub(crate) fn save(&self, world: &World, clock_ahead: SignedDuration) -> Result<(), StoreError> {
        self.replace(world, clock_ahead)
            .map_err(|source| StoreError::Write {
                path: self.path.clone(),
                source,
            })
    }

    fn replace(&self, world: &World, clock_ahead: SignedDuration) -> io::Result<()> {
        let snapshot = SnapshotRef {
            version: SNAPSHOT_VERSION,
            clock_ahead,
            world,
        };
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut file = NamedTempFile::new_in(folder.unwrap_or_else(|| Path::new(".")))?;
        let mut writer = io::BufWriter::new(file.as_file_mut());
        serde_json::to_writer_pretty(&mut writer, &snapshot)?;
        writer.flush()?;
        drop(writer);
        file.as_file().sync_all()?;
        file.persist(&self.path)?;
        Ok(())
    }
}
