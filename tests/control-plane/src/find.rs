//! Which program comes from where, given what is there. See the crate's documentation for the rules.

use std::path::{Path, PathBuf};

use semver::Version;

use crate::Error;
use crate::tool::{PerTool, Tool};

/// A program that lies somewhere, with its version or why that could not be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) version: Result<Version, String>,
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Candidates {
    /// In the directory named by `KUBEBUILDER_ASSETS`.
    pub(crate) assets: PerTool<Option<Found>>,
    /// In `PATH`.
    pub(crate) path: PerTool<Option<Found>>,
}

/// Where a program comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    Existing { path: PathBuf, version: Version },
    Built,
}

/// The programs chosen.
#[derive(Debug)]
pub(crate) struct Decision {
    pub(crate) choices: PerTool<Choice>,
    /// Why something that lies there is not used; for people.
    pub(crate) notes: Vec<String>,
}

/// The oldest Kubernetes of which a server in `PATH` is used: the one whose schema the operator is built with.
const OLDEST_KUBERNETES_MINOR: u64 = 33;

/// Chooses one program of each kind.
///
/// # Errors
///
/// [`Error::Skew`] if `KUBEBUILDER_ASSETS` forces servers together that do not belong together.
pub(crate) fn decide(candidates: &Candidates, built_kubernetes: &Version) -> Result<Decision, Error> {
    let mut notes = Vec::new();
    let mut choices = PerTool::from_fn(|tool| {
        candidates
            .assets
            .get(tool)
            .as_ref()
            .and_then(|found| accept(tool, found, &mut notes))
            .unwrap_or(Choice::Built)
    });
    if let Some(servers) = servers_in_path(&choices, &candidates.path, &mut notes) {
        for (tool, choice) in servers {
            *choices.get_mut(tool) = choice;
        }
    }
    refuse_skew(&choices, built_kubernetes)?;
    if choices.kubectl == Choice::Built {
        choices.kubectl = kubectl_in_path(&choices.api_server, &candidates.path, &mut notes);
    }
    Ok(Decision { choices, notes })
}

/// The servers not chosen yet, if `PATH` has all of them and they go with what is chosen already.
fn servers_in_path(
    chosen: &PerTool<Choice>,
    path: &PerTool<Option<Found>>,
    notes: &mut Vec<String>,
) -> Option<Vec<(Tool, Choice)>> {
    let missing = Tool::SERVERS
        .into_iter()
        .filter(|tool| *chosen.get(*tool) == Choice::Built);
    // All are looked at, even after a first miss, so that the notes name every program that is unfit.
    let found: Vec<_> = missing
        .map(|tool| {
            let found = path.get(tool).as_ref()?;
            if let Some(reason) = too_old(tool, found) {
                notes.push(format!("{} is not used: {reason}", found.path.display()));
                return None;
            }
            Some((tool, accept(tool, found, notes)?))
        })
        .collect();
    let found: Vec<_> = found.into_iter().collect::<Option<_>>()?;
    let version = |tool| {
        found
            .iter()
            .find(|(other, _)| *other == tool)
            .map_or(chosen.get(tool), |(_, choice)| choice)
            .version()
    };
    let (api_server, manager) = (version(Tool::ApiServer)?, version(Tool::ControllerManager)?);
    if (api_server.major, api_server.minor) != (manager.major, manager.minor) {
        notes.push(format!(
            "the servers in PATH are not used: kube-apiserver {api_server} and kube-controller-manager {manager} \
             differ in their minor version"
        ));
        return None;
    }
    Some(found)
}

impl Choice {
    fn version(&self) -> Option<&Version> {
        match self {
            Self::Existing { version, .. } => Some(version),
            Self::Built => None,
        }
    }
}

/// `found` as a choice, unless it cannot serve at all; a note then says why.
fn accept(tool: Tool, found: &Found, notes: &mut Vec<String>) -> Option<Choice> {
    let problem = match &found.version {
        Err(problem) => problem.clone(),
        Ok(version) if tool == Tool::Etcd && !serves_watch_lists(version) => format!(
            "etcd {version} cannot serve lists that are streamed as a watch, which takes 3.4.31, 3.5.13 or newer"
        ),
        Ok(version) => {
            return Some(Choice::Existing {
                path: found.path.clone(),
                version: version.clone(),
            });
        }
    };
    notes.push(format!("{} is not used: {problem}", found.path.display()));
    None
}

/// Whether this etcd has `RequestWatchProgress` in the form that kube-apiserver requires.
const fn serves_watch_lists(etcd: &Version) -> bool {
    match (etcd.major, etcd.minor) {
        (3, 4) => etcd.patch >= 31,
        (3, 5) => etcd.patch >= 13,
        (3, minor) => minor > 5,
        (major, _) => major > 3,
    }
}

fn too_old(tool: Tool, found: &Found) -> Option<String> {
    let version = found.version.as_ref().ok()?;
    (tool != Tool::Etcd && version.major == 1 && version.minor < OLDEST_KUBERNETES_MINOR)
        .then(|| format!("version {version} is older than 1.{OLDEST_KUBERNETES_MINOR}"))
}

fn refuse_skew(choices: &PerTool<Choice>, built: &Version) -> Result<(), Error> {
    let api_server = choices.api_server.version().unwrap_or(built);
    let controller_manager = choices.controller_manager.version().unwrap_or(built);
    if (api_server.major, api_server.minor) == (controller_manager.major, controller_manager.minor) {
        return Ok(());
    }
    Err(Error::Skew {
        api_server: api_server.clone(),
        controller_manager: controller_manager.clone(),
    })
}

fn kubectl_in_path(api_server: &Choice, path: &PerTool<Option<Found>>, notes: &mut Vec<String>) -> Choice {
    let (Some(server), Some(found)) = (api_server.version(), &path.kubectl) else {
        return Choice::Built;
    };
    let Some(choice) = accept(Tool::Kubectl, found, notes) else {
        return Choice::Built;
    };
    match choice.version() {
        Some(version) if version.major == server.major && version.minor.abs_diff(server.minor) <= 1 => choice,
        _ => {
            notes.push(skewed_kubectl(&found.path, server));
            Choice::Built
        }
    }
}

fn skewed_kubectl(path: &Path, server: &Version) -> String {
    format!(
        "{} is not used: it is more than one minor version away from kube-apiserver {server}",
        path.display()
    )
}

#[cfg(test)]
#[path = "find_tests.rs"]
mod tests;
