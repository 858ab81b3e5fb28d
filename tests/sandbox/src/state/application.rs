//! Applications and their credentials.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Context, Destination, WebhookSettings, World};
use crate::clock::iso;
use crate::config::ListOrder;
use crate::secrets;

/// Which environment an application belongs to (contract, 4.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The real one.
    Live,
    /// The free one that sends nothing.
    Sandbox,
}

/// What the verification host makes of an application's key (contract, 9.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    /// Accepted.
    #[default]
    Valid,
    /// 401, "This API key has expired."
    Expired,
    /// Treated like a wrong key.
    Revoked,
    /// 403, as for a key whose scope or address list does not allow the call.
    Forbidden,
}

/// An application.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Application {
    pub(crate) uuid: Uuid,
    pub(crate) organization: Uuid,
    pub(crate) name: String,
    pub(crate) client_id: String,
    pub(crate) api_key: String,
    pub(crate) key_state: KeyState,
    pub(super) website_url: Option<String>,
    pub(super) redirect_uris: Vec<String>,
    pub(super) terms_url: Option<String>,
    pub(super) privacy_url: Option<String>,
    pub(super) description: Option<String>,
    pub(super) created_at: Timestamp,
    pub(super) data_location: String,
    pub(super) mode: Mode,
    pub(super) sequence: u64,
    pub(crate) webhook: WebhookSettings,
    /// Oldest first.
    pub(crate) destinations: Vec<Destination>,
}

/// What a client may say about an application. An absent field is `None`; null is `Some(None)`.
#[derive(Clone, Debug, Default)]
pub(crate) struct ApplicationInput {
    pub(crate) name: Option<String>,
    pub(crate) website_url: Option<Option<String>>,
    pub(crate) redirect_uris: Option<Vec<String>>,
    pub(crate) terms_url: Option<Option<String>>,
    pub(crate) privacy_url: Option<Option<String>>,
    pub(crate) description: Option<Option<String>>,
    pub(crate) data_location: Option<String>,
}

impl Application {
    /// The full record (contract, 4.4).
    pub(crate) fn view(&self, context: &Context) -> Value {
        let mut view = json!({
            "uuid": self.uuid,
            "name": self.name,
            "client_id": self.client_id,
            "api_key": self.api_key,
            "website_url": self.website_url,
            "redirect_uris": self.redirect_uris,
            "terms_url": self.terms_url,
            "privacy_url": self.privacy_url,
            "description": self.description,
            "created_at": iso(self.created_at),
            "data_location": self.data_location,
            "mode": self.mode,
        });
        if let (true, Some(fields)) = (context.switches.products, view.as_object_mut()) {
            fields.insert("products".to_owned(), json!([]));
        }
        view
    }

    /// The element of the list (contract, 4.2).
    pub(crate) fn summary(&self, context: &Context) -> Value {
        let mut view = json!({
            "uuid": self.uuid,
            "name": self.name,
            "client_id": self.client_id,
            "mode": self.mode,
        });
        if let (true, Some(fields)) = (context.switches.list_api_key, view.as_object_mut()) {
            fields.insert("api_key".to_owned(), json!(self.api_key));
        }
        view
    }

    /// Its part of the reply of verify-email (contract, 2.3).
    pub(crate) fn bootstrap_view(&self) -> Value {
        json!({
            "uuid": self.uuid,
            "name": self.name,
            "client_id": self.client_id,
            "api_key": self.api_key,
            "data_location": self.data_location,
        })
    }

    /// Takes over what a client said; its data location stays (contract, 4.5).
    pub(crate) fn update(&mut self, input: ApplicationInput) {
        replace(&mut self.name, input.name);
        replace(&mut self.website_url, input.website_url);
        replace(&mut self.redirect_uris, input.redirect_uris);
        replace(&mut self.terms_url, input.terms_url);
        replace(&mut self.privacy_url, input.privacy_url);
        replace(&mut self.description, input.description);
    }
}

impl World {
    /// Creates an application. A missing name becomes the organization's name and "App" (contract, 4.3).
    pub(crate) fn add_application(
        &mut self,
        organization: Uuid,
        input: ApplicationInput,
        mode: Mode,
        context: &Context,
    ) -> Uuid {
        let uuid = Uuid::new_v4();
        let default_name = || {
            let owner = self
                .organizations
                .get(&organization)
                .map(|found| found.name.as_str());
            format!("{} App", owner.unwrap_or_default())
        };
        let default_location = || {
            context
                .switches
                .data_locations
                .first()
                .cloned()
                .unwrap_or_else(|| "eu".to_owned())
        };
        let name = input.name.unwrap_or_else(default_name);
        let key = if mode == Mode::Live {
            secrets::live_key()
        } else {
            secrets::sandbox_key()
        };
        let application = Application {
            uuid,
            organization,
            name,
            client_id: secrets::client_id(),
            api_key: self.remember(key),
            key_state: KeyState::Valid,
            website_url: input.website_url.flatten(),
            redirect_uris: input.redirect_uris.unwrap_or_default(),
            terms_url: input.terms_url.flatten(),
            privacy_url: input.privacy_url.flatten(),
            description: input.description.flatten(),
            created_at: context.now,
            data_location: input.data_location.unwrap_or_else(default_location),
            mode,
            sequence: self.next_sequence(),
            webhook: WebhookSettings::new(self.remember(secrets::secret())),
            destinations: Vec::new(),
        };
        self.keys.insert(application.api_key.clone(), uuid);
        self.applications.insert(uuid, application);
        uuid
    }

    /// The applications of an organization, in the order the switch asks for.
    pub(crate) fn applications_of(&self, organization: Uuid, order: ListOrder) -> Vec<&Application> {
        let mut found: Vec<_> = self
            .applications
            .values()
            .filter(|application| application.organization == organization)
            .collect();
        match order {
            ListOrder::Creation => found.sort_by_key(|application| application.sequence),
            ListOrder::Newest => found.sort_by_key(|application| std::cmp::Reverse(application.sequence)),
            ListOrder::Name => found.sort_by(|one, other| {
                one.name
                    .cmp(&other.name)
                    .then_with(|| one.sequence.cmp(&other.sequence))
            }),
        }
        found
    }

    /// The application with this key.
    pub(crate) fn application_by_key(&self, api_key: &str) -> Option<&Application> {
        self.keys
            .get(api_key)
            .and_then(|uuid| self.applications.get(uuid))
    }

    /// The application with these client credentials (contract, 5.1).
    pub(crate) fn application_by_client(&self, client_id: &str, secret: &str) -> Option<&Application> {
        self.application_by_key(secret)
            .filter(|application| application.client_id == client_id)
    }

    /// Rebuilds the index by key.
    pub(super) fn index_keys(&mut self) {
        self.keys = self
            .applications
            .values()
            .map(|found| (found.api_key.clone(), found.uuid))
            .collect();
    }
}

/// Puts a value in place of a field, if there is one.
pub(super) fn replace<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}
