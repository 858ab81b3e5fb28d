//! The metrics that the operator exposes. A unit test beside the registry keeps `docs/metrics.md` equal to it.

use std::collections::BTreeSet;

use crate::pages::read;

/// Every name that can be queried: those of the page, and the parts of histograms.
fn exposed() -> BTreeSet<String> {
    let page = read("docs/metrics.md");
    let rows = page.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("| `")?.split_once('`')?;
        name.starts_with("keywright_").then_some((name, rest))
    });
    rows.flat_map(|(name, rest)| {
        let endings: &[&str] = if rest.contains("Histogram") {
            &["_bucket", "_sum", "_count"]
        } else {
            &[""]
        };
        endings.iter().map(move |ending| format!("{name}{ending}"))
    })
    .collect()
}

/// The metrics that a query names.
pub(crate) fn named(query: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = query.split(|c: char| !is_part(c));
    words
        .filter(|word| word.starts_with("keywright_"))
        .map(str::to_owned)
        .collect()
}

/// Asserts that a query names metrics, and none that does not exist.
pub(crate) fn assert_exposed(query: &str, place: &str) {
    let exposed = exposed();
    assert!(exposed.len() > 20, "{exposed:?}");
    let named = named(query);
    assert!(!named.is_empty(), "{place}: {query} names no metric of Keywright");
    let unknown: Vec<_> = named.difference(&exposed).collect();
    assert!(unknown.is_empty(), "{place}: {query} names {unknown:?}");
}
