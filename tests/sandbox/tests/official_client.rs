//! Didit's own published client, pinned and unchanged, against the sandbox.

#![allow(
    clippy::unwrap_used,
    reason = "the helpers of tests may stop at the first surprise, as tests may"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use keywright_sandbox::{Config, Sandbox};

/// Files of the conformance run, beside this crate's manifest.
const FILES: [&str; 4] = ["package.json", "package-lock.json", ".npmrc", "run.js"];

/// Whether a program can be run.
fn runs(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
}

/// A folder with the conformance run and its installed packages. It is kept between runs and renewed when
/// the lock file changes.
fn installed() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("didit-conformance");
    fs::create_dir_all(&folder).unwrap();
    let lock = fs::read(source.join("package-lock.json")).unwrap();
    let fresh = fs::read(folder.join("installed-lock.json")).is_ok_and(|installed| installed == lock);
    for file in FILES {
        fs::copy(source.join(file), folder.join(file)).unwrap();
    }
    if !fresh {
        let output = Command::new("npm")
            .arg("ci")
            .current_dir(&folder)
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "npm ci failed; is a package registry configured?\n{errors}"
        );
        fs::write(folder.join("installed-lock.json"), lock).unwrap();
    }
    folder
}

#[test]
fn the_lock_file_names_no_registry_and_pins_the_client() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/package-lock.json");
    let lock: serde_json::Value = serde_json::from_slice(&fs::read(source).unwrap()).unwrap();
    let packages = lock["packages"].as_object().unwrap();
    assert!(packages.values().all(|package| package.get("resolved").is_none()));
    assert_eq!(
        packages["node_modules/@didit-protocol/mcp-server"]["version"],
        "4.0.0"
    );
    let pinned =
        |(path, package): (&String, &serde_json::Value)| path.is_empty() || package["integrity"].is_string();
    assert!(packages.iter().all(pinned), "every package has a checksum");
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::print_stderr, reason = "a skipped test has to say so")]
async fn the_official_client_finds_everything_as_it_expects() {
    if !runs("node") || !runs("npm") {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "CI needs node and npm for the official client"
        );
        eprintln!("SKIPPED official client: node not found");
        return;
    }
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let (url, auth, api) = (sandbox.url(), sandbox.auth_url(), sandbox.api_url());
    let run = move || {
        let mut node = Command::new("node");
        node.arg("run.js")
            .current_dir(installed())
            .env("SANDBOX_URL", url);
        node.env("DIDIT_AUTH_BASE_URL", auth)
            .env("DIDIT_API_BASE_URL", api)
            .output()
            .unwrap()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let (report, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{report}\n{errors}");
    assert!(report.contains("\n1..25"), "every step was taken:\n{report}");
    sandbox.stop().await;
}
