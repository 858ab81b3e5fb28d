//! `keywright status`: all credentials and providers, what ends soonest first.

mod report;
mod text;

use clap::Args;
use k8s_openapi::jiff::Timestamp;

use super::connection::{Connection, ConnectionArgs, Listed, not_installed};
use super::kind::Kind;
use super::output::{self, Format};
use super::record::Record;
use super::{Failure, Outcome};
use report::{NotRead, Report};

/// The flags of `keywright status`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit code: 0 when everything is as it should be, 1 when something needs attention, 2 when not all credentials could be listed or the cluster did not answer."
)]
pub(super) struct StatusArgs {
    /// Namespace; that of the context when absent
    #[arg(short, long, value_name = "NAMESPACE", conflicts_with = "all_namespaces")]
    namespace: Option<String>,
    /// All namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Form of the output: json for programs, whose fields docs/command-line.md explains; text when absent
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    output: Option<Format>,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Shows how everything stands.
pub(super) async fn status(args: StatusArgs) -> Result<Outcome, Failure> {
    let connection = args.connection.connect().await?;
    let namespace = match (args.all_namespaces, args.namespace) {
        (true, _) => None,
        (false, named) => Some(named.unwrap_or_else(|| connection.namespace.clone())),
    };
    let (records, not_read) = everything(&connection, namespace.as_deref()).await?;
    let report = match &namespace {
        None => Report::new(&records, not_read, Timestamp::now()),
        Some(_) => Report::of_namespace(records, not_read, Timestamp::now()),
    };
    match args.output {
        Some(Format::Json) => output::json(&report)?,
        None => {
            for unread in &report.not_read {
                output::note(&format!("{} are not shown: {}", unread.kind, unread.message));
            }
            output::text(&text::render(&report, namespace.as_deref()))?;
        }
    }
    Ok(report.outcome())
}

/// All resources of all kinds, and the kinds that this user may not list or that the cluster does not know.
async fn everything(
    connection: &Connection,
    namespace: Option<&str>,
) -> Result<(Vec<Record>, Vec<NotRead>), Failure> {
    let lists = Kind::ALL.map(|kind| connection.list(kind, namespace));
    let mut all = Vec::new();
    for (kind, listed) in Kind::ALL.into_iter().zip(futures::future::join_all(lists).await) {
        all.push((kind, listed?));
    }
    sorted(all)
}

fn sorted(all: Vec<(Kind, Listed)>) -> Result<(Vec<Record>, Vec<NotRead>), Failure> {
    if all
        .iter()
        .all(|(_, listed)| matches!(listed, Listed::NotInstalled))
    {
        return Err(not_installed(Kind::ClientApplication));
    }
    let (mut records, mut not_read) = (Vec::new(), Vec::new());
    for (kind, listed) in all {
        match listed {
            Listed::Records(found) => records.extend(found),
            Listed::NotInstalled => not_read.push(NotRead::new(kind, not_installed(kind))),
            Listed::Forbidden(message) => not_read.push(NotRead::new(kind, message)),
        }
    }
    Ok((records, not_read))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_that_the_cluster_does_not_know_is_named() {
        let listed = |missing: &[Kind]| {
            let of = |kind| match missing.contains(&kind) {
                true => Listed::NotInstalled,
                false => Listed::Records(Vec::new()),
            };
            sorted(Kind::ALL.map(|kind| (kind, of(kind))).into())
        };
        let (_, not_read) = listed(&[Kind::IdentityAccount]).unwrap();
        let kinds: Vec<_> = not_read.iter().map(|unread| unread.kind).collect();
        assert_eq!(kinds, ["identityaccounts"]);
        assert!(not_read[0].message.contains("keywright crd"));
        assert_eq!(
            Report::new(&[], not_read, Timestamp::now()).outcome(),
            Outcome::Incomplete
        );
        assert!(listed(&Kind::ALL).unwrap_err().contains("clientapplications"));
    }
}
