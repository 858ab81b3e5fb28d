//! `make e2e`: the chart is installed on a real node, where the operator runs from its own image, and pods read the
//! Secrets that it writes.

mod archive;
mod checks;
mod host;
mod network;
mod node;
mod operator;
mod pods;
mod programs;
mod propagation;
mod scene;
mod server;
mod writes;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use keywright_control_plane::signals::Signals;

use crate::command::run as run_program;
use crate::failure::{Failure, ensure};
use crate::image::Image;
use crate::screen::{complain, say};
use host::Host;

/// Exit code of a process that Ctrl-C has ended, as shells have it.
const INTERRUPTED: u8 = 130;

/// What has to be in PATH, and the package of Debian that has it.
const PROGRAMS: [(&str, &str, &str); 3] = [
    ("containerd", "--version", "containerd"),
    ("runc", "--version", "runc"),
    ("ip", "-Version", "iproute2"),
];

/// How to run it.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// The operator's image, in an archive as `docker save` writes it
    #[arg(long, value_name = "ARCHIVE")]
    pub(crate) image: PathBuf,
    /// The witness, as a static program
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) witness: PathBuf,
    /// How often the token is refreshed while pods read it; each takes up to a minute and a half
    #[arg(long, default_value_t = 4, value_name = "NUMBER")]
    pub(crate) refreshes: usize,
}

/// Runs it, and puts everything back whatever comes.
pub(crate) async fn run(settings: &Settings, signals: &mut Signals) -> ExitCode {
    let outcome = tokio::select! {
        prepared = prepare(settings) => prepared,
        _ = signals.next() => return ExitCode::from(INTERRUPTED),
    };
    let prepared = match outcome {
        Ok(prepared) => prepared,
        Err(failure) => {
            complain(&failure.to_string());
            return ExitCode::FAILURE;
        }
    };
    let code = tokio::select! {
        outcome = scene::perform(settings, &prepared) => match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                complain(&failure.to_string());
                ExitCode::FAILURE
            }
        },
        _ = signals.next() => {
            complain("interrupted");
            ExitCode::from(INTERRUPTED)
        }
    };
    match put_back(&prepared.host).await {
        Ok(()) => code,
        Err(failure) => {
            complain(&format!("not everything could be put back: {failure}"));
            ExitCode::FAILURE
        }
    }
}

/// What is there before anything is started.
struct Prepared {
    image: Image,
    /// kubelet and kube-scheduler.
    node: PathBuf,
    helm: PathBuf,
    host: Host,
}

async fn prepare(settings: &Settings) -> Result<Prepared, Failure> {
    ensure(rustix::process::geteuid().is_root(), || {
        "this needs root: pods are run on this machine".to_owned()
    })?;
    for (program, argument, package) in PROGRAMS {
        let found = run_program(program, &[argument]).await;
        found.map_err(|failure| {
            Failure::said(format!(
                "{failure}\nInstall it (Debian: apt-get install {package})"
            ))
        })?;
    }
    network::plugins()?;
    let image = Image::read(&settings.image)?;
    image.check()?;
    Ok(Prepared {
        image,
        node: programs::built().await?,
        helm: keywright_helm::built_program().await?,
        host: Host::prepare().await?,
    })
}

async fn put_back(host: &Host) -> Result<(), Failure> {
    host.put_back().await?;
    say("Everything that was changed on this machine is as it was.")
}
