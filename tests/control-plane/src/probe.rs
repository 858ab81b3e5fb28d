//! Looks at what lies in `KUBEBUILDER_ASSETS` and in `PATH`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use semver::Version;
use tokio::process::Command;

use crate::find::{self, Candidates, Choice, Found};
use crate::progress::say;
use crate::tool::{PerTool, Tool};
use crate::{Error, build, source};

/// A program that does not tell its version in this time is not used.
const VERSION_TIMEOUT: Duration = Duration::from_secs(20);

/// Where programs may lie.
#[derive(Debug, Clone)]
pub(crate) struct Environment {
    /// The value of `KUBEBUILDER_ASSETS`; an empty one counts as none.
    pub(crate) assets: Option<OsString>,
    /// The value of `PATH`.
    pub(crate) path: Option<OsString>,
}

impl Environment {
    pub(crate) fn of_process() -> Self {
        Self {
            assets: std::env::var_os("KUBEBUILDER_ASSETS"),
            path: std::env::var_os("PATH"),
        }
    }
}

/// Finds every program, and builds what is not there.
pub(crate) async fn locate(environment: &Environment) -> Result<PerTool<PathBuf>, Error> {
    let decision = find::decide(&candidates(environment).await?, &source::KUBERNETES)?;
    for note in decision.notes {
        say(note);
    }
    let needs_build = Tool::ALL
        .into_iter()
        .any(|tool| *decision.choices.get(tool) == Choice::Built);
    let built = if needs_build {
        Some(build::built_directory().await?)
    } else {
        None
    };
    Ok(PerTool::from_fn(|tool| match decision.choices.get(tool) {
        Choice::Existing { path, .. } => path.clone(),
        Choice::Built => built.clone().unwrap_or_default().join(tool.name()),
    }))
}

async fn candidates(environment: &Environment) -> Result<Candidates, Error> {
    let assets = match &environment.assets {
        Some(value) if !value.is_empty() => {
            let directory = PathBuf::from(value);
            if !directory.is_dir() {
                return Err(Error::Assets(directory));
            }
            look(|tool| in_directories(tool, directory.as_os_str())).await
        }
        _ => look(|_| None).await,
    };
    let path = environment.path.clone().unwrap_or_default();
    Ok(Candidates {
        assets,
        path: look(|tool| in_directories(tool, &path)).await,
    })
}

fn in_directories(tool: Tool, directories: &std::ffi::OsStr) -> Option<PathBuf> {
    // A relative entry of PATH counts from here, as in a shell.
    let here = std::env::current_dir().unwrap_or_default();
    which::which_in(tool.name(), Some(directories), &here)
        .ok()
        .map(|path| here.join(path))
}

async fn look(find: impl Fn(Tool) -> Option<PathBuf>) -> PerTool<Option<Found>> {
    let mut found = PerTool::from_fn(|_| None);
    for tool in Tool::ALL {
        if let Some(path) = find(tool) {
            let version = version(tool, &path).await;
            *found.get_mut(tool) = Some(Found { path, version });
        }
    }
    found
}

/// Asks a program for its version.
async fn version(tool: Tool, program: &Path) -> Result<Version, String> {
    let mut command = Command::new(program);
    match tool {
        Tool::Kubectl => command.args(["version", "--client"]),
        Tool::Etcd | Tool::ApiServer | Tool::ControllerManager => command.arg("--version"),
    };
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(VERSION_TIMEOUT, command.output())
        .await
        .map_err(|_| {
            format!(
                "it did not tell its version within {} s",
                VERSION_TIMEOUT.as_secs()
            )
        })?
        .map_err(|error| format!("it cannot be run: {error}"))?;
    first_version(&String::from_utf8_lossy(&output.stdout))
        .ok_or_else(|| "it does not tell its version".to_owned())
}

/// The first full version number in what a program prints, which differs much between tools and releases.
fn first_version(text: &str) -> Option<Version> {
    text.split(|letter: char| letter.is_whitespace() || matches!(letter, '"' | ','))
        .find_map(|word| Version::parse(word.strip_prefix('v').unwrap_or(word)).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_as_the_programs_print_them() {
        for (text, expected) in [
            (
                "etcd Version: 3.6.8\nGit SHA: Not provided\nGo Version: go1.26.8\n",
                Some("3.6.8"),
            ),
            ("Kubernetes v1.36.2\n", Some("1.36.2")),
            (
                "Client Version: v1.32.4-dispatcher\nKustomize Version: v5.5.0\n",
                Some("1.32.4-dispatcher"),
            ),
            (
                r#"Client Version: version.Info{Major:"1", Minor:"20", GitVersion:"v1.20.2", GoVersion:"go1.15"}"#,
                Some("1.20.2"),
            ),
            ("Kubernetes v1.33.4+k3s1", Some("1.33.4+k3s1")),
            ("Kubernetes v1.36", None),
            ("", None),
        ] {
            assert_eq!(
                first_version(text),
                expected.map(|text| Version::parse(text).unwrap()),
                "{text}"
            );
        }
    }

    /// Has the shell write an executable. Were it written by this process, a child that another test starts at
    /// that moment would hold it open for writing, and it could not be run.
    fn script(directory: &Path, name: &str, mode: &str, text: &str) {
        let write = r#"printf '#!/bin/sh\n%s\n' "$2" >"$1" && chmod "$3" "$1""#;
        let path = directory.join(name);
        let status = std::process::Command::new("sh")
            .args(["-c", write, "sh"])
            .arg(path)
            .args([text, mode])
            .status();
        assert!(status.unwrap().success());
    }

    #[tokio::test]
    async fn files_are_found_and_asked() {
        let assets = tempfile::tempdir().unwrap();
        let path = tempfile::tempdir().unwrap();
        script(
            assets.path(),
            "etcd",
            "755",
            r#"[ "$*" = --version ] && echo etcd Version: 3.5.21"#,
        );
        script(assets.path(), "kube-apiserver", "644", "echo not executable");
        script(path.path(), "kube-apiserver", "755", "echo Kubernetes v1.36.1");
        script(
            path.path(),
            "kube-controller-manager",
            "755",
            "echo out of order >&2; exit 1",
        );
        script(
            path.path(),
            "kubectl",
            "755",
            r#"[ "$*" = "version --client" ] && echo Client Version: v1.35.0"#,
        );
        let environment = Environment {
            assets: Some(assets.path().into()),
            path: Some(path.path().as_os_str().to_owned()),
        };

        let found = candidates(&environment).await.unwrap();

        let expected = |directory: &Path, tool: Tool, version: &str| {
            Some(Found {
                path: directory.join(tool.name()),
                version: Ok(Version::parse(version).unwrap()),
            })
        };
        assert_eq!(found.assets.etcd, expected(assets.path(), Tool::Etcd, "3.5.21"));
        assert_eq!(found.assets.api_server, None);
        assert_eq!(found.assets.kubectl, None);
        assert_eq!(found.path.etcd, None);
        assert_eq!(
            found.path.api_server,
            expected(path.path(), Tool::ApiServer, "1.36.1")
        );
        assert!(found.path.controller_manager.unwrap().version.is_err());
        assert_eq!(found.path.kubectl, expected(path.path(), Tool::Kubectl, "1.35.0"));
    }

    #[tokio::test]
    async fn assets_must_be_a_directory_or_empty() {
        let missing = tempfile::tempdir().unwrap().path().join("missing");
        let environment = Environment {
            assets: Some(missing.into()),
            path: None,
        };
        let error = candidates(&environment).await.unwrap_err();
        assert!(error.to_string().starts_with("KUBEBUILDER_ASSETS="), "{error}");

        let environment = Environment {
            assets: Some(OsString::new()),
            path: None,
        };
        let found = candidates(&environment).await.unwrap();
        assert!(Tool::ALL.into_iter().all(|tool| found.assets.get(tool).is_none()));
    }
}
