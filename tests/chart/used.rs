//! Which rights a run has used, as the API server recorded its requests.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::rights::{EVERYWHERE, Grant};

/// What was asked for, each in the words of the one in `granted` that allows it.
///
/// # Panics
/// When something was refused, or nothing in `granted` allows it.
pub(crate) fn used(audit: &[Value], granted: &BTreeSet<Grant>) -> BTreeSet<Grant> {
    audit
        .iter()
        .filter(|event| event["objectRef"].is_object() && !is_about_oneself(event))
        .flat_map(grants)
        .map(|grant| {
            let anywhere = |only: &str| Grant {
                place: EVERYWHERE.to_owned(),
                only: only.to_owned(),
                ..grant.clone()
            };
            let here = |only: &str| Grant {
                only: only.to_owned(),
                ..grant.clone()
            };
            let name = grant.only.clone();
            let ways = [anywhere(""), anywhere(&name), here(""), here(&name)];
            let way = ways.into_iter().find(|way| granted.contains(way));
            way.unwrap_or_else(|| panic!("asked for, and not granted: {grant:?}"))
        })
        .collect()
}

/// What a recorded request needs.
fn grants(event: &Value) -> Vec<Grant> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let object = &event["objectRef"];
    assert_ne!(event["responseStatus"]["code"], 403, "{event}");
    let resource = match object["subresource"].as_str() {
        Some(subresource) => format!("{}/{subresource}", text(&object["resource"])),
        None => text(&object["resource"]),
    };
    let grant = |verb: &str| Grant {
        place: text(&object["namespace"]),
        group: text(&object["apiGroup"]),
        resource: resource.clone(),
        verb: verb.to_owned(),
        only: text(&object["name"]),
    };
    let verb = text(&event["verb"]);
    // What an apply creates has to be allowed as a creation too.
    if verb == "patch" && event["responseStatus"]["code"] == 201 {
        return vec![grant("patch"), grant("create")];
    }
    vec![grant(&verb)]
}

/// Questions that everybody may ask.
fn is_about_oneself(event: &Value) -> bool {
    event["objectRef"]["apiGroup"] == "authorization.k8s.io"
}
