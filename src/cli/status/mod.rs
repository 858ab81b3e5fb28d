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
    after_help = "Exit code: 0 when everything is as it should be, 1 when something needs attention, 2 when that could not be found out."
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

/// All resources of all kinds, and the kinds that this user may not list.
async fn everything(
    connection: &Connection,
    namespace: Option<&str>,
) -> Result<(Vec<Record>, Vec<NotRead>), Failure> {
    let lists = Kind::ALL.map(|kind| connection.list(kind, namespace));
    let (mut records, mut not_read, mut missing) = (Vec::new(), Vec::new(), 0);
    for (kind, listed) in Kind::ALL.into_iter().zip(futures::future::join_all(lists).await) {
        match listed? {
            Listed::Records(found) => records.extend(found),
            Listed::NotInstalled => missing += 1,
            Listed::Forbidden(message) => not_read.push(NotRead::new(kind, message)),
        }
    }
    if missing == Kind::ALL.len() {
        return Err(not_installed(Kind::ClientApplication));
    }
    Ok((records, not_read))
}
