//! The sources of a Go module, carried in this program so that it can be built wherever this program runs.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::Error;

/// Version of Kubernetes that the Go module pins.
///
/// To move to another one: take the versions in `go.mod` and its list of replacements from the `go.mod` of that
/// Kubernetes release, run `go mod tidy`, and state the version here.
pub(crate) const KUBERNETES: semver::Version = semver::Version::new(1, 36, 2);

macro_rules! source {
    ($name:literal) => {
        SourceFile {
            name: $name,
            text: include_str!(concat!("../go/", $name)),
        }
    };
}

/// Every file of the Go module that the control plane is built from.
pub(crate) const FILES: [SourceFile; 5] = [
    source!("go.mod"),
    source!("go.sum"),
    source!("main.go"),
    source!("parent.go"),
    source!("tools.go"),
];

/// One file of a Go module.
#[derive(Debug, Clone, Copy)]
pub struct SourceFile {
    /// Its name, without a directory.
    pub name: &'static str,
    /// Its content.
    pub text: &'static str,
}

/// Names what a build of `files` for `target` gives: hexadecimal, the same on every machine.
pub(crate) fn fingerprint(files: &[SourceFile], target: &str) -> String {
    let mut hash = Sha256::new();
    for part in files
        .iter()
        .flat_map(|file| [file.name, file.text])
        .chain([target])
    {
        // With the length in front, text cannot move from one part into the next unnoticed.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize()
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Writes `files` into `directory`.
pub(crate) fn write(files: &[SourceFile], directory: &Path) -> Result<(), Error> {
    for file in files {
        let path = directory.join(file.name);
        std::fs::write(&path, file.text).map_err(Error::file("write", &path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_file_of_the_module_is_carried() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("go");
        let present: BTreeSet<_> = std::fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(present, FILES.iter().map(|file| file.name.to_owned()).collect());
    }

    #[test]
    fn the_module_pins_the_version_that_is_reported() {
        let module = FILES.iter().find(|file| file.name == "go.mod").unwrap().text;
        assert!(module.contains(&format!("\tk8s.io/kubernetes v{KUBERNETES}\n")));
    }

    #[test]
    fn the_fingerprint_changes_with_each_part() {
        let files = [
            SourceFile {
                name: "a",
                text: "bc",
            },
            SourceFile { name: "d", text: "" },
        ];
        let same = fingerprint(&files, "linux");
        assert_eq!(same, fingerprint(&files, "linux"));
        assert_eq!(same.len(), 32);
        let others = [
            fingerprint(&files, "linux2"),
            fingerprint(&files[..1], "linux"),
            fingerprint(
                &[
                    SourceFile {
                        name: "ab",
                        text: "c",
                    },
                    files[1],
                ],
                "linux",
            ),
            fingerprint(
                &[
                    SourceFile {
                        name: "a",
                        text: "bC",
                    },
                    files[1],
                ],
                "linux",
            ),
            fingerprint(&[files[1], files[0]], "linux"),
        ];
        for other in others {
            assert_ne!(same, other);
        }
    }

    #[test]
    fn every_carried_file_counts() {
        let same = fingerprint(&FILES, "linux");
        for index in 0..FILES.len() {
            let mut files = FILES;
            files[index].text = "changed";
            assert_ne!(same, fingerprint(&files, "linux"), "{}", FILES[index].name);
        }
    }
}
