//! Didit's JSON: what its answers have to hold, and what requests say.

use std::time::Duration;

use reqwest::header::HeaderValue;
use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::identity::http::{Fields, Unreadable};
use crate::identity::session::Tokens;
use crate::identity::{Application, ApplicationMetadata, ApplicationSummary, Organization};

/// How long a token is used that comes without a lifetime: the answer to a second factor has none (section
/// 2.4). Tokens live 24 hours as documented; too low a guess costs one login, too high a guess a refused call.
const ASSUMED_LIFETIME: Duration = Duration::from_secs(3600);

/// A lifetime above this is a mistake, or not in seconds.
const MAX_LIFETIME_SECONDS: u64 = 366 * 24 * 3600;

/// An identifier that is longer is none: a UUID has 36 characters.
const MAX_ID_LENGTH: usize = 64;

/// The answer to a login (section 2.4).
pub(super) enum LoginAnswer {
    Tokens(Tokens),
    SecondFactor {
        temp_token: SecretString,
        has_authenticator: bool,
    },
}

pub(super) fn login(answer: &Value) -> Result<LoginAnswer, Unreadable> {
    let fields = Fields::of_answer(answer)?;
    if fields.is_true("2fa_required") {
        return Ok(LoginAnswer::SecondFactor {
            temp_token: fields.text("temp_token")?.into(),
            has_authenticator: fields.is_true("has_authenticator"),
        });
    }
    let access_token = access_token(&fields)?;
    let expires_in =
        lifetime(&fields)?.ok_or_else(|| Unreadable("the answer has no `expires_in`".to_owned()))?;
    Ok(LoginAnswer::Tokens(Tokens {
        access_token,
        expires_in,
    }))
}

pub(super) fn second_factor(answer: &Value) -> Result<Tokens, Unreadable> {
    let fields = Fields::of_answer(answer)?;
    let expires_in = lifetime(&fields)?.unwrap_or(ASSUMED_LIFETIME);
    Ok(Tokens {
        access_token: access_token(&fields)?,
        expires_in,
    })
}

/// The answer to the right code (section 2.3): tokens, organization and application.
pub(super) fn bootstrap(answer: &Value) -> Result<(Tokens, Organization, Application), Unreadable> {
    let fields = Fields::of_answer(answer)?;
    let part = |name: &str| {
        fields
            .get(name)
            .ok_or_else(|| Unreadable(format!("the answer has no `{name}`")))
    };
    let organization = Fields::of_answer(part("organization")?)?;
    let tokens = Tokens {
        access_token: access_token(&fields)?,
        expires_in: lifetime(&fields)?.unwrap_or(ASSUMED_LIFETIME),
    };
    let organization = Organization {
        id: id(&organization)?,
        name: organization.text("name")?.to_owned(),
    };
    Ok((tokens, organization, application(part("application")?)?))
}

fn access_token(fields: &Fields<'_>) -> Result<SecretString, Unreadable> {
    let token = fields.text("access_token")?;
    if HeaderValue::from_str(token).is_err() {
        return Err(fields.wrong("access_token", "has characters that an HTTP header cannot carry"));
    }
    Ok(token.into())
}

fn lifetime(fields: &Fields<'_>) -> Result<Option<Duration>, Unreadable> {
    let Some(value) = fields.get("expires_in") else {
        return Ok(None);
    };
    match value.as_u64() {
        Some(seconds @ 1..=MAX_LIFETIME_SECONDS) => Ok(Some(Duration::from_secs(seconds))),
        _ => Err(fields.wrong(
            "expires_in",
            "is not a whole number of seconds between one second and one year",
        )),
    }
}

pub(super) fn organizations(answer: &Value) -> Result<Vec<Organization>, Unreadable> {
    list(answer, &["results"], |fields| {
        Ok(Organization {
            id: id(fields)?,
            name: fields.text("name")?.to_owned(),
        })
    })
}

pub(super) fn applications(answer: &Value) -> Result<Vec<ApplicationSummary>, Unreadable> {
    list(answer, &["results", "applications"], |fields| {
        Ok(ApplicationSummary {
            id: id(fields)?,
            name: fields.text("name")?.to_owned(),
            description: fields.optional_text("description")?.map(str::to_owned),
        })
    })
}

/// A bare array, or one under the first of these names that the answer has.
fn list<T>(
    answer: &Value,
    wrappers: &[&str],
    read: impl Fn(&Fields<'_>) -> Result<T, Unreadable>,
) -> Result<Vec<T>, Unreadable> {
    let items = match answer {
        Value::Array(items) => items,
        Value::Object(_) => {
            let fields = Fields::of_answer(answer)?;
            // An application that is on a later page would be taken for one that does not exist.
            if fields.get("next").is_some() {
                return Err(Unreadable(
                    "the answer is one page of a longer list, which is not expected here".to_owned(),
                ));
            }
            wrappers
                .iter()
                .find_map(|name| fields.get(name)?.as_array())
                .ok_or_else(|| Unreadable("the answer is not a list".to_owned()))?
        }
        _ => return Err(Unreadable("the answer is not a list".to_owned())),
    };
    items
        .iter()
        .enumerate()
        .map(|(index, item)| read(&Fields::of_item(item, index)?))
        .collect()
}

/// The record of an application (section 4.4).
pub(super) fn application(answer: &Value) -> Result<Application, Unreadable> {
    let fields = Fields::of_answer(answer)?;
    let owned = |name| fields.optional_text(name).map(|text| text.map(str::to_owned));
    Ok(Application {
        id: id(&fields)?,
        client_id: fields.text("client_id")?.to_owned(),
        api_key: fields.text("api_key")?.into(),
        metadata: ApplicationMetadata {
            name: owned("name")?,
            website_url: owned("website_url")?,
            redirect_uris: fields.optional_texts("redirect_uris")?,
            terms_url: owned("terms_url")?,
            privacy_url: owned("privacy_url")?,
            description: owned("description")?,
            data_location: owned("data_location")?,
        },
    })
}

/// The record of the application with this id: a key of another one must never be handed on.
pub(super) fn application_with_id(answer: &Value, id: &str) -> Result<Application, Unreadable> {
    let application = application(answer)?;
    if application.id.eq_ignore_ascii_case(id) {
        Ok(application)
    } else {
        Err(Unreadable("the answer is about another application".to_owned()))
    }
}

/// The balance itself is of no interest: that it is told means that the key was accepted.
pub(super) fn balance(answer: &Value) -> Result<(), Unreadable> {
    Fields::of_answer(answer).map(drop)
}

/// The body that creates an application (section 4.3).
pub(super) fn creation(metadata: &ApplicationMetadata) -> Value {
    let mut body = settable(metadata);
    if let Some(location) = &metadata.data_location {
        body.insert("data_location".to_owned(), location.as_str().into());
    }
    Value::Object(body)
}

/// The body that changes an application (section 4.5). The data location is fixed when it is made (4.6).
pub(super) fn change(metadata: &ApplicationMetadata) -> Value {
    Value::Object(settable(metadata))
}

fn settable(metadata: &ApplicationMetadata) -> Map<String, Value> {
    let texts = [
        ("name", &metadata.name),
        ("website_url", &metadata.website_url),
        ("terms_url", &metadata.terms_url),
        ("privacy_url", &metadata.privacy_url),
        ("description", &metadata.description),
    ];
    let mut body: Map<String, Value> = texts
        .into_iter()
        .filter_map(|(name, text)| Some((name.to_owned(), text.as_deref()?.into())))
        .collect();
    if let Some(uris) = &metadata.redirect_uris {
        body.insert("redirect_uris".to_owned(), uris.as_slice().into());
    }
    body
}

fn id(fields: &Fields<'_>) -> Result<String, Unreadable> {
    let id = fields.text("uuid")?;
    if is_id(id) {
        Ok(id.to_owned())
    } else {
        Err(fields.wrong("uuid", "is not an identifier"))
    }
}

/// Whether the text can be an identifier: as strict as a path needs, and no stricter.
pub(super) fn is_id(text: &str) -> bool {
    (1..=MAX_ID_LENGTH).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}
