//! What `keywright status` shows at a terminal.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::report::{Credential, Provider, Report};
use crate::cli::age;
use crate::cli::output::{Cell, Tone, table, toned};
use crate::cli::standing::{Left, State};

/// From here on a credential is shown as one that ends soon.
const SOON: SignedDuration = SignedDuration::from_mins(2);

/// The tables, and below them what needs attention. `namespace` is the one that is shown; none means all.
pub(super) fn render(report: &Report, namespace: Option<&str>) -> String {
    let now = report.time.parse().unwrap_or(Timestamp::UNIX_EPOCH);
    let mut parts = vec![credentials(report, namespace, now)];
    if !report.providers.is_empty() {
        parts.push(providers(report, namespace, now));
    }
    if report.needs_attention > 0 {
        parts.push(attention(report));
    }
    parts.join("\n")
}

fn credentials(report: &Report, namespace: Option<&str>, now: Timestamp) -> String {
    if report.credentials.is_empty() {
        let is_unread = report.not_read.iter().any(|unread| unread.has_credentials);
        return match namespace {
            _ if is_unread => "No credentials that this user may list.\n".to_owned(),
            Some(namespace) => {
                format!("No credentials in namespace {namespace}. -A looks at all namespaces.\n")
            }
            None => "No credentials in any namespace.\n".to_owned(),
        };
    }
    let rows: Vec<_> = report
        .credentials
        .iter()
        .map(|of| {
            let row = vec![
                Cell::plain(format!("{}/{}", of.kind, of.name)),
                Cell::new(of.state.as_str(), of.state.tone()),
                left(of),
                refresh(of, now),
                Cell::plain(of.provider.as_ref().map_or("-", |provider| &provider.name)),
                Cell::plain(of.secret.as_deref().unwrap_or("-")),
            ];
            with_namespace(row, namespace, Some(&of.namespace))
        })
        .collect();
    let headings = ["CREDENTIAL", "STATE", "LEFT", "REFRESH", "PROVIDER", "SECRET"];
    table("", &with_heading(&headings, namespace), &rows)
}

fn providers(report: &Report, namespace: Option<&str>, now: Timestamp) -> String {
    let rows: Vec<_> = report
        .providers
        .iter()
        .map(|of| {
            let row = vec![
                Cell::plain(format!("{}/{}", of.kind, of.name)),
                Cell::new(of.state.as_str(), of.state.tone()),
                logins(of, now),
                Cell::plain(of.account.as_deref().unwrap_or("-")),
                Cell::plain(of.organization.as_deref().unwrap_or("-")),
            ];
            with_namespace(row, namespace, of.namespace.as_deref())
        })
        .collect();
    let headings = ["PROVIDER", "STATE", "LOGINS", "ACCOUNT", "ORGANIZATION"];
    table("", &with_heading(&headings, namespace), &rows)
}

/// What is wrong with each that somebody should look at, in the order of the tables.
fn attention(report: &Report) -> String {
    let of_credentials = report.credentials.iter().map(|of| {
        (
            of.needs_attention,
            of.state,
            format!("{} {}/{}", of.kind, of.namespace, of.name),
            &of.reason,
            &of.message,
        )
    });
    let of_providers = report.providers.iter().map(|of| {
        let place = of.namespace.as_ref().map_or_else(
            || format!("{} {}", of.kind, of.name),
            |namespace| format!("{} {namespace}/{}", of.kind, of.name),
        );
        (of.needs_attention, of.state, place, &of.reason, &of.message)
    });
    let heading = format!("Needs attention ({}):", report.needs_attention);
    of_credentials
        .chain(of_providers)
        .filter(|(needs_attention, ..)| *needs_attention)
        .fold(
            format!("{}\n", toned(&heading, Tone::Heading)),
            |text, (_, state, place, reason, message)| {
                let said = match message.as_str() {
                    "" => reason.clone(),
                    message if reason == state.as_str() => message.to_owned(),
                    message => format!("{reason}: {message}"),
                };
                format!(
                    "{text}  {}  {}\n            {}\n",
                    toned(&format!("{:8}", state.as_str()), state.tone()),
                    toned(&place, Tone::Plain),
                    toned(&said, Tone::Plain)
                )
            },
        )
}

fn left(of: &Credential) -> Cell {
    match of.left {
        Left::Nothing => Cell::new("none", Tone::Bad),
        Left::Endless => Cell::new("no end", Tone::Faint),
        Left::Span(span) if span.as_secs() <= 0 => {
            Cell::new(format!("ended {} ago", age::short(span)), Tone::Bad)
        }
        Left::Span(span) if span < SOON => Cell::new(age::short(span), Tone::Warning),
        Left::Span(span) => Cell::plain(age::short(span)),
    }
}

fn refresh(of: &Credential, now: Timestamp) -> Cell {
    let Some(refresh) = of.refresh else {
        return Cell::new("-", Tone::Faint);
    };
    match of.state {
        State::Suspended => Cell::new("suspended", Tone::Faint),
        State::Deleting => Cell::new("-", Tone::Faint),
        _ if refresh > now => Cell::plain(age::relative(refresh, now)),
        State::Ready => Cell::plain("now"),
        _ => Cell::new(
            format!("{} late", age::short(now.duration_since(refresh))),
            Tone::Bad,
        ),
    }
}

fn logins(of: &Provider, now: Timestamp) -> Cell {
    match of.paused_until {
        Some(until) => Cell::new(
            format!("paused for {}", age::short(until.duration_since(now))),
            Tone::Bad,
        ),
        None => Cell::new("-", Tone::Faint),
    }
}

fn with_heading<'a>(headings: &[&'a str], namespace: Option<&str>) -> Vec<&'a str> {
    let first = namespace.is_none().then_some("NAMESPACE");
    first.into_iter().chain(headings.iter().copied()).collect()
}

fn with_namespace(row: Vec<Cell>, shown: Option<&str>, namespace: Option<&str>) -> Vec<Cell> {
    let first = shown.is_none().then(|| Cell::plain(namespace.unwrap_or("-")));
    first.into_iter().chain(row).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::kind::Kind;
    use crate::cli::testing::{at, condition, now, published, record, token};

    fn shown(records: &[crate::cli::record::Record], namespace: Option<&str>) -> String {
        let report = Report::new(records, Vec::new(), now());
        anstream::adapter::strip_str(&render(&report, namespace)).to_string()
    }

    #[test]
    fn a_screen_says_how_everything_stands_and_what_to_do() {
        let spec =
            json!({"providerRef": {"kind": "IdentityProvider", "name": "didit"}, "secret": {"name": "s"}});
        let refused = json!({
            "observedGeneration": 1,
            "account": "ops@corp.example.net",
            "conditions": [condition("Ready", "False", "LoginRefused", "Correct the account's Secret")],
            "login": {"credentialsVersion": "1", "brake": {"reason": "LoginRefused", "until": at(2520).to_string(), "message": "no"}},
        });
        let ready =
            json!({"observedGeneration": 1, "conditions": [condition("Ready", "True", "Published", "")]});
        let records = [
            record(Kind::ClientApplication, "plain", spec.clone(), ready),
            record(
                Kind::AccessToken,
                "reports",
                spec.clone(),
                published(token(-180, -480)),
            ),
            record(Kind::AccessToken, "payments", spec, published(token(3120, 2460))),
            record(Kind::IdentityProvider, "didit", json!({}), refused),
        ];
        let text = shown(&records, Some("shop"));
        let expected = [
            "CREDENTIAL                STATE     LEFT           REFRESH   PROVIDER   SECRET",
            "AccessToken/reports       Expired   ended 3m ago   8m late   didit      s",
            "AccessToken/payments      Ready     52m            in 41m    didit      s",
            "ClientApplication/plain   Ready     no end         -         didit      s",
            "",
            "PROVIDER                 STATE      LOGINS           ACCOUNT                ORGANIZATION",
            "IdentityProvider/didit   NotReady   paused for 42m   ops@corp.example.net   -",
            "",
            "Needs attention (2):",
            "  Expired   AccessToken shop/reports",
            "            Published: Secret s holds a token",
            "  NotReady  IdentityProvider shop/didit",
            "            LoginRefused: Correct the account's Secret",
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected, "{text}");
    }

    #[test]
    fn all_namespaces_have_a_column_for_them() {
        let records = [
            record(
                Kind::AccessToken,
                "payments",
                json!({}),
                published(token(3120, 2460)),
            ),
            record(Kind::ClusterIdentityProvider, "corp", json!({}), json!(null)),
        ];
        let text = shown(&records, None);
        assert!(text.starts_with("NAMESPACE   CREDENTIAL "), "{text}");
        assert!(text.contains("\nshop        AccessToken/payments "), "{text}");
        assert!(
            text.contains("\n-           ClusterIdentityProvider/corp   Pending "),
            "{text}"
        );
    }

    #[test]
    fn an_empty_namespace_says_where_else_to_look() {
        assert_eq!(
            shown(&[], Some("shop")),
            "No credentials in namespace shop. -A looks at all namespaces.\n"
        );
        assert_eq!(shown(&[], None), "No credentials in any namespace.\n");
    }
}
