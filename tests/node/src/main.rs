//! Looks at the operator's image, and runs it. `make image` and `make e2e` begin here.

mod command;
mod didit;
mod e2e;
mod failure;
mod image;
mod memory;
#[cfg(test)]
mod repository;
mod resolver;
mod screen;
mod trial;
mod waiting;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use keywright_control_plane::signals::Signals;

use crate::failure::{Failure, ensure};
use crate::image::Image;
use crate::memory::Bytes;
use crate::screen::{complain, say};

/// Exit code of a process that Ctrl-C has ended, as shells have it.
const INTERRUPTED: u8 = 130;

/// Looks at the operator's image, and runs it. To be run as root on Linux, in the root of the repository.
#[derive(Debug, Parser)]
#[command(name = "keywright-node", version)]
struct Cli {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check what is in the image, run it with nothing else in sight, and tell its size and memory
    Image {
        /// The image, in an archive as `docker save` writes it
        archive: PathBuf,
    },
    /// Install the chart on a node on this machine, and look from inside pods at what the operator writes
    E2e(e2e::Settings),
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => {
            complain(&format!("signals cannot be received: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let archive = match cli.action {
        Action::Image { archive } => archive,
        Action::E2e(settings) => return e2e::run(&settings, &mut signals).await,
    };
    let outcome = tokio::select! {
        outcome = look_at(&archive) => outcome,
        _ = signals.next() => {
            complain("interrupted");
            return ExitCode::from(INTERRUPTED);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure.to_string());
            ExitCode::FAILURE
        }
    }
}

async fn look_at(archive: &Path) -> Result<(), Failure> {
    ensure(rustix::process::geteuid().is_root(), || {
        "this needs root: the image's program is run as another user".to_owned()
    })?;
    let image = Image::read(archive)?;
    image.check()?;
    let size = std::fs::metadata(archive)
        .map_err(Failure::file("read", archive))?
        .len();
    say(format!("{}, in {}", image.name, archive.display()))?;
    say(format!("  {}", image.id))?;
    say(format!("  size: {}", Bytes(size)))?;
    trial::run(&image).await
}
