//! The demo as users run it: to its end, and interrupted.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests may stop at the first surprise, as tests may"
)]

mod process;

use std::time::Duration;

use keywright_control_plane::{Shared, shared};

use process::{Show, exclusively};

/// The exit code after Ctrl-C.
const INTERRUPTED: i32 = 130;

fn plane() -> &'static Shared {
    shared().unwrap_or_else(|error| panic!("{error}"))
}

/// In a cluster that exists already, the one that all tests share.
fn in_cluster() -> Show {
    Show::with(&[
        ("CLUSTER", "1"),
        ("KUBECONFIG", plane().kubeconfig().to_str().unwrap()),
    ])
}

fn namespace_exists() -> bool {
    let output = std::process::Command::new(plane().kubectl())
        .args([
            "get",
            "namespace",
            "keywright-demo",
            "--ignore-not-found",
            "-o",
            "name",
        ])
        .env("KUBECONFIG", plane().kubeconfig())
        .output()
        .unwrap();
    assert!(output.status.success());
    !output.stdout.is_empty()
}

#[test]
fn a_cluster_without_kubeconfig_is_refused() {
    for kubeconfig in [&[][..], &[("KUBECONFIG", "")]] {
        let variables: Vec<_> = [("CLUSTER", "1")].iter().chain(kubeconfig).copied().collect();
        let ended = Show::with(&variables).until_end();
        assert_eq!(ended.code, Some(1));
        assert!(
            ended.errors.contains("CLUSTER=1 needs KUBECONFIG"),
            "{}",
            ended.errors
        );
    }
}

#[test]
fn a_cluster_that_cannot_be_reached_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let kubeconfig = directory.path().join("empty");
    std::fs::write(&kubeconfig, "").unwrap();
    let ended = Show::with(&[("CLUSTER", "1"), ("KUBECONFIG", kubeconfig.to_str().unwrap())]).until_end();
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.errors.contains("`kubectl config current-context` failed"),
        "{}",
        ended.errors
    );
}

#[test]
fn a_kubeconfig_that_does_not_exist_is_named() {
    let ended = Show::with(&[("CLUSTER", "1"), ("KUBECONFIG", "/missing/kubeconfig")]).until_end();
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.errors.contains("/missing/kubeconfig does not exist"),
        "{}",
        ended.errors
    );
}

#[test]
fn it_runs_through_in_a_cluster_and_removes_what_it_made() {
    let _turn = exclusively();
    let ended = in_cluster().until_end();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.output, ended.errors);
    for expected in [
        "clientapplication.keywright.dev/payments condition met",
        "HTTP 200",
        "HTTP 401",
        "accesstoken.keywright.dev/payments condition met",
        "Refreshed after",
        r#"{"active":true"#,
        r#"{"active":false"#,
        "with the same key",
        "[keywright cluster=",
        "The custom resource definitions stay.",
    ] {
        assert!(
            ended.output.contains(expected),
            "{expected:?} is missing in:\n{}",
            ended.output
        );
    }
    // A token is a JWT, whose first part is a JSON object.
    for secret in ["only-for-the-sandbox", "sk_live_", "eyJ"] {
        assert!(
            !ended.output.contains(secret),
            "{secret:?} is shown:\n{}",
            ended.output
        );
    }
    // kubectl's own tables of what may hold a token are as wide as their columns.
    let is_table_of_tokens = |line: &str| line.contains("EXPIRES") || line.contains("payments   True");
    let wide: Vec<_> = ended
        .output
        .lines()
        .filter(|line| line.chars().count() > 100 && line.contains("  ") && !is_table_of_tokens(line))
        .collect();
    assert!(wide.is_empty(), "wider than 100 columns: {wide:#?}");
    assert!(!namespace_exists());
    ended.nothing_is_left();
}

#[test]
fn an_account_is_signed_up_without_a_hand() {
    let _turn = exclusively();
    let ended = Show::with(&[
        ("ONBOARDING", "1"),
        ("CLUSTER", "1"),
        ("KUBECONFIG", plane().kubeconfig().to_str().unwrap()),
    ])
    .until_end();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.output, ended.errors);
    for expected in [
        "identityaccount.keywright.dev/ops condition met",
        "clientapplication.keywright.dev/payments condition met",
        "HTTP 200",
        "HTTP 401",
        "INBOX: 0; in the folder that the mail with the code was moved to: 1",
    ] {
        assert!(
            ended.output.contains(expected),
            "{expected:?} is missing in:\n{}",
            ended.output
        );
    }
    for secret in ["sk_live_", "eyJ"] {
        assert!(
            !ended.output.contains(secret),
            "{secret:?} is shown:\n{}",
            ended.output
        );
    }
    assert!(!namespace_exists());
    ended.nothing_is_left();
}

#[test]
fn a_namespace_that_exists_already_is_refused_and_left_alone() {
    let _turn = exclusively();
    let kubectl = |arguments: &[&str]| {
        let mut command = std::process::Command::new(plane().kubectl());
        assert!(
            command
                .args(arguments)
                .env("KUBECONFIG", plane().kubeconfig())
                .status()
                .unwrap()
                .success()
        );
    };
    kubectl(&["create", "namespace", "keywright-demo"]);
    let ended = in_cluster().until_end();
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.errors.contains("namespace keywright-demo exists already"),
        "{}",
        ended.errors
    );
    assert!(namespace_exists());
    kubectl(&["delete", "namespace", "keywright-demo"]);
    ended.nothing_is_left();
}

#[test]
fn an_interrupt_at_any_step_leaves_nothing() {
    let _turn = exclusively();
    for step in 1..=10 {
        let mut show = in_cluster();
        show.until_said(&format!("[{step}/10]"));
        show.interrupt();
        let ended = show.until_end();
        assert_eq!(
            ended.code,
            Some(INTERRUPTED),
            "step {step}:\n{}\n{}",
            ended.output,
            ended.errors
        );
        assert!(
            !namespace_exists(),
            "step {step}:\n{}\n{}",
            ended.output,
            ended.errors
        );
        ended.nothing_is_left();
    }
}

#[test]
fn an_operator_that_ends_is_told_with_its_log_and_nothing_stays_in_the_cluster() {
    let _turn = exclusively();
    let mut show = Show::with(&[
        ("CLUSTER", "1"),
        ("KEEP", "1"),
        ("KUBECONFIG", plane().kubeconfig().to_str().unwrap()),
    ]);
    show.until_said("[9/10]");
    show.kill("keywright run");
    let ended = show.until_end();
    assert_eq!(ended.code, Some(1), "{}\n{}", ended.output, ended.errors);
    for expected in [
        "the operator ended unexpectedly (signal: 9",
        "what the resources say:",
        "the last lines of the operator's log",
        "looking after the namespaces keywright-demo",
    ] {
        assert!(
            ended.errors.contains(expected),
            "{expected:?} is missing in:\n{}",
            ended.errors
        );
    }
    assert!(!namespace_exists());
    ended.no_process_is_left();
}

#[test]
fn an_interrupt_while_its_own_control_plane_starts_leaves_nothing() {
    // So that the time goes into the start, not into a build.
    plane();
    let mut show = Show::with(&[]);
    show.until_said("[1/10]");
    show.until_a_child_runs(Duration::from_secs(60));
    show.interrupt();
    let ended = show.until_end();
    assert_eq!(
        ended.code,
        Some(INTERRUPTED),
        "{}\n{}",
        ended.output,
        ended.errors
    );
    ended.nothing_is_left();
}

#[test]
fn it_stays_up_when_asked_to_until_it_is_interrupted() {
    let mut show = Show::with(&[("KEEP", "1")]);
    show.until_said("To end, press Ctrl-C here.");
    show.interrupt();
    let ended = show.until_end();
    // So that `make` does not call it a failure.
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.output, ended.errors);
    assert!(ended.output.contains("export KUBECONFIG="), "{}", ended.output);
    ended.nothing_is_left();
}
