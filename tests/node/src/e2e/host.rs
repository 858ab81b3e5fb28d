//! What a run changes on this machine, and how that is put back.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use crate::command::run;
use crate::failure::{Failure, ensure};
use crate::screen::say;
use crate::waiting::until;

/// Remembers what was there before, for the next run in case this one is killed.
const RECORD: &str = "/run/keywright-node.json";

/// The bridge that pods are connected by.
pub(crate) const BRIDGE: &str = "keywright0";

/// What the kubelet and the network plugins set.
const SETTINGS: [&str; 4] = [
    "/proc/sys/vm/overcommit_memory",
    "/proc/sys/kernel/panic",
    "/proc/sys/kernel/panic_on_oops",
    "/proc/sys/net/ipv4/ip_forward",
];

/// Directories that kubelet, containerd or the network plugins make at places that cannot be chosen.
const DIRECTORIES: [&str; 7] = [
    "/opt/containerd",
    "/run/containerd",
    "/run/netns",
    "/var/lib/cni",
    "/var/lib/kubelet",
    "/var/log/containers",
    "/var/log/pods",
];

/// How the names of a node's servers begin.
const SERVERS: [&str; 3] = ["containerd", "keywright-node", "runc"];

/// Where containerd keeps the network namespaces of pods.
const NAMESPACES: &str = "/run/netns";

/// The control group of all pods, in each hierarchy.
const PODS: &str = "kubepods";

const PATIENCE: Duration = Duration::from_secs(20);

/// The machine as it was before.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Host {
    /// Everything of this run that has a place to be chosen; part of the command line of each of its processes.
    run: PathBuf,
    settings: Vec<(PathBuf, String)>,
    /// Those of [`DIRECTORIES`] that did not exist.
    absent: Vec<PathBuf>,
    namespaces: BTreeSet<PathBuf>,
    /// Locked as long as this run lasts.
    #[serde(skip)]
    _record: Option<File>,
}

impl Host {
    /// Puts back what an earlier run has left that was killed, looks how everything is, and writes that down.
    pub(crate) async fn prepare() -> Result<Self, Failure> {
        let mut record = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(RECORD)
            .map_err(Failure::file("open", Path::new(RECORD)))?;
        record
            .try_lock()
            .map_err(|_| Failure::said(format!("another run holds {RECORD}: wait for its end")))?;
        let mut earlier = String::new();
        record
            .read_to_string(&mut earlier)
            .map_err(Failure::file("read", Path::new(RECORD)))?;
        if let Ok(killed) = serde_json::from_str::<Self>(&earlier) {
            say("An earlier run was killed: putting back what it changed.")?;
            killed.put_back().await?;
        }
        for hierarchy in hierarchies()? {
            ensure(!hierarchy.join(PODS).exists(), || {
                format!(
                    "{} has pods: end the kubelet that runs here first",
                    hierarchy.display()
                )
            })?;
        }
        let run = tempfile::Builder::new()
            .prefix("keywright-node-")
            .tempdir_in("/var/tmp")
            .map_err(Failure::file("make a directory in", Path::new("/var/tmp")))?
            .keep();
        let host = Self {
            run,
            settings: SETTINGS
                .iter()
                .map(|path| setting(Path::new(path)))
                .collect::<Result<_, _>>()?,
            absent: DIRECTORIES
                .iter()
                .map(PathBuf::from)
                .filter(|path| !path.exists())
                .collect(),
            namespaces: namespaces(),
            _record: Some(record),
        };
        let text = serde_json::to_string(&host)
            .map_err(|error| Failure::said(format!("{RECORD} cannot be written: {error}")))?;
        std::fs::write(RECORD, text).map_err(Failure::file("write", Path::new(RECORD)))?;
        Ok(host)
    }

    /// The directory of this run.
    pub(crate) fn run(&self) -> &Path {
        &self.run
    }

    /// Ends what still runs, and puts everything back. What cannot be put back is told when the rest is done.
    pub(crate) async fn put_back(&self) -> Result<(), Failure> {
        let mut failed = Vec::new();
        let mut note =
            |outcome: Result<(), Failure>| failed.extend(outcome.err().map(|failure| failure.to_string()));
        note(self.end_processes().await);
        note(self.unmount().await);
        note(self.remove_namespaces().await);
        if Path::new("/sys/class/net").join(BRIDGE).exists() {
            note(run("ip", &["link", "delete", BRIDGE]).await.map(drop));
        }
        note(remove_groups().await);
        for (path, value) in &self.settings {
            note(std::fs::write(path, value).map_err(Failure::file("write", path)));
        }
        for path in self.absent.iter().chain([&self.run]).filter(|path| path.exists()) {
            note(std::fs::remove_dir_all(path).map_err(Failure::file("remove", path)));
        }
        note(self.check());
        ensure(failed.is_empty(), || failed.join("\n"))?;
        std::fs::remove_file(RECORD).map_err(Failure::file("remove", Path::new(RECORD)))
    }

    /// Fails unless everything is as it was.
    fn check(&self) -> Result<(), Failure> {
        for (path, before) in &self.settings {
            let (_, now) = setting(path)?;
            ensure(now == *before, || {
                format!("{} is {now}, and was {before}", path.display())
            })?;
        }
        for path in self.absent.iter().chain([&self.run]) {
            ensure(!path.exists(), || format!("{} is still there", path.display()))?;
        }
        let left: Vec<_> = namespaces().difference(&self.namespaces).cloned().collect();
        ensure(left.is_empty(), || {
            format!("network namespaces are left: {left:?}")
        })?;
        ensure(!Path::new("/sys/class/net").join(BRIDGE).exists(), || {
            format!("the bridge {BRIDGE} is still there")
        })?;
        ensure(self.processes().is_empty(), || "processes are left".to_owned())
    }

    /// The servers whose command line names the directory of this run, and everything that runs in its pods.
    fn processes(&self) -> Vec<Pid> {
        let named = self.run.display().to_string();
        let is_ours = |process: &Path| {
            let name = std::fs::read_to_string(process.join("comm")).unwrap_or_default();
            let command = std::fs::read(process.join("cmdline")).unwrap_or_default();
            SERVERS.iter().any(|server| name.starts_with(server))
                && String::from_utf8_lossy(&command).contains(&named)
                || std::fs::read_to_string(process.join("cgroup"))
                    .is_ok_and(|groups| groups.contains(&format!(":/{PODS}/")))
        };
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        entries
            .filter_map(|entry| {
                let id: i32 = entry.file_name().to_str()?.parse().ok()?;
                Pid::from_raw(id).filter(|_| is_ours(&entry.path()))
            })
            .collect()
    }

    async fn end_processes(&self) -> Result<(), Failure> {
        until("the end of the run's processes", PATIENCE, async || {
            let left = self.processes();
            for process in &left {
                // An error means that it has just ended.
                let _ = kill_process(*process, Signal::KILL);
            }
            if left.is_empty() {
                Ok(())
            } else {
                Err(format!("{left:?}"))
            }
        })
        .await
    }

    /// Takes down what is mounted in the directory of the run, last first.
    async fn unmount(&self) -> Result<(), Failure> {
        let mounts = std::fs::read_to_string("/proc/self/mounts")
            .map_err(Failure::file("read", Path::new("/proc/self/mounts")))?;
        let run_directory = format!("{}/", self.run.display());
        let ours = mounts.lines().rev().filter_map(|line| line.split(' ').nth(1));
        for mount in ours.filter(|mount| mount.starts_with(&run_directory)) {
            run("umount", &["--lazy", mount]).await?;
        }
        Ok(())
    }

    async fn remove_namespaces(&self) -> Result<(), Failure> {
        for namespace in namespaces().difference(&self.namespaces) {
            // It may be a mount, or the file that was left of one.
            let _ = run("umount", &["--lazy".as_ref(), namespace.as_os_str()]).await;
            std::fs::remove_file(namespace).map_err(Failure::file("remove", namespace))?;
        }
        Ok(())
    }
}

fn setting(path: &Path) -> Result<(PathBuf, String), Failure> {
    let value = std::fs::read_to_string(path).map_err(Failure::file("read", path))?;
    Ok((path.to_owned(), value.trim().to_owned()))
}

fn namespaces() -> BTreeSet<PathBuf> {
    let entries = std::fs::read_dir(NAMESPACES).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// The roots of all hierarchies of control groups.
fn hierarchies() -> Result<Vec<PathBuf>, Failure> {
    let mounts = std::fs::read_to_string("/proc/self/mounts")
        .map_err(Failure::file("read", Path::new("/proc/self/mounts")))?;
    let roots = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (root, kind) = (words.next()?, words.next()?);
        (kind == "cgroup" || kind == "cgroup2").then(|| PathBuf::from(root))
    });
    Ok(roots.collect())
}

async fn remove_groups() -> Result<(), Failure> {
    for hierarchy in hierarchies()? {
        let pods = hierarchy.join(PODS);
        // A group can be removed a moment after its last process has ended.
        until("the removal of the pods' control groups", PATIENCE, async || {
            remove_group(&pods).map_err(|error| format!("{}: {error}", pods.display()))
        })
        .await?;
    }
    Ok(())
}

/// Removes a group and those in it. They are directories whose files go with them.
fn remove_group(group: &Path) -> std::io::Result<()> {
    if !group.exists() {
        return Ok(());
    }
    for entry in std::fs::read_dir(group)?.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_group(&entry.path())?;
        }
    }
    std::fs::remove_dir(group)
}
