//! Builds programs with Go, once, and keeps them outside the repository.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Error;
use crate::compile;
use crate::progress::say_of;
use crate::source::{self, SourceFile};

/// How often it is looked whether another process has finished its build.
const LOCK_POLL: Duration = Duration::from_millis(500);

/// A Go module with one program in it.
#[derive(Debug, Clone)]
pub struct GoModule {
    /// Names the directory of the cache, `$XDG_CACHE_HOME/keywright/<name>` (or `~/.cache/...`), and the lines
    /// that tell how far the build is.
    pub name: &'static str,
    /// Every file of the module.
    pub files: &'static [SourceFile],
    /// The file that is built.
    pub program: &'static str,
    /// Names that the program is to be found by besides its own: symbolic links.
    pub links: &'static [&'static str],
    /// What the linker is told, as `go build -ldflags` takes it.
    pub linker_flags: String,
    /// Said before the build: what is built, and what that costs.
    pub announcement: String,
    /// About how many packages there are to compile, for people to see how far the build is.
    pub about_packages: usize,
    /// What to do where there is no Go.
    pub remedy: &'static str,
}

impl GoModule {
    /// Builds the program unless that was done before, and returns the directory that holds it and its links.
    ///
    /// The directory is named after the module's sources, so other sources are built anew. Processes that call
    /// this at once build once.
    ///
    /// # Errors
    ///
    /// If Go is missing, too old, or fails, or the cache directory cannot be used.
    pub async fn built_directory(&self) -> Result<PathBuf, Error> {
        let cache = cache_directory(
            self.name,
            std::env::var_os("XDG_CACHE_HOME"),
            std::env::var_os("HOME"),
        )?;
        let target = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
        let directory = cache.join(source::fingerprint(self.files, &target));
        if self.is_complete(&directory) {
            return Ok(directory);
        }
        std::fs::create_dir_all(&cache).map_err(Error::file("make the directory", &cache))?;
        let _lock = lock(self.name, &cache.join("lock")).await?;
        if !self.is_complete(&directory) {
            remove_abandoned_builds(&cache)?;
            self.build_into(&cache, &directory).await?;
        }
        Ok(directory)
    }

    fn is_complete(&self, directory: &Path) -> bool {
        // Some cleaners of caches remove single files.
        std::iter::once(&self.program)
            .chain(self.links)
            .all(|name| directory.join(name).is_file())
    }

    async fn build_into(&self, cache: &Path, directory: &Path) -> Result<(), Error> {
        let working = tempfile::Builder::new()
            .prefix(WORKING_PREFIX)
            .tempdir_in(cache)
            .map_err(Error::file("make a directory in", cache))?;
        let [sources, temporary, finished] =
            ["sources", "temporary", "finished"].map(|name| working.path().join(name));
        for path in [&sources, &temporary, &finished] {
            std::fs::create_dir(path).map_err(Error::file("make the directory", path))?;
        }
        source::write(self.files, &sources)?;
        compile::compile(self, &sources, &temporary, &finished.join(self.program)).await?;
        for name in self.links {
            let link = finished.join(name);
            symlink(self.program, &link).map_err(Error::file("make the link", &link))?;
        }
        put_in_place(&finished, directory)
    }
}

/// The XDG Base Directory Specification's rule: a relative `XDG_CACHE_HOME` is to be ignored.
fn cache_directory(name: &str, xdg: Option<OsString>, home: Option<OsString>) -> Result<PathBuf, Error> {
    let xdg = xdg.map(PathBuf::from).filter(|path| path.is_absolute());
    let home = home
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .map(|path| path.join(".cache"));
    Ok(xdg
        .or(home)
        .ok_or(Error::NoCacheDirectory)?
        .join("keywright")
        .join(name))
}

/// Takes the lock that guards the cache; dropping the file gives it back.
async fn lock(name: &str, path: &Path) -> Result<File, Error> {
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
                    say_of(name, "waiting for another process that is building the same");
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

    fn module() -> GoModule {
        GoModule {
            name: "server",
            files: &[],
            program: "program",
            links: &["one", "two"],
            linker_flags: String::new(),
            announcement: String::new(),
            about_packages: 1,
            remedy: "install Go",
        }
    }

    #[test]
    fn cache_directory_follows_xdg() {
        let some = |text: &str| Some(OsString::from(text));
        for (xdg, home, expected) in [
            (some("/c"), some("/h"), Some("/c/keywright/server")),
            (some("c"), some("/h"), Some("/h/.cache/keywright/server")),
            (some(""), some("/h"), Some("/h/.cache/keywright/server")),
            (None, some("/h"), Some("/h/.cache/keywright/server")),
            (None, some("h"), None),
            (None, None, None),
        ] {
            assert_eq!(
                cache_directory("server", xdg, home).ok(),
                expected.map(PathBuf::from)
            );
        }
    }

    #[test]
    fn a_directory_is_complete_with_the_program_and_its_links() {
        let directory = tempfile::tempdir().unwrap();
        let module = module();
        for name in module.links {
            assert!(!module.is_complete(directory.path()));
            symlink(module.program, directory.path().join(name)).unwrap();
        }
        assert!(!module.is_complete(directory.path()), "the links lead nowhere");
        std::fs::write(directory.path().join(module.program), "").unwrap();
        assert!(module.is_complete(directory.path()));
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
        let first = lock("server", &path).await.unwrap();
        let mut second = Box::pin(lock("server", &path));
        let waiting = tokio::time::timeout(LOCK_POLL * 2, &mut second).await;
        assert!(waiting.is_err());
        drop(first);
        second.await.unwrap();
    }
}
