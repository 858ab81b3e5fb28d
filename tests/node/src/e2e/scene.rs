//! What is started, and what is then done.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use keywright_control_plane::{ControlPlane, Options};
use keywright_sandbox::Sandbox;

use super::network::{API_SERVER, DNS, Network};
use super::node::Node;
use super::operator::{self, NAMESPACE as OPERATOR_NAMESPACE};
use super::pods::{self, READERS};
use super::propagation::Propagation;
use super::writes::{Write, Writes};
use super::{Prepared, Settings, archive, checks};
use crate::command::Kubectl;
use crate::didit::{self, NAMESPACE};
use crate::failure::{Failure, ensure};
use crate::resolver::Resolver;
use crate::screen::say;
use crate::waiting::until;

/// How long the operator may take to refresh a token that it is asked to.
const REFRESH_LIMIT: Duration = Duration::from_secs(60);

/// Starts everything, looks on, and ends it in an orderly way where it came to the end.
pub(super) async fn perform(settings: &Settings, prepared: &Prepared) -> Result<(), Failure> {
    let run = prepared.host.run();
    say("Starting a control plane, and a node on this machine.")?;
    let plane = ControlPlane::start(Options::default()).await?;
    let kubectl = Kubectl {
        program: plane.kubectl().to_owned(),
        kubeconfig: plane.kubeconfig().to_owned(),
    };
    let _network = Network::start(api_server(&kubectl).await?).await?;
    let _resolver = Resolver::start(DNS, API_SERVER).await?;
    let sandbox = didit::start(API_SERVER).await?;
    let witness = run.join("witness.tar");
    archive::write(&settings.witness, &witness)?;
    let images = [prepared.image.archive(), witness.as_path()];
    let mut node = Node::start(run, &prepared.node, &images, &kubectl).await?;
    say(nodes(&kubectl).await?)?;

    // In a block of its own, since the node is needed again for what is told of a failure.
    let ended = {
        let looked_on = look_on(settings, prepared, &kubectl, &sandbox, run);
        tokio::select! {
            outcome = looked_on => outcome,
            failure = node.failure() => Err(failure),
        }
    };
    if let Err(failure) = ended {
        return Err(Failure::said(format!(
            "{failure}\n{}",
            report(&kubectl, &node, run).await
        )));
    }
    operator::uninstall(prepared, &kubectl, run).await?;
    kubectl
        .run(&format!("delete pods --all -n {NAMESPACE} --timeout=60s"))
        .await?;
    node.stop().await;
    plane.stop().await?;
    sandbox.stop().await;
    Ok(())
}

async fn look_on(
    settings: &Settings,
    prepared: &Prepared,
    kubectl: &Kubectl,
    sandbox: &Sandbox,
    run: &Path,
) -> Result<(), Failure> {
    operator::install(prepared, kubectl, run).await?;
    let budget = operator::propagation_budget(kubectl).await?;
    let operator = operator::running(prepared, kubectl).await?;
    say(format!(
        "The chart is installed, and the operator runs from its own image, {}.",
        prepared.image.id
    ))?;
    say(format!("  {}", operator.memory()?))?;

    kubectl.apply(&didit::provider(sandbox)).await?;
    kubectl.apply(&didit::credentials()).await?;
    let writes = Writes::watch(kubectl).await?;
    kubectl
        .run(&format!(
            "wait --for=condition=Ready atok/payments -n {NAMESPACE} --timeout=60s"
        ))
        .await?;
    kubectl.apply(&pods::all()).await?;
    kubectl
        .run(&format!(
            "wait --for=condition=Ready pods --all -n {NAMESPACE} --timeout=120s"
        ))
        .await?;
    say(kubectl
        .run(&format!("get capp,atok,pods -n {NAMESPACE}"))
        .await?
        .trim_end())?;

    let mut propagation = Propagation::default();
    for number in 1..=settings.refreshes {
        if number == settings.refreshes {
            replace_the_operator(kubectl, &writes).await?;
        }
        let write = refresh(kubectl, &writes, number).await?;
        let mut line = format!("Refresh {number} of {}: read", settings.refreshes);
        for took in read_by_all(run, &write, budget).await? {
            propagation.add(took);
            line.push_str(&format!(" {:.1} s", took.as_secs_f64()));
        }
        say(format!("{line} after the Secret was written"))?;
    }
    say(propagation.summary(budget))?;
    checks::all(run, &writes.all())?;
    let operator = operator::running(prepared, kubectl).await?;
    say(format!(
        "The operator was never restarted. {}.",
        operator.memory()?
    ))?;
    operator::test(prepared, kubectl, run).await?;
    say("helm test: the operator finds nothing wrong with itself.")
}

/// Another pod takes over, and asks for no token.
async fn replace_the_operator(kubectl: &Kubectl, writes: &Writes) -> Result<(), Failure> {
    let before = writes.all().len();
    let took = operator::replace(kubectl).await?;
    ensure(writes.all().len() == before, || {
        "the new pod of the operator replaced a token that was good".to_owned()
    })?;
    say(format!(
        "The operator's pod was replaced by another in {:.1} s, and the token stayed.",
        took.as_secs_f64()
    ))
}

/// Asks for another token, and waits until it stands in the Secret.
async fn refresh(kubectl: &Kubectl, writes: &Writes, number: usize) -> Result<Write, Failure> {
    let before = writes.all().len();
    kubectl
        .run(&format!(
            "annotate atok payments -n {NAMESPACE} keywright.dev/refresh-requested-at={number} --overwrite"
        ))
        .await?;
    until("another token stands in the Secret", REFRESH_LIMIT, async || {
        let all = writes.all();
        match all.last() {
            Some(last) if all.len() > before => Ok(last.clone()),
            _ => Err(format!("{} tokens so far", all.len())),
        }
    })
    .await
}

/// Waits until each pod has read the token, and tells how long that took. Nobody may take longer than the operator
/// counts for it.
async fn read_by_all(run: &Path, write: &Write, budget: Duration) -> Result<Vec<Duration>, Failure> {
    until("every pod reads the new token", budget, async || {
        let read = READERS.map(|pod| pods::first_read(run, pod, &write.token));
        let all: Option<Vec<_>> = read.into_iter().collect();
        all.ok_or_else(|| format!("{} of {} have", read.iter().flatten().count(), READERS.len()))
    })
    .await
    .map(|times| times.into_iter().map(|at| since(write.at, at)).collect())
}

/// A pod may read a token some milliseconds before the watch tells of its write.
fn since(written: u128, read: u128) -> Duration {
    Duration::from_nanos(u64::try_from(read.saturating_sub(written)).unwrap_or(u64::MAX))
}

async fn api_server(kubectl: &Kubectl) -> Result<SocketAddr, Failure> {
    let url = kubectl
        .run("config view --minify -o jsonpath={.clusters[0].cluster.server}")
        .await?;
    let address = url.trim_start_matches("https://").parse();
    address.map_err(|error| Failure::said(format!("the API server is at {url}: {error}")))
}

async fn nodes(kubectl: &Kubectl) -> Result<String, Failure> {
    Ok(kubectl.run("get nodes").await?.trim_end().to_owned())
}

/// What helps to find out why it failed.
async fn report(kubectl: &Kubectl, node: &Node, run: &Path) -> String {
    let mut report = String::new();
    for question in [
        "get pods --all-namespaces -o wide".to_owned(),
        format!("get idp,capp,atok -n {NAMESPACE} -o wide"),
        "get events --all-namespaces --sort-by=.lastTimestamp".to_owned(),
    ] {
        let answer = kubectl
            .run(&question)
            .await
            .unwrap_or_else(|error| error.to_string());
        report.push_str(&format!("\n$ kubectl {question}\n{answer}"));
    }
    let log = pods::log(run, OPERATOR_NAMESPACE, "keywright");
    format!(
        "{report}\nThe operator's log:\n{log}\nThe kubelet's log:\n{}",
        node.kubelet_log()
    )
}
