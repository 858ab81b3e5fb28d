//! What happens next with a resource: decided from its status, its provider and the time.

#[cfg(test)]
mod tests;

use k8s_openapi::jiff::Timestamp;

use crate::api::conditions::READY;
use crate::cli::age::moment;
use crate::cli::kind::Kind;
use crate::cli::record::Record;
use crate::cli::standing::brake;

/// What the operator's pauses are; `docs/architecture.md` has more.
const AGAIN: &str = "A failure that passes by itself is tried again within five minutes, a refusal within half an hour, \
                     and both at once when the resource, its provider or a Secret that it reads changes";

/// Sentences about what happens next. `provider` is that of the resource, where it could be read.
pub(super) fn next(record: &Record, provider: Option<&Record>, now: Timestamp) -> Vec<String> {
    if let Some(since) = record.deletion {
        return vec![deletion(record, since, now)];
    }
    if record.is_suspended() {
        return vec![suspension(record, now)];
    }
    if !record.is_observed() {
        return vec![
            "The operator looks at it as it stands now, which it has not done yet. If that stays so, the operator does \
             not run or does not look after this namespace: `keywright doctor` tells"
                .to_owned(),
        ];
    }
    let held_back = held_back(record, provider, now);
    let is_held_back = held_back.is_some();
    let mut sentences: Vec<String> = held_back.into_iter().collect();
    sentences.extend(requested(record));
    sentences.extend(creation(record, now));
    sentences.extend(code(record, now));
    if record.kind.has_credential() {
        sentences.push(credential(record, now));
        if needs_trying(record, now) {
            sentences.push(AGAIN.to_owned());
        }
    } else if !is_held_back {
        sentences.push(provider_check(record));
    }
    sentences
}

fn deletion(record: &Record, since: Timestamp, now: Timestamp) -> String {
    let (ours, others): (Vec<_>, Vec<_>) = record
        .finalizers
        .iter()
        .partition(|finalizer| finalizer.starts_with("keywright.dev/"));
    let since = moment(since, now);
    let list = |names: Vec<&String>| {
        names
            .into_iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(", ")
    };
    match (ours.is_empty(), others.is_empty()) {
        (true, true) => format!("It is being deleted since {since}. Kubernetes removes it and its Secret"),
        (true, false) => format!(
            "It is being deleted since {since}. Keywright is done with it; it waits for {}, which others put there",
            list(others)
        ),
        (false, _) => format!(
            "It is being deleted since {since}. The operator lets go of what it holds at the identity API, for at most \
             its --release-timeout, then takes off {}",
            list(ours)
        ),
    }
}

fn suspension(record: &Record, now: Timestamp) -> String {
    let token = record.status.token.as_ref().map_or_else(String::new, |token| {
        let expires = token.expires_at.0;
        let verb = if expires > now { "expires" } else { "expired" };
        format!(
            ". The token in its Secret {verb} at {} and is not refreshed",
            moment(expires, now)
        )
    });
    format!("Nothing, since spec.suspend is true{token}. Remove spec.suspend to go on")
}

/// What keeps the operator from the identity API.
fn held_back(record: &Record, provider: Option<&Record>, now: Timestamp) -> Option<String> {
    let suspended = provider.filter(|provider| provider.is_suspended());
    if let Some(provider) = suspended {
        return Some(format!(
            "{} is suspended, so its identity API is not called. Remove its spec.suspend to go on",
            provider.place()
        ));
    }
    let braked = [Some(record), provider]
        .into_iter()
        .flatten()
        .find_map(|held| brake(held, now).map(|brake| (held, brake)));
    braked.map(|(held, brake)| {
        format!(
            "The account of {} is not logged in before {} ({}), unless its Secret changes before: then it is tried at once",
            held.place(),
            moment(brake.until.0, now),
            brake.reason
        )
    })
}

fn requested(record: &Record) -> Option<String> {
    let done = record.status.fulfilled_requests.clone().unwrap_or_default();
    let asked = &record.requests;
    let refresh = asked.refresh.is_some() && asked.refresh != done.refresh;
    let revoke = asked.revoke.is_some() && asked.revoke != done.revoke;
    let what = match (refresh, revoke) {
        (_, true) if done.revoking == asked.revoke => "The replaced token is revoked, as was requested",
        (_, true) => "A new token is asked for and the published one is revoked, as was requested",
        (true, false) => "A new token is asked for, as was requested",
        (false, false) => return None,
    };
    Some(what.to_owned())
}

fn creation(record: &Record, now: Timestamp) -> Option<String> {
    record.status.pending_creation.as_ref().map(|pending| {
        format!(
            "An application {:?} was about to be made at {}. The operator looks for it before it makes one",
            pending.display_name,
            moment(pending.recorded_time.0, now)
        )
    })
}

fn code(record: &Record, now: Timestamp) -> Option<String> {
    let until = record.status.code_expires_at.as_ref()?.0;
    (!record.is_ready() && until > now).then(|| {
        format!(
            "The code that was mailed is waited for; it is valid until {}",
            moment(until, now)
        )
    })
}

/// Whether something is to be done that may fail.
fn needs_trying(record: &Record, now: Timestamp) -> bool {
    match &record.status.token {
        Some(token) => token.refresh_at.0 <= now,
        None => !record.is_ready() || record.wants_token(),
    }
}

fn credential(record: &Record, now: Timestamp) -> String {
    let Some(token) = &record.status.token else {
        return match record.condition(READY) {
            Some(ready) if ready.status == "False" => {
                format!("{} is in the way: its condition says what to do", ready.reason)
            }
            _ if record.wants_token() => "A token is asked for".to_owned(),
            _ if !record.is_ready() => "The operator goes on by itself".to_owned(),
            _ if record.kind == Kind::ClientApplication => compared(record, now),
            _ => "Nothing has to be done for it".to_owned(),
        };
    };
    let (refresh, expires) = (token.refresh_at.0, token.expires_at.0);
    if expires <= now {
        format!(
            "The token expired at {}. A new one is asked for",
            moment(expires, now)
        )
    } else if refresh > now {
        format!(
            "The token is refreshed at {}. The published one expires at {}",
            moment(refresh, now),
            moment(expires, now)
        )
    } else {
        format!(
            "A refresh is due since {}. The published token stays, and expires at {}",
            moment(refresh, now),
            moment(expires, now)
        )
    }
}

fn compared(record: &Record, now: Timestamp) -> String {
    let last = record
        .status
        .last_checked_time
        .as_ref()
        .map_or_else(String::new, |time| format!(", last at {}", moment(time.0, now)));
    format!(
        "The application is compared with this resource at every --drift-interval of the operator, an hour unless told \
         otherwise{last}"
    )
}

fn provider_check(record: &Record) -> String {
    if record.is_ready() {
        "The identity API is asked again at every --provider-check-interval of the operator, ten minutes unless told \
         otherwise"
            .to_owned()
    } else {
        "The operator goes on by itself, and at once when this resource or a Secret that it reads changes"
            .to_owned()
    }
}
