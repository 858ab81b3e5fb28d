//! Connecting, looking, settling.

use std::io;

use k8s_openapi::jiff::civil::Date;
use k8s_openapi::jiff::tz::TimeZone;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use rustls::pki_types::ServerName;
use secrecy::ExposeSecret;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::code::{self, Extraction};
use super::config::{AfterRead, MailboxConfig};
use super::imap::{Condition, Connection, Failure, Query, Session, Status};
use super::lookup::{Absence, FoundCode, Lookup, MailId, candidates, earliest};
use super::{MailboxError, mail, tls};
use crate::identity::http::tidy;

/// How many mails are looked at: the last that came.
const MAX_MAILS: usize = 20;

/// How much of a mail's header is read.
const MAX_HEADER: usize = 32 << 10;

/// How much of a mail is read. A code stands at its beginning.
const MAX_MAIL: usize = 256 << 10;

/// Response codes of servers that cannot serve now (RFC 5530, RFC 3501).
const BUSY_CODES: [&str; 4] = ["UNAVAILABLE", "SERVERBUG", "INUSE", "LIMIT"];

/// What is done before a mail is read: until then the server's words cannot be those of a mail.
const BEFORE_MAILS: [&str; 4] = ["its greeting", "LOGIN", "EXAMINE", "SELECT"];

type TlsSession = Session<TlsStream<TcpStream>>;

/// A mailbox that codes arrive in. It keeps no connection.
pub struct Mailbox {
    config: MailboxConfig,
    name: ServerName<'static>,
    connector: TlsConnector,
}

impl Mailbox {
    /// Checks the settings. Connects to nothing.
    ///
    /// # Errors
    ///
    /// [`MailboxError::Misconfigured`], naming the setting.
    pub fn new(config: MailboxConfig) -> Result<Self, MailboxError> {
        config.check()?;
        Ok(Self {
            name: tls::server_name(&config.host)?,
            connector: tls::connector(config.ca_bundle.as_deref())?,
            config,
        })
    }

    /// Looks once for the newest mail that came later than `newer_than` and holds a code.
    ///
    /// `newer_than` is the time just before the code was asked for. Nothing in the mailbox changes.
    ///
    /// # Errors
    ///
    /// See [`MailboxError`]; after [`MailboxError::LoginRefused`] the same password must not be tried in a
    /// hurry.
    pub async fn find_code(&self, newer_than: Timestamp) -> Result<Lookup, MailboxError> {
        let mut session = self.open().await?;
        let lookup = self.look(&mut session, newer_than).await?;
        session.log_out().await;
        Ok(lookup)
    }

    /// Does with a mail whose code was used what [`MailboxConfig::after_read`] says.
    ///
    /// To be repeated after an error as often as one likes: a mail that is gone or moved is left alone.
    ///
    /// # Errors
    ///
    /// See [`MailboxError`]. None of them means that the code is not good.
    pub async fn settle(&self, mail: MailId) -> Result<(), MailboxError> {
        if self.config.after_read == AfterRead::Keep {
            return Ok(());
        }
        let mut session = self.open().await?;
        let folder = &self.config.folder;
        let validity = session
            .select(folder)
            .await
            .map_err(|failure| self.folder_error("SELECT", folder, failure))?;
        if validity == mail.uid_validity {
            self.settle_in(&mut session, mail.uid).await?;
        }
        session.log_out().await;
        Ok(())
    }

    async fn settle_in(&self, session: &mut TlsSession, uid: u32) -> Result<(), MailboxError> {
        match &self.config.after_read {
            AfterRead::Keep => Ok(()),
            AfterRead::MarkSeen => session
                .mark_seen(uid)
                .await
                .map_err(|failure| self.error("UID STORE", failure)),
            AfterRead::Move(folder) => session.move_to(uid, folder).await.map_err(|failure| {
                // RFC 3501 section 6.4.7: the folder is not there and could be made.
                match &failure {
                    Failure::Refused(status) if is_missing(status) => self.folder_missing(folder),
                    _ => self.error("UID MOVE", failure),
                }
            }),
        }
    }

    async fn open(&self) -> Result<TlsSession, MailboxError> {
        let deadline =
            Instant::now()
                .checked_add(self.config.deadline)
                .ok_or(MailboxError::Misconfigured {
                    field: "deadline",
                    problem: "it is too long".to_owned(),
                })?;
        let stream = self.connect(deadline).await?;
        let mut connection = Connection::new(stream, deadline);
        Session::greet(&mut connection)
            .await
            .map_err(|failure| self.error("its greeting", failure))?;
        Session::log_in(&mut connection, &self.config.username, &self.config.password)
            .await
            .map_err(|failure| self.login_error(failure))?;
        Ok(Session::new(connection))
    }

    async fn connect(&self, deadline: Instant) -> Result<TlsStream<TcpStream>, MailboxError> {
        let address = (self.config.host.as_str(), self.config.port);
        let stream = timeout_at(deadline, TcpStream::connect(address))
            .await
            .map_err(|_| self.unreachable("no connection was made in time"))?
            .map_err(|error| self.unreachable(io_words(error.kind())))?;
        timeout_at(deadline, self.connector.connect(self.name.clone(), stream))
            .await
            .map_err(|_| {
                self.unreachable(
                    "the TLS handshake did not end in time; is it the port for IMAP over TLS (993)?",
                )
            })?
            .map_err(|error| match tls::refusal(&error) {
                Some(problem) => MailboxError::TlsRefused {
                    server: self.config.server(),
                    problem,
                },
                None => self.unreachable(io_words(error.kind())),
            })
    }

    async fn look(&self, session: &mut TlsSession, newer_than: Timestamp) -> Result<Lookup, MailboxError> {
        let folder = &self.config.folder;
        let uid_validity = session
            .examine(folder)
            .await
            .map_err(|failure| self.folder_error("EXAMINE", folder, failure))?;
        let uids = self.newest(session, newer_than).await?;
        if uids.is_empty() {
            return Ok(Lookup::Absent(Absence::NoMail));
        }
        let headers = session
            .headers(&uids, MAX_HEADER)
            .await
            .map_err(|failure| self.error("UID FETCH", failure))?;
        let candidates = match candidates(&headers, &self.config.senders, newer_than) {
            Ok(candidates) => candidates,
            Err(absence) => return Ok(Lookup::Absent(absence)),
        };
        let mails = candidates.len();
        for candidate in candidates {
            let content = session
                .mail(candidate.uid, MAX_MAIL)
                .await
                .map_err(|failure| self.error("UID FETCH", failure))?;
            match code::extract(&mail::content(&content.unwrap_or_default())) {
                Extraction::Code(code) => {
                    return Ok(Lookup::Found(FoundCode {
                        code,
                        mail: MailId {
                            uid_validity,
                            uid: candidate.uid,
                        },
                        received: candidate.received,
                    }));
                }
                // An older code would be worth nothing.
                Extraction::Ambiguous => return Ok(Lookup::Absent(Absence::Ambiguous)),
                Extraction::Nothing => {}
            }
        }
        Ok(Lookup::Absent(Absence::NoCode { mails }))
    }

    /// The last mails that came, those of allowed senders if the server finds any.
    async fn newest(
        &self,
        session: &mut TlsSession,
        newer_than: Timestamp,
    ) -> Result<Vec<u32>, MailboxError> {
        let since = search_day(newer_than);
        let mut uids = self.search(session, since, &self.config.senders).await?;
        // It is looked at the others too, to tell a sender that is not allowed from no mail at all, and since
        // servers differ in what they find in an address.
        if uids.is_empty() && !self.config.senders.is_empty() {
            uids = self.search(session, since, &[]).await?;
        }
        // UIDs grow, so the last mails have the highest.
        uids.sort_unstable_by(|left, right| right.cmp(left));
        uids.truncate(MAX_MAILS);
        Ok(uids)
    }

    async fn search(
        &self,
        session: &mut TlsSession,
        since: Date,
        from: &[String],
    ) -> Result<Vec<u32>, MailboxError> {
        session
            .search(&Query { since, from })
            .await
            .map_err(|failure| self.error("UID SEARCH", failure))
    }

    fn login_error(&self, failure: Failure) -> MailboxError {
        match failure {
            Failure::Refused(status) if status.condition == Condition::No && !is_busy(&status) => {
                MailboxError::LoginRefused {
                    server: self.config.server(),
                    words: self.words(&status),
                }
            }
            other => self.error("LOGIN", other),
        }
    }

    fn folder_error(&self, step: &'static str, folder: &str, failure: Failure) -> MailboxError {
        match failure {
            Failure::Refused(status) if status.condition == Condition::No && !is_busy(&status) => {
                self.folder_missing(folder)
            }
            other => self.error(step, other),
        }
    }

    fn folder_missing(&self, folder: &str) -> MailboxError {
        MailboxError::FolderMissing {
            server: self.config.server(),
            folder: folder.to_owned(),
        }
    }

    fn error(&self, step: &'static str, failure: Failure) -> MailboxError {
        let server = self.config.server();
        let protocol = |problem: &str| MailboxError::Protocol {
            server: self.config.server(),
            step,
            problem: problem.to_owned(),
        };
        match failure {
            Failure::TimedOut => self.unreachable(&format!("it did not answer {step} in time")),
            Failure::Lost(kind) => self.unreachable(io_words(kind)),
            Failure::Senseless(problem) => protocol(problem),
            Failure::Refused(status) if status.condition == Condition::Bye || is_busy(&status) => {
                let words = BEFORE_MAILS.contains(&step).then(|| self.words(&status));
                MailboxError::Unavailable {
                    server,
                    words: words.unwrap_or_default(),
                }
            }
            Failure::Refused(_) => protocol("it refuses the command"),
        }
    }

    fn unreachable(&self, problem: &str) -> MailboxError {
        MailboxError::Unreachable {
            server: self.config.server(),
            problem: problem.to_owned(),
        }
    }

    /// The server's words, one bounded line without the password.
    fn words(&self, status: &Status) -> String {
        let password = self.config.password.expose_secret();
        let words = if password.is_empty() {
            status.text.clone()
        } else {
            status.text.replace(password, "***")
        };
        tidy(&words)
    }
}

/// The day before the earliest mail's, since SINCE compares days in the mail server's time zone, whichever
/// that is (RFC 3501 section 6.4.4).
fn search_day(newer_than: Timestamp) -> Date {
    earliest(newer_than)
        .saturating_sub(SignedDuration::from_hours(24))
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .to_zoned(TimeZone::UTC)
        .date()
}

fn is_busy(status: &Status) -> bool {
    BUSY_CODES.iter().any(|code| status.has_code(code))
}

fn is_missing(status: &Status) -> bool {
    ["TRYCREATE", "NONEXISTENT", "CANNOT"]
        .iter()
        .any(|code| status.has_code(code))
}

const fn io_words(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            "connection reset"
        }
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "no route to it",
        io::ErrorKind::UnexpectedEof => "the connection was closed",
        io::ErrorKind::TimedOut => "no connection was made in time",
        _ => "no connection could be made; does its name resolve?",
    }
}
