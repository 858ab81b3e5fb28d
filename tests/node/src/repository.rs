//! What the files of the image and the release must agree on.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

#[test]
fn every_action_is_pinned_to_a_commit_and_says_which_version_that_is() {
    let mut seen = 0;
    for entry in std::fs::read_dir(root().join(".github/workflows")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for used in text.lines().filter_map(|line| line.split_once("uses: ")) {
            let used = used.1;
            if used.starts_with("./") {
                continue;
            }
            let (_, pin) = used.split_once('@').unwrap();
            let (commit, version) = pin.split_once(" # v").unwrap_or((pin, ""));
            let is_commit = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(is_commit && !version.is_empty(), "{}: {used}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 0);
}

#[test]
fn the_last_stage_of_the_image_needs_no_base_image_and_no_shell() {
    let dockerfile = read("Dockerfile");
    let (_, last) = dockerfile.rsplit_once("\nFROM ").unwrap();
    assert!(last.starts_with("scratch\n"), "{last}");
    let instruction = |name: &'static str| last.lines().filter(move |line| line.starts_with(name));
    assert_eq!(instruction("RUN ").count(), 0);
    assert_eq!(instruction("USER ").collect::<Vec<_>>(), ["USER 65532:65532"]);
    assert_eq!(
        instruction("ENTRYPOINT ").collect::<Vec<_>>(),
        [r#"ENTRYPOINT ["/keywright"]"#]
    );
}

/// The minor version in the first line that begins in this way, such as 95 in `1.95`.
fn minor(text: &str, before: &str) -> u32 {
    let after = text.lines().find_map(|line| line.split_once(before)).unwrap().1;
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

#[test]
fn the_image_is_built_with_a_rust_that_can_build_it() {
    let used = minor(&read("Dockerfile"), "library/rust:1.");
    assert!(used >= minor(&read("Cargo.toml"), "rust-version = \"1."));
    // From here on Rust brings musl 1.2.5, which asks again over TCP for answers of DNS that are too long for UDP.
    assert!(used >= 93);
}

#[test]
fn the_chart_runs_the_image_as_its_own_user() {
    let values = read("charts/keywright/values.yaml");
    assert!(values.contains("runAsUser: 65532\n"), "the image's user is 65532");
}
