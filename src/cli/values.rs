//! Values of flags, each refused with a sentence when it is wrong.

use std::time::Duration;

use k8s_openapi::jiff::SignedDuration;

/// Names of namespaces; none means all.
#[derive(Clone, Debug)]
pub(super) struct Namespaces(pub(super) Vec<String>);

/// Names that are separated by commas.
pub(super) fn namespaces(text: &str) -> Result<Namespaces, String> {
    let names: Vec<_> = text
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    let is_name = |name: &str| {
        let inner = name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        inner && name.len() <= 63 && !name.starts_with('-') && !name.ends_with('-')
    };
    match names.iter().find(|name| !is_name(name)) {
        Some(name) => Err(format!(
            "{name:?} is not the name of a namespace; separate names by commas"
        )),
        None => Ok(Namespaces(names)),
    }
}

/// A duration longer than zero, for example `30s` or `1h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let parsed: SignedDuration = text
        .parse()
        .map_err(|_| "not a duration; write for example 500ms, 30s, 10m or 1h".to_owned())?;
    match Duration::try_from(parsed) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("must be longer than zero".to_owned()),
    }
}

/// An interval at which an identity API is called.
pub(super) fn interval(text: &str) -> Result<Duration, String> {
    duration(text).and_then(|interval| {
        if interval < Duration::from_secs(1) {
            Err("must be at least 1s".to_owned())
        } else {
            Ok(interval)
        }
    })
}

/// The identifier of a cluster in marks.
pub(super) fn cluster_id(text: &str) -> Result<String, String> {
    let fits = !text.is_empty()
        && text.len() <= 63
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    if fits {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 63 letters, digits, '-', '.' or '_'".to_owned())
    }
}
