//! Builds the mail server, or runs it until standard input closes. See `mailbox-server --help`.

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use keywright_mailbox_server::{Error, MailboxServer, built_program};
use reqwest::Client;
use secrecy::ExposeSecret;
use serde_json::json;
use tokio::io::AsyncReadExt;

/// A real IMAP server with one user's mailbox on 127.0.0.1, for tests and demonstrations.
#[derive(Debug, Parser)]
#[command(name = "mailbox-server", version)]
struct Cli {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Build the server unless it is built already, and print its path.
    Build,
    /// Start the server, print how to use it as one line of JSON, and run until stdin is closed.
    Run {
        /// Receive the mails that this sandbox would have sent.
        #[arg(long, value_name = "URL", requires = "email")]
        sandbox: Option<String>,
        /// The address whose mails are received from the sandbox.
        #[arg(long, value_name = "ADDRESS", requires = "sandbox")]
        email: Option<String>,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Cli::parse().action {
        Action::Build => built_program()
            .await
            .map(|path| print(&path.display().to_string())),
        Action::Run { sandbox, email } => run(sandbox.zip(email)).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr().lock(), "mailbox-server: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(source: Option<(String, String)>) -> Result<(), Error> {
    let server = MailboxServer::start().await?;
    print(
        &json!({
            "host": server.address().ip(),
            "port": server.address().port(),
            "username": server.username(),
            "password": server.password().expose_secret(),
            "folder": MailboxServer::INBOX,
            "sender": server.sender(),
            "caBundle": server.ca_pem(),
        })
        .to_string(),
    );
    let forwarding = async {
        match source {
            Some((sandbox, email)) => server.keep_forwarding(&Client::new(), &sandbox, &email).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        failed = forwarding => failed.map(|never| match never {}),
        () = until_stdin_closes() => Ok(()),
    }
}

async fn until_stdin_closes() {
    let mut stdin = tokio::io::stdin();
    let mut buffer = [0; 256];
    while stdin.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
}

/// A closed stdout is no reason to stop.
fn print(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
