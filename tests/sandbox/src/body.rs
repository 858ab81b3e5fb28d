//! Reading request bodies the way the service does: parsers by content type, then one validator per field.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};
use url::Url;

use crate::reply::{FieldErrors, Reply};

/// A JSON object sent by the client. An absent body is an empty object; fields nobody asks for are ignored.
#[derive(Debug, Default)]
pub(crate) struct JsonBody(Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = Reply;

    async fn from_request(request: Request, state: &S) -> Result<Self, Reply> {
        let content_type = media_type(request.headers());
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|_| Reply::detail(StatusCode::PAYLOAD_TOO_LARGE, "Request body is too large."))?;
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        if content_type != "application/json" {
            let text = format!("Unsupported media type \"{content_type}\" in request.");
            return Err(Reply::detail(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
        }
        Self::parse(&bytes)
    }
}

impl JsonBody {
    /// Reads an object, or says what is wrong with the text.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Reply> {
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(other) => Err(Reply::field(
                "non_field_errors",
                format!(
                    "Invalid data. Expected a dictionary, but got {}.",
                    type_name(&other)
                ),
            )),
            Err(error) => {
                let place = format!("line {} column {}", error.line(), error.column());
                Err(Reply::bad_request(format!("JSON parse error - {place}")))
            }
        }
    }

    /// The field as it was sent.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A required string.
    pub(crate) fn required(&self, name: &str, errors: &mut FieldErrors) -> String {
        match self.get(name) {
            None => {
                errors.add(name, "This field is required.");
                String::new()
            }
            Some(value) => noted(errors, name, text(value)).unwrap_or_default(),
        }
    }

    /// A required string whose blanks count, as those of a password do.
    pub(crate) fn required_verbatim(&self, name: &str, errors: &mut FieldErrors) -> String {
        match self.get(name) {
            Some(Value::String(text)) if !text.is_empty() => text.clone(),
            _ => self.required(name, errors),
        }
    }

    /// A string that may be absent, but is neither null nor blank when it is there.
    pub(crate) fn optional(&self, name: &str, errors: &mut FieldErrors) -> Option<String> {
        self.get(name).and_then(|value| noted(errors, name, text(value)))
    }

    /// A string or null that may be absent: outer `None` for absent, inner for null.
    pub(crate) fn nullable(
        &self,
        name: &str,
        errors: &mut FieldErrors,
        check: fn(&Value) -> Result<String, String>,
    ) -> Option<Option<String>> {
        match self.get(name)? {
            Value::Null => Some(None),
            value => noted(errors, name, check(value)).map(Some),
        }
    }

    /// A boolean that may be absent.
    pub(crate) fn boolean(&self, name: &str, errors: &mut FieldErrors) -> Option<bool> {
        let value = self.get(name)?;
        noted(
            errors,
            name,
            value
                .as_bool()
                .ok_or_else(|| "Must be a valid boolean.".to_owned()),
        )
    }

    /// One of `choices`; may be absent.
    pub(crate) fn choice(&self, name: &str, choices: &[&str], errors: &mut FieldErrors) -> Option<String> {
        let value = self.get(name)?;
        noted(errors, name, choice(value, choices))
    }

    /// A list of strings that may be absent; each item passes `check`.
    pub(crate) fn list(
        &self,
        name: &str,
        errors: &mut FieldErrors,
        check: impl Fn(&Value) -> Result<String, String>,
    ) -> Option<Vec<String>> {
        let value = self.get(name)?;
        let Some(items) = value.as_array() else {
            let text = match value {
                Value::Null => "This field may not be null.".to_owned(),
                _ => format!("Expected a list of items but got type \"{}\".", type_name(value)),
            };
            errors.add(name, text);
            return None;
        };
        let mut wrong = Map::new();
        let mut accepted = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            match check(item) {
                Ok(item) => accepted.push(item),
                Err(text) => {
                    wrong.insert(index.to_string(), json!([text]));
                }
            }
        }
        if wrong.is_empty() {
            return Some(accepted);
        }
        errors.nest(name, Value::Object(wrong));
        None
    }
}

/// A non-blank string; numbers count as strings.
pub(crate) fn text(value: &Value) -> Result<String, String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Null => return Err("This field may not be null.".to_owned()),
        _ => return Err("Not a valid string.".to_owned()),
    };
    if text.is_empty() {
        Err("This field may not be blank.".to_owned())
    } else {
        Ok(text)
    }
}

/// A string that may be blank.
pub(crate) fn any_text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) if text.trim().is_empty() => Ok(String::new()),
        _ => text(value),
    }
}

/// An http or https address.
pub(crate) fn web_address(value: &Value) -> Result<String, String> {
    let text = text(value)?;
    let valid = Url::parse(&text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if valid {
        Ok(text)
    } else {
        Err("Enter a valid URL.".to_owned())
    }
}

/// One of `choices`.
pub(crate) fn choice(value: &Value, choices: &[&str]) -> Result<String, String> {
    match value.as_str() {
        Some(text) if choices.contains(&text) => Ok(text.to_owned()),
        Some(text) => Err(format!("\"{text}\" is not a valid choice.")),
        None => Err(format!("\"{value}\" is not a valid choice.")),
    }
}

/// The media type of a request without its parameters, in lower case.
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

fn noted<T>(errors: &mut FieldErrors, name: &str, result: Result<T, String>) -> Option<T> {
    result.map_err(|text| errors.add(name, text)).ok()
}

const fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}
