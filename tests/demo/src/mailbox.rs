//! A real IMAP server, and the way of the sandbox's mails into it.

use std::sync::Arc;

use keywright_mailbox_server::MailboxServer;
use secrecy::ExposeSecret;
use tokio::task::JoinHandle;

use crate::failure::Failure;
use crate::program::Casualties;

/// A mailbox that receives what the sandbox sends to its owner.
#[derive(Debug)]
pub(crate) struct Mailbox {
    server: Arc<MailboxServer>,
    forwarding: JoinHandle<()>,
}

/// How many mails are where.
pub(crate) struct Mails {
    pub(crate) inbox: u32,
    pub(crate) done: u32,
}

impl Mailbox {
    /// Starts the server, which is built with Go unless that was done before.
    pub(crate) async fn start(sandbox: &str, casualties: Casualties) -> Result<Self, Failure> {
        let server = Arc::new(MailboxServer::start().await?);
        let (source, sandbox) = (Arc::clone(&server), sandbox.to_owned());
        // The demo's calls go nowhere else, whatever proxy is configured.
        let client = reqwest::Client::builder().no_proxy().build()?;
        let forwarding = tokio::spawn(async move {
            let Err(error) = source.keep_forwarding(&client, &sandbox, source.username()).await;
            // Nobody listens when the demo is stopping anyway.
            let _ = casualties.send(format!("the sandbox's mails no longer arrive: {error}"));
        });
        Ok(Self { server, forwarding })
    }

    /// Whose mailbox it is.
    pub(crate) fn address(&self) -> &'static str {
        self.server.username()
    }

    pub(crate) fn port(&self) -> u16 {
        self.server.address().port()
    }

    pub(crate) fn password(&self) -> &str {
        self.server.password().expose_secret()
    }

    /// The certificate to trust, as PEM.
    pub(crate) fn authority(&self) -> &str {
        self.server.ca_pem()
    }

    pub(crate) async fn mails(&self) -> Result<Mails, Failure> {
        Ok(Mails {
            inbox: self.server.folder(MailboxServer::INBOX).await?.mails,
            done: self.server.folder(MailboxServer::DONE).await?.mails,
        })
    }

    /// Ends the server, which nobody uses any more.
    pub(crate) async fn stop(self) {
        self.forwarding.abort();
        let _ = self.forwarding.await;
        drop(self.server);
    }
}
