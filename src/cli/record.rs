//! A resource of any kind, as far as these commands look at it.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::core::DynamicObject;
use serde::Deserialize;
use serde_json::Value;

use super::kind::Kind;
use crate::api::client_application::{PendingCreation, ProviderReference};
use crate::api::conditions::{self, READY};
use crate::api::provider::{LoginStatus, OrganizationStatus};
use crate::api::token::{FulfilledRequests, TokenStatus};
use crate::controller::token::need;

/// A resource. What another version of Keywright has added is not seen, and what it lacks is absent.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) kind: Kind,
    /// None for what belongs to the whole cluster.
    pub(super) namespace: Option<String>,
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) generation: Option<i64>,
    pub(super) created: Option<Timestamp>,
    pub(super) deletion: Option<Timestamp>,
    pub(super) finalizers: Vec<String>,
    /// What is asked for by annotation.
    pub(super) requests: FulfilledRequests,
    pub(super) spec: Spec,
    pub(super) status: Status,
}

/// What is wanted.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Spec {
    pub(super) provider_ref: Option<ProviderReference>,
    pub(super) secret: Option<Named>,
    pub(super) suspend: Option<bool>,
    /// Of a `ClientApplication`: there is to be a token.
    pub(super) access_token: Option<Value>,
    /// Of an `IdentityAccount`: there is to be a token.
    pub(super) keep_token: Option<bool>,
}

/// What is so.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Status {
    pub(super) observed_generation: Option<i64>,
    pub(super) conditions: Vec<Condition>,
    pub(super) token: Option<TokenStatus>,
    pub(super) fulfilled_requests: Option<FulfilledRequests>,
    pub(super) secret: Option<Named>,
    pub(super) application_id: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) account: Option<String>,
    pub(super) organization: Option<OrganizationStatus>,
    pub(super) login: Option<LoginStatus>,
    pub(super) pending_creation: Option<PendingCreation>,
    pub(super) last_checked_time: Option<Time>,
    pub(super) code_expires_at: Option<Time>,
    pub(super) capabilities: BTreeMap<String, bool>,
}

/// Something with a name.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Named {
    pub(super) name: String,
}

impl Record {
    /// Reads what the API server sent. Parts that cannot be read are taken as absent.
    pub(super) fn new(kind: Kind, object: &DynamicObject) -> Self {
        let part = |name: &str| object.data.get(name).cloned().unwrap_or_default();
        Self {
            kind,
            namespace: object.namespace(),
            name: object.name_any(),
            uid: object.uid().unwrap_or_default(),
            generation: object.metadata.generation,
            created: object.metadata.creation_timestamp.as_ref().map(|time| time.0),
            deletion: object.metadata.deletion_timestamp.as_ref().map(|time| time.0),
            finalizers: object.finalizers().to_vec(),
            requests: need::requests(object.annotations()),
            spec: serde_json::from_value(part("spec")).unwrap_or_default(),
            status: serde_json::from_value(part("status")).unwrap_or_default(),
        }
    }

    /// Kind and name, as users write them.
    pub(super) fn label(&self) -> String {
        format!("{}/{}", self.kind.as_str(), self.name)
    }

    /// With the namespace too, for a sentence.
    pub(super) fn place(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{} {namespace}/{}", self.kind.as_str(), self.name),
            None => format!("{} {}", self.kind.as_str(), self.name),
        }
    }

    /// The condition of that type.
    pub(super) fn condition(&self, type_: &str) -> Option<&Condition> {
        conditions::find(&self.status.conditions, type_)
    }

    /// Whether what is published can be relied on, as the operator said last.
    pub(super) fn is_ready(&self) -> bool {
        self.condition(READY).is_some_and(|ready| ready.status == "True")
    }

    /// Whether nothing is to be done for it.
    pub(super) fn is_suspended(&self) -> bool {
        self.spec.suspend == Some(true)
    }

    /// The Secret that workloads mount, or that will be there.
    pub(super) fn secret(&self) -> Option<&str> {
        let published = self.status.secret.as_ref();
        published
            .or(self.spec.secret.as_ref())
            .map(|secret| secret.name.as_str())
    }

    /// Whether it is to have a token.
    pub(super) fn wants_token(&self) -> bool {
        match self.kind {
            Kind::AccessToken => true,
            Kind::ClientApplication => self.spec.access_token.is_some(),
            Kind::IdentityAccount => self.spec.keep_token == Some(true),
            Kind::IdentityProvider | Kind::ClusterIdentityProvider => false,
        }
    }

    /// Whether the operator has looked at the spec as it stands.
    pub(super) fn is_observed(&self) -> bool {
        self.status.observed_generation.is_some() && self.status.observed_generation >= self.generation
    }
}
