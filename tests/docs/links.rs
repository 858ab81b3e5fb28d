//! Links between pages lead somewhere.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::pages::{below, headings, lines, root};

/// What stands in the parentheses of `[text](target)` and `![text](target)`.
fn targets(text: &str) -> Vec<&str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .collect()
}

/// The anchor of a heading, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter_map(|c| match c {
        ' ' => Some('-'),
        '-' | '_' => Some(c),
        c if c.is_alphanumeric() => Some(c),
        _ => None,
    });
    kept.flat_map(char::to_lowercase).collect()
}

/// The anchors of a page. Of headings with one text, the later ones have a number behind.
fn anchors(page: &str) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    headings(page)
        .into_iter()
        .map(|(_, heading)| {
            let anchor = anchor(heading);
            let count = seen.entry(anchor.clone()).or_default();
            *count += 1;
            match *count {
                1 => anchor,
                count => format!("{anchor}-{}", count - 1),
            }
        })
        .collect()
}

/// What is wrong with a link on `page`, if anything.
fn problem(page: &Path, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, fragment) = target.split_once('#').unwrap_or((target, ""));
    let file: PathBuf = match path {
        "" => page.to_owned(),
        path => page.parent().unwrap().join(path),
    };
    if !file.exists() {
        return Some(format!("{target}: there is no such file"));
    }
    if fragment.is_empty() {
        return None;
    }
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    let known = anchors(&text).iter().any(|anchor| anchor == fragment);
    (!known).then(|| format!("{target}: no heading has this anchor"))
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let pages = below(root(), ".md");
    let mut problems = Vec::new();
    let mut links = 0;
    for page in &pages {
        let text = std::fs::read_to_string(page).unwrap();
        for line in lines(&text).iter().filter(|line| line.code.is_none()) {
            for target in targets(line.text) {
                links += 1;
                let where_ = format!("{}:{}", page.strip_prefix(root()).unwrap().display(), line.number);
                problems.extend(problem(page, target).map(|problem| format!("{where_}: {problem}")));
            }
        }
    }
    assert!(links > 50, "only {links} links were found");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_page_of_the_documentation_can_be_reached_from_its_index() {
    let docs = root().join("docs");
    let all = below(&docs, ".md");
    let mut reached = std::collections::BTreeSet::new();
    let mut next = vec![docs.join("README.md")];
    while let Some(page) = next.pop() {
        if !all.contains(&page) || !reached.insert(page.clone()) {
            continue;
        }
        let text = std::fs::read_to_string(&page).unwrap();
        for target in targets(&text) {
            let path = target.split('#').next().unwrap();
            if let Ok(found) = page.parent().unwrap().join(path).canonicalize() {
                next.push(found);
            }
        }
    }
    let lost: Vec<_> = all.difference(&reached).collect();
    assert!(lost.is_empty(), "no page leads from docs/README.md to {lost:?}");
}

#[test]
fn a_link_that_leads_nowhere_is_noticed() {
    let page = root().join("docs/metrics.md");
    for (target, ok) in [
        ("architecture.md", true),
        ("architecture.md#the-picture", true),
        ("#alerts", true),
        ("https://example.com/nothing", true),
        ("no-such-page.md", false),
        ("architecture.md#no-such-heading", false),
        ("#no-such-heading", false),
    ] {
        assert_eq!(problem(&page, target).is_none(), ok, "{target}");
    }
    assert_eq!(
        anchors("# A `b`, c\n\n## Look at\n\n```sh\n# not one\n```\n\n## Look at\n"),
        ["a-b-c", "look-at", "look-at-1"]
    );
}
