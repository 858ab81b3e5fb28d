//! The image's program, run on nothing but the image's files.

use std::fs::{File, Permissions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use keywright_control_plane::{ControlPlane, Options};
use serde_json::json;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::command::Kubectl;
use crate::didit;
use crate::failure::Failure;
use crate::image::Image;
use crate::memory::Memory;
use crate::resolver::{Resolver, SANDBOX};
use crate::screen::say;
use crate::waiting::until;

/// The user of the image.
const USER: u32 = 65532;

/// Where DNS is answered: an address that nobody else uses.
const DNS: Ipv4Addr = Ipv4Addr::new(127, 83, 0, 53);

const OPERATOR_NAMESPACE: &str = "keywright-system";

/// Much more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long an operator without resources is looked at.
const IDLE: Duration = Duration::from_secs(20);

/// Starts the operator from the image's files, as its user, with nothing else in sight: no shell, no library, no
/// device, no `/proc`. Tells its memory when idle, and that it finds a name by DNS.
pub(crate) async fn run(image: &Image) -> Result<(), Failure> {
    let plane = ControlPlane::start(Options::default()).await?;
    let kubectl = Kubectl {
        program: plane.kubectl().to_owned(),
        kubeconfig: plane.kubeconfig().to_owned(),
    };
    kubectl.run("apply --server-side -f crds/").await?;
    kubectl
        .run("wait --for=condition=Established --timeout=60s -f crds/")
        .await?;
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OPERATOR_NAMESPACE}});
    kubectl.apply(&[namespace]).await?;

    let root = files(image, plane.kubeconfig())?;
    let _resolver = Resolver::start(DNS, Ipv4Addr::LOCALHOST).await?;
    let address = free_address()?;
    let log = root.path().join("operator.log");
    let mut operator = start(root.path(), address, &log)?;
    let process = operator.id().unwrap_or_default();
    let tried = async {
        until_leading(address).await?;
        say(format!(
            "  idle for {} s: {}",
            IDLE.as_secs(),
            idle(process).await?
        ))?;
        resolves(&kubectl).await?;
        say(format!("  finds {SANDBOX} by DNS, and logs in there: yes"))
    };
    let outcome = tokio::select! {
        outcome = tried => outcome,
        ended = operator.wait() => Err(Failure::said(format!("the operator ended: {ended:?}"))),
    };
    // An error means that it has ended already.
    let _ = operator.kill().await;
    let outcome = outcome.map_err(|failure| {
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        Failure::said(format!("{failure}\nThe operator's log:\n{log}"))
    });
    plane.stop().await?;
    outcome
}

/// The image's files in a directory, with what a pod would get besides: a way to the cluster, and to DNS.
fn files(image: &Image, kubeconfig: &Path) -> Result<TempDir, Failure> {
    let root = tempfile::Builder::new()
        .prefix("keywright-image-")
        .tempdir()
        .map_err(Failure::file("make a directory in", &std::env::temp_dir()))?;
    image.unpack(root.path())?;
    let own = root.path().join("kubeconfig");
    std::fs::copy(kubeconfig, &own).map_err(Failure::file("write", &own))?;
    chown(&own, Some(USER), Some(USER)).map_err(Failure::file("give away", &own))?;
    let resolv = root.path().join("etc/resolv.conf");
    std::fs::write(&resolv, Resolver::configuration(DNS)).map_err(Failure::file("write", &resolv))?;
    // The directory itself was made for its owner only.
    std::fs::set_permissions(root.path(), Permissions::from_mode(0o755))
        .map_err(Failure::file("open for others", root.path()))?;
    Ok(root)
}

fn start(root: &Path, address: SocketAddr, log: &Path) -> Result<Child, Failure> {
    let output = File::create(log).map_err(Failure::file("make", log))?;
    let errors = output.try_clone().map_err(Failure::file("open", log))?;
    Command::new("/usr/sbin/chroot")
        .arg(format!("--userspec={USER}:{USER}"))
        .arg(root)
        .args(["/keywright", "run", "--operator-namespace", OPERATOR_NAMESPACE])
        .arg(format!("--metrics-address={address}"))
        .env_clear()
        .env("KUBECONFIG", "/kubeconfig")
        .process_group(0)
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .map_err(|source| Failure::Spawn {
            program: "chroot".to_owned(),
            source,
        })
}

async fn until_leading(address: SocketAddr) -> Result<(), Failure> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let get = async |path: &str| {
        let answer = client.get(format!("http://{address}{path}")).send().await;
        let answer = answer.and_then(reqwest::Response::error_for_status);
        answer
            .map_err(|error| error.to_string())?
            .text()
            .await
            .map_err(|error| error.to_string())
    };
    until("the operator leads and is ready", PATIENCE, async || {
        get("/readyz").await?;
        let metrics = get("/metrics").await?;
        if metrics.lines().any(|line| line == "keywright_leader 1") {
            Ok(())
        } else {
            Err("it does not lead".to_owned())
        }
    })
    .await
}

/// What it takes at the end of a while in which nothing happened.
async fn idle(process: u32) -> Result<Memory, Failure> {
    let begun = Instant::now();
    while begun.elapsed() < IDLE {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Memory::of(process)
}

/// A login at the sandbox, which the provider names by a name that only DNS knows.
async fn resolves(kubectl: &Kubectl) -> Result<(), Failure> {
    let sandbox = didit::start(Ipv4Addr::LOCALHOST).await?;
    kubectl.apply(&didit::provider(&sandbox)).await?;
    let wait = format!(
        "wait --for=condition=Ready idp/didit -n {} --timeout=60s",
        didit::NAMESPACE
    );
    if let Err(failure) = kubectl.run(&wait).await {
        let provider = kubectl
            .run(&format!("get idp -n {} -o wide", didit::NAMESPACE))
            .await?;
        return Err(Failure::said(format!("{failure}\n{provider}")));
    }
    sandbox.stop().await;
    Ok(())
}

/// An address that nobody listens on at this moment.
pub(crate) fn free_address() -> Result<SocketAddr, Failure> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map_err(|error| Failure::said(format!("no port is free on 127.0.0.1: {error}")))
}
