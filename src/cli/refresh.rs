//! `keywright refresh`: asks the operator for a new token now, by the annotation that it watches.

use std::time::Duration;

use clap::Args;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::connection::{Connection, ConnectionArgs, said};
use super::kind::{Kind, target};
use super::output;
use super::record::Record;
use super::standing::standing;
use super::values::duration;
use super::{Failure, Outcome, age};
use crate::api::names::{REFRESH_REQUESTED_ANNOTATION, REVOKE_REQUESTED_ANNOTATION};
use crate::api::token::TOKEN_FRESH;

/// Who sets the annotation, in the managed fields of the resource.
const FIELD_MANAGER: &str = "keywright-refresh";

/// Pause between two looks while a request is waited for.
const INTERVAL: Duration = Duration::from_millis(500);

/// The flags of `keywright refresh`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit code: 0 when it was requested, with --wait when it is done; 1 when that took longer than --timeout; 2 when it could not be requested."
)]
pub(super) struct RefreshArgs {
    /// The resource, as KIND/NAME or KIND NAME: capp, atok or idacct
    #[arg(required = true, num_args = 1..=2, value_name = "KIND/NAME")]
    resource: Vec<String>,
    /// Namespace; that of the context when absent
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Also make the replaced token worthless, where the server offers that (RFC 7009)
    #[arg(long)]
    revoke: bool,
    /// Wait until the new token is in the Secret
    #[arg(short, long)]
    wait: bool,
    /// How long to wait
    #[arg(long, default_value = "2m", value_parser = duration, value_name = "DURATION", requires = "wait")]
    timeout: Duration,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// What is asked of the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Refresh,
    Revoke,
}

impl Wish {
    fn annotation(self) -> &'static str {
        match self {
            Self::Refresh => REFRESH_REQUESTED_ANNOTATION,
            Self::Revoke => REVOKE_REQUESTED_ANNOTATION,
        }
    }

    /// Whether the operator has done it for this value of the annotation.
    fn is_fulfilled(self, record: &Record, value: &str) -> bool {
        let Some(done) = &record.status.fulfilled_requests else {
            return false;
        };
        let done = match self {
            Self::Refresh => &done.refresh,
            Self::Revoke => &done.revoke,
        };
        done.as_deref() == Some(value)
    }
}

/// Asks for a new token, and waits for it if that is wanted.
pub(super) async fn refresh(args: RefreshArgs) -> Result<Outcome, Failure> {
    let (kind, name) = target(&args.resource)?;
    let connection = args.connection.connect().await?;
    let namespace = args.namespace.unwrap_or_else(|| connection.namespace.clone());
    let record = connection.get(kind, &namespace, &name).await?;
    if let Some(refusal) = refusal(&record) {
        return Err(refusal);
    }
    let wish = if args.revoke { Wish::Revoke } else { Wish::Refresh };
    // Finer than a second: each value is fulfilled once.
    let value = format!("{:.6}", Timestamp::now());
    request(&connection, &record, wish, &value).await?;
    if !args.wait {
        output::text(&format!(
            "{} is asked for a new token. See `describe`, or use --wait.\n",
            record.place()
        ))?;
        return Ok(Outcome::Good);
    }
    let deadline = Instant::now() + args.timeout;
    loop {
        let seen = connection.get(kind, &namespace, &name).await?;
        if wish.is_fulfilled(&seen, &value) {
            output::text(&fulfilled(&seen, wish, Timestamp::now()))?;
            return Ok(Outcome::Good);
        }
        if Instant::now() >= deadline {
            output::note(&unfulfilled(&seen, args.timeout, Timestamp::now()));
            return Ok(Outcome::NeedsAttention);
        }
        sleep(INTERVAL).await;
    }
}

async fn request(connection: &Connection, record: &Record, wish: Wish, value: &str) -> Result<(), Failure> {
    let patch = json!({
        "metadata": { "uid": record.uid, "annotations": { wish.annotation(): value } }
    });
    let parameters = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    connection
        .api(record.kind, record.namespace.as_deref())
        .patch(&record.name, &parameters, &Patch::Merge(patch))
        .await
        .map(drop)
        .map_err(|error| format!("{} was not changed: {}", record.place(), said(&error)))
}

/// Why there is nothing to ask for.
fn refusal(record: &Record) -> Option<Failure> {
    let place = record.place();
    match record.kind {
        Kind::IdentityProvider | Kind::ClusterIdentityProvider => Some(format!(
            "{place} has no token of its own. Refresh the resources that use it; its account is logged in again by itself"
        )),
        Kind::ClientApplication if !record.wants_token() => Some(format!(
            "{place} keeps no token: its API key does not end. Set spec.accessToken for a token beside it"
        )),
        Kind::IdentityAccount if !record.wants_token() => {
            Some(format!("{place} keeps no token. Set spec.keepToken for one"))
        }
        _ if record.deletion.is_some() => Some(format!("{place} is being deleted")),
        _ if record.is_suspended() => Some(format!(
            "{place} is suspended, so nothing would happen. Remove spec.suspend first"
        )),
        _ => None,
    }
}

fn fulfilled(record: &Record, wish: Wish, now: Timestamp) -> String {
    let expires = record.status.token.as_ref().map_or_else(String::new, |token| {
        format!(", which expires at {}", age::moment(token.expires_at.0, now))
    });
    let secret = record
        .secret()
        .map_or_else(String::new, |secret| format!(" in Secret {secret}"));
    let revoked = match wish {
        Wish::Refresh => "",
        Wish::Revoke => " An event says so if the server did not revoke the earlier one (`describe`).",
    };
    format!("{} has a new token{secret}{expires}.{revoked}\n", record.place())
}

fn unfulfilled(record: &Record, timeout: Duration, now: Timestamp) -> String {
    let trouble = record
        .condition(TOKEN_FRESH)
        .filter(|condition| condition.status != "True");
    let why = match trouble {
        Some(condition) => format!("{}: {}", condition.reason, condition.message),
        None => {
            let stands = standing(record, now);
            match stands.message.as_str() {
                _ if !stands.state.needs_attention() => {
                    "the operator says nothing about it; `keywright doctor` tells whether it runs".to_owned()
                }
                message => format!("{}: {message}", stands.reason),
            }
        }
    };
    format!(
        "{} has no new token within {timeout:?}. The request stands and is fulfilled as soon as that is possible. {why}",
        record.place()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::{at, condition, now, published, record, record_with, token};

    #[test]
    fn what_has_no_token_is_refused_with_a_reason() {
        let deleting = json!({"deletionTimestamp": at(-5).to_string()});
        for (record, expected) in [
            (
                record(Kind::IdentityProvider, "a", json!({}), json!({})),
                "has no token of its own",
            ),
            (
                record(Kind::ClusterIdentityProvider, "a", json!({}), json!({})),
                "has no token of its own",
            ),
            (
                record(Kind::ClientApplication, "a", json!({}), json!({})),
                "Set spec.accessToken",
            ),
            (
                record(Kind::IdentityAccount, "a", json!({}), json!({})),
                "Set spec.keepToken",
            ),
            (
                record(Kind::AccessToken, "a", json!({"suspend": true}), json!({})),
                "Remove spec.suspend first",
            ),
            (
                record_with(Kind::AccessToken, "a", deleting, json!({}), json!({})),
                "is being deleted",
            ),
        ] {
            let refused = refusal(&record).unwrap();
            assert!(refused.contains(expected), "{refused}");
        }
        for (kind, spec) in [
            (Kind::AccessToken, json!({})),
            (Kind::ClientApplication, json!({"accessToken": {}})),
            (Kind::IdentityAccount, json!({"keepToken": true})),
        ] {
            assert_eq!(refusal(&record(kind, "a", spec, json!({}))), None);
        }
    }

    #[test]
    fn only_this_request_counts_as_fulfilled() {
        let mut status = published(token(600, 60));
        status["fulfilledRequests"] = json!({"refresh": "one", "revoke": "two"});
        let record = record(Kind::AccessToken, "a", json!({}), status);
        assert!(Wish::Refresh.is_fulfilled(&record, "one") && Wish::Revoke.is_fulfilled(&record, "two"));
        assert!(!Wish::Refresh.is_fulfilled(&record, "two") && !Wish::Revoke.is_fulfilled(&record, "one"));
    }

    #[test]
    fn a_wait_that_was_too_long_tells_what_is_in_the_way() {
        let timeout = Duration::from_secs(5);
        let status = json!({"observedGeneration": 1, "token": token(600, 60), "conditions": [
            condition("Ready", "True", "Published", ""),
            condition("TokenFresh", "False", "InvalidClient", "correct the client's Secret"),
        ]});
        let told = unfulfilled(&record(Kind::AccessToken, "a", json!({}), status), timeout, now());
        assert!(
            told.ends_with("as soon as that is possible. InvalidClient: correct the client's Secret"),
            "{told}"
        );
        let told = unfulfilled(
            &record(Kind::AccessToken, "a", json!({}), published(token(600, 60))),
            timeout,
            now(),
        );
        assert!(
            told.contains("no new token within 5s") && told.contains("`keywright doctor`"),
            "{told}"
        );
        let conflict = json!({"observedGeneration": 1, "conditions": [condition("Ready", "False", "SecretConflict", "choose another")]});
        let told = unfulfilled(
            &record(Kind::AccessToken, "a", json!({}), conflict),
            timeout,
            now(),
        );
        assert!(told.ends_with("SecretConflict: choose another"), "{told}");
    }
}
