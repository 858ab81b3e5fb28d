//! Every file of `examples/`, and every resource in README.md, is what the API server accepts; a field that it does not
//! know is not.

#![allow(
    clippy::unwrap_used,
    reason = "the helpers of tests may stop at the first surprise, as tests may"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use keywright_control_plane::{Shared, shared};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn kubectl(plane: &Shared, arguments: &[&str]) -> Output {
    let mut command = Command::new(plane.kubectl());
    command
        .args(arguments)
        .env("KUBECONFIG", plane.kubeconfig())
        .current_dir(root())
        .output()
        .unwrap()
}

fn succeed(plane: &Shared, arguments: &[&str]) {
    let output = kubectl(plane, arguments);
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The text with every object in another namespace, since those of the examples do not exist here.
fn moved(text: &str, namespace: &str) -> String {
    let line = |line: &str| match line.split_once("namespace: ") {
        Some((before, after)) if !line.trim_start().starts_with('#') => {
            let rest = after.find([',', '}']).map_or("", |end| &after[end..]);
            format!("{before}namespace: {namespace}{rest}")
        }
        _ => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The blocks of YAML in README.md, each with a name for a message.
fn readme() -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let blocks = text.split("```yaml\n").skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap().to_owned())
        .enumerate()
        .map(|(number, block)| (format!("README.md, block {}", number + 1), block))
        .collect()
}

/// The files of `examples/`, each with its path.
fn examples() -> Vec<(String, String)> {
    let mut paths = Vec::new();
    files(&root().join("examples"), &mut paths);
    paths
        .into_iter()
        .map(|path| {
            assert_eq!(
                path.extension().and_then(|kind| kind.to_str()),
                Some("yaml"),
                "{path:?} is not applied with the rest"
            );
            (path.display().to_string(), fs::read_to_string(&path).unwrap())
        })
        .collect()
}

#[test]
fn the_api_server_accepts_every_example() {
    let plane = shared().unwrap_or_else(|error| panic!("{error}"));
    succeed(
        plane,
        &["apply", "--server-side", "--force-conflicts", "-f", "crds/"],
    );
    succeed(
        plane,
        &[
            "wait",
            "--for=condition=Established",
            "--timeout=60s",
            "-f",
            "crds/",
        ],
    );
    let namespace = format!("examples-{}", std::process::id());
    succeed(plane, &["create", "namespace", &namespace]);

    let (examples, readme) = (examples(), readme());
    assert!(
        examples.len() >= 16 && readme.len() >= 4,
        "{examples:?} {readme:?}"
    );
    let directory = tempfile::tempdir().unwrap();
    let mut refused = Vec::new();
    for (number, (name, text)) in examples.iter().chain(&readme).enumerate() {
        let copy = directory.path().join(format!("{number}.yaml"));
        fs::write(&copy, moved(text, &namespace)).unwrap();
        let output = kubectl(
            plane,
            &[
                "apply",
                "--dry-run=server",
                "--validate=strict",
                "-f",
                copy.to_str().unwrap(),
            ],
        );
        if !output.status.success() {
            refused.push(format!("{name}: {}", String::from_utf8_lossy(&output.stderr)));
        }
    }
    succeed(plane, &["delete", "namespace", &namespace, "--wait=false"]);
    assert!(refused.is_empty(), "{refused:#?}");
}
