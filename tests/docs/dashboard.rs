//! The dashboard for Grafana.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::metrics::{assert_exposed, named};
use crate::pages::read;

fn dashboard() -> Value {
    serde_json::from_str(&read("charts/keywright/files/dashboard.json")).unwrap()
}

/// Title and query of every panel, in order.
fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let panels = dashboard["panels"].as_array().unwrap().iter();
    panels
        .flat_map(|panel| {
            let title = panel["title"].as_str().unwrap();
            let targets = panel["targets"].as_array().into_iter().flatten();
            targets.map(move |target| (title.to_owned(), target["expr"].as_str().unwrap().to_owned()))
        })
        .collect()
}

#[test]
fn every_query_is_about_metrics_that_exist_expiry_first() {
    let dashboard = dashboard();
    let queries = queries(&dashboard);
    assert!(
        queries[0]
            .1
            .contains("keywright_credential_expiry_timestamp_seconds")
    );
    for (panel, query) in &queries {
        assert_exposed(query, panel);
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        if let Some(definition) = variable["definition"].as_str() {
            assert_exposed(definition, "a variable");
        }
    }
}

#[test]
fn what_alerts_are_about_can_be_seen_on_it() {
    let shown: BTreeSet<_> = queries(&dashboard())
        .iter()
        .flat_map(|(_, query)| named(query))
        .collect();
    let alerts = read("charts/keywright/files/alerts.yaml");
    let expressions = alerts.lines().filter(|line| line.contains("keywright_"));
    for metric in expressions.flat_map(named) {
        // The time of a refresh is shown as what is overdue.
        let shown_as = match metric.as_str() {
            "keywright_credential_refresh_timestamp_seconds" => "keywright_refreshes_overdue",
            other => other,
        };
        assert!(shown.contains(shown_as), "{metric} is on no panel");
    }
}

#[test]
fn panels_have_a_place_of_their_own_and_a_description() {
    let dashboard = dashboard();
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}");
        let at = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{title}");
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{title} covers another panel");
            }
        }
        let described = panel["description"].as_str().is_some_and(|text| !text.is_empty());
        assert!(described || panel["type"] == "row", "{title}");
    }
}
