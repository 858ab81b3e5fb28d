//! Webhook settings of an application, and its destinations.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Application, Context, World};
use crate::clock::iso;
use crate::config::{DestinationDelete, UnnamedEvents};
use crate::secrets;

/// Events a destination can subscribe to (contract, 8.3). Names that begin with `auth.` exist as well.
pub(crate) const EVENTS: &[&str] = &[
    "status.updated",
    "data.updated",
    "user.status.updated",
    "user.data.updated",
    "business.status.updated",
    "business.data.updated",
    "activity.created",
    "transaction.created",
    "transaction.status.updated",
    "travel_rule.status.updated",
];

/// Versions of the webhook format.
pub(crate) const VERSIONS: &[&str] = &["v1", "v2", "v3"];

/// The application-level webhook settings (contract, 8.1).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WebhookSettings {
    pub(crate) url: Option<String>,
    pub(crate) version: String,
    pub(crate) secret: String,
    pub(crate) capture_method: String,
    pub(crate) data_retention_months: Option<u64>,
    pub(crate) face_retention_policy: String,
    pub(crate) face_retention_days: Option<u64>,
    pub(crate) biometric_consent_mode: Option<String>,
}

impl WebhookSettings {
    pub(super) fn new(secret: String) -> Self {
        Self {
            url: None,
            version: "v3".to_owned(),
            secret,
            capture_method: "both".to_owned(),
            data_retention_months: None,
            face_retention_policy: "delete_with_session".to_owned(),
            face_retention_days: None,
            biometric_consent_mode: None,
        }
    }
}

/// A webhook destination (contract, 8.3).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Destination {
    pub(crate) uuid: Uuid,
    pub(crate) label: String,
    pub(crate) url: String,
    pub(crate) enabled: bool,
    pub(crate) version: String,
    pub(crate) events: Vec<String>,
    secret: String,
    created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    /// Set by a soft delete.
    deleted_at: Option<Timestamp>,
}

impl Destination {
    /// Whether the API still shows it.
    pub(crate) const fn visible(&self) -> bool {
        self.deleted_at.is_none()
    }

    /// The element of the list: everything but the secret.
    pub(crate) fn summary(&self) -> Value {
        let last4: String = self
            .secret
            .chars()
            .skip(self.secret.chars().count().saturating_sub(4))
            .collect();
        json!({
            "uuid": self.uuid,
            "label": self.label,
            "url": self.url,
            "enabled": self.enabled,
            "webhook_version": self.version,
            "subscribed_events": self.events,
            "secret_last4": last4,
            "previous_secret_expires_at": null,
            "health_status": "healthy",
            "created_at": iso(self.created_at),
            "updated_at": iso(self.updated_at),
            "summary": {},
        })
    }

    /// The full record.
    pub(crate) fn view(&self) -> Value {
        let mut view = self.summary();
        if let Some(fields) = view.as_object_mut() {
            fields.insert("secret_shared_key".to_owned(), json!(self.secret));
        }
        view
    }
}

/// What a client may say about a destination.
#[derive(Clone, Debug, Default)]
pub(crate) struct DestinationInput {
    pub(crate) label: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) enabled: Option<bool>,
    pub(crate) version: Option<String>,
    pub(crate) events: Option<Vec<String>>,
}

impl Application {
    /// The destinations the API shows, oldest first.
    pub(crate) fn visible_destinations(&self) -> impl Iterator<Item = &Destination> {
        self.destinations
            .iter()
            .filter(|destination| destination.visible())
    }

    /// The whole webhook configuration (contract, 8.1).
    pub(crate) fn webhook_view(&self) -> Value {
        let settings = &self.webhook;
        json!({
            "webhook_url": settings.url,
            "webhook_version": settings.version,
            "secret_shared_key": settings.secret,
            "capture_method": settings.capture_method,
            "data_retention_months": settings.data_retention_months,
            "face_retention_policy": settings.face_retention_policy,
            "face_retention_days": settings.face_retention_days,
            "biometric_consent_mode": settings.biometric_consent_mode,
            "destinations": self.visible_destinations().map(Destination::summary).collect::<Vec<_>>(),
        })
    }

    /// Its key and its webhook secrets.
    pub(super) fn secrets(&self) -> Vec<String> {
        let own = [self.api_key.clone(), self.webhook.secret.clone()];
        own.into_iter()
            .chain(self.destinations.iter().map(|found| found.secret.clone()))
            .collect()
    }

    /// Whether another destination than `except` has this URL.
    pub(crate) fn has_destination_at(&self, url: &str, except: Option<Uuid>) -> bool {
        self.visible_destinations()
            .any(|found| found.url == url && Some(found.uuid) != except)
    }

    /// Every change of a destination sets the legacy URL to the oldest enabled one's (contract, 8.1).
    fn follow_destinations(&mut self) {
        let oldest = self
            .visible_destinations()
            .find(|found| found.enabled)
            .map(|found| found.url.clone());
        self.webhook.url = oldest;
    }
}

impl World {
    /// Replaces the application-level secret.
    pub(crate) fn rotate_webhook_secret(&mut self, application: Uuid) {
        let fresh = self.remember(secrets::secret());
        if let Some(application) = self.applications.get_mut(&application) {
            application.webhook.secret = fresh;
        }
    }

    /// Creates a destination; the record as the API shows it.
    pub(crate) fn add_destination(
        &mut self,
        application: Uuid,
        input: DestinationInput,
        context: &Context,
    ) -> Option<Value> {
        let secret = self.remember(secrets::secret());
        let unnamed = match context.switches.unnamed_events {
            UnnamedEvents::Nothing => Vec::new(),
            UnnamedEvents::Everything => EVENTS.iter().map(|event| (*event).to_owned()).collect(),
        };
        let destination = Destination {
            uuid: Uuid::new_v4(),
            label: input.label.unwrap_or_default(),
            url: input.url.unwrap_or_default(),
            enabled: input.enabled.unwrap_or(true),
            version: input.version.unwrap_or_else(|| "v3".to_owned()),
            events: input.events.unwrap_or(unnamed),
            secret,
            created_at: context.now,
            updated_at: context.now,
            deleted_at: None,
        };
        let view = destination.view();
        let application = self.applications.get_mut(&application)?;
        application.destinations.push(destination);
        application.follow_destinations();
        Some(view)
    }

    /// Changes a destination; the record as the API shows it.
    pub(crate) fn update_destination(
        &mut self,
        application: Uuid,
        uuid: Uuid,
        input: DestinationInput,
        context: &Context,
    ) -> Option<Value> {
        let application = self.applications.get_mut(&application)?;
        let mut visible = application
            .destinations
            .iter_mut()
            .filter(|found| found.visible());
        let found = visible.find(|found| found.uuid == uuid)?;
        let DestinationInput {
            label,
            url,
            enabled,
            version,
            events,
        } = input;
        found.label = label.unwrap_or_else(|| found.label.clone());
        found.url = url.unwrap_or_else(|| found.url.clone());
        found.enabled = enabled.unwrap_or(found.enabled);
        found.version = version.unwrap_or_else(|| found.version.clone());
        found.events = events.unwrap_or_else(|| found.events.clone());
        found.updated_at = context.now;
        let view = found.view();
        application.follow_destinations();
        Some(view)
    }

    /// Deletes a destination, for good or out of sight.
    pub(crate) fn remove_destination(&mut self, application: Uuid, uuid: Uuid, context: &Context) {
        let Some(application) = self.applications.get_mut(&application) else {
            return;
        };
        if context.switches.destination_delete == DestinationDelete::Permanent {
            application.destinations.retain(|found| found.uuid != uuid);
        } else if let Some(found) = application
            .destinations
            .iter_mut()
            .find(|found| found.uuid == uuid)
        {
            found.deleted_at = Some(context.now);
        }
        application.follow_destinations();
    }
}
