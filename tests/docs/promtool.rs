//! Where `promtool` comes from: `PATH`, or in CI a build of the pinned Go module in `tests/alerts/promtool/`, which
//! is kept in `~/.cache/keywright/promtool`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::pages::root;

/// The Go package of the program.
const PACKAGE: &str = "github.com/prometheus/prometheus/cmd/promtool";

/// The program, or `None` where it is missing and need not be there, which is said.
///
/// # Panics
/// In CI, when it can neither be found nor built.
pub(crate) fn promtool() -> Option<PathBuf> {
    let found = [PathBuf::from("promtool"), cached()];
    if let Some(found) = found.into_iter().find(|program| runs(program)) {
        return Some(found);
    }
    if std::env::var_os("CI").is_some_and(|value| value == "true") {
        return Some(build());
    }
    say(
        "the alerting rules are NOT tested: promtool is missing. Install it (Debian: apt-get install prometheus), or \
         set CI=true to have it built with Go, which takes some minutes once",
    );
    None
}

/// Said past the test harness, which would keep it to itself.
fn say(sentence: &str) {
    let _ = writeln!(std::io::stderr(), "promtool: {sentence}");
}

fn runs(program: &Path) -> bool {
    let mut command = Command::new(program);
    command
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The version that the module pins.
fn version() -> String {
    let module = std::fs::read_to_string(root().join("tests/alerts/promtool/go.mod")).unwrap();
    let pinned = module
        .lines()
        .find_map(|line| line.trim().strip_prefix("github.com/prometheus/prometheus "));
    pinned.unwrap().to_owned()
}

fn cached() -> PathBuf {
    let absolute = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let cache = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
    let cache = cache.expect("HOME is set");
    cache.join("keywright/promtool").join(version()).join("promtool")
}

fn build() -> PathBuf {
    let program = cached();
    let folder = program.parent().unwrap();
    std::fs::create_dir_all(folder).unwrap();
    say("building it with Go, once; this takes two to five minutes");
    // Built elsewhere and moved, so that it is there in full or not at all.
    let working = tempfile::tempdir_in(folder).unwrap();
    let built = working.path().join("promtool");
    let mut command = Command::new("go");
    for variable in ["GOOS", "GOARCH", "GOFLAGS"] {
        command.env_remove(variable);
    }
    let status = command
        .current_dir(root().join("tests/alerts/promtool"))
        .envs([("GOTOOLCHAIN", "local"), ("GOWORK", "off"), ("CGO_ENABLED", "0")])
        // Of what promtool can do, the discovery of targets is most of its code and not needed.
        .args(["build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-tags", "remove_all_sd"])
        .args(["-ldflags", "-s -w", "-o"])
        .arg(&built)
        .arg(PACKAGE)
        .status();
    let status = status.expect("go can be run: install Go 1.26 or newer (https://go.dev/dl/), or promtool");
    assert!(status.success(), "promtool could not be built: {status}");
    std::fs::rename(&built, &program).unwrap();
    assert!(runs(&program));
    program
}
