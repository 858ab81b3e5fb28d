//! An image in an archive: what it says of itself, and which files it has.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::failure::{Failure, ensure};

/// All files that belong into the operator's image. A shell, a loader or a library is not among them.
const FILES: [&str; 3] = [
    "etc/ssl/certs/ca-certificates.crt",
    "keywright",
    "usr/share/doc/keywright/LICENSE",
];

const AUTHORITIES: &str = "etc/ssl/certs/ca-certificates.crt";

/// Fewer certificate authorities than this are not those of the web.
const LEAST_AUTHORITIES: usize = 100;

const USER: &str = "65532:65532";

const LABELS: [&str; 5] = ["title", "description", "licenses", "version", "revision"];

/// An image that `docker save` could have written.
#[derive(Debug)]
pub(crate) struct Image {
    archive: PathBuf,
    /// Its first name.
    pub(crate) name: String,
    /// `sha256:...` of its configuration, by which a container runtime knows it.
    pub(crate) id: String,
    config: Settings,
    layers: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Manifest {
    config: String,
    repo_tags: Vec<String>,
    layers: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Config {
    config: Settings,
}

/// The part of the configuration that a container is started with.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Settings {
    #[serde(default)]
    user: String,
    #[serde(default)]
    entrypoint: Vec<String>,
    #[serde(default)]
    cmd: Vec<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

impl Image {
    /// Reads the archive's manifest and the image's configuration.
    pub(crate) fn read(archive: &Path) -> Result<Self, Failure> {
        let manifests: Vec<Manifest> = json(&member(archive, "manifest.json")?, archive)?;
        let [manifest] = <[Manifest; 1]>::try_from(manifests).map_err(|all| {
            Failure::said(format!("{} has {} images, not one", archive.display(), all.len()))
        })?;
        let config: Config = json(&member(archive, &manifest.config)?, archive)?;
        let name = manifest.repo_tags.into_iter().next();
        Ok(Self {
            archive: archive.to_owned(),
            name: name
                .ok_or_else(|| Failure::said(format!("the image in {} has no name", archive.display())))?,
            id: format!("sha256:{}", manifest.config.trim_end_matches(".json")),
            config: config.config,
            layers: manifest.layers,
        })
    }

    /// Where it is.
    pub(crate) fn archive(&self) -> &Path {
        &self.archive
    }

    /// Its repository and its tag.
    pub(crate) fn repository_and_tag(&self) -> (&str, &str) {
        self.name.rsplit_once(':').unwrap_or((&self.name, "latest"))
    }

    /// Fails unless this is the operator's image as it should be.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let Settings {
            user,
            entrypoint,
            cmd,
            labels,
        } = &self.config;
        ensure(user == USER, || {
            format!("the image runs as {user:?}, not as {USER}")
        })?;
        ensure(entrypoint == &["/keywright"] && cmd == &["run"], || {
            format!("the image runs {entrypoint:?} {cmd:?}, not /keywright run")
        })?;
        for label in LABELS {
            let name = format!("org.opencontainers.image.{label}");
            let value = labels.get(&name).map(String::as_str).unwrap_or_default();
            ensure(!value.is_empty(), || format!("the image has no label {name}"))?;
        }
        let mut files = Vec::new();
        self.each_entry(|entry| check_entry(entry, &mut files))?;
        files.sort();
        ensure(files == FILES, || {
            format!("the image has the files {files:?}, not {FILES:?}")
        })
    }

    /// Writes its files into a directory.
    pub(crate) fn unpack(&self, directory: &Path) -> Result<(), Failure> {
        for layer in &self.layers {
            let bytes = member(&self.archive, layer)?;
            tar::Archive::new(bytes.as_slice())
                .unpack(directory)
                .map_err(Failure::file("unpack an image into", directory))?;
        }
        Ok(())
    }

    fn each_entry(
        &self,
        mut visit: impl FnMut(&mut tar::Entry<'_, &[u8]>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        for layer in &self.layers {
            let bytes = member(&self.archive, layer)?;
            let mut archive = tar::Archive::new(bytes.as_slice());
            let unreadable = || Failure::file("read", &self.archive);
            for entry in archive.entries().map_err(unreadable())? {
                visit(&mut entry.map_err(unreadable())?)?;
            }
        }
        Ok(())
    }
}

/// Fails unless the file belongs to root, who alone may write it.
fn check_entry(entry: &mut tar::Entry<'_, &[u8]>, files: &mut Vec<String>) -> Result<(), Failure> {
    let path = entry
        .path()
        .map(|path| path.display().to_string())
        .unwrap_or_default();
    let header = entry.header();
    let (mode, owner) = (
        header.mode().unwrap_or(u32::MAX),
        header.uid().unwrap_or(u64::MAX),
    );
    ensure(mode & 0o6022 == 0 && owner == 0, || {
        format!("{path} in the image has mode {mode:o} and belongs to {owner}: root alone may write there")
    })?;
    if header.entry_type().is_dir() {
        return Ok(());
    }
    ensure(header.entry_type().is_file(), || {
        format!("{path} in the image is no plain file")
    })?;
    if path == AUTHORITIES {
        let mut pem = String::new();
        entry
            .read_to_string(&mut pem)
            .map_err(Failure::file("read", Path::new(AUTHORITIES)))?;
        let count = pem.matches("BEGIN CERTIFICATE").count();
        ensure(count >= LEAST_AUTHORITIES, || {
            format!("the image trusts {count} certificate authorities only")
        })?;
    }
    files.push(path);
    Ok(())
}

/// The content of one member of an archive. Layers are links in archives that some tools write; their manifests
/// name what the links lead to.
fn member(archive: &Path, name: &str) -> Result<Vec<u8>, Failure> {
    let file = File::open(archive).map_err(Failure::file("open", archive))?;
    let mut all = tar::Archive::new(file);
    for entry in all.entries().map_err(Failure::file("read", archive))? {
        let mut entry = entry.map_err(Failure::file("read", archive))?;
        if entry.path().is_ok_and(|path| path == Path::new(name)) {
            let mut content = Vec::new();
            entry
                .read_to_end(&mut content)
                .map_err(Failure::file("read", archive))?;
            return Ok(content);
        }
    }
    Err(Failure::said(format!(
        "{} has no {name}: it is no archive of an image as `docker save` writes it",
        archive.display()
    )))
}

fn json<T: for<'a> Deserialize<'a>>(bytes: &[u8], archive: &Path) -> Result<T, Failure> {
    serde_json::from_slice(bytes).map_err(|error| {
        Failure::said(format!(
            "{} has a file that is no such JSON: {error}",
            archive.display()
        ))
    })
}
