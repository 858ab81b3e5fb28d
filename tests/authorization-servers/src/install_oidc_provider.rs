//! Installs oidc-provider with npm, as its lock file pins it.

use std::path::PathBuf;

use tokio::process::Command;

use crate::cache::{self, Installation};
use crate::progress::say;
use crate::{Error, step, tools};

/// Version of oidc-provider, as in `oidc-provider/package.json`.
pub const VERSION: &str = "8.8.1";

macro_rules! source {
    ($name:literal) => {
        ($name, include_str!(concat!("../oidc-provider/", $name)))
    };
}

/// Every file of the package.
const FILES: [(&str, &str); 6] = [
    source!(".npmrc"),
    source!("administration.js"),
    source!("package-lock.json"),
    source!("package.json"),
    source!("server.js"),
    source!("state.js"),
];

/// Installs the package unless that was done before, and returns its directory.
///
/// # Errors
///
/// If Node or npm is missing, or npm fails.
pub(crate) async fn installed() -> Result<PathBuf, Error> {
    tools::node()?;
    let contents = FILES.map(|(_, text)| text);
    let pending = match cache::find(&format!("oidc-provider-{VERSION}"), &contents).await? {
        Installation::Complete(directory) => return Ok(directory),
        Installation::Pending(pending) => pending,
    };
    which::which("npm").map_err(|_| Error::Missing {
        server: tools::OIDC_PROVIDER,
        problem: "npm to be installed, and none was found".to_owned(),
        remedy: "install npm, which comes with Node, and put it into PATH",
    })?;
    say(format_args!("installing oidc-provider {VERSION} with npm"));
    let finished = pending.path().join("finished");
    std::fs::create_dir(&finished).map_err(Error::file("make the directory", &finished))?;
    for (name, text) in FILES {
        let path = finished.join(name);
        std::fs::write(&path, text).map_err(Error::file("write", &path))?;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--omit=dev", "--prefer-offline"])
        .current_dir(&finished);
    step::run("installing oidc-provider (npm ci)", &mut npm).await?;
    pending.finish(&finished)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_of_the_package_is_carried() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("oidc-provider");
        let present: BTreeSet<_> = std::fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "node_modules")
            .collect();
        assert_eq!(present, FILES.map(|(name, _)| name.to_owned()).into());
    }

    #[test]
    fn the_lock_file_names_no_registry_and_pins_everything() {
        let (_, text) = FILES[2];
        let lock: serde_json::Value = serde_json::from_str(text).unwrap();
        let packages = lock["packages"].as_object().unwrap();
        assert_eq!(packages["node_modules/oidc-provider"]["version"], VERSION);
        for (path, package) in packages.iter().filter(|(path, _)| !path.is_empty()) {
            assert!(package.get("resolved").is_none(), "{path}");
            assert!(package["integrity"].is_string(), "{path}");
        }
    }
}
