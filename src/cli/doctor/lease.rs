//! Whether a replica leads.

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::clock;
use super::facts::Known;
use super::finding::Finding;
use crate::cli::age;

const CHECK: &str = "lease";

/// What a `Lease` that says nothing of it means, in seconds.
const USUAL_DURATION: i32 = 15;

/// Whether somebody holds the Lease, and renews it. `now` is by the API server's clock.
pub(super) fn findings(
    lease: &Known<Option<Lease>>,
    namespace: &str,
    name: &str,
    now: Timestamp,
) -> Vec<Finding> {
    let look = format!("look at its pods: `kubectl -n {namespace} get pods`, and at their logs");
    let lease = match lease {
        Known::Yes(Some(lease)) => lease,
        Known::Yes(None) => {
            let message = format!("there is no Lease {namespace}/{name}: the operator has never run there");
            let mend = "install and start the operator, or name its namespace and Lease with --operator-namespace and \
                        --lease-name. Without an election, --leader-election=false";
            return vec![Finding::wrong(CHECK, message, mend)];
        }
        Known::No(why) => {
            let mend = "ask somebody who may, or be allowed to get leases in the operator's namespace";
            return vec![Finding::warn(
                CHECK,
                format!("Lease {namespace}/{name} could not be read: {why}"),
                mend,
            )];
        }
    };
    let spec = lease.spec.clone().unwrap_or_default();
    let holder = spec.holder_identity.unwrap_or_default();
    let wrote = spec.renew_time.map(|time| time.0);
    let recorded = recorded(lease);
    if holder.is_empty() {
        let since = wrote.map_or_else(String::new, |wrote| format!(" since {}", age::moment(wrote, now)));
        return vec![Finding::wrong(
            CHECK,
            format!("no replica leads{since}, so nothing is refreshed"),
            look,
        )];
    }
    // The API server's own time cannot be off by the clock of the operator.
    let Some(renewed) = recorded.or(wrote) else {
        return vec![Finding::wrong(
            CHECK,
            format!("{holder} has never renewed it"),
            look,
        )];
    };
    let silent = now.duration_since(renewed);
    let duration = spec.lease_duration_seconds.unwrap_or(USUAL_DURATION);
    if silent > SignedDuration::from_secs(duration.into()) {
        let message = format!(
            "{holder} held it and is silent for {}, so nothing is refreshed",
            age::short(silent)
        );
        return vec![Finding::wrong(CHECK, message, look)];
    }
    let held = format!(
        "{holder} leads; renewed {} ago",
        age::short(silent.max(SignedDuration::ZERO))
    );
    let of_clock = wrote
        .zip(recorded)
        .map(|(wrote, recorded)| clock::of_operator(wrote, recorded));
    std::iter::once(Finding::ok(CHECK, held))
        .chain(of_clock)
        .collect()
}

/// When the Lease was written last, by the API server's clock.
fn recorded(lease: &Lease) -> Option<Timestamp> {
    let entries = lease.metadata.managed_fields.iter().flatten();
    entries
        .filter_map(|entry| entry.time.as_ref())
        .map(|time| time.0)
        .max()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::doctor::finding::Level;
    use crate::cli::testing::{at, now};

    fn lease(holder: &str, wrote: i64, recorded: Option<i64>) -> Known<Option<Lease>> {
        let fields =
            recorded.map(|recorded| json!([{"manager": "keywright", "time": at(recorded).to_string()}]));
        let lease = json!({
            "metadata": {"managedFields": fields},
            "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": format!("{:.6}", at(wrote))},
        });
        Known::Yes(Some(serde_json::from_value(lease).unwrap()))
    }

    fn levels(lease: &Known<Option<Lease>>) -> Vec<Level> {
        findings(lease, "keywright-system", "keywright", now())
            .into_iter()
            .map(|finding| finding.level)
            .collect()
    }

    #[test]
    fn a_leader_is_one_that_renews_by_the_api_servers_clock() {
        for (lease, expected) in [
            (lease("pod-a", -2, Some(-2)), vec![Level::Ok, Level::Ok]),
            (lease("pod-a", -2, None), vec![Level::Ok]),
            (lease("pod-a", -16, None), vec![Level::Wrong]),
            (lease("pod-a", -2, Some(-16)), vec![Level::Wrong]),
            (lease("pod-a", 598, Some(-2)), vec![Level::Ok, Level::Wrong]),
            (lease("pod-a", -602, Some(-2)), vec![Level::Ok, Level::Wrong]),
            (lease("", -2, Some(-2)), vec![Level::Wrong]),
            (Known::Yes(None), vec![Level::Wrong]),
            (Known::No("forbidden".into()), vec![Level::Warn]),
        ] {
            assert_eq!(levels(&lease), expected, "{lease:?}");
        }
    }

    #[test]
    fn a_lease_that_is_not_there_says_what_to_name() {
        let found = &findings(&Known::Yes(None), "keywright-system", "keywright", now())[0];
        assert_eq!(
            found.message,
            "there is no Lease keywright-system/keywright: the operator has never run there"
        );
        assert!(
            found.mend.as_ref().unwrap().contains("--operator-namespace"),
            "{found:?}"
        );
    }
}
