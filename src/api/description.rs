//! Descriptions as `kubectl explain` wraps them: one line for each paragraph.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

/// The definition with the line breaks taken out that documentation in the code has at the end of each line.
pub(super) fn in_paragraphs(mut definition: CustomResourceDefinition) -> CustomResourceDefinition {
    let schemas = definition
        .spec
        .versions
        .iter_mut()
        .filter_map(|version| version.schema.as_mut()?.open_api_v3_schema.as_mut());
    schemas.for_each(join_descriptions);
    definition
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
