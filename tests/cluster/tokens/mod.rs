//! Access tokens that are kept fresh, with the sandbox as the authorization server.
//!
//! Its tokens live for seconds here, and what pods need to see a new Secret is two seconds, so that a test sees many
//! refreshes. Clocks and network take eleven seconds of each life, however short it is.

mod annotations;
mod clients;
mod content;
mod crowd;
mod gentleness;
mod inline;
mod kept;
mod outage;
mod ownership;
mod reader;
mod sharing;
mod stage;
mod verification;
