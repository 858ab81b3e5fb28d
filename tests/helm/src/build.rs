//! The program.

use std::path::PathBuf;

use keywright_control_plane::{Error, GoModule, SourceFile};

const PROGRAM: &str = "helm";

/// What the charts that are rendered without a cluster are told, as Helm's own release does: the minor version of
/// Kubernetes that go.mod names.
const KUBERNETES_MINOR: &str = "36";

macro_rules! source {
    ($name:literal) => {
        SourceFile {
            name: $name,
            text: include_str!(concat!("../go/", $name)),
        }
    };
}

/// Every file of the Go module.
const FILES: [SourceFile; 2] = [source!("go.mod"), source!("go.sum")];

/// Builds Helm unless that was done before, and returns the program.
///
/// The first build takes one to four minutes; it reports on stderr. Processes that call this at once build once.
///
/// # Errors
///
/// If Go is missing, too old, or fails, or the cache directory cannot be used.
pub async fn built_program() -> Result<PathBuf, Error> {
    let module = GoModule {
        name: "helm",
        files: &FILES,
        program: PROGRAM,
        links: &[],
        linker_flags: linker_flags(),
        announcement: "building Helm with Go. This happens once; it takes one to four minutes".to_owned(),
        about_packages: 1300,
        remedy: "Install Go 1.26 or newer (https://go.dev/dl/)",
    };
    Ok(module.built_directory().await?.join(PROGRAM))
}

/// Without these Helm takes every cluster that it is not connected to for an ancient one.
fn linker_flags() -> String {
    let variables = [
        ("pkg/chartutil.k8sVersionMajor", "1"),
        ("pkg/chartutil.k8sVersionMinor", KUBERNETES_MINOR),
        ("pkg/lint/rules.k8sVersionMajor", "1"),
        ("pkg/lint/rules.k8sVersionMinor", KUBERNETES_MINOR),
    ];
    variables.iter().fold("-s -w".to_owned(), |flags, (name, value)| {
        format!("{flags} -X helm.sh/helm/v3/{name}={value}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helm_is_told_the_kubernetes_that_it_is_built_with() {
        let client = FILES[0]
            .text
            .lines()
            .find(|line| line.contains("k8s.io/client-go "));
        assert!(
            client.unwrap().contains(&format!("v0.{KUBERNETES_MINOR}.")),
            "{client:?}"
        );
    }
}
