//! The Secrets that the operator writes.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::cluster::NAMESPACE;
use crate::failure::Failure;
use crate::stage::Stage;

/// The Secret that `examples/` asks for the application's credentials.
pub(crate) const SECRET: &str = "payments-didit";

/// The Secret that `examples/` asks for the access token.
pub(crate) const TOKEN_SECRET: &str = "payments-token";

/// What stands in a Secret.
pub(crate) struct Credentials {
    secret: &'static str,
    pub(crate) uid: String,
    values: Vec<(String, String)>,
}

impl Credentials {
    pub(crate) async fn read(stage: &Stage, secret: &'static str) -> Result<Option<Self>, Failure> {
        let Some(object) = stage
            .kubectl()?
            .get(&format!("secret {secret} -n {NAMESPACE}"))
            .await?
        else {
            return Ok(None);
        };
        let uid = object
            .pointer("/metadata/uid")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let data = object.get("data").and_then(Value::as_object);
        let values = data
            .into_iter()
            .flatten()
            .map(|(key, value)| Ok((key.clone(), decoded(secret, key, value)?)));
        Ok(Some(Self {
            secret,
            uid,
            values: values.collect::<Result<_, Failure>>()?,
        }))
    }

    /// A token that is in no Secret.
    pub(crate) fn with_token(token: &str) -> Self {
        Self {
            secret: TOKEN_SECRET,
            uid: String::new(),
            values: vec![("access_token".to_owned(), token.to_owned())],
        }
    }

    pub(crate) fn value(&self, key: &str) -> Result<&str, Failure> {
        let found = self
            .values
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str());
        found.ok_or_else(|| Failure::Said(format!("Secret {} has no key {key}", self.secret)))
    }

    /// A table without anything that is worth stealing.
    pub(crate) fn masked(&self) -> String {
        let mut table = "KEY              BYTES  VALUE".to_owned();
        for (key, value) in &self.values {
            let shown = match key.as_str() {
                "api_url" | "email" | "expires_at" | "token_type" | "scope" => value.clone(),
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

fn decoded(secret: &str, key: &str, value: &Value) -> Result<String, Failure> {
    let bytes = value.as_str().and_then(|text| BASE64_STANDARD.decode(text).ok());
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| Failure::Said(format!("key {key} of Secret {secret} is not text")))
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
            pair("email", "a@b.io"),
            pair("password", "hidden"),
            pair("access_token", "header.claims.signature"),
            pair("authorization", "Authorization: Bearer header.claims.signature"),
            pair("expires_at", "2026-11-25T03:20:11Z"),
            pair("something_new", "hidden"),
        ];
        let table = Credentials {
            secret: SECRET,
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
             email                6  a@b.io\n\
             password             6  *******\n\
             access_token        23  *******\n\
             authorization       45  *******\n\
             expires_at          20  2026-11-25T03:20:11Z\n\
             something_new        6  *******"
        );
    }
}
