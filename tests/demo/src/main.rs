//! Shows Keywright at work: a control plane, the sandbox, the operator and the resources of `examples/`.

mod cluster;
mod credentials;
mod failure;
mod keep;
mod kubectl;
mod mailbox;
mod onboarding;
mod program;
mod sandbox;
mod screen;
mod stage;
mod steps;
mod token;
mod waiting;

use std::process::ExitCode;

use clap::Parser;
use clap::builder::FalseyValueParser;
use tokio::signal::unix::{self, SignalKind};
use tokio::sync::mpsc;

use crate::failure::Failure;
use crate::screen::Screen;
use crate::stage::Stage;

/// Exit code of a process that Ctrl-C has ended, as shells have it.
const INTERRUPTED: u8 = 130;

/// Shows Keywright at work, on a control plane of its own or on your cluster.
///
/// To be run in the repository, by `make demo`.
#[derive(Debug, Parser)]
#[command(name = "keywright-demo", version)]
struct Cli {
    /// Keep everything running at the end, until Ctrl-C
    #[arg(long, env = "KEEP", value_parser = FalseyValueParser::new())]
    keep: bool,
    /// Use the cluster that KUBECONFIG names instead of starting a control plane
    #[arg(long, env = "CLUSTER", value_parser = FalseyValueParser::new())]
    cluster: bool,
    /// Show how an account is signed up, from an e-mail address to a working key
    #[arg(long, env = "ONBOARDING", value_parser = FalseyValueParser::new())]
    onboarding: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut screen = Screen;
    match Signals::new() {
        Ok(signals) => run(&cli, &mut screen, signals).await,
        Err(error) => {
            screen.complain(&format!("signals cannot be received: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// How the show ended.
enum End {
    Finished,
    Interrupted,
    Failed(Failure),
}

async fn run(cli: &Cli, screen: &mut Screen, mut signals: Signals) -> ExitCode {
    let (casualties, mut casualty) = mpsc::unbounded_channel();
    let mut stage = match Stage::new(cli.cluster, casualties) {
        Ok(stage) => stage,
        Err(error) => {
            screen.complain(&error.to_string());
            return ExitCode::FAILURE;
        }
    };
    let end = tokio::select! {
        ended = perform(cli, &mut stage, screen) => match ended {
            Ok(()) => End::Finished,
            Err(error) => End::Failed(error),
        },
        Some(ended) = casualty.recv() => End::Failed(Failure::Ended(ended)),
        () = signals.next() => End::Interrupted,
    };
    let code = match &end {
        End::Finished => ExitCode::SUCCESS,
        // That is how it is to be ended then.
        End::Interrupted if stage.staying => ExitCode::SUCCESS,
        End::Interrupted => {
            screen.aside("Interrupted.");
            ExitCode::from(INTERRUPTED)
        }
        End::Failed(failure) => {
            stage.explain(screen, failure).await;
            ExitCode::FAILURE
        }
    };
    screen.aside("Stopping ...");
    let cleaned = tokio::select! {
        cleaned = stage.close(screen) => cleaned,
        () = signals.next() => Err(Failure::Said("not waiting for the clean-up any longer".to_owned())),
    };
    match cleaned {
        Ok(()) => {
            screen.aside("Stopped.");
            code
        }
        Err(failure) => {
            screen.complain(&failure.to_string());
            if matches!(end, End::Finished) {
                ExitCode::FAILURE
            } else {
                code
            }
        }
    }
}

/// Plays what was asked for.
async fn perform(cli: &Cli, stage: &mut Stage, screen: &mut Screen) -> Result<(), Failure> {
    if cli.onboarding {
        onboarding::perform(stage, screen, cli.keep).await
    } else {
        steps::perform(stage, screen, cli.keep).await
    }
}

/// What asks the demo to stop. From its creation on, the signals no longer end the process by themselves.
struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
    hangup: unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: unix::signal(SignalKind::interrupt())?,
            terminate: unix::signal(SignalKind::terminate())?,
            hangup: unix::signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
