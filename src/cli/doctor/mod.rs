//! `keywright doctor`: looks for what is wrong, and says how to mend it.
//!
//! `gather.rs` reads the facts; what they mean is decided without the cluster by the other modules, one for each check.

mod clock;
mod definitions;
mod facts;
mod finding;
mod gather;
mod lease;
mod resources;
mod rights;
mod text;

use clap::{ArgAction, Args};
use k8s_openapi::jiff::Timestamp;

use super::connection::ConnectionArgs;
use super::output::{self, Format};
use super::values::{Namespaces, namespaces};
use super::{Failure, Outcome};
use facts::{Deployment, Facts, Whose};
use finding::{Finding, Report};

/// The flags of `keywright doctor`. Those that the operator has too mean the same.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit code: 0 when nothing is wrong, 1 when something is, 2 when the cluster could not be asked. Warnings do not count."
)]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    operator: OperatorArgs,
    /// Look at the installation only: not at what users have made with it, nor at its providers
    #[arg(long)]
    installation: bool,
    /// Form of the output: json for programs, whose fields docs/command-line.md explains; text when absent
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    output: Option<Format>,
    #[command(flatten)]
    connection: ConnectionArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "The operator as it is installed")]
struct OperatorArgs {
    /// Its namespace
    #[arg(
        short = 'n',
        long,
        visible_alias = "namespace",
        env = "POD_NAMESPACE",
        default_value = "keywright-system",
        value_name = "NAMESPACE"
    )]
    operator_namespace: String,
    /// Its service account, whose rights are checked: that of this pod when run in the operator's namespace, else keywright
    #[arg(long, value_name = "NAME")]
    service_account: Option<String>,
    /// Check the rights of the user of this command instead, where the operator runs with a kubeconfig
    #[arg(long, conflicts_with = "service_account")]
    own_rights: bool,
    /// Namespaces that it looks after, separated by commas; all when absent
    #[arg(long, env = "KEYWRIGHT_WATCH_NAMESPACES", value_parser = namespaces, default_value = "", hide_default_value = true, value_name = "NAMESPACES")]
    watch_namespaces: Namespaces,
    /// Whether it looks after ClusterIdentityProviders
    #[arg(long, env = "KEYWRIGHT_CLUSTER_IDENTITY_PROVIDERS", default_value_t = true, action = ArgAction::Set, value_name = "BOOL")]
    cluster_identity_providers: bool,
    /// Whether it watches Secrets
    #[arg(long, env = "KEYWRIGHT_WATCH_SECRETS", default_value_t = true, action = ArgAction::Set, value_name = "BOOL")]
    watch_secrets: bool,
    /// The identifier of the cluster that it was given, if any
    #[arg(long, env = "KEYWRIGHT_CLUSTER_ID", value_name = "ID")]
    cluster_id: Option<String>,
    /// Whether its replicas elect a leader
    #[arg(long, env = "KEYWRIGHT_LEADER_ELECTION", default_value_t = true, action = ArgAction::Set, value_name = "BOOL")]
    leader_election: bool,
    /// Name of its Lease
    #[arg(
        long,
        env = "KEYWRIGHT_LEASE_NAME",
        default_value = "keywright",
        value_name = "NAME"
    )]
    lease_name: String,
}

/// Looks at everything and says what it found.
pub(super) async fn doctor(args: DoctorArgs) -> Result<Outcome, Failure> {
    let connection = args.connection.connect().await?;
    let deployment = deployment(args.operator);
    let facts = gather::facts(&connection, &deployment, !args.installation).await?;
    let report = Report::new(findings(&facts, &deployment));
    match args.output {
        Some(Format::Json) => output::json(&report)?,
        None => output::text(&text::render(&report))?,
    }
    Ok(if report.wrong > 0 {
        Outcome::NeedsAttention
    } else {
        Outcome::Good
    })
}

fn deployment(args: OperatorArgs) -> Deployment {
    let OperatorArgs {
        operator_namespace,
        service_account,
        own_rights,
        watch_namespaces,
        cluster_identity_providers,
        watch_secrets,
        cluster_id,
        leader_election,
        lease_name,
    } = args;
    Deployment {
        namespace: operator_namespace,
        whose_rights: match (own_rights, service_account) {
            (true, _) => Whose::Own,
            (false, Some(name)) => Whose::ServiceAccount(name),
            (false, None) => Whose::Operator,
        },
        watch_namespaces: watch_namespaces.0,
        cluster_identity_providers,
        watches_secrets: watch_secrets,
        has_cluster_id: cluster_id.is_some(),
        lease: leader_election.then_some(lease_name),
    }
}

/// What the facts mean, in the order in which things have to be mended.
fn findings(facts: &Facts, deployment: &Deployment) -> Vec<Finding> {
    let now = facts
        .server
        .clock
        .as_ref()
        .map_or(facts.now, |clock| clock.corrected(facts.now));
    let mut findings = vec![server(facts), clock::of_this_machine(facts.server.clock.as_ref())];
    findings.extend(definitions::findings(&facts.definitions));
    findings.extend(rights::findings(&facts.rights, deployment));
    if let Some(name) = &deployment.lease {
        findings.extend(lease::findings(&facts.lease, &deployment.namespace, name, now));
    }
    if let Some(resources) = &facts.resources {
        findings.extend(resources::findings(
            &resources.records,
            &resources.not_listed,
            now,
        ));
    }
    findings
}

fn server(facts: &Facts) -> Finding {
    Finding::ok(
        "api server",
        format!("{} at {}", facts.server.version, facts.server.address),
    )
}

/// A time for people.
fn shown(time: Timestamp) -> String {
    format!("{time:.0}")
}
