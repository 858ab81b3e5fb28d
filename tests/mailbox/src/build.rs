//! The program that serves mails.

use std::path::PathBuf;

use keywright_control_plane::{GoModule, SourceFile};

use crate::Error;

const PROGRAM: &str = "keywright-mailbox-server";

macro_rules! source {
    ($name:literal) => {
        SourceFile {
            name: $name,
            text: include_str!(concat!("../go/", $name)),
        }
    };
}

/// Every file of the Go module.
const FILES: [SourceFile; 4] = [
    source!("go.mod"),
    source!("go.sum"),
    source!("main.go"),
    source!("control.go"),
];

/// Builds the server unless that was done before, and returns the program.
///
/// The first build takes some ten seconds to a minute; it reports on stderr.
///
/// # Errors
///
/// If Go is missing, too old, or fails, or the cache directory cannot be used.
pub async fn built_program() -> Result<PathBuf, Error> {
    let module = GoModule {
        name: "mailbox-server",
        files: &FILES,
        program: PROGRAM,
        links: &[],
        linker_flags: "-s -w".to_owned(),
        announcement: "building an IMAP server with Go. This happens once; it takes less than a minute"
            .to_owned(),
        about_packages: 180,
        remedy: "Install Go 1.26 or newer (https://go.dev/dl/)",
    };
    Ok(module.built_directory().await?.join(PROGRAM))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

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
}
