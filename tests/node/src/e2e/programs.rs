//! The programs of a node, built with Go once.

use std::path::PathBuf;

use keywright_control_plane::{GoModule, SourceFile};

use crate::failure::Failure;

const PROGRAM: &str = "keywright-node";

/// The version of Kubernetes that go.mod names.
const KUBERNETES: (&str, &str, &str) = ("1", "36", "2");

macro_rules! source {
    ($name:literal) => {
        SourceFile {
            name: $name,
            text: include_str!(concat!("../../go/", $name)),
        }
    };
}

/// Every file of the Go module.
const FILES: [SourceFile; 4] = [
    source!("go.mod"),
    source!("go.sum"),
    source!("main.go"),
    source!("parent.go"),
];

/// The program that is kubelet and kube-scheduler, as its first argument says.
pub(crate) async fn built() -> Result<PathBuf, Failure> {
    let module = GoModule {
        name: "node",
        files: &FILES,
        program: PROGRAM,
        links: &[],
        linker_flags: linker_flags(),
        announcement:
            "building kubelet and kube-scheduler with Go. This happens once; it takes one to ten minutes"
                .to_owned(),
        about_packages: 2400,
        remedy: "Install Go 1.26 or newer (https://go.dev/dl/)",
    };
    Ok(module.built_directory().await?.join(PROGRAM))
}

/// Without these the kubelet reports a placeholder as its version.
fn linker_flags() -> String {
    let (major, minor, patch) = KUBERNETES;
    let variables = [
        ("gitVersion", format!("v{major}.{minor}.{patch}")),
        ("gitMajor", major.to_owned()),
        ("gitMinor", minor.to_owned()),
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
    fn the_node_has_the_version_of_its_module_and_of_the_control_plane() {
        let (major, minor, patch) = KUBERNETES;
        let required = format!("k8s.io/kubernetes v{major}.{minor}.{patch}");
        for module in [FILES[0].text, include_str!("../../../control-plane/go/go.mod")] {
            assert!(module.lines().any(|line| line.trim() == required), "{required}");
        }
    }
}
