//! `keywright describe`: one resource with its history, and what happens next.

mod next;
mod report;
mod text;

use clap::Args;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::ListParams;

use super::connection::{Connection, ConnectionArgs, said};
use super::kind::{Kind, target};
use super::output::{self, Format};
use super::record::Record;
use super::{Failure, Outcome};
use report::{History, Report};

/// The flags of `keywright describe`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit code: 0 when it is as it should be, 1 when it needs attention, 2 when there is no such resource or it could not be read."
)]
pub(super) struct DescribeArgs {
    /// The resource, as KIND/NAME or KIND NAME; kinds as with kubectl: capp, atok, idacct, idp, cidp
    #[arg(required = true, num_args = 1..=2, value_name = "KIND/NAME")]
    resource: Vec<String>,
    /// Namespace; that of the context when absent
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Form of the output: json for programs, whose fields docs/command-line.md explains; text when absent
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    output: Option<Format>,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Shows one resource.
pub(super) async fn describe(args: DescribeArgs) -> Result<Outcome, Failure> {
    let (kind, name) = target(&args.resource)?;
    let connection = args.connection.connect().await?;
    let namespace = args.namespace.unwrap_or_else(|| connection.namespace.clone());
    let record = connection.get(kind, &namespace, &name).await?;
    let (provider, events) = futures::join!(provider(&connection, &record), events(&connection, &record));
    let report = Report::new(&record, provider.as_ref(), events, Timestamp::now());
    match args.output {
        Some(Format::Json) => output::json(&report)?,
        None => output::text(&text::render(&report))?,
    }
    Ok(if report.needs_attention {
        Outcome::NeedsAttention
    } else {
        Outcome::Good
    })
}

/// Its provider, where it has one that this user may read.
async fn provider(connection: &Connection, record: &Record) -> Option<Record> {
    let reference = record.spec.provider_ref.as_ref()?;
    let namespace = record.namespace.as_deref().unwrap_or_default();
    connection
        .get(Kind::from(reference.kind), namespace, &reference.name)
        .await
        .ok()
}

/// Its events, or why they cannot be shown.
async fn events(connection: &Connection, record: &Record) -> History {
    // Kubernetes keeps events about objects of the whole cluster there.
    let namespace = record.namespace.as_deref().unwrap_or("default");
    let api: Api<Event> = Api::namespaced(connection.client.clone(), namespace);
    let about = format!(
        "regarding.kind={},regarding.name={}",
        record.kind.as_str(),
        record.name
    );
    match api.list(&ListParams::default().fields(&about)).await {
        // An earlier resource of the same name had events too.
        Ok(found) => History::Known(
            found
                .items
                .into_iter()
                .filter(|event| is_about(event, record))
                .collect(),
        ),
        Err(error) => History::Unknown(said(&error)),
    }
}

fn is_about(event: &Event, record: &Record) -> bool {
    event
        .regarding
        .as_ref()
        .is_some_and(|regarding| regarding.uid.as_ref() == Some(&record.uid))
}
