//! Resources that are accepted and refused, by the rules themselves and by a real API server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "the helpers of tests may stop at the first surprise, as tests may"
)]

mod accounts;
mod cases;

use std::collections::BTreeSet;

use cases::{Case, Expected};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use keywright::api::custom_resource_definitions;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::{conditions, wait::await_condition};
use kube::{Client, Config};
use kube_cel::Validator;
use serde_json::{Value, json};

fn schema(kind: &str) -> Value {
    let definition = custom_resource_definitions()
        .into_iter()
        .find(|crd| crd.spec.names.kind == kind)
        .unwrap();
    serde_json::to_value(
        definition.spec.versions[0]
            .schema
            .as_ref()
            .unwrap()
            .open_api_v3_schema
            .as_ref()
            .unwrap(),
    )
    .unwrap()
}

fn rule_messages(schema: &Value, into: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            for rule in fields
                .get("x-kubernetes-validations")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                into.insert(rule["message"].as_str().unwrap().to_owned());
            }
            fields.values().for_each(|field| rule_messages(field, into));
        }
        Value::Array(items) => items.iter().for_each(|item| rule_messages(item, into)),
        _ => {}
    }
}

#[test]
fn the_rules_accept_and_refuse_as_the_table_says() {
    for case in cases::all() {
        let object = json!({"spec": case.spec});
        let earlier = case.earlier.as_ref().map(|spec| json!({"spec": spec}));
        let found: Vec<String> = Validator::new()
            .validate(&schema(case.kind), &object, earlier.as_ref())
            .err()
            .iter()
            .flat_map(kube_cel::ValidationErrors::as_slice)
            .map(|error| error.message.clone())
            .collect();
        match case.expected {
            Expected::Accepted => assert!(
                found.is_empty(),
                "{}: {} was refused: {found:?}",
                case.kind,
                case.says
            ),
            Expected::ByRule(sentence) => assert!(
                found.iter().any(|message| message.starts_with(sentence)),
                "{}: {} was not refused with {sentence:?}, but {found:?}",
                case.kind,
                case.says
            ),
            // What the schema refuses is for the API server to say.
            Expected::BySchema(_) => {}
        }
    }
}

/// The ClientApplications of a file: a YAML manifest, or the YAML blocks of a page.
fn applications(path: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    let blocks: Vec<&str> = match text.split_once("```yaml\n") {
        None => vec![&text],
        Some((_, rest)) => rest
            .split("```yaml\n")
            .filter_map(|block| block.split("```").next())
            .collect(),
    };
    blocks
        .into_iter()
        .flat_map(|block| block.split("\n---\n"))
        .filter(|document| document.contains("kind: ClientApplication\n"))
        .map(|document| serde_saphyr::from_str(document).unwrap())
        .collect()
}

#[test]
fn what_the_readme_applies_can_be_followed_by_the_example_of_the_same_name() {
    let of_readme = applications("README.md");
    let of_example = applications("examples/didit/2-client-application.yaml");
    let place = |resource: &Value| resource.pointer("/metadata").cloned();
    let earlier = of_readme
        .iter()
        .find(|resource| place(resource) == place(&of_example[0]))
        .expect("the README shows one of that name");
    for (now, before) in [(&of_example[0], earlier), (earlier, &of_example[0])] {
        let found = Validator::new().validate(
            &schema("ClientApplication"),
            &json!({"spec": now["spec"]}),
            Some(&json!({"spec": before["spec"]})),
        );
        assert!(found.is_ok(), "{:?}", found.err().map(|found| found.to_string()));
    }
}

#[test]
fn every_rule_has_a_case_that_it_refuses() {
    let mut messages = BTreeSet::new();
    for definition in custom_resource_definitions() {
        rule_messages(&serde_json::to_value(definition).unwrap(), &mut messages);
    }
    let refused: Vec<_> = cases::all()
        .into_iter()
        .filter_map(|case| match case.expected {
            Expected::ByRule(sentence) => Some(sentence),
            _ => None,
        })
        .collect();
    let untested: Vec<_> = messages
        .iter()
        .filter(|message| !refused.iter().any(|sentence| message.starts_with(sentence)))
        .collect();
    assert!(untested.is_empty(), "no case for {untested:#?}");
}

async fn client() -> Client {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let plane = tokio::task::spawn_blocking(|| keywright_control_plane::shared().expect("a control plane"))
        .await
        .unwrap();
    let kubeconfig = Kubeconfig::read_from(plane.kubeconfig()).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .unwrap();
    Client::try_from(config).unwrap()
}

async fn install(client: &Client) {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for definition in custom_resource_definitions() {
        let name = definition.metadata.name.clone().unwrap();
        api.patch(
            &name,
            &PatchParams::apply("tests").force(),
            &Patch::Apply(&definition),
        )
        .await
        .unwrap();
        await_condition(api.clone(), &name, conditions::is_crd_established())
            .await
            .unwrap();
    }
}

fn object(case: &Case, name: &str, spec: &Value) -> DynamicObject {
    let value = json!({
        "apiVersion": "keywright.dev/v1alpha1", "kind": case.kind, "metadata": {"name": name}, "spec": spec,
    });
    serde_json::from_value(value).unwrap()
}

fn api_of(client: &Client, case: &Case, namespace: &str) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("keywright.dev", "v1alpha1", case.kind));
    match case.kind {
        "ClusterIdentityProvider" => Api::all_with(client.clone(), &resource),
        _ => Api::namespaced_with(client.clone(), namespace, &resource),
    }
}

/// What the API server says to the case; nothing is left of cases that only create.
async fn answer(client: &Client, case: &Case, namespace: &str, name: &str) -> Result<(), String> {
    let api = api_of(client, case, namespace);
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let answered = match &case.earlier {
        None => api.create(&dry_run, &object(case, name, &case.spec)).await,
        Some(earlier) => {
            let created = api
                .create(&PostParams::default(), &object(case, name, earlier))
                .await
                .unwrap();
            let mut changed = object(case, name, &case.spec);
            changed.metadata.resource_version = created.metadata.resource_version;
            api.replace(name, &dry_run, &changed).await
        }
    };
    answered.map(drop).map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_real_api_server_accepts_and_refuses_as_the_table_says() {
    let client = client().await;
    install(&client).await;
    let namespace = format!("crds-{}", std::process::id());
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let wanted = serde_json::from_value(json!({"metadata": {"name": namespace}})).unwrap();
    namespaces.create(&PostParams::default(), &wanted).await.unwrap();

    let mut wrong = Vec::new();
    for (number, case) in cases::all().iter().enumerate() {
        let answered = answer(&client, case, &namespace, &format!("case-{number}")).await;
        let as_expected = match (&case.expected, &answered) {
            (Expected::Accepted, Ok(())) => true,
            (Expected::ByRule(sentence) | Expected::BySchema(sentence), Err(answer)) => {
                answer.contains(sentence)
            }
            _ => false,
        };
        if !as_expected {
            wrong.push(format!("{}: {}: {answered:?}", case.kind, case.says));
        }
    }
    namespaces
        .delete(&namespace, &kube::api::DeleteParams::default())
        .await
        .unwrap();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
