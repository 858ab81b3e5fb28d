//! An access token in use, before and after its refresh.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::NAMESPACE;
use crate::credentials::{Credentials, SECRET, TOKEN_SECRET};
use crate::failure::Failure;
use crate::sandbox::TOKEN_LIFETIME;
use crate::screen::Screen;
use crate::stage::{PROPAGATION_BUDGET, Stage};
use crate::steps::STEPS;
use crate::waiting::{patiently, until};

/// How long a refresh may take to come: a token that has ended by then was not refreshed in time.
const REFRESH_LIMIT: Duration = TOKEN_LIFETIME;

/// Who may ask about tokens: the application itself.
struct Client {
    id: String,
    secret: String,
}

/// Uses the token, waits for its refresh, and uses the next one.
pub(crate) async fn stay_fresh(stage: &Stage, screen: &mut Screen) -> Result<(), Failure> {
    screen.step(
        8,
        STEPS,
        "An access token, refreshed before workloads could read an old one",
    )?;
    screen.note(&format!(
        "The AccessToken promises workloads 30 s of validity. Its refresh comes earlier than that by {PROPAGATION_BUDGET} \
         for the kubelet (--propagation-budget), and by what clocks and network may take."
    ))?;
    let kubectl = stage.kubectl()?;
    let client = client(stage).await?;
    let before = token(stage).await?;
    kubectl
        .show(screen, &format!("get atok payments -n {NAMESPACE}"))
        .await?;
    screen.command(&format!(
        "kubectl get secret {TOKEN_SECRET} -n {NAMESPACE} -o json    (values masked here)"
    ))?;
    screen.output(&before.masked())?;
    screen.command(&format!(
        "curl -s -u \"$CLIENT_ID:$API_KEY\" -d token=\"$ACCESS_TOKEN\" {} | jq -c '{{active, exp}}'",
        stage.sandbox()?.introspection()
    ))?;
    ask(stage, screen, "the token in the Secret", &client, &before, true).await?;

    screen.note(&format!(
        "Waiting until another token stands in the Secret, {} s at most.",
        REFRESH_LIMIT.as_secs()
    ))?;
    let refreshed = until(REFRESH_LIMIT, "the refresh of the token", async || {
        let now = token(stage).await?;
        Ok((now.value("access_token")? != before.value("access_token")?).then_some(now))
    });
    let (now, took) = patiently(screen, "waiting for the refresh", refreshed).await?;
    screen.note(&format!("Refreshed after {:.1} s:", took.as_secs_f32()))?;
    screen.output(&comparison(&before, &now)?)?;
    kubectl
        .show(screen, &format!("get atok payments -n {NAMESPACE}"))
        .await?;
    screen.note("The same question again, about three tokens:")?;
    ask(stage, screen, "the new token", &client, &now, true).await?;
    ask(
        stage,
        screen,
        "the old one, which a pod may still read",
        &client,
        &before,
        true,
    )
    .await?;
    let made_up = Credentials::with_token("not-a-token");
    ask(stage, screen, "one that nobody issued", &client, &made_up, false).await
}

/// Asks about a token, shows the answer, and fails if it is not what it should be.
async fn ask(
    stage: &Stage,
    screen: &mut Screen,
    what: &str,
    client: &Client,
    token: &Credentials,
    expected: bool,
) -> Result<(), Failure> {
    let (status, said) = stage
        .sandbox()?
        .introspect(&client.id, &client.secret, token.value("access_token")?)
        .await?;
    let active = said.get("active").and_then(Value::as_bool);
    let shown = json!({"active": active, "exp": said.get("exp")});
    screen.output(&format!("HTTP {status} {shown}    ({what})"))?;
    if status == 200 && active == Some(expected) {
        return Ok(());
    }
    Err(Failure::Said(format!(
        "{what}: the sandbox answered {status} with active: {active:?}, not {expected}"
    )))
}

async fn client(stage: &Stage) -> Result<Client, Failure> {
    let missing = || Failure::Said(format!("there is no Secret {SECRET}"));
    let credentials = Credentials::read(stage, SECRET).await?.ok_or_else(missing)?;
    Ok(Client {
        id: credentials.value("client_id")?.to_owned(),
        secret: credentials.value("api_key")?.to_owned(),
    })
}

async fn token(stage: &Stage) -> Result<Credentials, Failure> {
    let missing = || Failure::Said(format!("there is no Secret {TOKEN_SECRET}"));
    Credentials::read(stage, TOKEN_SECRET).await?.ok_or_else(missing)
}

fn comparison(before: &Credentials, now: &Credentials) -> Result<String, Failure> {
    Ok(format!(
        "        TOKEN    EXPIRES\nbefore  *******  {}\nnow     *******  {}",
        before.value("expires_at")?,
        now.value("expires_at")?
    ))
}
