//! Finding the published access token in a Secret, so that nothing that happens to the operator or to names makes a new one.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use secrecy::SecretString;

use super::content::Member;
use super::layout::{Format, Layout};
use super::{dotenv, fingerprint};

/// A value in a Secret of this layout, from the first format that holds it. `None` when none does.
#[must_use]
pub fn read_back(
    entries: &BTreeMap<String, ByteString>,
    layout: &Layout,
    member: Member,
) -> Option<SecretString> {
    layout.formats.iter().find_map(|format| {
        let single = layout.single_key(format, member);
        let key = match format {
            Format::Keys | Format::Environment => single.as_ref()?,
            Format::Json { key } | Format::Dotenv { key } | Format::AuthorizationHeader { key } => key,
        };
        let text = text(entries.get(key)?)?;
        let value = match format {
            Format::Keys | Format::Environment => text.to_owned(),
            Format::Json { .. } => from_json(text, member)?,
            Format::Dotenv { .. } => dotenv::value(text, &layout.vocabulary.variable(member))?,
            Format::AuthorizationHeader { .. } if member == Member::AccessToken => from_header(text)?,
            Format::AuthorizationHeader { .. } => return None,
        };
        (!value.is_empty()).then(|| value.into())
    })
}

/// The access token with this [`fingerprint`], under whatever key and in whatever format it stands: for a Secret that was
/// written with other names than those that are wanted now.
#[must_use]
pub fn recognise(
    entries: &BTreeMap<String, ByteString>,
    owner_uid: &str,
    wanted: &str,
) -> Option<SecretString> {
    entries
        .values()
        .filter_map(text)
        .flat_map(candidates)
        .map(SecretString::from)
        .find(|candidate| fingerprint(owner_uid, candidate) == wanted)
}

/// Everything in one entry that may be the token.
fn candidates(text: &str) -> Vec<String> {
    let variables = text.lines().filter_map(|line| {
        let (name, _) = line.split_once('=')?;
        dotenv::value(line, name)
    });
    let mut found: Vec<String> = variables.collect();
    found.extend(from_json(text, Member::AccessToken));
    found.extend(from_header(text));
    found.push(text.to_owned());
    found
}

fn from_json(text: &str, member: Member) -> Option<String> {
    let document: serde_json::Value = serde_json::from_str(text).ok()?;
    Some(document.get(member.name())?.as_str()?.to_owned())
}

fn from_header(text: &str) -> Option<String> {
    let (_, token) = text.strip_prefix("Authorization: ")?.split_once(' ')?;
    Some(token.to_owned())
}

fn text(value: &ByteString) -> Option<&str> {
    str::from_utf8(&value.0).ok()
}
