//! What `KEEP=1` does at the end.

use crate::cluster::NAMESPACE;
use crate::credentials::SECRET;
use crate::failure::Failure;
use crate::screen::Screen;
use crate::stage::Stage;
use crate::steps::wait_until_ready;

/// Sets everything up again and waits.
pub(crate) async fn stay(stage: &mut Stage, screen: &mut Screen, examples: &str) -> Result<(), Failure> {
    screen.line("\nKEEP=1: everything is set up once more and stays until Ctrl-C.")?;
    let kubectl = stage.kubectl()?.clone();
    screen.note("First the garbage collector has to remove the earlier Secret.")?;
    kubectl
        .show(
            screen,
            &format!("wait --for=delete secret/{SECRET} -n {NAMESPACE} --timeout=120s"),
        )
        .await?;
    kubectl.show(screen, &format!("apply -f {examples}")).await?;
    kubectl.show(screen, &wait_until_ready()).await?;
    screen.line(&invitation(stage, examples)?)?;
    match &mut stage.plane {
        Some(plane) => Err(plane.failure().await.into()),
        None => std::future::pending().await,
    }
}

fn invitation(stage: &Stage, examples: &str) -> Result<String, Failure> {
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
    Ok(format!(
        r#"
In another terminal:

  export KUBECONFIG={kubeconfig}
{path}
  kubectl get keywright -n {NAMESPACE}               # all kinds of Keywright
  kubectl describe capp payments -n {NAMESPACE}      # conditions and events
  kubectl explain capp.spec.secret                      # what a field means
  kubectl edit capp payments -n {NAMESPACE}          # change or break something

  # A wrong password is tried once. The provider says so; the right one mends it:
  kubectl patch secret didit-account -n {NAMESPACE} --type=merge -p '{{"stringData":{{"password":"wrong"}}}}'
  kubectl get idp -n {NAMESPACE} -o wide
  kubectl apply -f {examples}

  The sandbox        {sandbox}/_sandbox
  The operator's log {log}

Ctrl-C stops everything and removes it."#,
        kubeconfig = kubectl.kubeconfig.display(),
        sandbox = stage.sandbox()?.url,
        log = stage.operator_log().display(),
    ))
}
