//! Providers, Secrets in conflict, and credentials, by what their conditions say.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;

use super::finding::Finding;
use super::shown;
use crate::api::client_application::{PROVIDER_READY, SECRET_SYNCED};
use crate::cli::kind::Kind;
use crate::cli::record::Record;
use crate::cli::standing::{Standing, State, brake, standing};

/// Reasons of the condition `SecretSynced` that no waiting mends.
const CONFLICTS: [&str; 3] = ["SecretConflict", "SecretClaimed", "SecretRefused"];

/// What is found about all resources. `not_listed` are kinds that could not be listed, and why.
pub(super) fn findings(records: &[Record], not_listed: &[(Kind, String)], now: Timestamp) -> Vec<Finding> {
    let (credentials, providers): (Vec<&Record>, Vec<&Record>) =
        records.iter().partition(|record| record.kind.has_credential());
    let mut findings: Vec<Finding> = unlisted(not_listed).into_iter().collect();
    // Where something could not be listed, nothing is known of what is not there.
    if not_listed.is_empty() || !providers.is_empty() {
        findings.extend(of_providers(&providers, now));
    }
    if !not_listed.is_empty() && credentials.is_empty() {
        return findings;
    }
    let (in_conflict, others): (Vec<&Record>, Vec<&Record>) = credentials
        .into_iter()
        .partition(|record| conflict(record).is_some());
    findings.extend(of_secrets(&in_conflict, others.len()));
    findings.extend(of_credentials(&others, in_conflict.len(), now));
    findings
}

fn unlisted(not_listed: &[(Kind, String)]) -> Option<Finding> {
    let (_, why) = not_listed.first()?;
    let kinds: BTreeSet<_> = not_listed.iter().map(|(kind, _)| kind.plural()).collect();
    let kinds = kinds.into_iter().collect::<Vec<_>>().join(", ");
    let mend = "ask somebody who may, or be allowed to list them";
    Some(Finding::warn(
        "resources",
        format!("{kinds} could not be listed: {why}"),
        mend,
    ))
}

fn of_providers(providers: &[&Record], now: Timestamp) -> Vec<Finding> {
    let check = "providers";
    if providers.is_empty() {
        let mend = "apply an IdentityProvider or a ClusterIdentityProvider, see examples/";
        return vec![Finding::warn(
            check,
            "there are none that this user may see",
            mend,
        )];
    }
    let mut well = 0;
    let mut findings = Vec::new();
    for record in providers {
        match provider(check, record, &standing(record, now), now) {
            Some(finding) => findings.push(finding),
            None => well += 1,
        }
    }
    with_well(check, well, providers.len(), "ready", findings)
}

fn provider(check: &'static str, record: &Record, stands: &Standing, now: Timestamp) -> Option<Finding> {
    let (place, said) = (record.place(), said(stands));
    Some(match stands.state {
        State::Ready => return None,
        _ if brake(record, now).is_some() => {
            let until = brake(record, now).map_or_else(String::new, |brake| shown(brake.until.0));
            let mend = format!(
                "correct the account's Secret: it is tried at once when that changes, otherwise at {until}"
            );
            Finding::wrong(check, format!("{place} is not logged in: {said}"), mend)
        }
        State::Suspended => Finding::warn(
            check,
            format!("{place} is suspended"),
            "remove its spec.suspend to have it used",
        ),
        State::Deleting => Finding::warn(
            check,
            format!("{place} is being deleted"),
            "what uses it keeps what it has",
        ),
        State::Pending => Finding::warn(check, format!("{place}: {said}"), not_looked_at(record)),
        _ => Finding::wrong(check, format!("{place}: {said}"), mend(record)),
    })
}

fn of_secrets(in_conflict: &[&Record], others: usize) -> Vec<Finding> {
    let check = "secrets";
    if in_conflict.is_empty() {
        return vec![Finding::ok(check, format!("none of {others} is in conflict"))];
    }
    let findings = in_conflict.iter().filter_map(|record| {
        let message = format!("{}: {}", record.place(), conflict(record)?);
        Some(Finding::wrong(check, message, mend(record)))
    });
    findings.collect()
}

fn conflict(record: &Record) -> Option<&str> {
    let synced = record
        .condition(SECRET_SYNCED)
        .filter(|condition| condition.status == "False")?;
    CONFLICTS
        .contains(&synced.reason.as_str())
        .then_some(synced.message.as_str())
}

/// Those in conflict are counted, and were told before.
fn of_credentials(records: &[&Record], in_conflict: usize, now: Timestamp) -> Vec<Finding> {
    let check = "credentials";
    let mut well = 0;
    let mut findings = Vec::new();
    for record in records {
        let stands = standing(record, now);
        let message = format!(
            "{} is {}: {}",
            record.place(),
            stands.state.as_str(),
            of_credential(record, &stands)
        );
        match stands.state {
            State::Ready | State::Suspended | State::Deleting => well += 1,
            // A person brings the code: that is no fault of anybody yet.
            State::NotReady if stands.reason == "WaitingForCode" => {
                findings.push(Finding::warn(check, message, mend(record)));
            }
            State::Degraded => findings.push(Finding::warn(check, message, mend(record))),
            State::Pending => findings.push(Finding::warn(check, message, not_looked_at(record))),
            State::Overdue | State::Expired | State::NotReady => {
                findings.push(Finding::wrong(check, message, mend(record)));
            }
        }
    }
    with_well(
        check,
        well,
        records.len() + in_conflict,
        "as they should be",
        findings,
    )
}

/// One line for all that is well, before the others.
fn with_well(
    check: &'static str,
    well: usize,
    all: usize,
    how: &str,
    findings: Vec<Finding>,
) -> Vec<Finding> {
    let line = match (well, all) {
        (0, 0) => Some("there are none yet".to_owned()),
        (0, _) => None,
        (well, all) => Some(format!("{how}: {well} of {all}")),
    };
    line.map(|line| Finding::ok(check, line))
        .into_iter()
        .chain(findings)
        .collect()
}

fn said(stands: &Standing) -> String {
    match stands.message.as_str() {
        "" => stands.reason.clone(),
        message => format!("{}: {message}", stands.reason),
    }
}

/// What a provider says of itself is not said again by each that uses it.
fn of_credential(record: &Record, stands: &Standing) -> String {
    let provider = record
        .condition(PROVIDER_READY)
        .filter(|ready| ready.status == "False");
    match (provider, &record.spec.provider_ref) {
        // One that does not exist says nothing.
        (Some(provider), Some(reference))
            if provider.reason == stands.reason && provider.reason != "ProviderNotFound" =>
        {
            format!(
                "{} of {} {}",
                stands.reason,
                reference.kind.as_str(),
                reference.name
            )
        }
        _ => said(stands),
    }
}

fn mend(record: &Record) -> String {
    format!(
        "do what it says; more with `keywright describe {}{}`",
        record.label(),
        namespace(record)
    )
}

fn not_looked_at(record: &Record) -> String {
    match &record.namespace {
        Some(namespace) => format!(
            "wait a moment; if it stays so, see whether the operator runs and looks after namespace {namespace} \
             (--watch-namespaces)"
        ),
        None => {
            "wait a moment; if it stays so, see whether the operator runs with --cluster-identity-providers"
                .to_owned()
        }
    }
}

fn namespace(record: &Record) -> String {
    record
        .namespace
        .as_ref()
        .map_or_else(String::new, |namespace| format!(" -n {namespace}"))
}
