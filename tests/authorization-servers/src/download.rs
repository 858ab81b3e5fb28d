//! Downloads Keycloak's distribution from a Maven repository.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tokio::process::Command;

use crate::progress::say;
use crate::{Error, step};

const GROUP: &str = "org.keycloak";
const ARTIFACT: &str = "keycloak-quarkus-dist";

/// Where Maven looks, too, when it is not told otherwise.
const MAVEN_CENTRAL: &str = "https://repo1.maven.org/maven2";

const REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// Downloads the archive into `directory`: with Maven, which knows the user's mirrors and proxies, and without
/// it, or when it fails, from Maven Central.
///
/// # Errors
///
/// If it cannot be had, or its checksum (SHA-256, hexadecimal) is not the one given.
pub(crate) async fn keycloak(
    version: &str,
    checksum: &'static str,
    directory: &Path,
) -> Result<PathBuf, Error> {
    let archive = directory.join(format!("{ARTIFACT}-{version}.tar.gz"));
    let copied = match which::which("mvn") {
        Ok(mvn) => copy_with_maven(&mvn, version, directory)
            .await
            .inspect_err(|error| say(format_args!("{error}\ntrying without Maven")))
            .is_ok(),
        Err(_) => false,
    };
    if !copied {
        fetch(version, &archive).await?;
    }
    verify(&archive, checksum)?;
    Ok(archive)
}

async fn copy_with_maven(mvn: &Path, version: &str, directory: &Path) -> Result<(), Error> {
    let mut command = Command::new(mvn);
    command
        .args(["--batch-mode", "--quiet", "dependency:copy"])
        .arg(format!("-Dartifact={GROUP}:{ARTIFACT}:{version}:tar.gz"))
        .arg(format!("-DoutputDirectory={}", directory.display()))
        .current_dir(directory);
    step::run("downloading Keycloak (mvn dependency:copy)", &mut command).await
}

async fn fetch(version: &str, archive: &Path) -> Result<(), Error> {
    let group = GROUP.replace('.', "/");
    let url = format!("{MAVEN_CENTRAL}/{group}/{ARTIFACT}/{version}/{ARTIFACT}-{version}.tar.gz");
    let mut response = reqwest::get(url).await?.error_for_status()?;
    let mut file = File::create(archive).map_err(Error::file("make", archive))?;
    let (mut done, mut reported) = (0, Instant::now());
    while let Some(chunk) = response.chunk().await? {
        file.write_all(&chunk).map_err(Error::file("write", archive))?;
        done += chunk.len();
        if reported.elapsed() >= REPORT_INTERVAL {
            say(format_args!("downloading Keycloak: {} MiB so far", done >> 20));
            reported = Instant::now();
        }
    }
    Ok(())
}

fn verify(archive: &Path, expected: &'static str) -> Result<(), Error> {
    let read_error = || Error::file("read", archive);
    let mut file = File::open(archive).map_err(read_error())?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = file.read(&mut buffer).map_err(read_error())?;
        match buffer.get(..count) {
            Some([]) | None => break,
            Some(bytes) => hash.update(bytes),
        }
    }
    let found: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if found == expected {
        return Ok(());
    }
    Err(Error::Checksum {
        path: archive.to_owned(),
        expected,
        found,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_with_another_checksum_is_refused() {
        const OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("archive");
        std::fs::write(&path, "abc").unwrap();
        verify(&path, OF_ABC).unwrap();
        std::fs::write(&path, "abd").unwrap();
        let error = verify(&path, OF_ABC).unwrap_err().to_string();
        assert!(error.contains(OF_ABC) && error.contains("broken"), "{error}");
    }
}
