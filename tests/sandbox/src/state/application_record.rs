//! Applications as the control endpoints see and change them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::application::replace;
use super::{Application, ApplicationInput, KeyState, Mode, World};
use crate::secrets;

/// A change made to an application behind the API's back, as a human would in the console.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApplicationEdit {
    /// A new name.
    pub name: Option<String>,
    /// A new description; the empty string removes it.
    pub description: Option<String>,
    /// New redirect URIs, all of them.
    pub redirect_uris: Option<Vec<String>>,
    /// A new website; the empty string removes it.
    pub website_url: Option<String>,
    /// A new address of the terms; the empty string removes it.
    pub terms_url: Option<String>,
    /// A new address of the privacy policy; the empty string removes it.
    pub privacy_url: Option<String>,
    /// Replace the API key by a new one; the old one is wrong at once.
    pub rotate_api_key: bool,
    /// What the verification host makes of the key from now on.
    pub key_state: Option<KeyState>,
}

/// An application as the control endpoints show it: everything but its secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplicationRecord {
    /// Its id.
    pub uuid: Uuid,
    /// The id of its organization.
    pub organization: Uuid,
    /// Its name.
    pub name: String,
    /// Its public client id.
    pub client_id: String,
    /// The first eight and the last four characters of its key.
    pub api_key: String,
    /// What the verification host makes of the key.
    pub key_state: KeyState,
    /// Its website.
    pub website_url: Option<String>,
    /// Its redirect URIs.
    pub redirect_uris: Vec<String>,
    /// Where its terms are.
    pub terms_url: Option<String>,
    /// Where its privacy policy is.
    pub privacy_url: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// Where its data is kept.
    pub data_location: String,
    /// Its environment.
    pub mode: Mode,
    /// When it was made, by the sandbox's clock.
    pub created_at: Timestamp,
    /// How many webhook destinations it has, without deleted ones.
    pub destinations: usize,
}

impl Application {
    fn record(&self) -> ApplicationRecord {
        let tail: String = self
            .api_key
            .chars()
            .skip(self.api_key.chars().count().saturating_sub(4))
            .collect();
        let head: String = self.api_key.chars().take(8).collect();
        ApplicationRecord {
            uuid: self.uuid,
            organization: self.organization,
            name: self.name.clone(),
            client_id: self.client_id.clone(),
            api_key: format!("{head}…{tail}"),
            key_state: self.key_state,
            website_url: self.website_url.clone(),
            redirect_uris: self.redirect_uris.clone(),
            terms_url: self.terms_url.clone(),
            privacy_url: self.privacy_url.clone(),
            description: self.description.clone(),
            data_location: self.data_location.clone(),
            mode: self.mode,
            created_at: self.created_at,
            destinations: self
                .destinations
                .iter()
                .filter(|destination| destination.visible())
                .count(),
        }
    }
}

impl World {
    /// Edits an application; None if there is none with this id.
    pub(crate) fn edit_application(
        &mut self,
        uuid: Uuid,
        edit: ApplicationEdit,
    ) -> Option<ApplicationRecord> {
        let fresh = edit.rotate_api_key.then(|| self.remember(secrets::live_key()));
        let application = self.applications.get_mut(&uuid)?;
        let removable = |text: String| if text.is_empty() { None } else { Some(text) };
        application.update(ApplicationInput {
            name: edit.name,
            website_url: edit.website_url.map(removable),
            redirect_uris: edit.redirect_uris,
            terms_url: edit.terms_url.map(removable),
            privacy_url: edit.privacy_url.map(removable),
            description: edit.description.map(removable),
            data_location: None,
        });
        replace(&mut application.key_state, edit.key_state);
        if let Some(key) = fresh {
            self.keys.remove(&application.api_key);
            self.keys.insert(key.clone(), uuid);
            application.api_key = key;
        }
        Some(application.record())
    }

    /// Removes an application; false if there is none with this id.
    pub(crate) fn remove_application(&mut self, uuid: Uuid) -> bool {
        let removed = self.applications.remove(&uuid);
        if let Some(application) = &removed {
            self.keys.remove(&application.api_key);
        }
        removed.is_some()
    }

    /// Every application, oldest first.
    pub(crate) fn application_records(&self) -> Vec<ApplicationRecord> {
        let mut all: Vec<_> = self.applications.values().collect();
        all.sort_by_key(|application| application.sequence);
        all.into_iter().map(Application::record).collect()
    }
}
