//! The Markdown pages of the repository.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Set by `make crds` and its like: generated pages are written instead of compared.
pub(crate) const WRITE: &str = "KEYWRIGHT_WRITE_GENERATED";

/// Folders without pages of ours.
const NOT_OURS: [&str; 3] = ["target", "node_modules", ".git"];

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the repository.
pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files below a folder whose names end so, in order.
pub(crate) fn below(folder: &Path, ending: &str) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if path.is_dir() {
            if !NOT_OURS.contains(&&*name) {
                found.extend(below(&path, ending));
            }
        } else if name.ends_with(ending) {
            found.insert(path);
        }
    }
    found
}

/// A line of a page.
pub(crate) struct Line<'a> {
    /// Its number, from one on.
    pub(crate) number: usize,
    /// What it says.
    pub(crate) text: &'a str,
    /// The language of the code block that it stands in; `None` outside of one.
    pub(crate) code: Option<&'a str>,
}

/// The lines of a page without the fences of its code blocks.
pub(crate) fn lines(page: &str) -> Vec<Line<'_>> {
    let mut code = None;
    let mut lines = Vec::new();
    for (index, text) in page.lines().enumerate() {
        match (text.trim_start().strip_prefix("```"), code) {
            (Some(language), None) => code = Some(language.trim()),
            (Some(_), Some(_)) => code = None,
            (None, _) => lines.push(Line {
                number: index + 1,
                text,
                code,
            }),
        }
    }
    lines
}

/// The headings of a page with their depth.
pub(crate) fn headings(page: &str) -> Vec<(usize, &str)> {
    let outside = lines(page).into_iter().filter(|line| line.code.is_none());
    outside
        .filter_map(|line| {
            let text = line.text.trim_start_matches('#');
            let depth = line.text.len() - text.len();
            (depth > 0 && text.starts_with(' ')).then(|| (depth, text.trim()))
        })
        .collect()
}

/// Writes a generated page where that is asked for, and asserts that the one that is committed is the same.
pub(crate) fn generated(path: &str, expected: &str, command: &str) {
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(root().join(path), expected).unwrap();
    }
    let committed = std::fs::read_to_string(root().join(path)).unwrap_or_default();
    assert!(
        committed == expected,
        "{path} differs from the code: run `{command}` and commit the result"
    );
}
