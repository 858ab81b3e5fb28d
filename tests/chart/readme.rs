//! The table of values in the chart's README.md is made from the comments in values.yaml.

use std::fmt::Write;

use keywright_helm::chart;
use serde_json::Value;

use crate::region;

/// A line of values.yaml that has a comment.
struct Row {
    /// The names that lead to the value, from the outermost.
    path: Vec<String>,
    description: String,
}

/// Rows under a headline, which is a comment that begins with `# -- `.
struct Section {
    headline: String,
    rows: Vec<Row>,
}

#[test]
fn the_table_of_values_is_that_of_values_yaml() {
    let text = std::fs::read_to_string(chart().join("values.yaml")).unwrap();
    let values: Value = serde_saphyr::from_str(&text).unwrap();
    let mut table = String::new();
    for section in sections(&text) {
        write!(
            table,
            "\n### {}\n\n| Value | Default | What it is |\n| --- | --- | --- |\n",
            section.headline
        )
        .unwrap();
        for row in section.rows {
            let default = row.path.iter().fold(&values, |value, name| &value[name]);
            let (name, description) = (row.path.join("."), row.description.replace('|', "\\|"));
            writeln!(table, "| `{name}` | `{default}` | {description} |").unwrap();
        }
    }
    region::assert_is("charts/keywright/README.md", "values", &(table + "\n"));
}

#[test]
fn every_value_has_a_comment() {
    let text = std::fs::read_to_string(chart().join("values.yaml")).unwrap();
    let values: Value = serde_saphyr::from_str(&text).unwrap();
    let rows: Vec<_> = sections(&text)
        .into_iter()
        .flat_map(|section| section.rows)
        .collect();
    let mut leaves = Vec::new();
    collect_leaves(&values, &mut Vec::new(), &mut leaves);
    for leaf in leaves {
        let told = rows.iter().any(|row| leaf.starts_with(&row.path));
        assert!(told, "{} has no comment in values.yaml", leaf.join("."));
    }
}

fn collect_leaves(value: &Value, path: &mut Vec<String>, leaves: &mut Vec<Vec<String>>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                path.push(name.clone());
                collect_leaves(value, path, leaves);
                path.pop();
            }
        }
        _ => leaves.push(path.clone()),
    }
}

fn sections(text: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut comment: Vec<&str> = Vec::new();
    let mut path: Vec<(usize, String)> = Vec::new();
    for line in text.lines() {
        let content = line.trim_start();
        let indent = line.len() - content.len();
        if let Some(headline) = content.strip_prefix("# -- ") {
            sections.push(Section {
                headline: headline.to_owned(),
                rows: Vec::new(),
            });
        } else if let Some(words) = content.strip_prefix("# ") {
            comment.push(words);
        } else if content.is_empty() {
            comment.clear();
        } else if let Some((name, _)) = content.split_once(':').filter(|_| !content.starts_with('-')) {
            path.retain(|(outer, _)| *outer < indent);
            path.push((indent, name.to_owned()));
            if let Some(section) = sections.last_mut().filter(|_| !comment.is_empty()) {
                section.rows.push(Row {
                    path: path.iter().map(|(_, name)| name.clone()).collect(),
                    description: comment.join(" "),
                });
            }
            comment.clear();
        }
    }
    sections
}
