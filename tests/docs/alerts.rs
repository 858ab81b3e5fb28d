//! The alerting rules, their unit tests and their runbooks.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::metrics::assert_exposed;
use crate::pages::{below, headings, read, root};
use crate::promtool::promtool;

const RULES: &str = "charts/keywright/files/alerts.yaml";

struct Alert {
    name: String,
    expression: String,
    severity: String,
    annotations: BTreeMap<String, String>,
}

fn alerts() -> Vec<Alert> {
    let file: Value = serde_saphyr::from_str(&read(RULES)).unwrap();
    let groups = file["groups"].as_array().unwrap();
    let rules = groups.iter().flat_map(|group| group["rules"].as_array().unwrap());
    rules
        .map(|rule| Alert {
            name: rule["alert"].as_str().unwrap().to_owned(),
            expression: rule["expr"].as_str().unwrap().to_owned(),
            severity: rule["labels"]["severity"].as_str().unwrap().to_owned(),
            annotations: serde_json::from_value(rule["annotations"].clone()).unwrap(),
        })
        .collect()
}

fn unit_tests() -> BTreeSet<std::path::PathBuf> {
    below(&root().join("tests/alerts"), ".yaml")
}

#[test]
fn every_alert_is_about_metrics_that_exist_and_says_what_to_do() {
    let alerts = alerts();
    assert_eq!(alerts[0].name, "KeywrightCredentialExpires", "expiry comes first");
    for alert in &alerts {
        assert_exposed(&alert.expression, &alert.name);
        assert!(["critical", "warning"].contains(&alert.severity.as_str()));
        let named: Vec<_> = alert.annotations.keys().map(String::as_str).collect();
        assert_eq!(named, ["description", "runbook_url", "summary"], "{}", alert.name);
        let page = format!("/docs/runbooks/{}.md", alert.name);
        let url = &alert.annotations["runbook_url"];
        let base = alerts[0].annotations["runbook_url"]
            .split("/docs/")
            .next()
            .unwrap();
        assert_eq!(url, &format!("{base}{page}"));
    }
}

#[test]
fn every_alert_has_a_runbook_and_every_runbook_an_alert() {
    let alerts = alerts();
    let wanted: BTreeSet<_> = alerts.iter().map(|alert| alert.name.clone()).collect();
    let folder = root().join("docs/runbooks");
    let pages: BTreeSet<_> = below(&folder, ".md")
        .into_iter()
        .map(|page| page.file_stem().unwrap().to_string_lossy().into_owned())
        .filter(|name| name != "README")
        .collect();
    assert_eq!(pages, wanted);
    for name in &wanted {
        let page = read(format!("docs/runbooks/{name}.md"));
        let found: Vec<_> = headings(&page).into_iter().map(|(_, heading)| heading).collect();
        assert_eq!(found, [name.as_str(), "What to look at", "How to mend it"]);
    }
}

#[test]
fn the_pages_list_the_alerts_of_the_file() {
    for (page, folder) in [("docs/metrics.md", "runbooks/"), ("docs/runbooks/README.md", "")] {
        let text = read(page);
        let listed: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("| [Keywright"))
            .collect();
        let alerts = alerts();
        assert_eq!(listed.len(), alerts.len(), "{page}");
        for (line, alert) in listed.iter().zip(alerts) {
            let Alert { name, severity, .. } = alert;
            let expected = format!("| [{name}]({folder}{name}.md) | {severity} |");
            assert!(line.starts_with(&expected), "{page}: {line} is not {expected}");
        }
    }
}

/// How often the unit tests expect each alert to fire, and not to fire.
fn expectations() -> BTreeMap<String, (usize, usize)> {
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for path in unit_tests() {
        let file: Value = serde_saphyr::from_str(&read(&path)).unwrap();
        let tests = file["tests"].as_array().unwrap();
        for check in tests
            .iter()
            .flat_map(|test| test["alert_rule_test"].as_array().unwrap())
        {
            let count = counts
                .entry(check["alertname"].as_str().unwrap().to_owned())
                .or_default();
            if check["exp_alerts"].as_array().unwrap().is_empty() {
                count.1 += 1;
            } else {
                count.0 += 1;
            }
        }
    }
    counts
}

#[test]
fn every_alert_is_tested_to_fire_and_not_to_fire() {
    let expectations = expectations();
    for Alert { name, .. } in alerts() {
        let (fires, quiet) = expectations.get(&name).copied().unwrap_or_default();
        assert!(
            fires > 0 && quiet > 0,
            "{name}: fires {fires} times, does not {quiet} times"
        );
    }
}

#[test]
fn promtool_accepts_the_rules_and_their_tests() {
    let Some(promtool) = promtool() else { return };
    let rules = [root().join(RULES)];
    for (arguments, files) in [
        (["check", "rules"], rules.into()),
        (["test", "rules"], unit_tests()),
    ] {
        let output = std::process::Command::new(&promtool)
            .args(arguments)
            .args(files)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "promtool {}:\n{}{}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
