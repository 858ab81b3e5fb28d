//! The application as the spec wants it, and how a record differs from that.

use super::state::{Resource, UsableProvider};
use crate::api::client_application::ClientApplicationSpec;
use crate::credential::secret_content::{self, application::ApplicationCredentials};
use crate::identity::mark::{self, Mark};
use crate::identity::{Application, ApplicationMetadata};

/// What a new application is made with.
#[must_use]
pub fn new_application(
    resource: &Resource,
    spec: &ClientApplicationSpec,
    display_name: &str,
) -> ApplicationMetadata {
    ApplicationMetadata {
        name: Some(display_name.to_owned()),
        description: Some(mark::compose(
            described(spec).unwrap_or_default(),
            &resource.mark(),
        )),
        data_location: spec.didit.as_ref().and_then(|didit| didit.data_location.clone()),
        ..set_fields(spec)
    }
}

/// The display name that a new application gets.
#[must_use]
pub fn display_name(resource: &Resource, spec: &ClientApplicationSpec) -> String {
    spec.display_name.clone().unwrap_or_else(|| resource.name.clone())
}

/// What has to change so that the record is as the spec wants it: only fields that the spec sets, and the
/// mark. `None` when nothing has to.
#[must_use]
pub fn difference(
    resource: &Resource,
    spec: &ClientApplicationSpec,
    record: &ApplicationMetadata,
) -> Option<ApplicationMetadata> {
    let wanted = set_fields(spec);
    let text = described(spec).map_or_else(
        || mark::strip(record.description.as_deref().unwrap_or_default()),
        str::to_owned,
    );
    let changes = ApplicationMetadata {
        name: changed(wanted.name, &record.name),
        website_url: changed(wanted.website_url, &record.website_url),
        redirect_uris: changed(wanted.redirect_uris, &record.redirect_uris),
        terms_url: changed(wanted.terms_url, &record.terms_url),
        privacy_url: changed(wanted.privacy_url, &record.privacy_url),
        description: changed(Some(mark::compose(&text, &resource.mark())), &record.description),
        data_location: None,
    };
    (changes != ApplicationMetadata::default()).then_some(changes)
}

/// The fields that a change sets, in the words of the spec and without their values.
#[must_use]
pub fn changed_fields(changes: &ApplicationMetadata) -> Vec<&'static str> {
    [
        ("displayName", changes.name.is_some()),
        ("didit.websiteUrl", changes.website_url.is_some()),
        ("didit.redirectUris", changes.redirect_uris.is_some()),
        ("didit.termsUrl", changes.terms_url.is_some()),
        ("didit.privacyUrl", changes.privacy_url.is_some()),
        ("didit.description", changes.description.is_some()),
    ]
    .into_iter()
    .filter_map(|(field, is_set)| is_set.then_some(field))
    .collect()
}

/// The credentials that the Secret is to hold.
#[must_use]
pub fn credentials(provider: &UsableProvider, application: &Application) -> ApplicationCredentials {
    ApplicationCredentials {
        client_id: application.client_id.clone(),
        api_key: application.api_key.clone(),
        application_id: application.id.clone(),
        organization_id: provider.organization_id.clone(),
        api_url: provider.api_url.clone(),
    }
}

/// The digest of these credentials, as a Secret that holds them has it.
#[must_use]
pub fn application_digest(
    resource: &Resource,
    provider: &UsableProvider,
    application: &Application,
) -> Option<String> {
    secret_content::application_digest(&resource.uid, &credentials(provider, application).content())
}

/// Where the application's data is kept, if that is not where the spec wants it.
#[must_use]
pub fn other_data_location(spec: &ClientApplicationSpec, record: &ApplicationMetadata) -> Option<String> {
    let wanted = spec.didit.as_ref()?.data_location.as_ref()?;
    record.data_location.clone().filter(|location| location != wanted)
}

/// Who holds the application, if it is not this resource.
#[must_use]
pub fn other_holder(resource: &Resource, record: &ApplicationMetadata) -> Option<Mark> {
    let holder = mark::find(record.description.as_deref()?)?;
    (holder.cluster != resource.cluster || holder.uid != resource.uid).then_some(holder)
}

/// The change that takes the mark off.
#[must_use]
pub fn without_mark(record: &ApplicationMetadata) -> ApplicationMetadata {
    ApplicationMetadata {
        description: Some(mark::strip(record.description.as_deref().unwrap_or_default())),
        ..ApplicationMetadata::default()
    }
}

fn described(spec: &ClientApplicationSpec) -> Option<&str> {
    spec.didit.as_ref()?.description.as_deref()
}

fn set_fields(spec: &ClientApplicationSpec) -> ApplicationMetadata {
    let didit = spec.didit.clone().unwrap_or_default();
    ApplicationMetadata {
        name: spec.display_name.clone(),
        website_url: didit.website_url,
        redirect_uris: didit.redirect_uris,
        terms_url: didit.terms_url,
        privacy_url: didit.privacy_url,
        description: None,
        data_location: None,
    }
}

fn changed<T: PartialEq>(wanted: Option<T>, record: &Option<T>) -> Option<T> {
    wanted.filter(|wanted| record.as_ref() != Some(wanted))
}
