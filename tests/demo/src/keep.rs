//! What `KEEP=1` does at the end.

use std::path::Path;

use crate::cluster::NAMESPACE;
use crate::credentials::{SECRET, TOKEN_SECRET};
use crate::failure::Failure;
use crate::onboarding::{ACCOUNT, ACCOUNT_SECRET};
use crate::screen::Screen;
use crate::stage::Stage;
use crate::steps::wait_until_ready;

/// Sets everything up again and waits.
pub(crate) async fn stay(stage: &mut Stage, screen: &mut Screen, examples: &str) -> Result<(), Failure> {
    screen.line("\nKEEP=1: the resources are applied again, and everything goes on running until Ctrl-C.")?;
    let kubectl = stage.kubectl()?.clone();
    screen.note("The Secrets of the deleted resources have to be gone first.")?;
    kubectl
        .show(
            screen,
            &format!("wait --for=delete secret/{SECRET} secret/{TOKEN_SECRET} -n {NAMESPACE} --timeout=120s"),
        )
        .await?;
    kubectl.show(screen, &format!("apply -f {examples}")).await?;
    kubectl.show(screen, &wait_until_ready()).await?;
    screen.line(&invitation(stage, &to_try(examples)?)?)?;
    until_interrupted(stage).await
}

/// Waits after the onboarding, whose resources are still there.
pub(crate) async fn stay_onboarded(stage: &mut Stage, screen: &mut Screen) -> Result<(), Failure> {
    screen.line("\nKEEP=1: everything goes on running until Ctrl-C.")?;
    screen.line(&invitation(stage, &to_try_onboarded())?)?;
    until_interrupted(stage).await
}

async fn until_interrupted(stage: &mut Stage) -> Result<(), Failure> {
    stage.staying = true;
    match &mut stage.plane {
        Some(plane) => Err(plane.failure().await.into()),
        None => std::future::pending().await,
    }
}

fn invitation(stage: &Stage, to_try: &str) -> Result<String, Failure> {
    let kubectl = stage.kubectl()?;
    let path = match kubectl.program.parent() {
        Some(directory) if stage.plane.is_some() => {
            format!(
                "  export PATH={}:$PATH    # a kubectl that fits\n",
                directory.display()
            )
        }
        _ => String::new(),
    };
    let end = if stage.plane.is_some() {
        "Everything is stopped and removed."
    } else {
        "The operator and the sandbox are stopped and the namespace is removed; the definitions stay."
    };
    Ok(format!(
        r#"
In another terminal, first:

  export KUBECONFIG={kubeconfig}
{path}
Then, for example:

{to_try}

  The sandbox        {sandbox}/_sandbox
  The operator's log {log}

To end, press Ctrl-C here. {end}"#,
        kubeconfig = kubectl.kubeconfig.display(),
        sandbox = stage.sandbox()?.url,
        log = stage.operator_log().display(),
    ))
}

fn to_try(examples: &str) -> Result<String, Failure> {
    // The other terminal may be anywhere.
    let examples = std::path::absolute(examples).map_err(Failure::file("find", Path::new(examples)))?;
    Ok(format!(
        r#"  kubectl get keywright -n {NAMESPACE}               # all resources of Keywright
  kubectl describe capp payments -n {NAMESPACE}      # conditions and events
  kubectl get atok -n {NAMESPACE} -w                 # a token is refreshed; every minute here
  kubectl annotate atok payments -n {NAMESPACE} keywright.dev/refresh-requested-at="$(date)" --overwrite
  kubectl explain capp.spec.secret                   # what the fields mean
  kubectl edit capp payments -n {NAMESPACE}          # change something
  kubectl delete secret {SECRET} -n {NAMESPACE}    # it is written again

  # A wrong password is tried once, and the provider says so. Applying the right one repairs it:
  kubectl patch secret didit-account -n {NAMESPACE} --type=merge \
    -p '{{"stringData":{{"password":"wrong"}}}}'
  kubectl get idp -n {NAMESPACE} -o wide
  kubectl apply -f {examples}"#,
        examples = examples.display(),
    ))
}

fn to_try_onboarded() -> String {
    format!(
        r#"  kubectl get keywright -n {NAMESPACE}               # all resources of Keywright
  kubectl describe idacct {ACCOUNT} -n {NAMESPACE}          # conditions and events
  kubectl explain idacct.spec.code                   # where a code may come from
  kubectl delete secret {SECRET} -n {NAMESPACE}    # it is written again

  # A management token beside the key, kept fresh by logging in:
  kubectl patch idacct {ACCOUNT} -n {NAMESPACE} --type=merge -p '{{"spec":{{"keepToken":true}}}}'
  kubectl get secret {ACCOUNT_SECRET} -n {NAMESPACE} -o yaml"#
    )
}
