//! From an e-mail address to a working key, without a hand.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cluster::NAMESPACE;
use crate::credentials::{Credentials, SECRET};
use crate::failure::Failure;
use crate::keep;
use crate::mailbox::Mailbox;
use crate::sandbox::{self, Sandbox};
use crate::screen::Screen;
use crate::stage::Stage;
use crate::steps::{
    STEPS, copies, find_cluster, install_definitions, show_events, start_operator, try_the_key,
};
use crate::waiting::until;

/// The `IdentityAccount` of `examples/onboarding/`.
pub(crate) const ACCOUNT: &str = "ops";

/// The Secret that it asks for.
pub(crate) const ACCOUNT_SECRET: &str = "ops-didit";

/// The Secret with the mailbox's password, and the ConfigMap with its certificate, that it names.
const MAILBOX_OBJECTS: &str = "ops-mailbox";

/// The port that stands in `examples/onboarding/`.
const USUAL_MAILBOX_PORT: &str = "port: 8993";

const FOLDER: &str = "examples/onboarding";

/// How long a sign-up may take.
const SIGN_UP_LIMIT: Duration = Duration::from_secs(60);

/// Plays all steps; with `keep`, goes on until it is dropped.
pub(crate) async fn perform(stage: &mut Stage, screen: &mut Screen, keep: bool) -> Result<(), Failure> {
    screen.line("Keywright at work: from an e-mail address to a working key, without a hand.")?;
    find_cluster(stage, screen).await?;
    install_definitions(stage, screen).await?;
    start_sandbox(stage, screen).await?;
    start_mailbox(stage, screen).await?;
    apply_resources(stage, screen).await?;
    sign_up(stage, screen).await?;
    show_resources(stage, screen).await?;
    show_account(stage, screen).await?;
    use_the_key(stage, screen).await?;
    count(stage, screen).await?;
    if keep {
        keep::stay_onboarded(stage, screen).await
    } else {
        screen.line("\nThat was all.")
    }
}

async fn start_sandbox(stage: &mut Stage, screen: &mut Screen) -> Result<(), Failure> {
    screen.step(3, STEPS, "A sandbox of Didit, which knows nobody yet")?;
    let sandbox = Sandbox::start(stage.directory(), &[], stage.casualties.clone()).await?;
    screen.note(&format!("It listens on {}.", sandbox.url))?;
    stage.sandbox = Some(sandbox);
    Ok(())
}

async fn start_mailbox(stage: &mut Stage, screen: &mut Screen) -> Result<(), Failure> {
    screen.step(4, STEPS, "A mailbox on a real IMAP server, with TLS")?;
    let mailbox = Mailbox::start(&stage.sandbox()?.url, stage.casualties.clone()).await?;
    screen.note(&format!(
        "It is on 127.0.0.1:{} and belongs to {}. The mails that the sandbox sends there arrive in it.",
        mailbox.port(),
        mailbox.address()
    ))?;
    stage.mailbox = Some(mailbox);
    Ok(())
}

async fn apply_resources(stage: &mut Stage, screen: &mut Screen) -> Result<(), Failure> {
    screen.step(5, STEPS, &format!("The resources of {FOLDER}/"))?;
    let folder = stage.directory().join("onboarding");
    let mailbox = stage.mailbox()?;
    let usual = format!("http://127.0.0.1:{}", sandbox::PORT);
    let port = format!("port: {}", mailbox.port());
    let replaced = [
        (usual.as_str(), stage.sandbox()?.url.as_str()),
        (USUAL_MAILBOX_PORT, port.as_str()),
    ];
    copies(Path::new(FOLDER), &folder, &replaced)?;
    let (password, authority) = (
        stage.directory().join("password.txt"),
        stage.directory().join("ca.crt"),
    );
    std::fs::write(&password, mailbox.password()).map_err(Failure::file("write", &password))?;
    std::fs::write(&authority, mailbox.authority()).map_err(Failure::file("write", &authority))?;
    let username = mailbox.address();

    stage.applied = true;
    let kubectl = stage.kubectl()?.clone();
    kubectl.show(screen, "apply -f examples/1-namespace.yaml").await?;
    screen.note("The mailbox's user name and password, and the certificate to trust:")?;
    kubectl
        .show(
            screen,
            &format!(
                "create secret generic {MAILBOX_OBJECTS} -n {NAMESPACE} --from-literal=username={username} \
                 --from-file=password={}",
                password.display()
            ),
        )
        .await?;
    kubectl
        .show(
            screen,
            &format!(
                "create configmap {MAILBOX_OBJECTS} -n {NAMESPACE} --from-file={}",
                authority.display()
            ),
        )
        .await?;
    screen.note(&format!(
        "An IdentityAccount for {username}, a provider that uses it, and a ClientApplication, from copies that name the \
         two ports of this run:"
    ))?;
    kubectl
        .show(screen, &format!("apply -f {}", folder.display()))
        .await
}

/// Starts the operator and says how the account comes along.
async fn sign_up(stage: &mut Stage, screen: &mut Screen) -> Result<(), Failure> {
    screen.step(6, STEPS, "The operator signs the account up")?;
    start_operator(stage, screen).await?;
    let begun = Instant::now();
    let mut said = String::new();
    until(SIGN_UP_LIMIT, "the sign-up", async || {
        let account = stage
            .kubectl()?
            .get(&format!("idacct {ACCOUNT} -n {NAMESPACE}"))
            .await?;
        let progress = Progress::of(account.as_ref());
        if progress.said != said {
            said.clone_from(&progress.said);
            screen.output(&format!("{:>5.1} s  {said}", begun.elapsed().as_secs_f32()))?;
        }
        Ok(progress.is_ready.then_some(()))
    })
    .await?;
    let wait = format!(
        "wait --for=condition=Ready --timeout=60s -n {NAMESPACE} idacct/{ACCOUNT} idp/didit capp/payments"
    );
    stage.kubectl()?.show(screen, &wait).await
}

/// How far the account has come, in the words of its status.
struct Progress {
    said: String,
    is_ready: bool,
}

impl Progress {
    fn of(account: Option<&Value>) -> Self {
        let text = |path| {
            account
                .and_then(|account| account.pointer(path)?.as_str())
                .unwrap_or_default()
        };
        let conditions = account.and_then(|account| account.pointer("/status/conditions")?.as_array());
        let ready = conditions
            .into_iter()
            .flatten()
            .find(|condition| condition.get("type").and_then(Value::as_str) == Some("Ready"));
        let of_ready = |field| {
            ready
                .and_then(|ready| ready.get(field)?.as_str())
                .unwrap_or_default()
        };
        let state = match text("/status/state") {
            "" => "NotRegistered",
            state => state,
        };
        Self {
            said: format!("{state:<13}  {}", of_ready("message"))
                .trim_end()
                .to_owned(),
            is_ready: of_ready("status") == "True",
        }
    }
}

async fn show_resources(stage: &Stage, screen: &mut Screen) -> Result<(), Failure> {
    screen.step(7, STEPS, "What an administrator sees")?;
    let kubectl = stage.kubectl()?;
    for kind in ["idacct", "idp", "capp", "secret"] {
        kubectl
            .show(screen, &format!("get {kind} -n {NAMESPACE}"))
            .await?;
    }
    show_events(kubectl, screen).await
}

async fn show_account(stage: &Stage, screen: &mut Screen) -> Result<(), Failure> {
    screen.step(
        8,
        STEPS,
        "The account's Secret: the password that was made, and what came with the account",
    )?;
    screen.command(&format!(
        "kubectl get secret {ACCOUNT_SECRET} -n {NAMESPACE} -o json    (values masked here)"
    ))?;
    let missing = || Failure::Said(format!("there is no Secret {ACCOUNT_SECRET}"));
    let account = Credentials::read(stage, ACCOUNT_SECRET)
        .await?
        .ok_or_else(missing)?;
    screen.output(&account.masked())
}

/// Tries the key of the application, which is the one that came with the account.
async fn use_the_key(stage: &Stage, screen: &mut Screen) -> Result<(), Failure> {
    screen.step(
        9,
        STEPS,
        "The Secret of the application that came with it, and its key in use",
    )?;
    let key = try_the_key(stage, screen).await?;
    let account = Credentials::read(stage, ACCOUNT_SECRET).await?;
    match account {
        Some(account) if account.value("api_key")? == key => Ok(()),
        _ => Err(Failure::Said(format!(
            "Secret {SECRET} has another key than the account's: another application was made"
        ))),
    }
}

async fn count(stage: &Stage, screen: &mut Screen) -> Result<(), Failure> {
    screen.step(10, STEPS, "What that took: the sandbox's calls, and the mailbox")?;
    let sandbox = stage.sandbox()?;
    screen.command(&format!("curl {}", sandbox.counters_url()))?;
    let counters = sandbox.counters().await?;
    let mut table = "CALL                 TIMES".to_owned();
    for (call, times) in counters.as_object().into_iter().flatten() {
        table.push_str(&format!("\n{call:<19}  {:>5}", times.to_string()));
    }
    screen.output(&table)?;
    let mails = stage.mailbox()?.mails().await?;
    screen.note(&format!(
        "Mails in the mailbox's INBOX: {}; in the folder that the mail with the code was moved to: {}.",
        mails.inbox, mails.done
    ))?;
    for call in ["register", "verifyEmail"] {
        if counters.get(call).and_then(Value::as_u64) != Some(1) {
            return Err(Failure::Said(format!("{call} was not called once: {counters}")));
        }
    }
    Ok(())
}
