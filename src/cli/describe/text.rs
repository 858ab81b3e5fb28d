//! What `keywright describe` shows at a terminal.

use k8s_openapi::jiff::Timestamp;

use super::report::{Happened, LoginPause, Provider, Report, Request, Stage, Token};
use crate::cli::age;
use crate::cli::output::{Cell, Tone, table, toned};

/// How wide the names of fields are.
const NAMES: usize = 15;

/// The whole page.
pub(super) fn render(report: &Report) -> String {
    let now = report.time.parse().unwrap_or(Timestamp::UNIX_EPOCH);
    let parts = [
        head(report, now),
        conditions(&report.conditions, now),
        events(report, now),
        next(&report.next),
    ];
    parts.join("\n")
}

fn head(report: &Report, now: Timestamp) -> String {
    let mut fields = Fields::default();
    fields.add("Name", Some(&report.name));
    fields.add("Namespace", report.namespace.as_ref());
    fields.add("Kind", Some(&report.kind.to_owned()));
    fields.add_moment("Created", report.created_at.as_ref(), now);
    fields.add_toned("State", report.state.as_str(), report.state.tone());
    fields.add("Secret", secret(report).as_ref());
    fields.add("Account", report.account.as_ref());
    fields.add("Organization", report.organization.as_ref());
    fields.add("Application ID", report.application_id.as_ref());
    fields.add("Client ID", report.client_id.as_ref());
    if let Some(of) = &report.provider {
        provider(&mut fields, of, now);
    }
    if let Some(pause) = &report.login_pause {
        login_pause(&mut fields, pause, now);
    }
    if let Some(of) = &report.token {
        token(&mut fields, of, now);
    }
    for of in &report.requests {
        request(&mut fields, of);
    }
    fields.text
}

fn secret(report: &Report) -> Option<String> {
    let name = report.secret.as_ref()?;
    Some(match report.secret_written {
        true => name.clone(),
        false => format!("{name}, not written"),
    })
}

fn provider(fields: &mut Fields, provider: &Provider, now: Timestamp) {
    let name = format!("{}/{}", provider.kind, provider.name);
    match provider.state {
        Some(state) => {
            let state = toned(state.as_str(), state.tone());
            fields.line("Provider", &format!("{}, {state}", toned(&name, Tone::Plain)));
        }
        None => fields.add(
            "Provider",
            Some(&format!("{name}, which does not exist or may not be read")),
        ),
    }
    if let Some(pause) = &provider.login_pause {
        login_pause(fields, pause, now);
    }
}

fn login_pause(fields: &mut Fields, pause: &LoginPause, now: Timestamp) {
    let text = format!("paused until {}: {}", moment(&pause.until, now), pause.reason);
    fields.add_toned("Logins", &text, Tone::Bad);
}

fn token(fields: &mut Fields, token: &Token, now: Timestamp) {
    fields.add_moment("Token issued", Some(&token.issued_at), now);
    fields.add_moment("  refresh", Some(&token.refresh_at), now);
    let has_expired = token
        .expires_at
        .parse::<Timestamp>()
        .is_ok_and(|expires| expires <= now);
    let tone = if has_expired { Tone::Bad } else { Tone::Plain };
    fields.add_toned("  expires", &moment(&token.expires_at, now), tone);
    fields.add("  type", Some(&token.token_type));
    fields.add("  scope", token.scope.as_ref());
}

fn request(fields: &mut Fields, request: &Request) {
    let (said, tone) = match request.fulfilled {
        true => ("fulfilled", Tone::Plain),
        false => ("not fulfilled yet", Tone::Warning),
    };
    let name = match request.what {
        "revoke" => "Revocation",
        _ => "Refresh",
    };
    fields.add_toned(name, &format!("requested at {}, {said}", request.value), tone);
}

fn conditions(conditions: &[Stage], now: Timestamp) -> String {
    let heading = toned("Conditions", Tone::Heading);
    if conditions.is_empty() {
        return format!("{heading}\n  none yet\n");
    }
    let rows: Vec<_> = conditions
        .iter()
        .map(|of| {
            let tone = match of.status.as_str() {
                "True" => Tone::Good,
                "False" => Tone::Bad,
                _ => Tone::Warning,
            };
            vec![
                Cell::plain(&of.type_),
                Cell::new(&of.status, tone),
                Cell::plain(since(&of.since, now)),
                Cell::plain(&of.reason),
                Cell::plain(&of.message),
            ]
        })
        .collect();
    format!(
        "{heading}\n{}",
        table("  ", &["TYPE", "STATUS", "FOR", "REASON", "MESSAGE"], &rows)
    )
}

fn events(report: &Report, now: Timestamp) -> String {
    let heading = toned("Events", Tone::Heading);
    if let Some(why) = &report.events_not_read {
        return format!("{heading}\n  not shown: {}\n", toned(why, Tone::Plain));
    }
    if report.events.is_empty() {
        return format!("{heading}\n  none; Kubernetes keeps them for an hour unless told otherwise\n");
    }
    let rows: Vec<_> = report.events.iter().map(|of| event(of, now)).collect();
    format!(
        "{heading}\n{}",
        table("  ", &["AGE", "TYPE", "REASON", "MESSAGE"], &rows)
    )
}

fn event(of: &Happened, now: Timestamp) -> Vec<Cell> {
    let age = since(&of.time, now);
    let tone = if of.type_ == "Warning" {
        Tone::Warning
    } else {
        Tone::Plain
    };
    let age = if of.count > 1 {
        format!("{age} (x{})", of.count)
    } else {
        age
    };
    vec![
        Cell::plain(age),
        Cell::new(&of.type_, tone),
        Cell::plain(&of.reason),
        Cell::plain(&of.message),
    ]
}

fn next(sentences: &[String]) -> String {
    let heading = toned("Next", Tone::Heading);
    sentences.iter().fold(format!("{heading}\n"), |text, sentence| {
        format!("{text}  {}.\n", toned(sentence, Tone::Plain))
    })
}

fn since(time: &str, now: Timestamp) -> String {
    time.parse::<Timestamp>()
        .map_or_else(|_| "-".to_owned(), |time| age::short(now.duration_since(time)))
}

fn moment(time: &str, now: Timestamp) -> String {
    time.parse()
        .map_or_else(|_| time.to_owned(), |time| age::moment(time, now))
}

/// Fields below each other.
#[derive(Default)]
struct Fields {
    text: String,
}

impl Fields {
    fn line(&mut self, name: &str, value: &str) {
        let name = toned(&format!("{:NAMES$}", format!("{name}:")), Tone::Plain);
        self.text = format!("{}{name}  {value}\n", self.text);
    }

    fn add(&mut self, name: &str, value: Option<&String>) {
        if let Some(value) = value {
            self.add_toned(name, value, Tone::Plain);
        }
    }

    fn add_toned(&mut self, name: &str, value: &str, tone: Tone) {
        self.line(name, &toned(value, tone));
    }

    fn add_moment(&mut self, name: &str, value: Option<&String>, now: Timestamp) {
        self.add(name, value.map(|value| moment(value, now)).as_ref());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::report::History;
    use super::*;
    use crate::cli::kind::Kind;
    use crate::cli::testing::{at, condition, now, record, record_with, token};

    #[test]
    fn a_page_tells_all_that_is_known_of_a_resource() {
        let metadata = json!({"annotations": {"keywright.dev/refresh-requested-at": "2026-11-25T11:58:00Z"}});
        let spec =
            json!({"providerRef": {"kind": "IdentityProvider", "name": "corp"}, "secret": {"name": "s"}});
        let status = json!({
            "observedGeneration": 1,
            "clientId": "client",
            "conditions": [
                condition("Ready", "True", "Published", "Secret s holds a token"),
                condition("TokenFresh", "False", "Unavailable", "the server does not answer"),
            ],
            "token": token(120, -60),
        });
        let brake = json!({"login": {"credentialsVersion": "1", "brake": {"reason": "LoginRefused", "until": at(60).to_string(), "message": "no"}}});
        let provider = record(Kind::IdentityProvider, "corp", json!({}), brake);
        let record = record_with(Kind::AccessToken, "reports", metadata, spec, status);
        let event = serde_json::from_value(json!({
            "metadata": {}, "eventTime": format!("{:.6}", at(-90)), "reason": "Unavailable", "type": "Warning",
            "note": "the server does not answer",
            "series": {"count": 2, "lastObservedTime": format!("{:.6}", at(-60))},
        }))
        .unwrap();
        let report = Report::new(&record, Some(&provider), History::Known(vec![event]), now());
        let text = anstream::adapter::strip_str(&render(&report)).to_string();
        let expected = [
            "Name:            reports",
            "Namespace:       shop",
            "Kind:            AccessToken",
            "Created:         2026-11-25T11:00:00Z (60m ago)",
            "State:           Degraded",
            "Secret:          s, not written",
            "Client ID:       client",
            "Provider:        IdentityProvider/corp, Pending",
            "Logins:          paused until 2026-11-25T12:01:00Z (in 60s): LoginRefused",
            "Token issued:    2026-11-25T11:50:00Z (10m ago)",
            "  refresh:       2026-11-25T11:59:00Z (60s ago)",
            "  expires:       2026-11-25T12:02:00Z (in 2m)",
            "  type:          Bearer",
            "  scope:         reports.read",
            "Refresh:         requested at 2026-11-25T11:58:00Z, not fulfilled yet",
            "",
            "Conditions",
            "  TYPE         STATUS   FOR   REASON        MESSAGE",
            "  Ready        True     5m    Published     Secret s holds a token",
            "  TokenFresh   False    5m    Unavailable   the server does not answer",
            "",
            "Events",
            "  AGE        TYPE      REASON        MESSAGE",
            "  60s (x2)   Warning   Unavailable   the server does not answer",
            "",
            "Next",
        ];
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[..expected.len()], expected, "{text}");
        assert!(
            lines[expected.len()].starts_with("  The account of IdentityProvider shop/corp"),
            "{text}"
        );
    }

    #[test]
    fn a_new_resource_has_a_page_too() {
        let record = record(Kind::ClusterIdentityProvider, "corp", json!({}), json!(null));
        let report = Report::new(&record, None, History::Known(vec![]), now());
        let text = anstream::adapter::strip_str(&render(&report)).to_string();
        assert!(text.contains("Conditions\n  none yet\n"), "{text}");
        assert!(!text.contains("Namespace:"), "{text}");
    }
}
