//! What was read, before anything is concluded from it.

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::jiff::Timestamp;

use super::clock::Clock;
use crate::cli::kind::Kind;
use crate::cli::record::Record;
use crate::rights::Right;

/// How the operator is installed, as the flags say.
#[derive(Clone, Debug)]
pub(super) struct Deployment {
    pub(super) namespace: String,
    pub(super) whose_rights: Whose,
    /// Empty means all.
    pub(super) watch_namespaces: Vec<String>,
    pub(super) cluster_identity_providers: bool,
    pub(super) watches_secrets: bool,
    pub(super) has_cluster_id: bool,
    /// None without an election.
    pub(super) lease: Option<String>,
}

/// Whose rights are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// Those of the operator, wherever it is clear who that is.
    Operator,
    /// Those of this service account in the operator's namespace.
    ServiceAccount(String),
    /// Those of whoever runs this command.
    Own,
}

/// Something that was asked for, or why it is not known.
#[derive(Clone, Debug)]
pub(super) enum Known<T> {
    Yes(T),
    /// What the API server said.
    No(String),
}

/// Everything that was read.
#[derive(Debug)]
pub(super) struct Facts {
    /// By the clock of this machine.
    pub(super) now: Timestamp,
    pub(super) server: Server,
    pub(super) definitions: Vec<Definition>,
    pub(super) rights: Rights,
    /// The Lease, if there is one.
    pub(super) lease: Known<Option<Lease>>,
    /// None where they were not asked for.
    pub(super) resources: Option<Resources>,
}

/// What users have made, and the providers.
#[derive(Debug)]
pub(super) struct Resources {
    pub(super) records: Vec<Record>,
    /// Kinds that could not be listed, with what the API server said. What is not installed is not among them.
    pub(super) not_listed: Vec<(Kind, String)>,
}

/// The API server.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: String,
    pub(super) version: String,
    /// None where its answer has no time.
    pub(super) clock: Option<Clock>,
}

/// A definition as it should be, and as it is in the cluster.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) wanted: CustomResourceDefinition,
    pub(super) found: Known<Option<CustomResourceDefinition>>,
}

/// What the operator may do.
#[derive(Debug)]
pub(super) struct Rights {
    /// Whose rights were asked about.
    pub(super) user: String,
    pub(super) answers: Known<Vec<Answer>>,
}

/// Whether something is allowed.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) question: Question,
    pub(super) allowed: bool,
}

/// One verb of one right in one namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) right: Right,
    pub(super) verb: &'static str,
    /// None means all namespaces, or the whole cluster.
    pub(super) namespace: Option<String>,
    /// The one object that it is about.
    pub(super) name: Option<String>,
}
