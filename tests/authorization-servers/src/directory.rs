//! The directory that holds everything one run of the servers writes.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;
use tempfile::TempDir;

use crate::Error;
use crate::pki::Authority;

const PREFIX: &str = "keywright-authorization-servers-";

/// Held locked as long as the directory is in use.
const LOCK: &str = "in-use";

pub(crate) const AUTHORITY_CERTIFICATE: &str = "ca.crt";
pub(crate) const AUTHORITY_KEY: &str = "ca.key";
pub(crate) const SERVER_CERTIFICATE: &str = "server.crt";
pub(crate) const SERVER_KEY: &str = "server.key";

/// A directory only its owner can enter, removed with the value.
#[derive(Debug)]
pub(crate) struct RunDirectory {
    directory: TempDir,
    _lock: File,
}

impl RunDirectory {
    /// Makes a new directory, and removes those of runs that were killed.
    pub(crate) fn create() -> Result<Self, Error> {
        let base = std::env::temp_dir();
        remove_abandoned(&base);
        Self::create_in(&base)
    }

    fn create_in(base: &Path) -> Result<Self, Error> {
        let directory = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir_in(base)
            .map_err(Error::file("make a directory in", base))?;
        let lock = lock(directory.path())?;
        Ok(Self {
            directory,
            _lock: lock,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Removes the directory and tells if that fails.
    pub(crate) fn close(self) -> Result<(), Error> {
        let path = self.path().to_owned();
        self.directory.close().map_err(Error::file("remove", &path))
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

/// Removes the directories whose run ended without doing so. Failures are left to the next one.
fn remove_abandoned(base: &Path) {
    let Ok(entries) = std::fs::read_dir(base) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX)
            && let Ok(lock) = File::open(entry.path().join(LOCK))
            && lock.try_lock().is_ok()
        {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Writes the authority and a server's certificate into `directory`, under the names above.
pub(crate) fn write_certificates(directory: &Path, authority: &Authority) -> Result<(), Error> {
    let server = authority.issue_server()?;
    for (name, pem) in [
        (AUTHORITY_CERTIFICATE, authority.certificate()),
        (AUTHORITY_KEY, authority.key().expose_secret()),
        (SERVER_CERTIFICATE, &server.certificate),
        (SERVER_KEY, server.key.expose_secret()),
    ] {
        write_private(&directory.join(name), pem)?;
    }
    Ok(())
}

/// Writes a file in one step that its owner alone can read (mode 0600).
pub(crate) fn write_private(path: &Path, content: &str) -> Result<(), Error> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file =
        tempfile::NamedTempFile::new_in(directory).map_err(Error::file("make a file in", directory))?;
    file.write_all(content.as_bytes())
        .map_err(Error::file("write", path))?;
    file.persist(path)
        .map_err(|error| Error::file("write", path)(error.error))?;
    Ok(())
}

/// Copies the files of one directory into a new one.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    std::fs::create_dir(to).map_err(Error::file("make the directory", to))?;
    for entry in std::fs::read_dir(from).map_err(Error::file("read", from))? {
        let path = entry.map_err(Error::file("read", from))?.path();
        let target: PathBuf = to.join(path.file_name().unwrap_or_default());
        std::fs::copy(&path, &target).map_err(Error::file("copy", &path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_abandoned_directories_are_removed() {
        let base = tempfile::tempdir().unwrap();
        let used = RunDirectory::create_in(base.path()).unwrap();
        let abandoned = base.path().join(format!("{PREFIX}abandoned"));
        let foreign = base.path().join("other");
        for path in [&abandoned, &foreign] {
            std::fs::create_dir(path).unwrap();
            std::fs::write(path.join(LOCK), "").unwrap();
        }
        remove_abandoned(base.path());
        assert!(!abandoned.exists() && foreign.exists() && used.path().exists());
        let path = used.path().to_owned();
        used.close().unwrap();
        assert!(!path.exists());
    }
}
