//! The rules as tables: what lies where, and what is chosen.

use super::*;

const BUILT: Version = Version::new(1, 36, 2);

/// A table's cell: nothing there (`-`), a version, or anything else for a program that does not tell it.
fn cell(directory: &str, tool: Tool, text: &str) -> Option<Found> {
    (text != "-").then(|| Found {
        path: Path::new(directory).join(tool.name()),
        version: Version::parse(text).map_err(|error| error.to_string()),
    })
}

/// A row of cells in the order etcd, kube-apiserver, kube-controller-manager, kubectl.
fn row(directory: &str, cells: &str) -> PerTool<Option<Found>> {
    let mut cells = cells.split_whitespace();
    let row = PerTool::from_fn(|tool| cell(directory, tool, cells.next().unwrap()));
    assert_eq!(cells.next(), None);
    row
}

fn decide_on(assets: &str, path: &str) -> Result<Decision, Error> {
    decide(
        &Candidates {
            assets: row("/assets", assets),
            path: row("/path", path),
        },
        &BUILT,
    )
}

/// `A`, `P` and `B` for assets, path and built, in the same order.
fn origins(decision: &Decision) -> String {
    Tool::ALL
        .into_iter()
        .map(|tool| match decision.choices.get(tool) {
            Choice::Built => 'B',
            Choice::Existing { path, .. } if path.starts_with("/assets") => 'A',
            Choice::Existing { path, .. } => {
                assert_eq!(path, &Path::new("/path").join(tool.name()));
                'P'
            }
        })
        .collect()
}

#[test]
fn origin_of_each_program() {
    let nothing = "- - - -";
    let table = [
        ("nothing is there", nothing, nothing, "BBBB"),
        (
            "all in assets",
            "3.5.24 1.34.1 1.34.1 1.34.1",
            "3.6.8 1.36.2 1.36.2 1.36.2",
            "AAAA",
        ),
        ("all in PATH", nothing, "3.6.8 1.36.2 1.36.0 1.36.2", "PPPP"),
        ("an old kubectl alone in PATH", nothing, "- - - 1.20.2", "BBBB"),
        ("a new kubectl alone in PATH", nothing, "- - - 1.36.2", "BBBB"),
        ("no kubectl in PATH", nothing, "3.6.8 1.36.2 1.36.2 -", "PPPB"),
        (
            "kubectl one minor newer",
            nothing,
            "3.6.8 1.35.0 1.35.0 1.36.2",
            "PPPP",
        ),
        (
            "kubectl two minors newer",
            nothing,
            "3.6.8 1.34.0 1.34.0 1.36.2",
            "PPPB",
        ),
        (
            "kubectl of another major",
            nothing,
            "3.6.8 1.34.0 1.34.0 2.34.0",
            "PPPB",
        ),
        (
            "one server missing in PATH",
            nothing,
            "3.6.8 1.36.2 - 1.36.2",
            "BBBB",
        ),
        (
            "servers of two minors in PATH",
            nothing,
            "3.6.8 1.36.2 1.35.2 1.36.2",
            "BBBB",
        ),
        (
            "servers in PATH too old",
            nothing,
            "3.6.8 1.32.9 1.32.9 1.32.9",
            "BBBB",
        ),
        (
            "oldest servers in PATH",
            nothing,
            "3.6.8 1.33.0 1.33.0 1.33.0",
            "PPPP",
        ),
        (
            "older servers in assets are the user's will",
            "3.6.8 1.30.0 1.30.0 1.30.0",
            nothing,
            "AAAA",
        ),
        (
            "etcd in PATH too old",
            nothing,
            "3.4.23 1.36.2 1.36.2 1.36.2",
            "BBBB",
        ),
        (
            "etcd in assets too old, PATH has one",
            "3.5.1 1.36.2 1.36.2 1.36.2",
            "3.6.8 - - -",
            "PAAA",
        ),
        (
            "etcd in assets too old",
            "3.5.1 1.36.2 1.36.2 1.36.2",
            nothing,
            "BAAA",
        ),
        (
            "no manager in assets, one to fit in PATH",
            "3.6.8 1.35.2 - 1.35.2",
            "- - 1.35.1 -",
            "AAPA",
        ),
        (
            "no manager in assets, the built one fits",
            "3.6.8 1.36.0 - 1.36.0",
            "- - 1.35.1 -",
            "AABA",
        ),
        (
            "no kubectl in assets, one in PATH",
            "3.6.8 1.36.0 1.36.0 -",
            "- - - 1.37.1",
            "AAAP",
        ),
        (
            "no kubectl in assets, an old one in PATH",
            "3.6.8 1.36.0 1.36.0 -",
            "- - - 1.34.1",
            "AAAB",
        ),
        (
            "kubectl in assets goes with a built server",
            "- - - 1.30.0",
            nothing,
            "BBBA",
        ),
        ("broken in assets", "3.6.8 broken 1.36.2 1.36.2", nothing, "ABAA"),
        ("broken in PATH", nothing, "3.6.8 1.36.2 1.36.2 broken", "PPPB"),
    ];
    for (case, assets, path, expected) in table {
        assert_eq!(origins(&decide_on(assets, path).unwrap()), expected, "{case}");
    }
}

#[test]
fn servers_that_do_not_belong_together_are_refused() {
    for (assets, path) in [
        ("3.6.8 1.34.0 - 1.34.0", "- - - -"),
        ("3.6.8 1.36.0 1.35.0 1.36.0", "- - - -"),
        ("3.6.8 - 1.35.0 -", "- 1.36.0 - -"),
    ] {
        let error = decide_on(assets, path).unwrap_err();
        assert!(matches!(error, Error::Skew { .. }), "{assets} {path}: {error}");
        assert!(error.to_string().contains("KUBEBUILDER_ASSETS"));
    }
}

#[test]
fn etcd_versions_that_serve_watch_lists() {
    for (version, expected) in [
        ("2.3.8", false),
        ("3.3.99", false),
        ("3.4.30", false),
        ("3.4.31", true),
        ("3.5.0", false),
        ("3.5.12", false),
        ("3.5.13", true),
        ("3.6.0", true),
        ("4.0.0", true),
    ] {
        assert_eq!(
            serves_watch_lists(&Version::parse(version).unwrap()),
            expected,
            "{version}"
        );
    }
}

#[test]
fn what_is_passed_over_is_named() {
    let notes = decide_on("3.5.1 1.36.2 1.36.2 1.36.2", "- - - -").unwrap().notes;
    assert_eq!(notes.len(), 1);
    assert!(
        notes[0].starts_with("/assets/etcd is not used: etcd 3.5.1 cannot serve"),
        "{notes:?}"
    );

    let notes = decide_on("- - - -", "3.4.23 1.30.1 broken 1.20.2").unwrap().notes;
    let paths: Vec<_> = notes.iter().map(|note| note.split(' ').next().unwrap()).collect();
    assert_eq!(
        paths,
        [
            "/path/etcd",
            "/path/kube-apiserver",
            "/path/kube-controller-manager"
        ]
    );

    assert!(decide_on("- - - -", "- - - 1.20.2").unwrap().notes.is_empty());
}
