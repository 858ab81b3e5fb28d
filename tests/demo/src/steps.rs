//! What is shown, in order.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::cluster::{self, NAMESPACE, SYSTEM_NAMESPACE};
use crate::credentials::{Credentials, SECRET};
use crate::failure::Failure;
use crate::keep;
use crate::kubectl::Kubectl;
use crate::sandbox::{self, Sandbox, balance_url};
use crate::screen::Screen;
use crate::stage::Stage;
use crate::token;
use crate::waiting::until;

pub(crate) const STEPS: usize = 10;

/// How long a deleted Secret may stay away.
const HEALING_LIMIT: Duration = Duration::from_secs(30);

/// How a mark begins.
const MARK: &str = "[keywright ";

/// Plays all steps; with `keep`, goes on until it is dropped.
pub(crate) async fn perform(stage: &mut Stage, screen: &mut Screen, keep: bool) -> Result<(), Failure> {
    screen
        .line("Keywright at work: an API key and an access token in Secrets, and what keeps them right.")?;
    find_cluster(stage, screen).await?;
    install_definitions(stage, screen).await?;
    start_sandbox(stage, screen).await?;
    let examples = apply_examples(stage, screen).await?;
    run_operator(stage, screen).await?;
    show_resources(stage, screen).await?;
    let key = use_the_key(stage, screen).await?;
    token::stay_fresh(stage, screen).await?;
    lose_the_secret(stage, screen, &key).await?;
    delete_the_application(stage, screen).await?;
    if keep {
        keep::stay(stage, screen, &examples).await
    } else {
        screen.line("\nThat was all.")
    }
}

pub(crate) async fn find_cluster(stage: &mut Stage, screen: &mut Screen) -> Result<(), Failure> {
    if let Some(kubeconfig) = stage.existing.clone() {
        screen.step(1, STEPS, "The cluster that KUBECONFIG names")?;
        stage.kubectl = Some(cluster::existing(screen, kubeconfig).await?);
        screen.note(&format!(
            "The demo makes the namespace {NAMESPACE} there and removes it at the end. The operator runs on this \
             machine and looks after that namespace only."
        ))
    } else {
        screen.step(1, STEPS, "A real control plane")?;
        let (plane, kubectl) = cluster::start(screen).await?;
        stage.plane = Some(plane);
        stage.kubectl = Some(kubectl);
        Ok(())
    }
}

pub(crate) async fn install_definitions(stage: &Stage, screen: &mut Screen) -> Result<(), Failure> {
    screen.step(2, STEPS, "The custom resource definitions")?;
    let kubectl = stage.kubectl()?;
    kubectl.show(screen, "apply --server-side -f crds/").await?;
    kubectl
        .run("wait --for=condition=Established --timeout=60s -f crds/")
        .await
        .map(drop)
}

async fn start_sandbox(stage: &mut Stage, screen: &mut Screen) -> Result<(), Failure> {
    screen.step(3, STEPS, "A sandbox of Didit")?;
    let account = sandbox::example_account()?;
    let accounts = std::slice::from_ref(&account);
    let sandbox = Sandbox::start(stage.directory(), accounts, stage.casualties.clone()).await?;
    screen.note(&format!(
        "It listens on {} and knows the account {}. Its access tokens live for {} s.",
        sandbox.url,
        account.email,
        sandbox::TOKEN_LIFETIME.as_secs()
    ))?;
    stage.sandbox = Some(sandbox);
    Ok(())
}

/// Returns the folder that was applied.
async fn apply_examples(stage: &mut Stage, screen: &mut Screen) -> Result<String, Failure> {
    screen.step(4, STEPS, "The resources of examples/")?;
    let url = stage.sandbox()?.url.clone();
    let usual = format!("http://127.0.0.1:{}", sandbox::PORT);
    let folder = if url == usual {
        "examples/".to_owned()
    } else {
        screen.note(&format!(
            "Port {} is taken, so copies are applied that name {url}.",
            sandbox::PORT
        ))?;
        let folder = stage.directory().join("examples");
        copies(Path::new("examples"), &folder, &[(&usual, &url)])?;
        folder.display().to_string()
    };
    stage.applied = true;
    stage
        .kubectl()?
        .show(screen, &format!("apply -f {folder}"))
        .await?;
    Ok(folder)
}

/// Copies the resources of a folder, with one text in place of another wherever it stands.
pub(crate) fn copies(examples: &Path, folder: &Path, replaced: &[(&str, &str)]) -> Result<(), Failure> {
    std::fs::create_dir(folder).map_err(Failure::file("make the directory", folder))?;
    for entry in std::fs::read_dir(examples).map_err(Failure::file("read", examples))? {
        let path = entry.map_err(Failure::file("read", examples))?.path();
        if let (Some(name), true) = (
            path.file_name(),
            path.extension().is_some_and(|kind| kind == "yaml"),
        ) {
            let text = std::fs::read_to_string(&path).map_err(Failure::file("read", &path))?;
            let text = replaced
                .iter()
                .fold(text, |text, (usual, present)| text.replace(usual, present));
            let copy = folder.join(name);
            std::fs::write(&copy, text).map_err(Failure::file("write", &copy))?;
        }
    }
    Ok(())
}

async fn run_operator(stage: &mut Stage, screen: &mut Screen) -> Result<(), Failure> {
    screen.step(5, STEPS, "The operator")?;
    start_operator(stage, screen).await?;
    stage.kubectl()?.show(screen, &wait_until_ready()).await
}

pub(crate) async fn start_operator(stage: &mut Stage, screen: &mut Screen) -> Result<(), Failure> {
    if stage.existing.is_none() {
        // The operator's Lease lives there; an installed operator finds its namespace made.
        stage
            .kubectl()?
            .show(screen, &format!("create namespace {SYSTEM_NAMESPACE}"))
            .await?;
    }
    screen.command(&format!("keywright run {}", stage.operator_flags()))?;
    stage.start_operator()
}

/// The arguments of kubectl that wait for the examples.
pub(crate) fn wait_until_ready() -> String {
    format!("wait --for=condition=Ready --timeout=60s -n {NAMESPACE} idp/didit capp/payments atok/payments")
}

async fn show_resources(stage: &Stage, screen: &mut Screen) -> Result<(), Failure> {
    screen.step(6, STEPS, "What an administrator sees")?;
    let kubectl = stage.kubectl()?;
    for kind in ["idp", "capp", "atok", "secret"] {
        kubectl
            .show(screen, &format!("get {kind} -n {NAMESPACE}"))
            .await?;
    }
    show_events(kubectl, screen).await
}

pub(crate) async fn show_events(kubectl: &Kubectl, screen: &mut Screen) -> Result<(), Failure> {
    let columns = "custom-columns=KIND:.involvedObject.kind,REASON:.reason,MESSAGE:.message";
    kubectl
        .show(screen, &format!("get events -n {NAMESPACE} -o {columns}"))
        .await
}

/// Calls the identity API as a workload would, and returns the key.
async fn use_the_key(stage: &Stage, screen: &mut Screen) -> Result<String, Failure> {
    screen.step(7, STEPS, "The Secret, and its key in use")?;
    try_the_key(stage, screen).await
}

/// Shows the Secret and calls the identity API with its key and with another one.
pub(crate) async fn try_the_key(stage: &Stage, screen: &mut Screen) -> Result<String, Failure> {
    screen.command(&format!(
        "kubectl get secret {SECRET} -n {NAMESPACE} -o json    (values masked here)"
    ))?;
    let missing = || Failure::Said(format!("there is no Secret {SECRET}"));
    let credentials = Credentials::read(stage, SECRET).await?.ok_or_else(missing)?;
    screen.output(&credentials.masked())?;
    let (api_url, key) = (credentials.value("api_url")?, credentials.value("api_key")?);

    screen.command(&format!(
        "curl -H \"x-api-key: $API_KEY\" {}",
        balance_url(api_url)
    ))?;
    let (status, body) = stage.sandbox()?.balance(api_url, key).await?;
    screen.output(&answer(status, &body))?;
    if status != 200 {
        return Err(Failure::Said(format!(
            "the key from the Secret is answered with {status}"
        )));
    }
    screen.command(&format!(
        "curl -H \"x-api-key: another key\" {}",
        balance_url(api_url)
    ))?;
    let (status, body) = stage.sandbox()?.balance(api_url, "another key").await?;
    screen.output(&answer(status, &body))?;
    if status == 200 {
        return Err(Failure::Said(
            "another key is accepted too, so the check above says nothing".to_owned(),
        ));
    }
    Ok(key.to_owned())
}

fn answer(status: u16, body: &str) -> String {
    let pretty = serde_json::from_str::<Value>(body).and_then(|body| serde_json::to_string_pretty(&body));
    format!("HTTP {status}\n{}", pretty.unwrap_or_else(|_| body.to_owned()))
}

async fn lose_the_secret(stage: &Stage, screen: &mut Screen, key: &str) -> Result<(), Failure> {
    screen.step(9, STEPS, "The Secret is deleted, and comes back")?;
    let lost = Credentials::read(stage, SECRET).await?.map(|secret| secret.uid);
    stage
        .kubectl()?
        .show(screen, &format!("delete secret {SECRET} -n {NAMESPACE}"))
        .await?;
    let (healed, took) = until(HEALING_LIMIT, "the return of the Secret", async || {
        Ok(Credentials::read(stage, SECRET)
            .await?
            .filter(|secret| Some(&secret.uid) != lost.as_ref()))
    })
    .await?;
    if healed.value("api_key")? != key {
        return Err(Failure::Said("the Secret came back with another key".to_owned()));
    }
    screen.note(&format!(
        "Back within {:.1} s, with the same key.",
        took.as_secs_f32()
    ))?;
    stage
        .kubectl()?
        .show(screen, &format!("get secret -n {NAMESPACE}"))
        .await
}

async fn delete_the_application(stage: &Stage, screen: &mut Screen) -> Result<(), Failure> {
    screen.step(
        10,
        STEPS,
        "The resources are deleted; the application stays, without Keywright's mark",
    )?;
    let (kubectl, sandbox) = (stage.kubectl()?, stage.sandbox()?);
    let resource = kubectl.get(&format!("capp payments -n {NAMESPACE}")).await?;
    let id = resource
        .as_ref()
        .and_then(|resource| resource.pointer("/status/applicationId")?.as_str());
    let id = id.ok_or_else(|| Failure::Said("ClientApplication payments names no application".to_owned()))?;

    screen.command(&format!(
        "curl {}    (the sandbox's own view; before)",
        sandbox.controls()
    ))?;
    let before = sandbox.application(id).await?;
    screen.output(&record(&before))?;
    kubectl
        .show(
            screen,
            &format!("delete atok/payments capp/payments -n {NAMESPACE} --timeout=60s"),
        )
        .await?;
    screen.command(&format!("curl {}    (after)", sandbox.controls()))?;
    let after = sandbox.application(id).await?;
    screen.output(&record(&after))?;
    if !description(&before).contains(MARK) || description(&after).contains(MARK) {
        return Err(Failure::Said(
            "the mark was not put on the application, or not taken off".to_owned(),
        ));
    }
    screen.note(
        "The Secrets go with their owners: Kubernetes' garbage collector removes them, within seconds once it has learned \
         of the new kinds, which it does every half minute.",
    )
}

fn description(application: &Value) -> &str {
    application
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn record(application: &Value) -> String {
    let name = application
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let mut lines = description(application).lines();
    let mut text = format!(
        "name:         {name}\ndescription:  {}",
        lines.next().unwrap_or_default()
    );
    for line in lines {
        text.push_str(&format!("\n              {line}"));
    }
    text
}
