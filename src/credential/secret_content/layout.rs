//! Under which names and in which formats a content is written.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use secrecy::ExposeSecret;

use super::content::{Content, Member};
use super::dotenv;
use crate::api::secret::{SecretFormat, SecretKeys, SecretTemplate};

/// Whose names environment variables get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vocabulary {
    /// `DIDIT_CLIENT_ID`, `DIDIT_API_KEY` and so on, as Didit's own libraries read them.
    Didit,
    /// `OAUTH2_CLIENT_ID`, `OAUTH2_ACCESS_TOKEN` and so on.
    OAuth2,
}

impl Vocabulary {
    /// The name of a member as an environment variable.
    #[must_use]
    pub fn variable(self, member: Member) -> String {
        let prefix = match self {
            Self::Didit => "DIDIT",
            Self::OAuth2 => "OAUTH2",
        };
        format!("{prefix}_{}", member.name().to_ascii_uppercase())
    }
}

/// One way to write a content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// A key for each member, under its usual name or the one the user chose.
    Keys,
    /// A key for each member, named for `envFrom`: the [`Vocabulary`]'s name or the one the user chose.
    Environment,
    /// All members in one JSON object with their usual names.
    Json {
        /// The key that holds it.
        key: String,
    },
    /// All members in one dotenv file with the [`Vocabulary`]'s names.
    Dotenv {
        /// The key that holds it.
        key: String,
    },
    /// `Authorization: Bearer <token>` (RFC 6750 section 2.1) as one line without an end of line. Nothing where there is
    /// no access token.
    AuthorizationHeader {
        /// The key that holds it.
        key: String,
    },
}

impl Format {
    /// JSON under its usual key.
    #[must_use]
    pub fn json() -> Self {
        Self::Json {
            key: "credentials.json".into(),
        }
    }

    /// A dotenv file under its usual key.
    #[must_use]
    pub fn dotenv() -> Self {
        Self::Dotenv {
            key: "credentials.env".into(),
        }
    }

    /// A header under its usual key.
    #[must_use]
    pub fn authorization_header() -> Self {
        Self::AuthorizationHeader {
            key: "authorization".into(),
        }
    }
}

/// How a Secret is laid out: formats beside each other, and names that the user chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    pub(super) vocabulary: Vocabulary,
    pub(super) formats: Vec<Format>,
    renamed: BTreeMap<Member, String>,
}

/// A content that cannot be written in a layout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// Two things would be written under the same key.
    #[error(
        "the key '{key}' of the Secret is chosen for {first} and for {second}: give one of them another name in secret.keys"
    )]
    DuplicateKey {
        /// The key.
        key: String,
        /// What is written there, such as `access_token` or `the JSON document`.
        first: String,
        /// What else.
        second: String,
    },
    /// A value has a line break or another control character: it could be read as something else.
    #[error("{} has a line break or another control character, which no credential has: it is not written", .member.name())]
    ControlCharacter {
        /// Whose value.
        member: Member,
    },
}

impl Layout {
    /// A layout with these formats, [`Format::Keys`] when none is given, and names that the user chose for single keys.
    #[must_use]
    pub fn new(vocabulary: Vocabulary, formats: Vec<Format>, renamed: BTreeMap<Member, String>) -> Self {
        let formats = if formats.is_empty() {
            vec![Format::Keys]
        } else {
            formats
        };
        Self {
            vocabulary,
            formats,
            renamed,
        }
    }

    /// The layout that a `secret` block asks for.
    #[must_use]
    pub fn of(template: &SecretTemplate, vocabulary: Vocabulary) -> Self {
        let keys = template.keys.clone().unwrap_or_default();
        let formats = template
            .formats
            .iter()
            .map(|format| match format {
                SecretFormat::Keys => Format::Keys,
                SecretFormat::Environment => Format::Environment,
                SecretFormat::Json => keys
                    .json
                    .clone()
                    .map_or_else(Format::json, |key| Format::Json { key }),
                SecretFormat::Dotenv => keys
                    .dotenv
                    .clone()
                    .map_or_else(Format::dotenv, |key| Format::Dotenv { key }),
                SecretFormat::AuthorizationHeader => keys
                    .authorization_header
                    .clone()
                    .map_or_else(Format::authorization_header, |key| Format::AuthorizationHeader {
                        key,
                    }),
            })
            .collect();
        Self::new(vocabulary, formats, renamed(&keys))
    }

    /// The keys that a content with these members is written under, in the order in which they are digested.
    ///
    /// # Errors
    ///
    /// [`LayoutError::DuplicateKey`].
    pub fn names(&self, members: impl IntoIterator<Item = Member>) -> Result<Vec<String>, LayoutError> {
        let members: Vec<Member> = members.into_iter().collect();
        let mut parts: Vec<(String, String)> = Vec::new();
        for (key, part) in self
            .formats
            .iter()
            .flat_map(|format| self.parts(format, &members))
        {
            if let Some((_, first)) = parts.iter().find(|(taken, _)| *taken == key) {
                return Err(LayoutError::DuplicateKey {
                    key,
                    first: first.clone(),
                    second: part,
                });
            }
            parts.push((key, part));
        }
        Ok(parts.into_iter().map(|(key, _)| key).collect())
    }

    /// The key that a member has to itself in a format.
    pub(super) fn single_key(&self, format: &Format, member: Member) -> Option<String> {
        let usual = match format {
            Format::Keys => member.name().to_owned(),
            Format::Environment => self.vocabulary.variable(member),
            Format::Json { .. } | Format::Dotenv { .. } | Format::AuthorizationHeader { .. } => return None,
        };
        Some(self.renamed.get(&member).cloned().unwrap_or(usual))
    }

    /// The keys of a format, each with what it holds in words.
    fn parts(&self, format: &Format, members: &[Member]) -> Vec<(String, String)> {
        match format {
            Format::Keys | Format::Environment => members
                .iter()
                .filter_map(|&member| Some((self.single_key(format, member)?, member.name().to_owned())))
                .collect(),
            Format::Json { key } => vec![(key.clone(), "the JSON document".into())],
            Format::Dotenv { key } => vec![(key.clone(), "the dotenv file".into())],
            Format::AuthorizationHeader { key } => members
                .contains(&Member::AccessToken)
                .then(|| (key.clone(), "the authorization header".into()))
                .into_iter()
                .collect(),
        }
    }

    fn written(&self, format: &Format, content: &Content) -> Vec<(String, Vec<u8>)> {
        match format {
            Format::Keys | Format::Environment => content
                .exposed()
                .filter_map(|(member, value)| Some((self.single_key(format, member)?, value.into())))
                .collect(),
            Format::Json { key } => vec![(key.clone(), content.json())],
            Format::Dotenv { key } => {
                let variables = content
                    .exposed()
                    .map(|(member, value)| (self.vocabulary.variable(member), value));
                vec![(key.clone(), dotenv::file(variables))]
            }
            Format::AuthorizationHeader { key } => content
                .get(Member::AccessToken)
                .map(|token| {
                    let line = format!("{}{}", header_start(content), token.expose_secret());
                    (key.clone(), line.into_bytes())
                })
                .into_iter()
                .collect(),
        }
    }
}

/// The Secret's entries. The values are secret bytes: hand them to nothing but the Secret.
///
/// # Errors
///
/// When two things would be written under one key, or a value is no single line. Nothing of a value is in the error.
pub fn entries(content: &Content, layout: &Layout) -> Result<BTreeMap<String, ByteString>, LayoutError> {
    layout.names(content.members())?;
    if let Some((member, _)) = content
        .exposed()
        .find(|(_, value)| value.contains(char::is_control))
    {
        return Err(LayoutError::ControlCharacter { member });
    }
    let written = layout
        .formats
        .iter()
        .flat_map(|format| layout.written(format, content))
        .map(|(key, bytes)| (key, ByteString(bytes)));
    Ok(written.collect())
}

/// The names that follow from `secret.keys`.
#[must_use]
pub fn renamed(keys: &SecretKeys) -> BTreeMap<Member, String> {
    [
        (Member::Email, &keys.email),
        (Member::Password, &keys.password),
        (Member::ClientId, &keys.client_id),
        (Member::ApiKey, &keys.api_key),
        (Member::ApplicationId, &keys.application_id),
        (Member::OrganizationId, &keys.organization_id),
        (Member::ApiUrl, &keys.api_url),
        (Member::AccessToken, &keys.access_token),
        (Member::TokenType, &keys.token_type),
        (Member::ExpiresAt, &keys.expires_at),
        (Member::Scope, &keys.scope),
        (Member::PreviousAccessToken, &keys.previous_access_token),
    ]
    .into_iter()
    .filter_map(|(member, name)| Some((member, name.clone()?)))
    .collect()
}

/// `Authorization: `, the scheme and a space. Servers spell `Bearer` in any case (RFC 6749 section 5.1), some of those who
/// take it do not (RFC 6750 section 2.1).
fn header_start(content: &Content) -> String {
    let scheme = content
        .get(Member::TokenType)
        .map(ExposeSecret::expose_secret)
        .filter(|token_type| !token_type.is_empty() && !token_type.eq_ignore_ascii_case("bearer"))
        .unwrap_or("Bearer");
    format!("Authorization: {scheme} ")
}
