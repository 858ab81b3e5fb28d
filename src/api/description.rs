//! Descriptions as `kubectl explain` should show them: a field's own text, one line for each paragraph.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;
use kube::core::schema::{OptionalEnum, OptionalIntOrString, StructuralSchemaRewriter};
use schemars::generate::SchemaSettings;
use schemars::transform::{AddNullable, Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde_json::Value;

/// The definition of a kind, with its descriptions put in order.
pub(super) fn definition<K: CustomResourceExt + JsonSchema>() -> CustomResourceDefinition {
    let mut definition = K::crd();
    let schemas = definition
        .spec
        .versions
        .iter_mut()
        .filter_map(|version| version.schema.as_mut()?.open_api_v3_schema.as_mut());
    for schema in schemas {
        if let Some(own) = schema_of::<K>() {
            *schema = own;
        }
        join_descriptions(schema);
    }
    definition
}

/// The schema as kube's derive makes it, but for one transformation that has to come before the others.
fn schema_of<K: JsonSchema>() -> Option<JSONSchemaProps> {
    let generator = SchemaSettings::openapi3()
        .with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        })
        .with_transform(FieldDescriptions)
        .with_transform(AddNullable::default())
        .with_transform(StructuralSchemaRewriter)
        .with_transform(OptionalEnum)
        .with_transform(OptionalIntOrString)
        .into_generator();
    let schema = generator.into_root_schema_for::<K>();
    serde_json::from_value(schema.to_value()).ok()
}

/// An optional field of a type of ours is `anyOf` that type and null, and kube merges the type's description over the
/// field's. What a reader of the field wants to know stands at the field.
#[derive(Clone, Debug)]
struct FieldDescriptions;

impl Transform for FieldDescriptions {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        if schema.get("description").is_none() {
            return;
        }
        let alternatives = schema.get_mut("anyOf").and_then(Value::as_array_mut);
        for alternative in alternatives.into_iter().flatten() {
            if let Some(alternative) = alternative.as_object_mut() {
                alternative.remove("description");
            }
        }
    }
}

fn join_descriptions(schema: &mut JSONSchemaProps) {
    if let Some(description) = &mut schema.description {
        *description = paragraphs(description);
    }
    schema
        .properties
        .iter_mut()
        .flat_map(|properties| properties.values_mut())
        .for_each(join_descriptions);
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => join_descriptions(items),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => items.iter_mut().for_each(join_descriptions),
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        join_descriptions(values);
    }
}

fn paragraphs(text: &str) -> String {
    text.split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paragraph_is_one_line() {
        assert_eq!(
            paragraphs("A sentence that\ngoes on. Another.\n\nA second\nparagraph."),
            "A sentence that goes on. Another.\n\nA second paragraph."
        );
    }

    #[test]
    fn a_field_has_its_own_description() {
        let definition = definition::<crate::api::AccessToken>();
        let schema = serde_json::to_value(&definition.spec.versions[0].schema).unwrap();
        let description = |path: &str| {
            let field = path
                .split('/')
                .fold(String::new(), |pointer, name| pointer + "/properties/" + name);
            let pointer = format!("/openAPIV3Schema{field}/description");
            schema
                .pointer(&pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        for (path, beginning) in [
            ("spec/revocationPolicy", "Whether a token is made worthless"),
            ("spec/verification", "Try each new token"),
            ("spec/verification/method", "`Introspection` (RFC 7662)"),
            ("spec/client/secretRef", "A Secret of the same namespace"),
            ("spec/secret/type", "Type of the Secret"),
            ("spec/secret/keys", "Other names for the Secret's keys"),
            ("spec/secret", "The Secret to write"),
        ] {
            let found = description(path);
            assert!(found.starts_with(beginning), "{path}: {found}");
        }
    }

    #[test]
    fn descriptions_are_all_that_differs_from_what_kube_makes() {
        fn without_descriptions(value: &mut Value) {
            match value {
                Value::Object(fields) => {
                    // One of a name is a property.
                    if fields.get("description").is_some_and(Value::is_string) {
                        fields.remove("description");
                    }
                    fields.values_mut().for_each(without_descriptions);
                }
                Value::Array(items) => items.iter_mut().for_each(without_descriptions),
                _ => {}
            }
        }
        let mut ours = serde_json::to_value(definition::<crate::api::ClientApplication>()).unwrap();
        let mut of_kube = serde_json::to_value(crate::api::ClientApplication::crd()).unwrap();
        without_descriptions(&mut ours);
        without_descriptions(&mut of_kube);
        assert_eq!(ours, of_kube);
    }

    #[test]
    fn no_description_breaks_within_a_paragraph() {
        for definition in crate::api::custom_resource_definitions() {
            let schema = serde_json::to_string_pretty(&definition).unwrap();
            let broken: Vec<_> = schema
                .lines()
                .filter(|line| line.trim_start().starts_with("\"description\": \""))
                .filter(|line| line.replace("\\n\\n", "").contains("\\n"))
                .collect();
            assert!(broken.is_empty(), "{broken:#?}");
        }
    }
}
