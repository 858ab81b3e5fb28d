//! The few commands of IMAP (RFC 3501 and its successor RFC 9051) that reading one mail needs.
//!
//! This is no general client, and on purpose none of the existing ones: whoever may make an account here
//! chooses the server, and a server must not be able to harm the process. So a response is read without
//! recursion, whatever is nested in it; no literal is given memory because of the size that it claims; and
//! neither commands nor answers are ever logged or quoted.

mod command;
mod connection;
mod response;
mod session;
#[cfg(test)]
mod tests;
mod token;

pub(super) use connection::{Connection, Failure};
pub(super) use response::{Condition, Fetched, Status};
pub(super) use session::{Query, Session};
