//! The Secret of a `ClientApplication`: what it should look like, and what is found.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::core::ObjectMeta;
use kube::{Resource, ResourceExt};

use super::state::{Resource as Facts, SecretContent, SecretView};
use crate::api::ClientApplication;
use crate::api::client_application::PublishedSecret;
use crate::api::names::{
    CONTENT_DIGEST_ANNOTATION, CREDENTIALS_SECRET_TYPE, FIELD_MANAGER, MANAGED_BY, MANAGED_BY_LABEL,
    OWNER_ANNOTATION, OWNER_UID_ANNOTATION,
};
use crate::api::secret::{SecretTemplate, SecretType};
use crate::credential::secret_content::application::{ApplicationCredentials, KeyNames, digest, entries, form as form_of};

/// The Secret as it should be.
pub(super) fn build(
    resource: &Facts,
    template: &SecretTemplate,
    credentials: &ApplicationCredentials,
) -> Secret {
    let names = KeyNames::new(template.keys.as_ref());
    let data = entries(credentials, &names);
    let mut annotations = annotations(resource, template);
    if let Some(digest) = digest(&resource.uid, &data, &names) {
        annotations.insert(CONTENT_DIGEST_ANNOTATION.to_owned(), digest);
    }
    Secret {
        metadata: ObjectMeta {
            name: Some(template.name.clone()),
            namespace: Some(resource.namespace.clone()),
            labels: Some(labels(template)),
            annotations: Some(annotations),
            owner_references: Some(vec![owner_reference(resource)]),
            ..ObjectMeta::default()
        },
        type_: Some(type_name(template).to_owned()),
        data: Some(data),
        ..Secret::default()
    }
}

/// What a Secret that exists means for this resource. `recorded` is what the status says of it.
pub(super) fn view(
    live: &Secret,
    resource: &Facts,
    template: &SecretTemplate,
    recorded: Option<&PublishedSecret>,
) -> SecretView {
    if !is_ours(live, resource) {
        return SecretView::Foreign {
            owner: owner(live, resource),
        };
    }
    let recorded = recorded.filter(|recorded| Some(&recorded.uid) == live.meta().uid.as_ref());
    let published = published(
        live,
        template,
        recorded.map_or("", |recorded| recorded.api_url.as_str()),
    );
    let as_written = as_written(live, resource, template);
    let untouched = recorded.is_some_and(|recorded| recorded.resource_version == published.resource_version);
    // In each form the Secret is written once, which also removes what the spec no longer has.
    let of_this_form = recorded.is_some_and(|recorded| recorded.form == published.form);
    let content = match (as_written, of_this_form, untouched) {
        (true, true, _) => SecretContent::Current,
        (true, false, _) | (false, _, true) => SecretContent::Outdated,
        (false, _, false) => SecretContent::Edited,
    };
    SecretView::Ours { published, content }
}

/// Whether a Secret was written for this resource. The annotation says so; where somebody has taken that off, the
/// owner reference still does.
pub(super) fn is_ours(live: &Secret, resource: &Facts) -> bool {
    match live.annotations().get(OWNER_UID_ANNOTATION) {
        Some(owner) => *owner == resource.uid,
        None => live
            .owner_references()
            .iter()
            .any(|reference| reference.controller == Some(true) && reference.uid == resource.uid),
    }
}

/// Whether Keywright itself wrote a Secret for this resource, and nobody made a copy of one.
pub(super) fn is_written_by_us(live: &Secret, resource: &Facts) -> bool {
    let applied = live.managed_fields().iter().any(|entry| {
        entry.manager.as_deref() == Some(FIELD_MANAGER) && entry.operation.as_deref() == Some("Apply")
    });
    applied && is_ours(live, resource)
}

/// What the status records of a Secret of this form that holds this address.
pub(super) fn published(live: &Secret, template: &SecretTemplate, api_url: &str) -> PublishedSecret {
    PublishedSecret {
        name: live.name_any(),
        uid: live.uid().unwrap_or_default(),
        resource_version: live.resource_version().unwrap_or_default(),
        form: form(template),
        content_digest: live
            .annotations()
            .get(CONTENT_DIGEST_ANNOTATION)
            .cloned()
            .unwrap_or_default(),
        api_url: api_url.to_owned(),
    }
}

/// Digest of the form that the spec wants.
pub(super) fn form(template: &SecretTemplate) -> String {
    secret_content::form(template, type_name(template))
}

/// Who a Secret belongs to, for a sentence.
pub(super) fn owner(live: &Secret, resource: &Facts) -> String {
    let controller = live
        .owner_references()
        .iter()
        .find(|reference| reference.controller == Some(true));
    if let Some(owner) = live.annotations().get(OWNER_ANNOTATION) {
        let of_this_name = *owner == owner_name(resource);
        return if of_this_name {
            format!("an earlier {owner}")
        } else {
            owner.clone()
        };
    }
    match (controller, live.labels().get(MANAGED_BY_LABEL)) {
        (Some(reference), _) => format!("{}/{}", reference.kind, reference.name),
        (None, Some(manager)) => format!("{manager:?} (its label {MANAGED_BY_LABEL})"),
        (None, None) => "somebody else (it names no owner)".to_owned(),
    }
}

fn as_written(live: &Secret, resource: &Facts, template: &SecretTemplate) -> bool {
    let names = KeyNames::new(template.keys.as_ref());
    let no_data = BTreeMap::<String, ByteString>::new();
    let data = live.data.as_ref().unwrap_or(&no_data);
    let expected = live.annotations().get(CONTENT_DIGEST_ANNOTATION);
    expected.is_some()
        && digest(&resource.uid, data, &names).as_ref() == expected
        && live.type_.as_deref() == Some(type_name(template))
        && contains(live.labels(), &labels(template))
        && contains(live.annotations(), &annotations(resource, template))
        && live
            .owner_references()
            .iter()
            .any(|reference| reference.uid == resource.uid)
}

fn contains(present: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(key, value)| present.get(key) == Some(value))
}

fn labels(template: &SecretTemplate) -> BTreeMap<String, String> {
    let mut labels = template.labels.clone();
    labels.insert(MANAGED_BY_LABEL.to_owned(), MANAGED_BY.to_owned());
    labels
}

fn annotations(resource: &Facts, template: &SecretTemplate) -> BTreeMap<String, String> {
    let mut annotations = template.annotations.clone();
    annotations.insert(OWNER_UID_ANNOTATION.to_owned(), resource.uid.clone());
    annotations.insert(OWNER_ANNOTATION.to_owned(), owner_name(resource));
    annotations
}

fn owner_name(resource: &Facts) -> String {
    format!("{}/{}", ClientApplication::kind(&()), resource.name)
}

fn owner_reference(resource: &Facts) -> OwnerReference {
    OwnerReference {
        api_version: ClientApplication::api_version(&()).into_owned(),
        kind: ClientApplication::kind(&()).into_owned(),
        name: resource.name.clone(),
        uid: resource.uid.clone(),
        controller: Some(true),
        block_owner_deletion: None,
    }
}

fn type_name(template: &SecretTemplate) -> &'static str {
    match template.type_ {
        None | Some(SecretType::Opaque) => "Opaque",
        Some(SecretType::Credentials) => CREDENTIALS_SECRET_TYPE,
    }
}
