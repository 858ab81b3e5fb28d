//! Where installations are kept between runs, outside the repository.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::Error;
use crate::progress::say;

/// How often it is looked whether another process has finished its installation.
const LOCK_POLL: Duration = Duration::from_millis(500);

/// Name of the directories that installations happen in.
const WORKING_PREFIX: &str = ".install-";

/// In every finished installation, made last. Some cleaners of caches remove single files.
const COMPLETE: &str = "complete";

/// An installation that is to be made. Nobody else makes one until the value is dropped.
#[derive(Debug)]
pub(crate) struct Pending {
    directory: PathBuf,
    working: TempDir,
    _lock: File,
}

impl Pending {
    /// An empty directory for the installation.
    pub(crate) fn path(&self) -> &Path {
        self.working.path()
    }

    /// Moves `finished`, a directory below [`Pending::path`], to its name in one step.
    pub(crate) fn finish(self, finished: &Path) -> Result<PathBuf, Error> {
        let marker = finished.join(COMPLETE);
        std::fs::write(&marker, "").map_err(Error::file("write", &marker))?;
        if self.directory.exists() {
            std::fs::remove_dir_all(&self.directory)
                .map_err(Error::file("remove the incomplete", &self.directory))?;
        }
        std::fs::rename(finished, &self.directory)
            .map_err(Error::file("move the installation to", &self.directory))?;
        Ok(self.directory)
    }
}

/// What is in the cache.
#[derive(Debug)]
pub(crate) enum Installation {
    /// It is there, in this directory.
    Complete(PathBuf),
    /// It is to be made by the caller.
    Pending(Pending),
}

/// Looks for the installation `name`; it counts as another one when any of `contents` has changed.
pub(crate) async fn find(name: &str, contents: &[&str]) -> Result<Installation, Error> {
    let cache = directory(std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME"))?;
    find_in(&cache, name, contents).await
}

async fn find_in(cache: &Path, name: &str, contents: &[&str]) -> Result<Installation, Error> {
    let directory = cache.join(format!("{name}-{}", fingerprint(contents)));
    if directory.join(COMPLETE).is_file() {
        return Ok(Installation::Complete(directory));
    }
    std::fs::create_dir_all(cache).map_err(Error::file("make the directory", cache))?;
    let lock = lock(&cache.join(format!("{name}.lock")), name).await?;
    if directory.join(COMPLETE).is_file() {
        return Ok(Installation::Complete(directory));
    }
    let prefix = format!("{WORKING_PREFIX}{name}-");
    remove_abandoned(cache, &prefix)?;
    let working = tempfile::Builder::new()
        .prefix(&prefix)
        .tempdir_in(cache)
        .map_err(Error::file("make a directory in", cache))?;
    Ok(Installation::Pending(Pending {
        directory,
        working,
        _lock: lock,
    }))
}

/// The XDG Base Directory Specification's rule: a relative `XDG_CACHE_HOME` is to be ignored.
fn directory(xdg: Option<OsString>, home: Option<OsString>) -> Result<PathBuf, Error> {
    let absolute = |path: OsString| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
    let home = home.and_then(absolute).map(|path| path.join(".cache"));
    Ok(xdg
        .and_then(absolute)
        .or(home)
        .ok_or(Error::NoCacheDirectory)?
        .join("keywright/authorization-servers"))
}

fn fingerprint(contents: &[&str]) -> String {
    let mut hash = Sha256::new();
    for content in contents {
        // With the length in front, text cannot move from one part into the next unnoticed.
        hash.update((content.len() as u64).to_be_bytes());
        hash.update(content);
    }
    hash.finalize()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Takes the lock that guards one installation; dropping the file gives it back.
async fn lock(path: &Path, name: &str) -> Result<File, Error> {
    let file = File::options()
        .create(true)
        .append(true)
        .open(path)
        .map_err(Error::file("open", path))?;
    let mut announced = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {
                if !announced {
                    say(format_args!(
                        "waiting for another process that is installing {name}"
                    ));
                    announced = true;
                }
                tokio::time::sleep(LOCK_POLL).await;
            }
            Err(TryLockError::Error(error)) => return Err(Error::file("lock", path)(error)),
        }
    }
}

/// Removes what installations have left that were killed. To be called under the lock.
fn remove_abandoned(cache: &Path, prefix: &str) -> Result<(), Error> {
    for entry in std::fs::read_dir(cache)
        .map_err(Error::file("read", cache))?
        .flatten()
    {
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            std::fs::remove_dir_all(entry.path()).map_err(Error::file("remove", &entry.path()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_directory_follows_xdg() {
        let some = |text: &str| Some(OsString::from(text));
        for (xdg, home, expected) in [
            (some("/c"), some("/h"), Some("/c/keywright/authorization-servers")),
            (
                some("c"),
                some("/h"),
                Some("/h/.cache/keywright/authorization-servers"),
            ),
            (None, some("h"), None),
            (None, None, None),
        ] {
            assert_eq!(directory(xdg, home).ok(), expected.map(PathBuf::from));
        }
    }

    #[tokio::test]
    async fn an_installation_is_made_once_by_one_and_again_when_its_contents_change() {
        let cache = tempfile::tempdir().unwrap();
        let abandoned = cache.path().join(format!("{WORKING_PREFIX}server-1-x"));
        std::fs::create_dir(&abandoned).unwrap();
        let Installation::Pending(pending) = find_in(cache.path(), "server-1", &["a"]).await.unwrap() else {
            panic!("nothing was installed yet");
        };
        assert!(!abandoned.exists());

        let mut second = Box::pin(find_in(cache.path(), "server-1", &["a"]));
        let waiting = tokio::time::timeout(LOCK_POLL * 2, &mut second).await;
        assert!(waiting.is_err(), "two install at once");

        let finished = pending.path().join("finished");
        std::fs::create_dir(&finished).unwrap();
        let directory = pending.finish(&finished).unwrap();
        let Installation::Complete(found) = second.await.unwrap() else {
            panic!("installed twice");
        };
        assert_eq!(found, directory);

        let changed = find_in(cache.path(), "server-1", &["b"]).await.unwrap();
        assert!(matches!(changed, Installation::Pending(_)));
    }
}
