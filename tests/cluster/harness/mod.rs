//! What tests of the operator on a real API server have in common.
//!
//! A [`World`] is the surroundings of one test. Its [`World::operator`] starts the real binary.

mod history;
mod manifests;
mod operator;
mod plane;
mod report;
mod resources;
mod wait;
mod world;

pub(crate) use history::History;
pub(crate) use manifests::{ACCOUNT_SECRET, account_secret, client_application};
pub(crate) use operator::{Operator, Settings};
pub(crate) use resources::{annotation, entries};
pub(crate) use wait::{PATIENCE, eventually};
pub(crate) use world::{EMAIL, ORGANIZATION, PASSWORD, World};
