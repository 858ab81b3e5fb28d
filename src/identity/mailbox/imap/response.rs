//! What a response says.

use std::collections::BTreeSet;
use std::str::FromStr;

use k8s_openapi::jiff::Timestamp;
use k8s_openapi::jiff::fmt::strtime;

use super::token::{Response, Token, Tokens};

/// RFC 3501's `date-time`: `17-Jul-1996 02:44:25 -0700`, the day padded with a space.
const DATE_TIME: &str = "%d-%b-%Y %H:%M:%S %z";

/// More UIDs than there are mails to be looked at; the highest are those of the last mails.
const MOST_UIDS: usize = 20;

/// More capabilities than any server has.
const MOST_NAMES: usize = 100;

/// Which answers a command is sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// None.
    Nothing,
    Remarks,
    Capabilities,
    Search,
    Fetch,
}

/// What a response says, as far as it is of use here.
#[derive(Debug)]
pub(super) enum Answer {
    /// The server asks for the rest of a command.
    Continue,
    /// The end of the command with that tag.
    Done(String, Status),
    /// A remark of the server.
    Remark(Status),
    Capabilities(Vec<String>),
    Search(Vec<u32>),
    Fetch(Fetched),
    /// Something that was not asked for.
    Other,
}

/// How a command ended, or what the server remarks.
#[derive(Clone, Debug)]
pub(in super::super) struct Status {
    pub(in super::super) condition: Condition,
    /// The response code, as in `[UIDVALIDITY 7]`, without the brackets.
    pub(in super::super) code: Option<String>,
    /// The server's words, as they came.
    pub(in super::super) text: String,
}

/// RFC 3501 section 7.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Condition {
    Ok,
    No,
    Bad,
    Bye,
    PreAuth,
}

/// One mail as FETCH describes it.
#[derive(Debug, Default)]
pub(in super::super) struct Fetched {
    pub(in super::super) uid: Option<u32>,
    pub(in super::super) received: Option<Timestamp>,
    /// The part of the mail that was asked for.
    pub(in super::super) content: Option<Vec<u8>>,
}

impl Answer {
    pub(super) const fn is(&self, kind: Kind) -> bool {
        matches!(
            (self, kind),
            (Self::Remark(_), Kind::Remarks)
                | (Self::Capabilities(_), Kind::Capabilities)
                | (Self::Search(_), Kind::Search)
                | (Self::Fetch(_), Kind::Fetch)
        )
    }
}

impl Status {
    /// Whether the response code has that name.
    pub(in super::super) fn has_code(&self, name: &str) -> bool {
        self.code_value(name).is_some()
    }

    /// What follows the name in the response code.
    pub(super) fn code_value(&self, name: &str) -> Option<&str> {
        let code = self.code.as_deref()?;
        let (first, value) = code.split_once(' ').unwrap_or((code, ""));
        first.eq_ignore_ascii_case(name).then_some(value)
    }
}

/// Whether a line is a remark or an end, whose words may look like the start of a literal and are none.
pub(super) fn is_status(line: &[u8]) -> bool {
    let mut words = line.split(|&byte| byte == b' ');
    words.next();
    condition(words.next().unwrap_or_default()).is_some()
}

/// Never fails: what cannot be understood is [`Answer::Other`].
pub(super) fn read(response: &Response) -> Answer {
    let mut tokens = Tokens::new(response);
    let tag = match tokens.next() {
        Some(Token::Atom(b"+")) => return Answer::Continue,
        Some(Token::Atom(tag)) => tag,
        _ => return Answer::Other,
    };
    let Some(Token::Atom(word)) = tokens.next() else {
        return Answer::Other;
    };
    if let Some(condition) = condition(word) {
        let status = status(condition, &tokens.remaining_text());
        return match tag {
            b"*" => Answer::Remark(status),
            _ => Answer::Done(String::from_utf8_lossy(tag).into_owned(), status),
        };
    }
    if tag == b"*" {
        untagged(word, tokens)
    } else {
        Answer::Other
    }
}

fn untagged(word: &[u8], mut tokens: Tokens<'_>) -> Answer {
    if word.eq_ignore_ascii_case(b"CAPABILITY") {
        return Answer::Capabilities(tokens.filter_map(text).take(MOST_NAMES).collect());
    }
    if word.eq_ignore_ascii_case(b"SEARCH") {
        return Answer::Search(highest(tokens.filter_map(number)));
    }
    match tokens.next() {
        Some(Token::Atom(kind)) if kind.eq_ignore_ascii_case(b"FETCH") => Answer::Fetch(fetched(tokens)),
        _ => Answer::Other,
    }
}

fn condition(word: &[u8]) -> Option<Condition> {
    [
        ("OK", Condition::Ok),
        ("NO", Condition::No),
        ("BAD", Condition::Bad),
        ("BYE", Condition::Bye),
        ("PREAUTH", Condition::PreAuth),
    ]
    .into_iter()
    .find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()))
    .map(|(_, condition)| condition)
}

fn status(condition: Condition, text: &str) -> Status {
    let coded = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    Status {
        condition,
        code: coded.map(|(code, _)| code.to_owned()),
        text: coded.map_or(text, |(_, words)| words.trim_start()).to_owned(),
    }
}

/// Names and values in parentheses. Values that are lists are passed over, however deep they are.
fn fetched(mut tokens: Tokens<'_>) -> Fetched {
    let mut fetched = Fetched::default();
    if tokens.next() != Some(Token::Open) {
        return fetched;
    }
    while let Some(Token::Atom(name)) = tokens.next() {
        match tokens.next() {
            Some(Token::Open) => pass_list(&mut tokens),
            Some(value) => set(&mut fetched, name, value),
            None => break,
        }
    }
    fetched
}

fn pass_list(tokens: &mut Tokens<'_>) {
    let mut depth = 1_usize;
    for token in tokens {
        match token {
            Token::Open => depth = depth.saturating_add(1),
            Token::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return;
        }
    }
}

fn set(fetched: &mut Fetched, name: &[u8], value: Token<'_>) {
    if name.eq_ignore_ascii_case(b"UID") {
        fetched.uid = number(value);
    } else if name.eq_ignore_ascii_case(b"INTERNALDATE") {
        fetched.received = text(value).and_then(|text| read_date_time(&text));
    } else if name
        .get(..5)
        .is_some_and(|start| start.eq_ignore_ascii_case(b"BODY["))
    {
        fetched.content = value.string();
    }
}

fn text(token: Token<'_>) -> Option<String> {
    Some(String::from_utf8_lossy(&token.string()?).into_owned())
}

fn highest(numbers: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut kept = BTreeSet::new();
    for number in numbers {
        kept.insert(number);
        if kept.len() > MOST_UIDS {
            kept.pop_first();
        }
    }
    kept.into_iter().collect()
}

fn number(token: Token<'_>) -> Option<u32> {
    u32::from_str(&text(token)?).ok()
}

fn read_date_time(text: &str) -> Option<Timestamp> {
    strtime::parse(DATE_TIME, text.trim()).ok()?.to_timestamp().ok()
}
