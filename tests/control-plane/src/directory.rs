//! The directory that holds everything one running control plane writes.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::Error;
use crate::progress::say;

const PREFIX: &str = "keywright-control-plane-";

/// Held locked as long as the directory is in use.
const LOCK: &str = "in-use";

/// Memory-backed storage on Linux: etcd writes much, and nothing of it is to last.
const MEMORY: &str = "/dev/shm";

/// Below this, etcd could run out of space in the middle of a test; containers often get only 64 MiB there.
const MEMORY_NEEDED: u64 = 2 << 30;

/// A directory only its owner can enter, removed with the value unless it is to be kept.
#[derive(Debug)]
pub(crate) struct RunDirectory {
    directory: Option<TempDir>,
    path: PathBuf,
    _lock: Option<File>,
}

impl RunDirectory {
    /// Makes a new directory, and removes those of supervisors that were killed.
    pub(crate) fn create(keep: bool) -> Result<Self, Error> {
        let base = base();
        remove_abandoned(&base);
        Self::create_in(&base, keep)
    }

    fn create_in(base: &Path, keep: bool) -> Result<Self, Error> {
        let directory = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir_in(base)
            .map_err(Error::file("make a directory in", base))?;
        if keep {
            // Without the lock file, no later control plane takes it for abandoned.
            let path = directory.keep();
            say(format_args!("keeps its files in {}", path.display()));
            return Ok(Self {
                directory: None,
                path,
                _lock: None,
            });
        }
        let path = directory.path().to_owned();
        let lock = lock(&path)?;
        Ok(Self {
            directory: Some(directory),
            path,
            _lock: Some(lock),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the directory and tells if that fails.
    pub(crate) fn close(mut self) -> Result<(), Error> {
        self.directory
            .take()
            .map_or(Ok(()), TempDir::close)
            .map_err(Error::file("remove", &self.path))
    }
}

/// Makes the lock file, locked before it has its name, so that it is never seen unlocked while in use.
fn lock(directory: &Path) -> Result<File, Error> {
    let path = directory.join(LOCK);
    let file =
        tempfile::NamedTempFile::new_in(directory).map_err(Error::file("make a file in", directory))?;
    file.as_file().lock().map_err(Error::file("lock", &path))?;
    file.persist(&path)
        .map_err(|error| Error::file("make", &path)(error.error))
}

fn base() -> PathBuf {
    let free =
        rustix::fs::statvfs(MEMORY).map_or(0, |status| status.f_bavail.saturating_mul(status.f_frsize));
    let writable = || tempfile::tempdir_in(MEMORY).is_ok();
    if free >= MEMORY_NEEDED && writable() {
        MEMORY.into()
    } else {
        std::env::temp_dir()
    }
}

/// Removes the directories whose supervisor ended without doing so. Failures are left to the next one.
fn remove_abandoned(base: &Path) {
    let Ok(entries) = std::fs::read_dir(base) else {
        return;
    };
    for entry in entries.flatten() {
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if !is_directory || !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        if let Ok(lock) = File::open(entry.path().join(LOCK))
            && lock.try_lock().is_ok()
        {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Writes a file in one step that its owner alone can read (mode 0600).
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<(), Error> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut file =
        tempfile::NamedTempFile::new_in(directory).map_err(Error::file("make a file in", directory))?;
    file.write_all(content).map_err(Error::file("write", path))?;
    file.persist(path)
        .map_err(|error| Error::file("write", path)(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_abandoned_directories_are_removed() {
        let base = tempfile::tempdir().unwrap();
        let used = RunDirectory::create_in(base.path(), false).unwrap();
        let kept = RunDirectory::create_in(base.path(), true).unwrap();
        let abandoned = base.path().join(format!("{PREFIX}abandoned"));
        let foreign = base.path().join("other");
        for path in [&abandoned, &foreign] {
            std::fs::create_dir_all(path.join("etcd")).unwrap();
            std::fs::write(path.join(LOCK), "").unwrap();
        }

        remove_abandoned(base.path());

        assert!(!abandoned.exists());
        assert!(foreign.exists());
        assert!(used.path().exists());
        assert!(kept.path().exists());
    }

    #[test]
    fn a_directory_goes_away_unless_kept() {
        let base = tempfile::tempdir().unwrap();
        for (keep, close) in [(false, false), (false, true), (true, false), (true, true)] {
            let directory = RunDirectory::create_in(base.path(), keep).unwrap();
            let path = directory.path().to_owned();
            if close {
                directory.close().unwrap();
            } else {
                drop(directory);
            }
            assert_eq!(path.exists(), keep, "keep {keep}, close {close}");
        }
    }
}
