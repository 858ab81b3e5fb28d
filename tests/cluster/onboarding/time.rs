//! Time that goes by while no operator runs.
//!
//! The operator knows of the past only what a status says. So a status whose times are all earlier by an hour is that
//! of an operator that was away for an hour, and nobody has to wait.

use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use keywright::api::IdentityAccount;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Map, Value, json};

/// Makes all times in the statuses of all accounts earlier. Who owns which field stays as it is, since what an owner
/// no longer applies has to go.
pub(crate) async fn goes_by(accounts: &Api<IdentityAccount>, step: Duration) {
    let step = SignedDuration::try_from(step).unwrap();
    for account in accounts.list(&ListParams::default()).await.unwrap() {
        let name = account.name_any();
        let status = json!(account.status);
        for entry in account.managed_fields() {
            let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
            let Some(Value::Object(fields)) = fields.and_then(|fields| fields.get("f:status")) else {
                continue;
            };
            let mut applied = owned(&status, fields);
            make_earlier(&mut applied, step);
            let whole = json!({
                "apiVersion": "keywright.dev/v1alpha1",
                "kind": "IdentityAccount",
                "metadata": {"name": name},
                "status": applied,
            });
            let parameters = PatchParams::apply(entry.manager.as_deref().unwrap()).force();
            accounts
                .patch_status(&name, &parameters, &Patch::Apply(whole))
                .await
                .unwrap();
        }
    }
}

/// The part of a value that these fields are of, as the API server writes sets of fields down (`fieldsV1`).
fn owned(value: &Value, fields: &Map<String, Value>) -> Value {
    let parts = || {
        fields.iter().filter_map(|(name, part)| {
            let (kind, name) = name.split_once(':')?;
            Some((kind, name, part.as_object()?))
        })
    };
    if parts().next().is_none() {
        return value.clone();
    }
    match value {
        Value::Object(object) => {
            let members = parts().filter_map(|(_, name, part)| {
                let member = object.get(name)?;
                Some((name.to_owned(), owned(member, part)))
            });
            Value::Object(members.collect())
        }
        Value::Array(elements) => {
            let items = parts().filter_map(|(kind, key, part)| {
                let key: Value = serde_json::from_str(key).unwrap();
                let is_it = |element: &&Value| match (&key, kind) {
                    (Value::Object(key), "k") => {
                        key.iter().all(|(name, value)| element.get(name) == Some(value))
                    }
                    _ => **element == key,
                };
                Some(owned(elements.iter().find(is_it)?, part))
            });
            Value::Array(items.collect())
        }
        _ => value.clone(),
    }
}

fn make_earlier(value: &mut Value, step: SignedDuration) {
    match value {
        Value::String(text) => {
            if let Ok(time) = text.parse::<Timestamp>() {
                *text = time.checked_sub(step).unwrap().to_string();
            }
        }
        Value::Array(elements) => elements
            .iter_mut()
            .for_each(|element| make_earlier(element, step)),
        Value::Object(members) => members.values_mut().for_each(|member| make_earlier(member, step)),
        _ => {}
    }
}
