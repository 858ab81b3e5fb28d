//! Connecting, looking, settling.

use k8s_openapi::jiff::civil::Date;
use k8s_openapi::jiff::tz::TimeZone;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::code::{self, Extraction};
use super::config::{AfterRead, MailboxConfig};
use super::imap::{Connection, Query, Session};
use super::lookup::{Absence, Candidate, FoundCode, Lookup, MailId, candidates, earliest};
use super::trouble::io_words;
use super::{MailboxError, mail, tls};

/// How many mails are looked at: the last that came.
const MAX_MAILS: usize = 20;

/// How much of a mail's header is read.
const MAX_HEADER: usize = 32 << 10;

/// How much of a mail is read. A code stands at its beginning.
const MAX_MAIL: usize = 256 << 10;

type TlsSession = Session<TlsStream<TcpStream>>;

/// A mailbox that codes arrive in. It keeps no connection.
pub struct Mailbox {
    pub(super) config: MailboxConfig,
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
        // Some servers do not answer when they are to move what is not there.
        if validity == mail.uid_validity && self.has(&mut session, mail.uid).await? {
            self.settle_in(&mut session, mail.uid).await?;
        }
        session.log_out().await;
        Ok(())
    }

    async fn has(&self, session: &mut TlsSession, uid: u32) -> Result<bool, MailboxError> {
        session
            .has(uid)
            .await
            .map_err(|failure| self.error("UID SEARCH", failure))
    }

    async fn settle_in(&self, session: &mut TlsSession, uid: u32) -> Result<(), MailboxError> {
        match &self.config.after_read {
            AfterRead::Keep => Ok(()),
            AfterRead::MarkSeen => session
                .mark_seen(uid)
                .await
                .map_err(|failure| self.error("UID STORE", failure)),
            AfterRead::Move(folder) => session
                .move_to(uid, folder)
                .await
                .map_err(|failure| self.move_error(folder, failure)),
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
        let candidates = match self.candidates(session, newer_than).await? {
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

    /// The mails that may hold the code, or why there are none.
    async fn candidates(
        &self,
        session: &mut TlsSession,
        newer_than: Timestamp,
    ) -> Result<Result<Vec<Candidate>, Absence>, MailboxError> {
        let senders = &self.config.senders;
        let found = self.candidates_from(session, newer_than, senders).await?;
        // The others are looked at too, to tell senders that are not allowed from no mail at all, and since
        // servers differ in what they find in an address.
        if found.is_err() && !senders.is_empty() {
            return self.candidates_from(session, newer_than, &[]).await;
        }
        Ok(found)
    }

    async fn candidates_from(
        &self,
        session: &mut TlsSession,
        newer_than: Timestamp,
        searched: &[String],
    ) -> Result<Result<Vec<Candidate>, Absence>, MailboxError> {
        let mut uids = self.search(session, search_day(newer_than), searched).await?;
        // UIDs grow, so the last mails have the highest.
        uids.sort_unstable_by(|left, right| right.cmp(left));
        uids.truncate(MAX_MAILS);
        if uids.is_empty() {
            return Ok(Err(Absence::NoMail));
        }
        let headers = session
            .headers(&uids, MAX_HEADER)
            .await
            .map_err(|failure| self.error("UID FETCH", failure))?;
        Ok(candidates(&headers, &self.config.senders, newer_than))
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
