//! The running server.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use rand::random;
use reqwest::{Client, RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::build::built_program;
use crate::mail::CodeMail;
use crate::pki::Pki;
use crate::{Error, SENDER};

/// How long the server may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(30);

const USERNAME: &str = "ops@corp.example.net";

const FOLDERS: [&str; 3] = ["INBOX", "Done", "Entwürfe"];

/// A running mail server, which ends with the value.
#[derive(Debug)]
pub struct MailboxServer {
    /// Killed with the value. Its standard input is open as long as it is to run.
    _process: Child,
    imap: SocketAddr,
    control: SocketAddr,
    authority: String,
    password: SecretString,
    token: SecretString,
    client: Client,
    /// How many mails to each address of a sandbox have been forwarded.
    pub(crate) forwarded: Mutex<BTreeMap<String, usize>>,
}

/// How many mails a folder has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Folder {
    /// All of them.
    pub mails: u32,
    /// Those that nobody has read.
    pub unseen: u32,
}

#[derive(Deserialize)]
struct Addresses {
    imap: SocketAddr,
    control: SocketAddr,
}

impl MailboxServer {
    /// The folder that mails arrive in.
    pub const INBOX: &'static str = "INBOX";
    /// A folder to move mails to.
    pub const DONE: &'static str = "Done";
    /// A folder whose name is not ASCII.
    pub const DRAFTS: &'static str = "Entwürfe";

    /// Builds the server if need be, starts it with an empty mailbox, and returns once it serves.
    ///
    /// # Errors
    ///
    /// See [`Error`]; the text says what to do. Nothing is left running.
    pub async fn start() -> Result<Self, Error> {
        let program = built_program().await?;
        let pki = Pki::create()?;
        let [password, token] = [(), ()].map(|()| format!("{:032x}", random::<u128>()));
        let mut process = Command::new(program)
            .env_clear()
            .envs(
                [
                    ("USERNAME", USERNAME),
                    ("PASSWORD", &password),
                    ("TOKEN", &token),
                    ("FOLDERS", &FOLDERS.join("\n")),
                    ("CERTIFICATE", &pki.certificate),
                    ("KEY", &pki.key),
                ]
                .map(|(name, value)| (format!("KEYWRIGHT_MAILBOX_{name}"), value.to_owned())),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A group of its own: Ctrl-C in the terminal must not reach the server before its clients.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(Error::Start)?;
        let addresses = addresses(process.stdout.take()).await?;
        Ok(Self {
            _process: process,
            imap: addresses.imap,
            control: addresses.control,
            authority: pki.authority,
            password: password.into(),
            token: token.into(),
            client: Client::builder().no_proxy().build()?,
            forwarded: Mutex::default(),
        })
    }

    /// Where IMAP is served, with TLS from the first byte.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.imap
    }

    /// The user's name, which is an e-mail address.
    #[must_use]
    pub const fn username(&self) -> &'static str {
        USERNAME
    }

    /// The user's password.
    #[must_use]
    pub const fn password(&self) -> &SecretString {
        &self.password
    }

    /// The certificate of the authority that issued the server's, as PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.authority
    }

    /// The address that mails with codes come from.
    #[must_use]
    pub const fn sender(&self) -> &'static str {
        SENDER
    }

    /// Puts a mail (RFC 5322) into a folder, as received now.
    ///
    /// # Errors
    ///
    /// [`Error::Request`] or [`Error::Refused`].
    pub async fn deliver(&self, folder: &str, message: impl Into<String> + Send) -> Result<(), Error> {
        self.deliver_at(folder, message, Timestamp::now()).await
    }

    /// Puts a mail into a folder, as received at that time; the server keeps whole seconds.
    ///
    /// # Errors
    ///
    /// [`Error::Request`] or [`Error::Refused`].
    pub async fn deliver_at(
        &self,
        folder: &str,
        message: impl Into<String> + Send,
        received: Timestamp,
    ) -> Result<(), Error> {
        let request = self
            .client
            .post(format!("http://{}/mails", self.control))
            .query(&[("folder", folder), ("received", &received.to_string())])
            .body(message.into());
        self.send("delivering a mail", request).await?;
        Ok(())
    }

    /// Puts a mail with a code into the inbox, as received now.
    ///
    /// # Errors
    ///
    /// [`Error::Request`] or [`Error::Refused`].
    pub async fn deliver_code(&self, mail: &CodeMail) -> Result<(), Error> {
        self.deliver(Self::INBOX, mail.to_message()).await
    }

    /// How many mails a folder has.
    ///
    /// # Errors
    ///
    /// [`Error::Request`], or [`Error::Refused`] if there is no such folder.
    pub async fn folder(&self, folder: &str) -> Result<Folder, Error> {
        let request = self
            .client
            .get(format!("http://{}/folder", self.control))
            .query(&[("folder", folder)]);
        Ok(self.send("counting mails", request).await?.json().await?)
    }

    async fn send(&self, what: &'static str, request: RequestBuilder) -> Result<Response, Error> {
        accepted(
            what,
            request.bearer_auth(self.token.expose_secret()).send().await?,
        )
        .await
    }
}

pub(crate) async fn accepted(what: &'static str, response: Response) -> Result<Response, Error> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    Err(Error::Refused {
        what,
        status: status.as_u16(),
        words: response.text().await.unwrap_or_default(),
    })
}

async fn addresses(stdout: Option<ChildStdout>) -> Result<Addresses, Error> {
    let failed = || Error::NoAddresses(START_TIMEOUT.as_secs());
    let mut lines = BufReader::new(stdout.ok_or_else(failed)?).lines();
    let line = tokio::time::timeout(START_TIMEOUT, lines.next_line()).await;
    let line = line.map_err(|_| failed())?.map_err(Error::Start)?;
    serde_json::from_str(&line.ok_or_else(failed)?).map_err(|_| failed())
}
