//! HTTP to identity APIs: bounded in time and size, never redirected, classified by what to do next.
//!
//! A call is one [`Call`] given to [`HttpClient::call`] together with a function that reads the decoded
//! JSON answer. What goes wrong comes back as a [`Failure`], whose message holds no secret: bodies that are
//! not JSON are never quoted, and every secret that the client or the call knows is taken out of the rest.

mod call;
mod charge;
mod classify;
mod client;
mod endpoint;
mod exchange;
mod fields;
mod scrub;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod text;
mod tls;
mod transport;

pub use call::{Answer, Call, Effect, Failure};
pub use client::{CallObserver, DEFAULT_DEADLINE, HttpClient, HttpOptions};
pub use endpoint::Endpoint;
pub use fields::{Fields, Unreadable};
pub(crate) use text::tidy;
pub use tls::ClientCertificate;
