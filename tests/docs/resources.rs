//! The resources that stand on pages are accepted as they stand.

use std::collections::BTreeMap;

use keywright::api::custom_resource_definitions;
use kube_cel::Validator;
use serde_json::Value;

use crate::pages::{Line, below, lines, read, root};

/// A resource on a page: where, and its documents.
struct Block {
    place: String,
    text: String,
}

/// The YAML that a page shows: its blocks, and what its shell blocks hand to `kubectl apply -f -`.
fn blocks(page: &str, place: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut begins = true;
    let mut end_of_document = None;
    for Line { number, text, code } in lines(page) {
        let language = code.unwrap_or_default();
        let new = |text: String| Block {
            place: format!("{place}:{number}"),
            text,
        };
        match (language, end_of_document) {
            ("yaml", _) if begins => blocks.push(new(format!("{text}\n"))),
            ("yaml", _) => blocks.last_mut().unwrap().text.push_str(&format!("{text}\n")),
            ("sh", None) if text.contains("apply") && text.contains("<<'END'") => {
                end_of_document = Some(());
                blocks.push(new(String::new()));
            }
            ("sh", Some(())) if text.trim() == "END" => end_of_document = None,
            ("sh", Some(())) => blocks.last_mut().unwrap().text.push_str(&format!("{text}\n")),
            _ => end_of_document = None,
        }
        begins = language != "yaml";
    }
    blocks
}

fn schemas() -> BTreeMap<String, Value> {
    let definitions = custom_resource_definitions().into_iter();
    definitions
        .map(|definition| {
            let definition = serde_json::to_value(definition).unwrap();
            let kind = definition["spec"]["names"]["kind"].as_str().unwrap().to_owned();
            let schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
            (kind, schema)
        })
        .collect()
}

/// Whether every field of the resource is one of the schema, and every required one is there.
fn fit(value: &Value, schema: &Value, path: &str, problems: &mut Vec<String>) {
    match value {
        Value::Object(entries) => {
            let properties = schema["properties"].as_object();
            for (name, entry) in entries {
                let path = format!("{path}.{name}");
                match properties.and_then(|properties| properties.get(name)) {
                    Some(field) => fit(entry, field, &path, problems),
                    None if schema["additionalProperties"].is_object() => {}
                    None if schema["x-kubernetes-preserve-unknown-fields"] == true => {}
                    None => problems.push(format!("{path} is no field")),
                }
            }
            for required in schema["required"].as_array().into_iter().flatten() {
                let name = required.as_str().unwrap();
                if !entries.contains_key(name) {
                    problems.push(format!("{path}.{name} is missing"));
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                fit(item, &schema["items"], &format!("{path}[]"), problems);
            }
        }
        _ => {
            let allowed = schema["enum"].as_array();
            if allowed.is_some_and(|allowed| !allowed.contains(value)) {
                problems.push(format!("{path} may not be {value}"));
            }
            let type_ = match value {
                Value::String(_) => "string",
                Value::Bool(_) => "boolean",
                Value::Number(_) => "integer",
                _ => return,
            };
            if schema["type"].as_str().is_some_and(|wanted| wanted != type_) {
                problems.push(format!("{path} is a {type_}, not a {}", schema["type"]));
            }
        }
    }
}

/// What is wrong with a resource of Keywright; nothing where it is of another kind.
fn problems(resource: &Value, schemas: &BTreeMap<String, Value>) -> Vec<String> {
    if !resource["apiVersion"]
        .as_str()
        .is_some_and(|group| group.starts_with("keywright.dev/"))
    {
        return Vec::new();
    }
    let mut problems = Vec::new();
    let Some(schema) = resource["kind"].as_str().and_then(|kind| schemas.get(kind)) else {
        return vec![format!("there is no kind {}", resource["kind"])];
    };
    fit(
        &resource["spec"],
        &schema["properties"]["spec"],
        "spec",
        &mut problems,
    );
    let object = serde_json::json!({"spec": resource["spec"]});
    if let Err(errors) = Validator::new().validate(schema, &object, None) {
        problems.extend(errors.iter().map(|error| error.message.clone()));
    }
    problems
}

/// All YAML that pages show, with its documents.
fn documents() -> Vec<(String, Value)> {
    let pages = below(&root().join("docs"), ".md");
    let pages = pages.into_iter().chain([root().join("README.md")]);
    pages
        .flat_map(|page| {
            let place = page.strip_prefix(root()).unwrap().display().to_string();
            blocks(&read(&page), &place)
        })
        .flat_map(|Block { place, text }| {
            let documents: Vec<_> = text.split("---\n").map(str::to_owned).collect();
            documents
                .into_iter()
                .filter(|text| !text.trim().is_empty())
                .map(move |text| {
                    let value =
                        serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{place}: {error}"));
                    (place.clone(), value)
                })
        })
        .collect()
}

#[test]
fn resources_on_pages_are_accepted() {
    let schemas = schemas();
    let documents = documents();
    let ours = documents
        .iter()
        .filter(|(_, document)| document["spec"].is_object())
        .count();
    assert!(ours > 15, "only {ours} were found");
    let wrong: Vec<_> = documents
        .iter()
        .flat_map(|(place, document)| {
            let problems = problems(document, &schemas).into_iter();
            problems.map(move |problem| format!("{place}: {problem}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_resource_that_is_wrong_is_noticed() {
    let schemas = schemas();
    let page = "\
```yaml
apiVersion: keywright.dev/v1alpha1
kind: ClientApplication
spec:
  providerRef: {kind: IdentityProvider}
  secret: {name: a, nmae: b}
  deletionPolicy: Delete
```

```sh
kubectl apply -f - <<'END'
apiVersion: keywright.dev/v1alpha1
kind: AcessToken
END
```
";
    let found: Vec<_> = blocks(page, "page.md")
        .iter()
        .flat_map(|block| problems(&serde_saphyr::from_str(&block.text).unwrap(), &schemas))
        .collect();
    for expected in [
        "spec.providerRef.name is missing",
        "spec.secret.nmae is no field",
        "there is no kind \"AcessToken\"",
    ] {
        assert!(
            found.iter().any(|problem| problem == expected),
            "{expected} is not in {found:?}"
        );
    }
    assert!(
        found.iter().any(|problem| problem.contains("only Retain")),
        "{found:?}"
    );
}
