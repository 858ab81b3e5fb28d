//! What a test that fails shows.

use std::path::Path;

use keywright_control_plane::Shared;
use keywright_sandbox::Sandbox;

use super::plane;

/// Lines of each log.
const TAIL: usize = 80;

/// Calls to the identity API.
const CALLS: usize = 60;

/// Shows the resources, the calls to the identity API, and the end of the operators' logs.
pub(crate) fn print(
    plane: &Shared,
    namespace: &str,
    operator_namespace: &str,
    sandbox: &Sandbox,
    logs: &Path,
) {
    for arguments in [
        &[
            "get",
            "clientapplications,accesstokens,identityaccounts,identityproviders",
            "-n",
            namespace,
            "-o",
            "yaml",
        ][..],
        &["get", "clusteridentityproviders", "-o", "yaml"],
        // This shows no values.
        &["describe", "secrets", "-n", namespace],
        &[
            "get",
            "events",
            "-n",
            namespace,
            "--sort-by",
            ".metadata.creationTimestamp",
        ],
        &["get", "leases", "-n", operator_namespace],
    ] {
        let owned: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let output = plane::kubectl(plane, &owned, "");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        eprintln!(
            "==== kubectl {}\n{}{}",
            arguments.join(" "),
            text(&output.stdout),
            text(&output.stderr)
        );
    }
    print_calls(sandbox);
    print_logs(logs);
}

fn print_calls(sandbox: &Sandbox) {
    let calls = sandbox.calls();
    eprintln!("==== the last of {} calls to the identity API", calls.len());
    for call in calls.iter().skip(calls.len().saturating_sub(CALLS)) {
        let answer = call
            .status
            .map_or_else(|| "no answer".to_owned(), |status| status.to_string());
        eprintln!("{} {} {} -> {answer}", call.at, call.method, call.path);
    }
}

fn print_logs(directory: &Path) {
    let mut logs: Vec<_> = std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    logs.sort();
    for path in logs {
        let log = std::fs::read(&path).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        // What libraries trace is more than anybody reads, while what is not JSON is about a failure.
        let own: Vec<_> = log
            .lines()
            .filter(|line| line.contains(r#""target":"keywright"#) || !line.starts_with('{'))
            .collect();
        eprintln!("==== the end of {}", path.display());
        for line in own.iter().skip(own.len().saturating_sub(TAIL)) {
            eprintln!("{line}");
        }
    }
}
