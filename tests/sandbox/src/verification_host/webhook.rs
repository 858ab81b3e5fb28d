//! The application-level webhook configuration (contract, 8.1 and 8.2).

use std::sync::Arc;

use axum::extract::State;
use serde_json::Value;
use url::{Host, Url};

use super::guard::{self, Caller, Family};
use crate::body::{JsonBody, text};
use crate::reply::{FieldErrors, Reply};
use crate::shared::Shared;
use crate::state::{VERSIONS, WebhookSettings};

pub(super) async fn read(State(shared): State<Arc<Shared>>, caller: Caller) -> Reply {
    guard::read(&shared, &caller, Family::Other, |application, _| {
        Ok(Reply::ok(application.webhook_view()))
    })
}

pub(super) async fn update(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    body: Result<JsonBody, Reply>,
) -> Reply {
    guard::write(&shared, &caller, Family::Other, |world, uuid, _| {
        let body = body?;
        let mut errors = FieldErrors::default();
        let rotate = body.boolean("rotate_secret_key", &mut errors);
        let application = world.applications.get_mut(&uuid).ok_or_else(Reply::not_found)?;
        let changed = settings(&application.webhook, &body, &mut errors);
        errors.check()?;
        application.webhook = changed;
        if rotate == Some(true) {
            world.rotate_webhook_secret(uuid);
        }
        let application = world.applications.get(&uuid).ok_or_else(Reply::not_found)?;
        Ok(Reply::ok(application.webhook_view()))
    })
}

fn settings(current: &WebhookSettings, body: &JsonBody, errors: &mut FieldErrors) -> WebhookSettings {
    let policies = ["delete_with_session", "retain_until_user_deleted"];
    let mut settings = current.clone();
    replace(
        &mut settings.url,
        body.nullable("webhook_url", errors, public_address),
    );
    replace(
        &mut settings.version,
        body.choice("webhook_version", VERSIONS, errors),
    );
    replace(
        &mut settings.capture_method,
        body.optional("capture_method", errors),
    );
    replace(
        &mut settings.face_retention_policy,
        body.choice("face_retention_policy", &policies, errors),
    );
    replace(
        &mut settings.biometric_consent_mode,
        body.nullable("biometric_consent_mode", errors, text),
    );
    replace(
        &mut settings.data_retention_months,
        whole("data_retention_months", 1, Some(120), body, errors),
    );
    replace(
        &mut settings.face_retention_days,
        whole("face_retention_days", 1, None, body, errors),
    );
    settings
}

fn replace<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

/// A whole number within bounds, or null; `None` when absent or wrong.
fn whole(
    name: &str,
    least: u64,
    most: Option<u64>,
    body: &JsonBody,
    errors: &mut FieldErrors,
) -> Option<Option<u64>> {
    let value = body.get(name)?;
    if value.is_null() {
        return Some(None);
    }
    let problem = match (value.as_u64(), most) {
        (None, _) => "A valid integer is required.".to_owned(),
        (Some(number), _) if number < least => {
            format!("Ensure this value is greater than or equal to {least}.")
        }
        (Some(number), Some(most)) if number > most => {
            format!("Ensure this value is less than or equal to {most}.")
        }
        (Some(number), _) => return Some(Some(number)),
    };
    errors.add(name, problem);
    None
}

/// A public HTTPS address (contract, 8.3). Names are judged as they are written, not looked up.
pub(super) fn public_address(value: &Value) -> Result<String, String> {
    let text = text(value)?;
    let url = Url::parse(&text).map_err(|_| "Enter a valid URL.".to_owned())?;
    if url.scheme() != "https" {
        return Err("Only https URLs are allowed.".to_owned());
    }
    if url.host().is_some_and(|host| is_public(&host)) {
        return Ok(text);
    }
    Err("The URL must point to a public address.".to_owned())
}

fn is_public(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            let last = name.rsplit('.').next().unwrap_or_default();
            name.contains('.') && !matches!(last, "localhost" | "local" | "internal" | "svc" | "lan" | "home")
        }
        Host::Ipv4(address) => {
            !(address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_unspecified()
                || address.is_broadcast()
                || address.is_documentation()
                || address.is_multicast())
        }
        Host::Ipv6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => is_public(&Host::Ipv4(mapped)),
            None => {
                !(address.is_loopback()
                    || address.is_unspecified()
                    || address.is_unique_local()
                    || address.is_unicast_link_local()
                    || address.is_multicast())
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_https_addresses_pass() {
        for good in [
            "https://hooks.corp.example.net/didit",
            "https://203.0.114.7/x",
            "https://[2600::1]/",
        ] {
            assert!(public_address(&Value::from(good)).is_ok(), "{good}");
        }
        for bad in [
            "http://hooks.corp.example.net/",
            "https://localhost/",
            "https://127.0.0.1/",
            "https://10.1.2.3/",
            "https://192.168.0.1/",
            "https://169.254.169.254/",
            "https://[::1]/",
            "https://[fd00::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://hooks/",
            "https://hooks.shop.svc/",
            "https://printer.local/",
            "hooks.corp.example.net",
            "",
        ] {
            assert!(public_address(&Value::from(bad)).is_err(), "{bad}");
        }
    }
}
