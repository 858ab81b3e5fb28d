//! Builds the programs with Go, once, and keeps them outside the repository.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Error;
use crate::compile;
use crate::progress::say;
use crate::source;
use crate::tool::Tool;

/// The file that all four programs are links to.
const PROGRAM: &str = "keywright-control-plane";

/// How often it is looked whether another process has finished its build.
const LOCK_POLL: Duration = Duration::from_millis(500);

/// Builds etcd, kube-apiserver, kube-controller-manager and kubectl unless that was done before, and returns
/// the directory that holds them, which may serve as `KUBEBUILDER_ASSETS`.
///
/// The first build takes minutes; it reports on stderr. Processes that call this at once build once.
///
/// # Errors
///
/// If Go is missing, too old, or fails, or the cache directory cannot be used.
pub async fn built_directory() -> Result<PathBuf, Error> {
    let cache = cache_directory(std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME"))?;
    let target = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
    let directory = cache.join(source::fingerprint(&source::FILES, &target));
    if is_complete(&directory) {
        return Ok(directory);
    }
    std::fs::create_dir_all(&cache).map_err(Error::file("make the directory", &cache))?;
    let _lock = lock(&cache.join("lock")).await?;
    if !is_complete(&directory) {
        remove_abandoned_builds(&cache)?;
        build_into(&cache, &directory).await?;
    }
    Ok(directory)
}

/// The XDG Base Directory Specification's rule: a relative `XDG_CACHE_HOME` is to be ignored.
fn cache_directory(xdg: Option<OsString>, home: Option<OsString>) -> Result<PathBuf, Error> {
    let xdg = xdg.map(PathBuf::from).filter(|path| path.is_absolute());
    let home = home
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .map(|path| path.join(".cache"));
    Ok(xdg
        .or(home)
        .ok_or(Error::NoCacheDirectory)?
        .join("keywright/control-plane"))
}

fn is_complete(directory: &Path) -> bool {
    // Some cleaners of caches remove single files.
    Tool::ALL
        .into_iter()
        .all(|tool| directory.join(tool.name()).is_file())
}

/// Takes the lock that guards the cache; dropping the file gives it back.
async fn lock(path: &Path) -> Result<File, Error> {
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
                    say("waiting for another process that is building the control plane");
                    announced = true;
                }
                tokio::time::sleep(LOCK_POLL).await;
            }
            Err(TryLockError::Error(error)) => return Err(Error::file("lock", path)(error)),
        }
    }
}

/// Name of the directories that builds happen in.
const WORKING_PREFIX: &str = ".build-";

/// Removes what builds have left that were killed. To be called under the lock.
fn remove_abandoned_builds(cache: &Path) -> Result<(), Error> {
    for entry in std::fs::read_dir(cache)
        .map_err(Error::file("read", cache))?
        .flatten()
    {
        if entry.file_name().to_string_lossy().starts_with(WORKING_PREFIX) {
            std::fs::remove_dir_all(entry.path()).map_err(Error::file("remove", &entry.path()))?;
        }
    }
    Ok(())
}

async fn build_into(cache: &Path, directory: &Path) -> Result<(), Error> {
    let working = tempfile::Builder::new()
        .prefix(WORKING_PREFIX)
        .tempdir_in(cache)
        .map_err(Error::file("make a directory in", cache))?;
    let [sources, temporary, finished] =
        ["sources", "temporary", "finished"].map(|name| working.path().join(name));
    for path in [&sources, &temporary, &finished] {
        std::fs::create_dir(path).map_err(Error::file("make the directory", path))?;
    }
    source::write(&source::FILES, &sources)?;
    compile::compile(&sources, &temporary, &finished.join(PROGRAM)).await?;
    for tool in Tool::ALL {
        let link = finished.join(tool.name());
        symlink(PROGRAM, &link).map_err(Error::file("make the link", &link))?;
    }
    put_in_place(&finished, directory)
}

/// Moves the finished directory to its name in one step, so that it is there in full or not at all.
fn put_in_place(finished: &Path, directory: &Path) -> Result<(), Error> {
    if directory.exists() {
        std::fs::remove_dir_all(directory).map_err(Error::file("remove the incomplete", directory))?;
    }
    std::fs::rename(finished, directory).map_err(Error::file("move the built programs to", directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_directory_follows_xdg() {
        let some = |text: &str| Some(OsString::from(text));
        for (xdg, home, expected) in [
            (some("/c"), some("/h"), Some("/c/keywright/control-plane")),
            (some("c"), some("/h"), Some("/h/.cache/keywright/control-plane")),
            (some(""), some("/h"), Some("/h/.cache/keywright/control-plane")),
            (None, some("/h"), Some("/h/.cache/keywright/control-plane")),
            (None, some("h"), None),
            (None, None, None),
        ] {
            assert_eq!(cache_directory(xdg, home).ok(), expected.map(PathBuf::from));
        }
    }

    #[test]
    fn a_directory_is_complete_with_all_programs() {
        let directory = tempfile::tempdir().unwrap();
        for tool in Tool::ALL {
            assert!(!is_complete(directory.path()));
            symlink(PROGRAM, directory.path().join(tool.name())).unwrap();
        }
        assert!(!is_complete(directory.path()), "the links lead nowhere");
        std::fs::write(directory.path().join(PROGRAM), "").unwrap();
        assert!(is_complete(directory.path()));
    }

    #[test]
    fn an_incomplete_directory_is_replaced() {
        let cache = tempfile::tempdir().unwrap();
        let [old, new] = ["old", "new"].map(|name| cache.path().join(name));
        for (path, file) in [(&old, "stale"), (&new, "fresh")] {
            std::fs::create_dir(path).unwrap();
            std::fs::write(path.join(file), "").unwrap();
        }
        put_in_place(&new, &old).unwrap();
        assert!(old.join("fresh").exists() && !old.join("stale").exists() && !new.exists());
    }

    #[test]
    fn abandoned_builds_are_removed_and_nothing_else() {
        let cache = tempfile::tempdir().unwrap();
        for name in [".build-a", ".build-b", "0123"] {
            std::fs::create_dir_all(cache.path().join(name).join("sources")).unwrap();
        }
        remove_abandoned_builds(cache.path()).unwrap();
        let left: Vec<_> = std::fs::read_dir(cache.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["0123"]);
    }

    #[tokio::test]
    async fn the_lock_is_held_by_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let first = lock(&path).await.unwrap();
        let mut second = Box::pin(lock(&path));
        let waiting = tokio::time::timeout(LOCK_POLL * 2, &mut second).await;
        assert!(waiting.is_err());
        drop(first);
        second.await.unwrap();
    }
}
