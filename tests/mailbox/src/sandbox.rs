//! The way from a sandbox of an identity API to the mailbox.

use std::convert::Infallible;
use std::sync::PoisonError;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Client;
use serde::Deserialize;
use url::Url;

use crate::mail::CodeMail;
use crate::server::accepted;
use crate::{Error, MailboxServer};

/// How often it is looked for new mails.
const POLL: Duration = Duration::from_millis(200);

/// A mail as a sandbox shows it at `/_sandbox/mailbox/{email}`.
#[derive(Deserialize)]
struct SandboxMail {
    to: String,
    subject: String,
    code: String,
}

impl MailboxServer {
    /// Delivers the mails to `email` that a sandbox has made since this was last called, as mails that the
    /// identity API sends, and returns how many. `sandbox` is the sandbox's address, as its `url()` tells it;
    /// `client` must trust its certificate.
    ///
    /// The mails are received now: a sandbox's clock may be ahead, a mail server's is not.
    ///
    /// # Errors
    ///
    /// [`Error::SandboxAddress`], [`Error::Request`] or [`Error::Refused`]. Mails not delivered are delivered
    /// next time.
    pub async fn forward(&self, client: &Client, sandbox: &str, email: &str) -> Result<usize, Error> {
        let response = client.get(mailbox_url(sandbox, email)?).send().await?;
        let mails: Vec<SandboxMail> = accepted("reading a sandbox's mails", response)
            .await?
            .json()
            .await?;
        let before = self.forwarded(email);
        let mut delivered = 0;
        for mail in mails.into_iter().skip(before) {
            self.deliver_code(&CodeMail {
                to: mail.to,
                subject: mail.subject,
                code: mail.code,
                sent_at: Timestamp::now(),
            })
            .await?;
            delivered += 1;
            self.set_forwarded(email, before + delivered);
        }
        Ok(delivered)
    }

    /// Goes on forwarding the mails to `email` until something fails.
    ///
    /// # Errors
    ///
    /// As [`MailboxServer::forward`].
    pub async fn keep_forwarding(
        &self,
        client: &Client,
        sandbox: &str,
        email: &str,
    ) -> Result<Infallible, Error> {
        loop {
            self.forward(client, sandbox, email).await?;
            tokio::time::sleep(POLL).await;
        }
    }

    fn forwarded(&self, email: &str) -> usize {
        let forwarded = self.forwarded.lock().unwrap_or_else(PoisonError::into_inner);
        forwarded.get(email).copied().unwrap_or_default()
    }

    fn set_forwarded(&self, email: &str, count: usize) {
        let mut forwarded = self.forwarded.lock().unwrap_or_else(PoisonError::into_inner);
        forwarded.insert(email.to_owned(), count);
    }
}

fn mailbox_url(sandbox: &str, email: &str) -> Result<Url, Error> {
    let unusable = || Error::SandboxAddress(sandbox.to_owned());
    let mut url = Url::parse(sandbox).map_err(|_| unusable())?;
    url.path_segments_mut()
        .map_err(|()| unusable())?
        .pop_if_empty()
        .extend(["_sandbox", "mailbox", email]);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_segment_of_the_path() {
        for sandbox in ["http://127.0.0.1:8080", "http://127.0.0.1:8080/"] {
            assert_eq!(
                mailbox_url(sandbox, "a/b@example.net").unwrap().as_str(),
                "http://127.0.0.1:8080/_sandbox/mailbox/a%2Fb@example.net"
            );
        }
        assert!(mailbox_url("mailto:x", "a").is_err());
    }
}
