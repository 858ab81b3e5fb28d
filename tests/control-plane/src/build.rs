//! Builds the programs of the control plane with Go, once, and keeps them outside the repository.

use std::path::PathBuf;

use semver::Version;

use crate::go_module::GoModule;
use crate::tool::Tool;
use crate::{Error, source};

/// Builds etcd, kube-apiserver, kube-controller-manager and kubectl unless that was done before, and returns
/// the directory that holds them, which may serve as `KUBEBUILDER_ASSETS`.
///
/// The first build takes minutes; it reports on stderr. Processes that call this at once build once.
///
/// # Errors
///
/// If Go is missing, too old, or fails, or the cache directory cannot be used.
pub async fn built_directory() -> Result<PathBuf, Error> {
    module().built_directory().await
}

fn module() -> GoModule {
    GoModule {
        name: "control-plane",
        files: &source::FILES,
        program: "keywright-control-plane",
        links: &Tool::NAMES,
        linker_flags: linker_flags(&source::KUBERNETES),
        announcement: format!(
            "building etcd, kube-apiserver, kube-controller-manager and kubectl {} with Go. This happens once; it \
             takes some 5 to 15 minutes, 2.5 GB of memory, and about 200 MB of downloads",
            source::KUBERNETES
        ),
        about_packages: 2700,
        remedy: "Any of these helps: set KUBEBUILDER_ASSETS to a directory that holds etcd, kube-apiserver, \
                 kube-controller-manager and kubectl; put those into PATH; or install Go 1.26 or newer \
                 (https://go.dev/dl/)",
    }
}

/// Without these the servers report a placeholder as their version, which clients cannot parse.
fn linker_flags(version: &Version) -> String {
    let variables = [
        ("gitVersion", format!("v{version}")),
        ("gitMajor", version.major.to_string()),
        ("gitMinor", version.minor.to_string()),
        ("gitTreeState", "clean".to_owned()),
    ];
    variables.iter().fold("-s -w".to_owned(), |flags, (name, value)| {
        format!("{flags} -X k8s.io/component-base/version.{name}={value}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_is_linked() {
        assert_eq!(module().links, Tool::ALL.map(Tool::name));
    }

    #[test]
    fn the_version_is_linked_in() {
        assert_eq!(
            linker_flags(&Version::new(1, 2, 3)),
            "-s -w -X k8s.io/component-base/version.gitVersion=v1.2.3 -X k8s.io/component-base/version.gitMajor=1 \
             -X k8s.io/component-base/version.gitMinor=2 -X k8s.io/component-base/version.gitTreeState=clean"
        );
    }
}
