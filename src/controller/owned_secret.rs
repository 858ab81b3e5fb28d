//! A Secret that is written for a resource: what it should look like, and what is found.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ObjectReference, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::core::ObjectMeta;
use kube::runtime::events::EventType;
use kube::{Resource, ResourceExt};

use super::registry::ProviderKey;
use crate::api::client_application::{PublishedSecret, SECRET_SYNCED};
use crate::api::conditions::{Finding, Truth};
use crate::api::names::{
    APPLICATION_DIGEST_ANNOTATION, CONTENT_DIGEST_ANNOTATION, CONTENT_KEYS_ANNOTATION,
    CREDENTIALS_SECRET_TYPE, FIELD_MANAGER, FORM_ANNOTATION, LAYOUT_ANNOTATION, MANAGED_BY, MANAGED_BY_LABEL,
    OWNER_ANNOTATION, OWNER_UID_ANNOTATION, TOKEN_ANNOTATION,
};
use crate::api::secret::{SecretTemplate, SecretType};
use crate::api::token::TokenStatus;
use crate::credential::secret_content::layout::LayoutError;
use crate::credential::secret_content::{self, Content, Layout, Vocabulary};
use crate::kube_ext::events::Events;
use crate::kube_ext::index::SecretIndex;

/// The resource that a Secret is written for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// API version of its kind.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace, which is the Secret's too.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

/// Whom a Secret belongs to that names no owner.
pub const NOBODY: &str = "somebody else (it names no owner)";

/// The Secret that a spec names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretView {
    /// There is none.
    Absent,
    /// It belongs to someone else.
    Foreign {
        /// Who that is, for a sentence, for example `ClientApplication/other`.
        owner: String,
    },
    /// Keywright wrote it for this resource.
    Ours {
        /// The Secret as it stands.
        published: PublishedSecret,
        /// How it stands to what should be in it.
        content: SecretContent,
        /// The access token in it, where there is one.
        token: Option<Box<TokenStatus>>,
    },
}

/// How a Secret of ours stands to what should be in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretContent {
    /// It is as the spec wants it now.
    Current,
    /// It holds valid credentials, written as an earlier spec wanted them.
    Outdated,
    /// Somebody else has changed what was written.
    Edited,
}

impl SecretView {
    /// The Secret is as the spec wants it.
    #[must_use]
    pub fn is_current(&self) -> bool {
        matches!(
            self,
            Self::Ours {
                content: SecretContent::Current,
                ..
            }
        )
    }

    /// What workloads read from it is what was written.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        matches!(
            self,
            Self::Ours {
                content: SecretContent::Current | SecretContent::Outdated,
                ..
            }
        )
    }

    /// The access token that workloads read from it.
    #[must_use]
    pub fn token(&self) -> Option<&TokenStatus> {
        match self {
            Self::Ours {
                content: SecretContent::Current | SecretContent::Outdated,
                token,
                ..
            } => token.as_deref(),
            _ => None,
        }
    }

    /// Says who reads it, where it names no owner: its account would be lost with it.
    #[must_use]
    pub fn read_by(self, providers: &[ProviderKey]) -> Self {
        match (&self, providers.first()) {
            (Self::Foreign { owner }, Some(provider)) if owner == NOBODY => Self::Foreign {
                owner: format!("{} {}, which reads it,", provider.kind.as_str(), provider.name),
            },
            _ => self,
        }
    }

    /// What is in it turned out to be no use.
    pub fn spoil(&mut self) {
        if let Self::Ours { content, token, .. } = self {
            *content = SecretContent::Edited;
            *token = None;
        }
    }

    /// The token turned out not to be in it.
    pub fn lose_token(&mut self) {
        if let Self::Ours { token, .. } = self {
            *token = None;
        }
    }
}

impl Owner {
    /// The resource as the owner of a Secret.
    pub fn of<K: Resource<DynamicType = ()>>(object: &K) -> Self {
        Self {
            api_version: K::api_version(&()).into_owned(),
            kind: K::kind(&()).into_owned(),
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            uid: object.uid().unwrap_or_default(),
        }
    }

    /// The owner reference of what belongs to it.
    #[must_use]
    pub fn reference(&self) -> OwnerReference {
        OwnerReference {
            api_version: self.api_version.clone(),
            kind: self.kind.clone(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            controller: Some(true),
            block_owner_deletion: None,
        }
    }

    fn label(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }
}

/// The Secret as it should be. `token` is what is recorded of an access token in the content.
///
/// # Errors
/// When the content cannot be written in that layout.
pub fn build(
    owner: &Owner,
    template: &SecretTemplate,
    content: &Content,
    layout: &Layout,
    token: Option<&TokenStatus>,
) -> Result<Secret, LayoutError> {
    let data = secret_content::entries(content, layout)?;
    let names: Vec<&str> = data.keys().map(String::as_str).collect();
    let mut annotations = annotations(owner, template);
    let mut annotate = |name: &str, value: Option<String>| {
        annotations.extend(value.map(|value| (name.to_owned(), value)));
    };
    annotate(FORM_ANNOTATION, Some(form(template)));
    annotate(CONTENT_KEYS_ANNOTATION, Some(names.join(",")));
    let token = token.and_then(|token| serde_json::to_string(token).ok());
    annotate(
        CONTENT_DIGEST_ANNOTATION,
        content_digest(owner, &data, &names, token.as_deref()),
    );
    annotate(
        APPLICATION_DIGEST_ANNOTATION,
        secret_content::application_digest(&owner.uid, content),
    );
    annotate(TOKEN_ANNOTATION, token);
    Ok(Secret {
        metadata: ObjectMeta {
            name: Some(template.name.clone()),
            namespace: Some(owner.namespace.clone()),
            labels: Some(labels(template)),
            annotations: Some(annotations),
            owner_references: Some(vec![owner.reference()]),
            ..ObjectMeta::default()
        },
        type_: Some(type_name(template).to_owned()),
        data: Some(data),
        ..Secret::default()
    })
}

/// What a Secret that exists means for its resource. `recorded` is what the status says of it.
#[must_use]
pub fn view(
    live: &Secret,
    owner: &Owner,
    template: &SecretTemplate,
    recorded: Option<&PublishedSecret>,
) -> SecretView {
    if !is_ours(live, owner) {
        return SecretView::Foreign {
            owner: described_owner(live, owner),
        };
    }
    let recorded = recorded.filter(|recorded| Some(&recorded.uid) == live.meta().uid.as_ref());
    let published = published(
        live,
        template,
        recorded.map_or("", |recorded| recorded.api_url.as_str()),
    );
    let as_written = as_written(live, owner, template);
    let untouched = recorded.is_some_and(|recorded| recorded.resource_version == published.resource_version);
    // In each form the Secret is written once, which also removes what the spec no longer has.
    let of_this_form = live.annotations().get(FORM_ANNOTATION) == Some(&published.form);
    let content = match (as_written, of_this_form, untouched) {
        (true, true, _) => SecretContent::Current,
        (true, false, _) | (false, _, true) => SecretContent::Outdated,
        (false, _, false) => SecretContent::Edited,
    };
    SecretView::Ours {
        published,
        content,
        token: annotated_token(live).map(Box::new),
    }
}

/// What a Secret itself says of the access token in it.
#[must_use]
pub fn annotated_token(live: &Secret) -> Option<TokenStatus> {
    let json = live.annotations().get(TOKEN_ANNOTATION)?;
    serde_json::from_str(json).ok()
}

/// Whether the watch shows the very Secret that is recorded, in the form that is wanted: then it need not be read.
#[must_use]
pub fn is_unchanged(
    index: &SecretIndex,
    owner: &Owner,
    template: &SecretTemplate,
    recorded: &PublishedSecret,
) -> bool {
    index
        .get(&owner.namespace, &template.name)
        .is_some_and(|indexed| {
            indexed.owner_uid == owner.uid
                && indexed.uid == recorded.uid
                && indexed.resource_version == recorded.resource_version
                && recorded.form == form(template)
        })
}

/// Names of Secrets that were written for this resource and that nothing speaks of any more.
#[must_use]
pub fn strays(
    index: &SecretIndex,
    owner: &Owner,
    template: &SecretTemplate,
    recorded: Option<&PublishedSecret>,
) -> Vec<String> {
    index
        .written_for(&owner.uid)
        .into_iter()
        .filter(|(namespace, _)| *namespace == owner.namespace)
        .map(|(_, name)| name)
        .filter(|name| *name != template.name && recorded.is_none_or(|recorded| *name != recorded.name))
        .collect()
}

/// Whether a Secret was written for this resource. The annotation says so; where somebody has taken that off, the
/// owner reference still does.
#[must_use]
pub fn is_ours(live: &Secret, owner: &Owner) -> bool {
    match live.annotations().get(OWNER_UID_ANNOTATION) {
        Some(uid) => *uid == owner.uid,
        None => live
            .owner_references()
            .iter()
            .any(|reference| reference.controller == Some(true) && reference.uid == owner.uid),
    }
}

/// Whether Keywright itself wrote a Secret for this resource, and nobody made a copy of one.
#[must_use]
pub fn is_written_by_us(live: &Secret, owner: &Owner) -> bool {
    let applied = live.managed_fields().iter().any(|entry| {
        entry.manager.as_deref() == Some(FIELD_MANAGER) && entry.operation.as_deref() == Some("Apply")
    });
    applied && is_ours(live, owner)
}

/// What the status records of a Secret of this form that holds this address.
#[must_use]
pub fn published(live: &Secret, template: &SecretTemplate, api_url: &str) -> PublishedSecret {
    let annotation = |name: &str| live.annotations().get(name).cloned().unwrap_or_default();
    PublishedSecret {
        name: live.name_any(),
        uid: live.uid().unwrap_or_default(),
        resource_version: live.resource_version().unwrap_or_default(),
        form: form(template),
        content_digest: annotation(CONTENT_DIGEST_ANNOTATION),
        application_digest: annotation(APPLICATION_DIGEST_ANNOTATION),
        api_url: api_url.to_owned(),
    }
}

/// Digest of the form that the spec wants.
#[must_use]
pub fn form(template: &SecretTemplate) -> String {
    secret_content::form(template, type_name(template))
}

/// How an account's Secret was laid out when it was written; as `template` wants it where it does not say so itself.
#[must_use]
pub fn written_layout(live: &Secret, template: &SecretTemplate) -> Layout {
    let written: Option<SecretTemplate> = live
        .annotations()
        .get(LAYOUT_ANNOTATION)
        .and_then(|layout| serde_json::from_str(layout).ok());
    Layout::of(written.as_ref().unwrap_or(template), Vocabulary::Didit)
}

/// Who a Secret belongs to, for a sentence.
#[must_use]
pub fn described_owner(live: &Secret, owner: &Owner) -> String {
    let controller = live
        .owner_references()
        .iter()
        .find(|reference| reference.controller == Some(true));
    if let Some(of) = live.annotations().get(OWNER_ANNOTATION) {
        return if *of == owner.label() {
            format!("an earlier {of}")
        } else {
            of.clone()
        };
    }
    match (controller, live.labels().get(MANAGED_BY_LABEL)) {
        (Some(reference), _) => format!("{}/{}", reference.kind, reference.name),
        (None, Some(manager)) => format!("{manager:?} (its label {MANAGED_BY_LABEL})"),
        (None, None) => NOBODY.to_owned(),
    }
}

/// What somebody did to a Secret that is being written again, for an event. `recorded` is what the status says of it:
/// without that, or under another name, it is new.
#[must_use]
pub fn restored(name: &str, secret: &SecretView, recorded: Option<&PublishedSecret>) -> Option<String> {
    recorded.filter(|recorded| recorded.name == name)?;
    let what = match secret {
        SecretView::Absent => "deleted",
        SecretView::Ours {
            content: SecretContent::Edited,
            ..
        } => "changed by somebody else",
        SecretView::Ours { .. } | SecretView::Foreign { .. } => return None,
    };
    Some(format!("Secret {name} was {what}, and was written again"))
}

/// Tells that a Secret was written again.
pub(super) async fn tell_restored(events: &Events, about: &ObjectReference, message: &str) {
    tracing::info!("{message}");
    events
        .publish(about, EventType::Normal, "SecretRestored", "Publish", message)
        .await;
}

/// Reasons for `SecretSynced` when the name of the Secret is somebody else's.
pub(crate) const NOT_OURS: [&str; 2] = ["SecretConflict", "SecretClaimed"];

/// What keeps a resource from writing the Secret, if anything does. One owner per Secret, settled before the identity
/// API is called.
#[must_use]
pub fn claim_refused(
    name: &str,
    secret: &SecretView,
    rival: Option<&str>,
    refused: Option<&str>,
) -> Option<Finding> {
    let (reason, message) = match (secret, rival) {
        (SecretView::Foreign { owner }, _) => (
            "SecretConflict",
            format!(
                "Secret {name} belongs to {owner} and is not touched. Choose another spec.secret.name{}",
                match owner.as_str() {
                    NOBODY => ", or delete that Secret if nothing needs it",
                    _ => "",
                }
            ),
        ),
        (SecretView::Absent, Some(rival)) => (
            "SecretClaimed",
            format!("Secret {name} is claimed by {rival}, which is older. Choose another spec.secret.name"),
        ),
        _ => (
            "SecretRefused",
            format!(
                "the Kubernetes API does not take Secret {name}: {}. Correct spec.secret, or what keeps the Secret from being written",
                refused?
            ),
        ),
    };
    Some(Finding::new(SECRET_SYNCED, Truth::False, reason, message))
}

fn as_written(live: &Secret, owner: &Owner, template: &SecretTemplate) -> bool {
    let no_data = BTreeMap::<String, ByteString>::new();
    let data = live.data.as_ref().unwrap_or(&no_data);
    let annotation = |name: &str| live.annotations().get(name);
    let (Some(expected), Some(names)) = (
        annotation(CONTENT_DIGEST_ANNOTATION),
        annotation(CONTENT_KEYS_ANNOTATION),
    ) else {
        return false;
    };
    let names: Vec<&str> = names.split(',').collect();
    let token = annotation(TOKEN_ANNOTATION).map(String::as_str);
    content_digest(owner, data, &names, token).as_ref() == Some(expected)
        && live.type_.as_deref() == Some(type_name(template))
        && contains(live.labels(), &labels(template))
        && contains(live.annotations(), &annotations(owner, template))
        && live
            .owner_references()
            .iter()
            .any(|reference| reference.uid == owner.uid)
}

/// A digest of the content and of what is recorded of the token in it: schedules follow from the record, so a change of
/// it must not go unnoticed either.
fn content_digest(
    owner: &Owner,
    data: &BTreeMap<String, ByteString>,
    names: &[&str],
    token: Option<&str>,
) -> Option<String> {
    // No key of a Secret has a slash, so that this entry cannot be mistaken for one.
    let record = token.map(|token| (TOKEN_ANNOTATION, ByteString(token.as_bytes().to_vec())));
    let Some((name, record)) = record else {
        return secret_content::digest(&owner.uid, data, names);
    };
    let mut entries = data.clone();
    entries.insert(name.to_owned(), record);
    secret_content::digest(&owner.uid, &entries, names.iter().copied().chain([name]))
}

fn contains(present: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(key, value)| present.get(key) == Some(value))
}

fn labels(template: &SecretTemplate) -> BTreeMap<String, String> {
    let mut labels = template.labels.clone();
    labels.insert(MANAGED_BY_LABEL.to_owned(), MANAGED_BY.to_owned());
    labels
}

fn annotations(owner: &Owner, template: &SecretTemplate) -> BTreeMap<String, String> {
    let mut annotations = template.annotations.clone();
    annotations.insert(OWNER_UID_ANNOTATION.to_owned(), owner.uid.clone());
    annotations.insert(OWNER_ANNOTATION.to_owned(), owner.label());
    annotations
}

fn type_name(template: &SecretTemplate) -> &'static str {
    match template.type_ {
        None | Some(SecretType::Opaque) => "Opaque",
        Some(SecretType::Credentials) => CREDENTIALS_SECRET_TYPE,
    }
}
