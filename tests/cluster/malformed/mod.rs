//! Answers that make no sense: what the user reads, and that the operator goes on.

mod changes;
mod provider;
mod reads;

use keywright_sandbox::Fault;
use serde_json::Value;

use crate::harness::World;

/// What is wrong with the answer, and the sentence about it after the name of the call.
pub(crate) type Row = (Fault, String);

pub(crate) fn body(body: Value) -> Fault {
    Fault::Body { body }
}

pub(crate) fn status(status: u16, said: &str) -> Fault {
    Fault::Status {
        status,
        body: Some(said.into()),
        retry_after: None,
    }
}

pub(crate) fn redirect() -> Fault {
    Fault::Redirect {
        location: "https://elsewhere.example.net/login?token=1".to_owned(),
    }
}

/// The sentences that are the same for every call.
pub(crate) fn common(world: &World) -> Vec<Row> {
    let host = world.sandbox.address();
    vec![
        (
            Fault::Garbled,
            format!("{host} could not be understood: the answer is not JSON"),
        ),
        (
            Fault::Oversized { bytes: 3_000_000 },
            format!("{host} could not be understood: the answer is larger than 1024 KiB"),
        ),
        (
            redirect(),
            format!("{host} redirected the request to elsewhere.example.net; redirects are not followed"),
        ),
    ]
}

pub(crate) fn understood(world: &World, fault: Fault, why: &str) -> Row {
    (
        fault,
        format!("{} could not be understood: {why}", world.sandbox.address()),
    )
}

pub(crate) const UNEXPECTED: (&str, &str, &str) = ("Provisioned", "Unknown", "UnexpectedAnswer");
pub(crate) const OUTCOME_UNKNOWN: (&str, &str, &str) = ("Provisioned", "Unknown", "OutcomeUnknown");
pub(crate) const UNAVAILABLE: (&str, &str, &str) = ("ProviderReady", "False", "Unavailable");

/// How many applications of this name there are.
pub(crate) fn made(world: &World, name: &str) -> usize {
    world
        .sandbox
        .applications()
        .iter()
        .filter(|application| application.name == name)
        .count()
}
