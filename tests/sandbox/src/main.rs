//! The sandbox as a program: read the flags, start, say where, wait for a signal, stop.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use keywright_sandbox::{Cli, Sandbox};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .init();
    match run(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do if even that cannot be written.
            let _ = writeln!(io::stderr(), "keywright-sandbox: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<(), Box<dyn std::error::Error>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let sandbox = Sandbox::start(cli.into_config()?).await?;
    greet(&sandbox)?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    sandbox.stop().await;
    Ok(())
}

fn greet(sandbox: &Sandbox) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "Didit sandbox listening on {}", sandbox.url())?;
    writeln!(out, "  auth host          {}", sandbox.auth_url())?;
    writeln!(out, "  verification host  {}", sandbox.api_url())?;
    writeln!(out, "  controls           {}/_sandbox", sandbox.url())?;
    writeln!(
        out,
        "A registration's code is in {}/_sandbox/mailbox/EMAIL",
        sandbox.url()
    )?;
    out.flush()
}
