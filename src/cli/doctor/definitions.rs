//! Whether the custom resource definitions in the cluster are those of this version.

use std::collections::BTreeSet;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::ResourceExt;
use serde_json::Value;

use super::facts::{Definition, Known};
use super::finding::Finding;

const CHECK: &str = "definitions";

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Fields that are named when some are missing.
const NAMED: usize = 3;

const APPLY: &str = "apply those of this version: `keywright crd | kubectl apply --server-side -f -`";

/// How a definition in the cluster stands to that of this version.
#[derive(Debug, PartialEq, Eq)]
enum Difference {
    None,
    /// It lacks fields, which the API server would take off what the operator writes.
    Lacks(Vec<String>),
    /// It has all fields, and says something else about them.
    Other,
}

/// One line for all that is well, one for all that could not be read, and one for each that is not as it should be.
pub(super) fn findings(definitions: &[Definition]) -> Vec<Finding> {
    let mut unread: Vec<(String, &str)> = Vec::new();
    let mut findings = Vec::new();
    let mut well = 0;
    for Definition { wanted, found } in definitions {
        match found {
            Known::No(why) => unread.push((wanted.name_any(), why)),
            Known::Yes(found) => match finding(wanted, found.as_ref()) {
                Some(finding) => findings.push(finding),
                None => well += 1,
            },
        }
    }
    let of_unread = unread.first().map(|(_, why)| {
        let names = unread
            .iter()
            .map(|(name, _)| name.as_str())
            .collect::<Vec<_>>()
            .join(", ");
        let mend = "ask somebody who may, or be allowed to get customresourcedefinitions";
        Finding::warn(CHECK, format!("{names} could not be read: {why}"), mend)
    });
    let all = definitions.len();
    let of_well = (well > 0).then(|| {
        let count = if well == all {
            format!("all {all}")
        } else {
            format!("{well} of {all}")
        };
        Finding::ok(CHECK, format!("{count} are those of version {VERSION}"))
    });
    of_well.into_iter().chain(of_unread).chain(findings).collect()
}

fn finding(wanted: &CustomResourceDefinition, found: Option<&CustomResourceDefinition>) -> Option<Finding> {
    let name = wanted.name_any();
    let Some(found) = found else {
        return Some(Finding::wrong(CHECK, format!("{name} is not installed"), APPLY));
    };
    if let Some(why) = not_established(found) {
        let mend = format!("see `kubectl describe crd {name}`");
        return Some(Finding::wrong(
            CHECK,
            format!("{name} is not served: {why}"),
            mend,
        ));
    }
    match difference(wanted, found) {
        Difference::None => None,
        Difference::Lacks(fields) => {
            let more = match fields.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let named = fields.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
            let message = format!("{name} is older than version {VERSION}: it lacks {named}{more}");
            Some(Finding::wrong(CHECK, message, APPLY))
        }
        Difference::Other => {
            let message = format!("{name} is not that of version {VERSION}, though it has all its fields");
            let mend =
                format!("{APPLY}; if the operator is of another version, use the `keywright` of that one");
            Some(Finding::warn(CHECK, message, mend))
        }
    }
}

fn not_established(found: &CustomResourceDefinition) -> Option<String> {
    let conditions = found
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    let bad = conditions.into_iter().flatten().find(|condition| {
        ["Established", "NamesAccepted"].contains(&condition.type_.as_str()) && condition.status != "True"
    });
    bad.map(|condition| {
        condition
            .message
            .clone()
            .unwrap_or_else(|| format!("{} is {}", condition.type_, condition.status))
    })
}

fn difference(wanted: &CustomResourceDefinition, found: &CustomResourceDefinition) -> Difference {
    let (ours, theirs) = (schema(wanted), schema(found));
    if ours == theirs {
        return Difference::None;
    }
    let (ours, theirs) = (fields(&ours), fields(&theirs));
    let lacking: Vec<String> = ours.difference(&theirs).cloned().collect();
    if lacking.is_empty() {
        Difference::Other
    } else {
        Difference::Lacks(lacking)
    }
}

/// The schema of the version that is stored.
fn schema(definition: &CustomResourceDefinition) -> Value {
    let stored = definition.spec.versions.iter().find(|version| version.storage);
    let schema = stored.and_then(|version| version.schema.as_ref());
    serde_json::to_value(schema).unwrap_or_default()
}

/// Every field that a schema has, such as `spec.secret.name`.
fn fields(schema: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect(
        schema.pointer("/openAPIV3Schema").unwrap_or(&Value::Null),
        "",
        &mut found,
    );
    found
}

fn collect(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    for (name, inner) in schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        collect(inner, &path, found);
        found.insert(path);
    }
    for inner in [schema.get("items"), schema.get("additionalProperties")]
        .into_iter()
        .flatten()
    {
        collect(inner, path, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::custom_resource_definitions;
    use crate::cli::doctor::finding::Level;

    fn wanted() -> CustomResourceDefinition {
        custom_resource_definitions()
            .into_iter()
            .find(|definition| definition.name_any() == "accesstokens.keywright.dev")
            .unwrap()
    }

    /// The definition with its schema changed.
    fn changed(change: impl Fn(&mut Value)) -> CustomResourceDefinition {
        let mut whole = serde_json::to_value(wanted()).unwrap();
        change(&mut whole["spec"]["versions"][0]["schema"]["openAPIV3Schema"]);
        serde_json::from_value(whole).unwrap()
    }

    fn found(found: Known<Option<CustomResourceDefinition>>) -> Finding {
        findings(&[Definition {
            wanted: wanted(),
            found,
        }])
        .remove(0)
    }

    #[test]
    fn the_definitions_of_this_version_are_one_line() {
        let definitions: Vec<_> = custom_resource_definitions()
            .into_iter()
            .map(|wanted| Definition {
                found: Known::Yes(Some(wanted.clone())),
                wanted,
            })
            .collect();
        let found = findings(&definitions);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].level, Level::Ok);
    }

    #[test]
    fn an_older_definition_is_wrong_since_it_loses_fields() {
        let older = changed(|schema| {
            let token = schema
                .pointer_mut("/properties/status/properties/token/properties")
                .unwrap();
            token.as_object_mut().unwrap().remove("remark");
        });
        let found = found(Known::Yes(Some(older)));
        assert_eq!(found.level, Level::Wrong);
        assert!(
            found.message.contains(
                "it lacks status.token.remark, status.token.remark.message, status.token.remark.reason"
            ),
            "{found:?}"
        );
    }

    #[test]
    fn one_that_only_says_something_else_is_a_warning() {
        let other = changed(|schema| schema["properties"]["spec"]["description"] = "another".into());
        assert_eq!(found(Known::Yes(Some(other))).level, Level::Warn);
        let newer = changed(|schema| {
            schema["properties"]["spec"]["properties"]["later"] = serde_json::json!({"type": "string"});
        });
        assert_eq!(found(Known::Yes(Some(newer))).level, Level::Warn);
    }

    #[test]
    fn one_that_is_missing_or_not_served_is_wrong() {
        let missing = found(Known::Yes(None));
        assert_eq!(
            (missing.level, missing.message.as_str()),
            (Level::Wrong, "accesstokens.keywright.dev is not installed")
        );
        let mut whole = serde_json::to_value(wanted()).unwrap();
        whole["status"] = serde_json::json!({"conditions": [{
            "type": "NamesAccepted", "status": "False", "message": "the short name is taken",
        }]});
        let refused = found(Known::Yes(Some(serde_json::from_value(whole).unwrap())));
        assert_eq!(
            refused.message,
            "accesstokens.keywright.dev is not served: the short name is taken"
        );
        assert_eq!(found(Known::No("forbidden".into())).level, Level::Warn);
    }
}
