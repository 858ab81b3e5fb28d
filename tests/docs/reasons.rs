//! `docs/troubleshooting.md` has every reason of a condition or an event that the code can give, and no other.

use std::collections::BTreeSet;

use crate::pages::{below, read, root};

/// Where reasons are made.
const FOLDERS: [&str; 4] = ["src/api", "src/controller", "src/credential", "src/identity"];

/// Words in these folders that look like reasons and are something else. A new word is either told of on the page or
/// stands here.
const NO_REASONS: &[&str] = &[
    // Kinds and columns.
    "AccessToken",
    "AccessTokenStatus",
    "Account",
    "Age",
    "ClientApplication",
    "ClientApplicationStatus",
    "ClusterIdentityProvider",
    "Expires",
    "IdentityAccount",
    "IdentityAccountStatus",
    "IdentityProvider",
    "IdentityProviderStatus",
    "Message",
    "Organization",
    "PartialEq",
    "Provider",
    "Reason",
    "Refresh",
    "Secret",
    "State",
    "String",
    // Types of conditions, and their values.
    "Authenticated",
    "ClientReady",
    "CodeReceived",
    "False",
    "KeyAccepted",
    "LifetimeSufficient",
    "MetadataResolved",
    "OrganizationResolved",
    "ProviderReady",
    "Provisioned",
    "SecretSynced",
    "TokenAsRequested",
    "TokenFresh",
    "True",
    "Unknown",
    // What events say was done, and capabilities.
    "Apply",
    "DeleteApplication",
    "IntrospectToken",
    "Publish",
    "ReadApiKey",
    "Release",
    "Revoke",
    "RevokeToken",
    "RotateApiKey",
    "Update",
    // Names in protocols, and of types where they are shown.
    "AssertionKey",
    "Bearer",
    "Bootstrap",
    "Budget",
    "DiditConfig",
    "Ed25519",
    "EdDSA",
    "OneTimeCode",
    "Opaque",
    "Permit",
    "PrivateKeyJwt",
    "SecretBasic",
    "SecretPost",
    "Session",
    "SessionKey",
    "TlsClientAuth",
];

/// A source file without its tests and its comments.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

fn is_test(path: &std::path::Path) -> bool {
    let name = path.file_stem().unwrap().to_string_lossy();
    let beside = ["tests", "testing", "simulation"].contains(&&*name) || name.ends_with("_tests");
    beside || path.components().any(|part| part.as_os_str() == "tests")
}

/// Whether it is a word in CamelCase, as reasons are.
fn looks_like_a_reason(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_uppercase())
        && word.contains(|c: char| c.is_ascii_lowercase())
        && word.chars().all(|c| c.is_ascii_alphanumeric())
}

/// Every literal of the code that looks like a reason.
fn words() -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for folder in FOLDERS {
        let files = below(&root().join(folder), ".rs").into_iter();
        for file in files.filter(|file| !is_test(file.strip_prefix(root()).unwrap())) {
            let code = code(&read(&file));
            let literals = code.split('"').filter(|word| looks_like_a_reason(word));
            words.extend(literals.map(str::to_owned));
        }
    }
    words
}

/// The reasons that the page has an entry for, in the order of the page.
fn told() -> Vec<String> {
    let page = read("docs/troubleshooting.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split_once('`'))
        .map(|(reason, _)| reason.to_owned())
        .collect()
}

#[test]
fn every_reason_has_an_entry_and_every_entry_a_reason() {
    let words = words();
    let no_reasons: BTreeSet<_> = NO_REASONS.iter().map(|word| (*word).to_owned()).collect();
    let obsolete: Vec<_> = no_reasons.difference(&words).collect();
    assert!(
        obsolete.is_empty(),
        "NO_REASONS has words that are not in the code: {obsolete:?}"
    );
    let reasons: BTreeSet<_> = words.difference(&no_reasons).cloned().collect();
    let told: BTreeSet<_> = told().into_iter().collect();
    let (missing, unknown): (Vec<_>, Vec<_>) = (
        reasons.difference(&told).collect(),
        told.difference(&reasons).collect(),
    );
    assert!(
        missing.is_empty(),
        "docs/troubleshooting.md has no entry for {missing:?}"
    );
    assert!(
        unknown.is_empty(),
        "docs/troubleshooting.md has entries for what the code never says: {unknown:?}"
    );
}

#[test]
fn entries_are_told_once_and_say_what_to_do() {
    let mut seen = BTreeSet::new();
    for reason in told() {
        assert!(seen.insert(reason.clone()), "{reason} is told twice");
    }
    let page = read("docs/troubleshooting.md");
    for row in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        assert_eq!(cells.len(), 3, "{row}");
        assert!(cells.iter().all(|cell| !cell.is_empty()), "{row}");
    }
}
