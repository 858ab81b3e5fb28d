//! The Secret that the operator writes.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::cluster::NAMESPACE;
use crate::failure::Failure;
use crate::stage::Stage;

/// The Secret that `examples/` asks for.
pub(crate) const SECRET: &str = "payments-didit";

/// What stands in the Secret.
pub(crate) struct Credentials {
    pub(crate) uid: String,
    values: Vec<(String, String)>,
}

impl Credentials {
    pub(crate) async fn read(stage: &Stage) -> Result<Option<Self>, Failure> {
        let Some(secret) = stage
            .kubectl()?
            .get(&format!("secret {SECRET} -n {NAMESPACE}"))
            .await?
        else {
            return Ok(None);
        };
        let uid = secret
            .pointer("/metadata/uid")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let data = secret.get("data").and_then(Value::as_object);
        let values = data
            .into_iter()
            .flatten()
            .map(|(key, value)| Ok((key.clone(), decoded(key, value)?)));
        Ok(Some(Self {
            uid,
            values: values.collect::<Result<_, Failure>>()?,
        }))
    }

    pub(crate) fn value(&self, key: &str) -> Result<&str, Failure> {
        let found = self
            .values
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str());
        found.ok_or_else(|| Failure::Said(format!("Secret {SECRET} has no key {key}")))
    }

    /// A table without anything that is worth stealing.
    pub(crate) fn masked(&self) -> String {
        let mut table = "KEY              BYTES  VALUE".to_owned();
        for (key, value) in &self.values {
            let shown = match key.as_str() {
                "api_url" => value.clone(),
                "client_id" | "application_id" | "organization_id" => {
                    format!("{}...", value.chars().take(7).collect::<String>())
                }
                _ => "*******".to_owned(),
            };
            table.push_str(&format!("\n{key:<15}  {:>5}  {shown}", value.len()));
        }
        table
    }
}

fn decoded(key: &str, value: &Value) -> Result<String, Failure> {
    let bytes = value.as_str().and_then(|text| BASE64_STANDARD.decode(text).ok());
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| Failure::Said(format!("key {key} of Secret {SECRET} is not text")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_values_are_shown() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let values = vec![
            pair("api_key", "sk_live_0123456789"),
            pair("api_url", "http://127.0.0.1:1/v3"),
            pair("client_id", "0123456789"),
            pair("something_new", "hidden"),
        ];
        let table = Credentials {
            uid: String::new(),
            values,
        }
        .masked();
        assert_eq!(
            table,
            "KEY              BYTES  VALUE\n\
             api_key             18  *******\n\
             api_url             21  http://127.0.0.1:1/v3\n\
             client_id           10  0123456...\n\
             something_new        6  *******"
        );
    }
}
