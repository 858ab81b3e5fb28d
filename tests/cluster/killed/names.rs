//! What the operator's calls are called here.

use http::Method;
use keywright_sandbox::Operation;
use serde_json::Value;

/// The name of a call to the identity API: that of the operation.
pub(super) fn identity_call(method: &Method, path: &str) -> String {
    let operation = Operation::ALL
        .iter()
        .find(|operation| operation.method() == method.as_str() && fits(operation.path(), path));
    operation.map_or_else(
        || format!("{method} {path}"),
        |operation| operation.name().to_owned(),
    )
}

/// Whether a path has the form of a route, whose segments in braces stand for anything.
fn fits(route: &str, path: &str) -> bool {
    let (route, path) = (segments(route), segments(path));
    route.len() == path.len()
        && route
            .iter()
            .zip(&path)
            .all(|(expected, found)| expected.starts_with('{') || expected == found)
}

fn segments(path: &str) -> Vec<&str> {
    path.trim_matches('/').split('/').collect()
}

/// The name of a call to the Kubernetes API that changes something; none for others, and for those of the
/// lease and of events, which no resource depends on.
pub(super) fn kubernetes_call(method: &Method, path: &str, query: &str, body: &[u8]) -> Option<String> {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return None;
    }
    let segments = segments(path);
    let place = segments
        .iter()
        .position(|segment| *segment == "namespaces")
        .map_or(0, |at| at + 2);
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let name = match (method, segments.get(place..).unwrap_or_default()) {
        (_, ["leases" | "events", ..]) => return None,
        (&Method::PATCH, ["identityproviders", _, "status"])
            if query.contains("fieldManager=keywright-login") =>
        {
            let begun = body.pointer("/status/login/unanswered").and_then(Value::as_u64) > Some(0);
            if begun { "login begun" } else { "login ended" }
        }
        (&Method::PATCH, ["identityproviders", _, "status"]) => "provider status",
        (&Method::PATCH, ["clientapplications", _]) => {
            let removed = body
                .pointer("/metadata/finalizers")
                .and_then(Value::as_array)
                .is_none_or(Vec::is_empty);
            if removed {
                "finalizer removed"
            } else {
                "finalizer added"
            }
        }
        (&Method::PATCH, ["clientapplications", _, "status"]) => application_status(&body),
        (&Method::PATCH, ["identityaccounts", _, "status"]) => account_status(&body),
        (&Method::PATCH, ["secrets", _]) => "Secret applied",
        (&Method::DELETE, ["secrets", _]) => "Secret deleted",
        _ => return Some(format!("{method} {path}")),
    };
    Some(name.to_owned())
}

fn application_status(body: &Value) -> &'static str {
    let has = |field| body.pointer(field).is_some_and(|value| !value.is_null());
    if has("/status/pendingCreation") {
        "intent recorded"
    } else if has("/status/applicationId") && !has("/status/secret") {
        "application id recorded"
    } else {
        "outcome recorded"
    }
}

fn account_status(body: &Value) -> &'static str {
    let pending = body.pointer("/status/registration/pendingCall/call");
    match pending.and_then(Value::as_str) {
        Some("Register") => "Register begun",
        Some("ResendOtp") => "ResendOtp begun",
        Some("VerifyEmail") => "VerifyEmail begun",
        _ => "account recorded",
    }
}
