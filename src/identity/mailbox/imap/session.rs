//! What is done in a session, in the order of the calls.

use k8s_openapi::jiff::civil::Date;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncRead, AsyncWrite};

use super::command::Command;
use super::connection::{Connection, Failure};
use super::response::{Answer, Fetched, Kind};

/// A session of a user who has logged in.
pub(in super::super) struct Session<S> {
    connection: Connection<S>,
}

/// Which mails are looked for.
pub(in super::super) struct Query<'a> {
    /// Mails of this day and later ones.
    pub(in super::super) since: Date,
    /// Words of which one must stand in the header field `From`; with none, every mail matches.
    pub(in super::super) from: &'a [String],
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// Reads the greeting and logs in.
    pub(in super::super) async fn log_in(
        connection: &mut Connection<S>,
        username: &str,
        password: &SecretString,
    ) -> Result<(), Failure> {
        let login = Command::new("LOGIN")
            .string(username)
            .string(password.expose_secret());
        connection.run(&login, Kind::Nothing).await.map(|_| ())
    }

    /// Waits for the server's first words.
    pub(in super::super) async fn greet(connection: &mut Connection<S>) -> Result<(), Failure> {
        connection.greeting().await
    }

    /// The session of a connection whose user has logged in.
    pub(in super::super) const fn new(connection: Connection<S>) -> Self {
        Self { connection }
    }

    /// Opens a folder to read in it, and returns its UIDVALIDITY (RFC 3501 section 2.3.1.1).
    pub(in super::super) async fn examine(&mut self, folder: &str) -> Result<u32, Failure> {
        self.open("EXAMINE", folder).await
    }

    /// Opens a folder to change it, and returns its UIDVALIDITY.
    pub(in super::super) async fn select(&mut self, folder: &str) -> Result<u32, Failure> {
        self.open("SELECT", folder).await
    }

    async fn open(&mut self, verb: &str, folder: &str) -> Result<u32, Failure> {
        let answers = self
            .connection
            .run(&Command::new(verb).folder(folder), Kind::Remarks)
            .await?;
        answers
            .iter()
            .find_map(|answer| match answer {
                Answer::Remark(status) => status.code_value("UIDVALIDITY")?.parse().ok(),
                _ => None,
            })
            .ok_or(Failure::Senseless(
                "it does not tell the UIDVALIDITY of the folder",
            ))
    }

    /// The highest UIDs of the mails that match, in no order.
    pub(in super::super) async fn search(&mut self, query: &Query<'_>) -> Result<Vec<u32>, Failure> {
        let answers = self.connection.run(&search_command(query), Kind::Search).await?;
        Ok(answers
            .into_iter()
            .filter_map(|answer| match answer {
                Answer::Search(uids) => Some(uids),
                _ => None,
            })
            .flatten()
            .collect())
    }

    /// When the mails came, and the first `limit` bytes of their headers. Marks nothing as read.
    pub(in super::super) async fn headers(
        &mut self,
        uids: &[u32],
        limit: usize,
    ) -> Result<Vec<Fetched>, Failure> {
        self.fetch(&sequence(uids), &format!("BODY.PEEK[HEADER]<0.{limit}>"))
            .await
    }

    /// The first `limit` bytes of one mail. `None` if it is gone. Does not mark it as read.
    pub(in super::super) async fn mail(
        &mut self,
        uid: u32,
        limit: usize,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let fetched = self
            .fetch(&uid.to_string(), &format!("BODY.PEEK[]<0.{limit}>"))
            .await?;
        Ok(fetched
            .into_iter()
            .find(|mail| mail.uid == Some(uid))
            .and_then(|mail| mail.content))
    }

    /// Whether the folder still has a mail.
    pub(in super::super) async fn has(&mut self, uid: u32) -> Result<bool, Failure> {
        let answers = self
            .connection
            .run(&Command::new(&format!("UID SEARCH UID {uid}")), Kind::Search)
            .await?;
        Ok(answers
            .iter()
            .any(|answer| matches!(answer, Answer::Search(uids) if uids.contains(&uid))))
    }

    async fn fetch(&mut self, uids: &str, section: &str) -> Result<Vec<Fetched>, Failure> {
        let command = format!("UID FETCH {uids} (UID INTERNALDATE {section})");
        let answers = self.connection.run(&Command::new(&command), Kind::Fetch).await?;
        Ok(answers
            .into_iter()
            .filter_map(|answer| match answer {
                Answer::Fetch(fetched) => Some(fetched),
                _ => None,
            })
            .collect())
    }

    /// Marks a mail as read.
    pub(in super::super) async fn mark_seen(&mut self, uid: u32) -> Result<(), Failure> {
        self.store(uid, r"\Seen").await
    }

    /// Moves a mail. Servers that cannot (RFC 6851) copy it, and only the one that was copied is removed: with
    /// UIDPLUS (RFC 4315) at once, otherwise when the folder is next tidied up.
    pub(in super::super) async fn move_to(&mut self, uid: u32, folder: &str) -> Result<(), Failure> {
        let capabilities = self.capabilities().await?;
        let can = |name: &str| {
            capabilities
                .iter()
                .any(|capability| capability.eq_ignore_ascii_case(name))
        };
        if can("MOVE") {
            let command = Command::new(&format!("UID MOVE {uid}")).folder(folder);
            return self.connection.run(&command, Kind::Nothing).await.map(|_| ());
        }
        let copy = Command::new(&format!("UID COPY {uid}")).folder(folder);
        self.connection.run(&copy, Kind::Nothing).await?;
        self.store(uid, r"\Deleted").await?;
        if can("UIDPLUS") {
            let expunge = Command::new(&format!("UID EXPUNGE {uid}"));
            self.connection.run(&expunge, Kind::Nothing).await?;
        }
        Ok(())
    }

    async fn capabilities(&mut self) -> Result<Vec<String>, Failure> {
        let answers = self
            .connection
            .run(&Command::new("CAPABILITY"), Kind::Capabilities)
            .await?;
        Ok(answers
            .into_iter()
            .filter_map(|answer| match answer {
                Answer::Capabilities(names) => Some(names),
                _ => None,
            })
            .flatten()
            .collect())
    }

    async fn store(&mut self, uid: u32, flag: &str) -> Result<(), Failure> {
        let command = format!("UID STORE {uid} +FLAGS.SILENT ({flag})");
        self.connection
            .run(&Command::new(&command), Kind::Nothing)
            .await
            .map(|_| ())
    }

    /// Says goodbye. Whether the server hears it does not matter.
    pub(in super::super) async fn log_out(mut self) {
        let _ = self.connection.run(&Command::new("LOGOUT"), Kind::Nothing).await;
    }
}

/// `OR` takes two keys, so a list of senders is nested to the right.
fn search_command(query: &Query<'_>) -> Command {
    // Month names are English whatever the locale is (RFC 3501, `date-month`).
    let since = query.since.strftime("%-d-%b-%Y");
    let mut command = Command::new(&format!("UID SEARCH SINCE {since}"));
    for (index, sender) in query.from.iter().enumerate() {
        if index.saturating_add(1) < query.from.len() {
            command = command.text(" OR");
        }
        command = command.text(" FROM").string(sender);
    }
    command
}

fn sequence(uids: &[u32]) -> String {
    uids.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}
