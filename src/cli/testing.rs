//! Resources as tests of these commands want them.

#![allow(
    clippy::needless_pass_by_value,
    reason = "what json! makes is handed over without ceremony"
)]

use k8s_openapi::jiff::Timestamp;
use kube::core::DynamicObject;
use serde_json::{Value, json};

use super::kind::Kind;
use super::record::Record;

/// What tests take for now.
pub(super) fn now() -> Timestamp {
    "2026-11-25T12:00:00Z".parse().unwrap()
}

/// That many seconds after [`now`], or before it.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(now().as_second() + seconds).unwrap()
}

/// A resource in the namespace `shop`, with this spec and status.
pub(super) fn record(kind: Kind, name: &str, spec: Value, status: Value) -> Record {
    record_with(kind, name, json!({}), spec, status)
}

/// The same with more metadata.
pub(super) fn record_with(kind: Kind, name: &str, metadata: Value, spec: Value, status: Value) -> Record {
    let mut whole = json!({
        "name": name,
        "uid": format!("uid-of-{name}"),
        "generation": 1,
        "creationTimestamp": at(-3600).to_string(),
    });
    if kind.is_namespaced() {
        whole["namespace"] = "shop".into();
    }
    whole
        .as_object_mut()
        .unwrap()
        .extend(metadata.as_object().unwrap().clone());
    let object: DynamicObject = serde_json::from_value(json!({
        "metadata": whole,
        "spec": spec,
        "status": status,
    }))
    .unwrap();
    Record::new(kind, &object)
}

/// A condition that has been so for five minutes.
pub(super) fn condition(type_: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({
        "type": type_,
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": 1,
        "lastTransitionTime": at(-300).to_string(),
    })
}

/// A token that was issued ten minutes ago.
pub(super) fn token(expires: i64, refresh: i64) -> Value {
    json!({
        "issuedAt": at(-600).to_string(),
        "expiresAt": at(expires).to_string(),
        "refreshAt": at(refresh).to_string(),
        "tokenType": "Bearer",
        "scope": "reports.read",
        "requestDigest": "digest",
        "fingerprint": "fingerprint",
    })
}

/// The status of a resource that is as it should be, with this token.
pub(super) fn published(token: Value) -> Value {
    json!({
        "observedGeneration": 1,
        "conditions": [condition("Ready", "True", "Published", "Secret s holds a token")],
        "token": token,
        "secret": {"name": "s"},
    })
}
