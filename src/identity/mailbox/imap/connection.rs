//! A connection: commands out, responses in, both within bounds.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::time::{Instant, timeout_at};

use super::command::{Command, Part};
use super::response::{self, Answer, Condition, Kind, Status};
use super::token::Response;

/// All that is read from one connection. Room for the heads of twenty mails and the starts of as many.
const MAX_BYTES: usize = 8 << 20;

/// The longest text of a response; with `SEARCH` it holds a number for each mail of a day.
const MAX_TEXT: usize = 1 << 20;

/// The longest literal: more than is ever asked for.
const MAX_LITERAL: usize = 512 << 10;

/// A response to FETCH has one literal; servers that add others are none to be understood.
const MAX_LITERALS: usize = 16;

/// Of more answers to one command, the rest is not kept. A short one takes much more memory than it has bytes.
const MAX_ANSWERS: usize = 1000;

/// Why a command did not do what it was to.
#[derive(Debug)]
pub(in super::super) enum Failure {
    /// The deadline passed.
    TimedOut,
    /// The connection ended.
    Lost(io::ErrorKind),
    /// The server sends what cannot be IMAP, or too much of it. A sentence without a word of the server's.
    Senseless(&'static str),
    /// The server said that it will not.
    Refused(Status),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Lost(error.kind())
    }
}

/// A connection to an IMAP server.
pub(in super::super) struct Connection<S> {
    stream: BufReader<S>,
    deadline: Instant,
    /// How many bytes may still be read.
    budget: usize,
    commands: u32,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// A connection that ends at `deadline`, whatever happens.
    pub(in super::super) fn new(stream: S, deadline: Instant) -> Self {
        Self {
            stream: BufReader::new(stream),
            deadline,
            budget: MAX_BYTES,
            commands: 0,
        }
    }

    /// The server's first words.
    pub(super) async fn greeting(&mut self) -> Result<(), Failure> {
        match self.answer().await? {
            Answer::Remark(status) if status.condition == Condition::Ok => Ok(()),
            Answer::Remark(status) if status.condition != Condition::PreAuth => Err(Failure::Refused(status)),
            // A session that is of somebody already, whoever that is.
            Answer::Remark(_) => Err(Failure::Senseless("it asks for no login")),
            _ => Err(Failure::Senseless("it does not greet as an IMAP server does")),
        }
    }

    /// Sends a command and collects the answers that are `wanted` until the command has ended.
    pub(super) async fn run(&mut self, command: &Command, wanted: Kind) -> Result<Vec<Answer>, Failure> {
        self.commands = self.commands.wrapping_add(1);
        let tag = format!("K{}", self.commands);
        let mut answers = Vec::new();
        self.write(tag.as_bytes()).await?;
        self.write(b" ").await?;
        for part in command.parts() {
            match part {
                Part::Text(text) => self.write(text.as_bytes()).await?,
                Part::Literal(bytes) => {
                    self.write(format!("{{{}}}\r\n", bytes.len()).as_bytes()).await?;
                    self.until_asked(&tag).await?;
                    self.write(bytes).await?;
                }
            }
        }
        self.write(b"\r\n").await?;
        loop {
            match self.answer().await? {
                Answer::Done(of, status) if of == tag => match status.condition {
                    Condition::Ok => {
                        if wanted == Kind::Remarks {
                            answers.push(Answer::Remark(status));
                        }
                        return Ok(answers);
                    }
                    _ => return Err(Failure::Refused(status)),
                },
                Answer::Remark(status) if status.condition == Condition::Bye => {
                    return Err(Failure::Refused(status));
                }
                answer => {
                    if answer.is(wanted) && answers.len() < MAX_ANSWERS {
                        answers.push(answer);
                    }
                }
            }
        }
    }

    async fn until_asked(&mut self, tag: &str) -> Result<(), Failure> {
        loop {
            match self.answer().await? {
                Answer::Continue => return Ok(()),
                Answer::Done(of, status) if of == tag => return Err(Failure::Refused(status)),
                Answer::Remark(status) if status.condition == Condition::Bye => {
                    return Err(Failure::Refused(status));
                }
                _ => {}
            }
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let stream = self.stream.get_mut();
        let sent = async {
            stream.write_all(bytes).await?;
            stream.flush().await
        };
        timeout_at(self.deadline, sent)
            .await
            .map_err(|_| Failure::TimedOut)??;
        Ok(())
    }

    async fn answer(&mut self) -> Result<Answer, Failure> {
        let deadline = self.deadline;
        let response = timeout_at(deadline, self.response())
            .await
            .map_err(|_| Failure::TimedOut)??;
        Ok(response::read(&response))
    }

    async fn response(&mut self) -> Result<Response, Failure> {
        let mut response = Response::default();
        loop {
            self.line(&mut response.text).await?;
            if response.literals.is_empty() && response::is_status(&response.text) {
                return Ok(response);
            }
            let Some((start, length)) = literal_size(&response.text) else {
                return Ok(response);
            };
            if response.literals.len() >= MAX_LITERALS {
                return Err(Failure::Senseless("a response of its has too many parts"));
            }
            response.text.truncate(start);
            response.literals.push((start, self.literal(length).await?));
        }
    }

    /// Appends a line without its end to `text`.
    async fn line(&mut self, text: &mut Vec<u8>) -> Result<(), Failure> {
        loop {
            let available = self.stream.fill_buf().await?;
            if available.is_empty() {
                return Err(Failure::Lost(io::ErrorKind::UnexpectedEof));
            }
            let end = available.iter().position(|&byte| byte == b'\n');
            let count = end.map_or(available.len(), |end| end.saturating_add(1));
            text.extend(available.iter().take(count));
            self.stream.consume(count);
            self.spend(count)?;
            if text.len() > MAX_TEXT {
                return Err(Failure::Senseless("a line of its is longer than 1 MiB"));
            }
            if end.is_some() {
                while text.last().is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
                    text.pop();
                }
                return Ok(());
            }
        }
    }

    async fn literal(&mut self, length: usize) -> Result<Vec<u8>, Failure> {
        if length > MAX_LITERAL {
            return Err(Failure::Senseless("it sends more than was asked for"));
        }
        self.spend(length)?;
        // Grows with what has come, not with what was claimed.
        let mut bytes = Vec::new();
        let limit = u64::try_from(length).unwrap_or(u64::MAX);
        (&mut self.stream).take(limit).read_to_end(&mut bytes).await?;
        if bytes.len() < length {
            return Err(Failure::Lost(io::ErrorKind::UnexpectedEof));
        }
        Ok(bytes)
    }

    fn spend(&mut self, count: usize) -> Result<(), Failure> {
        self.budget = self
            .budget
            .checked_sub(count)
            .ok_or(Failure::Senseless("it sends more than 8 MiB"))?;
        Ok(())
    }
}

/// Where the announcement of a literal begins at the end of a text, and the size that it announces: `{342}`,
/// `{342+}` (RFC 7888), or `~{342}` for bytes of any kind (RFC 3516).
fn literal_size(text: &[u8]) -> Option<(usize, usize)> {
    let inner = text.strip_suffix(b"}")?;
    let start = inner.iter().rposition(|&byte| byte == b'{')?;
    let digits = std::str::from_utf8(inner.get(start.saturating_add(1)..)?).ok()?;
    let size = digits.strip_suffix('+').unwrap_or(digits).parse().ok()?;
    let before = text.get(..start)?;
    let start = before.strip_suffix(b"~").map_or(start, <[u8]>::len);
    Some((start, size))
}
