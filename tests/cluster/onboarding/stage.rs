//! The surroundings of a test about a sign-up: an identity API that knows nobody, and a mailbox where one is needed.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use keywright::api::IdentityAccount;
use keywright::api::identity_account::AccountState;
use keywright::api::names::CODE_REQUESTED_ANNOTATION;
use keywright_mailbox_server::{CodeMail, MailboxServer};
use keywright_sandbox::{Config, Operation};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::time;
use crate::harness::{EMAIL, Operator, PATIENCE, World, entries, eventually};

/// The account of a test that needs one only.
pub(super) const NAME: &str = "ops";

/// The Secret that a code is put into by hand.
pub(super) const CODE_SECRET: &str = "ops-code";

/// The Secret with the mailbox's password.
pub(super) const MAILBOX_SECRET: &str = "ops-mailbox";

/// How many registrations and resends the operator makes within an hour unless somebody asks for more.
pub(super) const HOURLY: u64 = 4;

/// A world with an operator.
pub(super) struct Stage {
    pub(super) world: World,
    pub(super) operator: Operator,
}

impl Stage {
    /// A world whose sandbox knows nobody.
    pub(super) async fn new(name: &str) -> Self {
        Self::with(name, Config::default()).await
    }

    /// A world with another sandbox.
    pub(super) async fn with(name: &str, config: Config) -> Self {
        let world = World::with_sandbox(name, config).await;
        // A process that is killed leaves no lease that the next one would wait for.
        let settings = world
            .settings()
            .with("--leader-election", "false")
            .with("--propagation-budget", "2s");
        let operator = world.operator_with(settings);
        Self { world, operator }
    }

    /// An account whose code comes by hand. The fields of `spec` replace those.
    pub(super) fn account(&self, name: &str, email: &str, spec: Value) -> Value {
        let mut whole = json!({
            "didit": {
                "authUrl": self.world.sandbox.auth_url(),
                "apiUrl": self.world.sandbox.api_url(),
                "allowInsecure": true,
            },
            "email": email,
            "code": {"secretRef": {"name": format!("{name}-code")}},
            "secret": {"name": secret_of(name)},
        });
        let (Value::Object(fields), Value::Object(replaced)) = (&mut whole, spec) else {
            panic!("not objects")
        };
        fields.extend(replaced);
        json!({
            "apiVersion": "keywright.dev/v1alpha1",
            "kind": "IdentityAccount",
            "metadata": {"name": name},
            "spec": whole,
        })
    }

    /// Applies the account `ops`, and waits until a code was asked for.
    pub(super) async fn asks_for_a_code(&self) {
        self.world.apply(self.account(NAME, EMAIL, json!({}))).await;
        self.until_state(NAME, AccountState::CodeSent).await;
    }

    /// An account as it stands.
    pub(super) async fn read(&self, name: &str) -> IdentityAccount {
        self.world.api().get(name).await.unwrap()
    }

    /// Waits until an account has come so far and no call of its is under way.
    pub(super) async fn until_state(&self, name: &str, wanted: AccountState) {
        eventually(&format!("{name} is {wanted:?}"), PATIENCE, async || {
            let status = self.read(name).await.status.unwrap_or_default();
            let is_idle = status
                .registration
                .as_ref()
                .is_none_or(|done| done.pending_call.is_none());
            if is_idle && status.state == Some(wanted) {
                Ok(())
            } else {
                Err(format!("{status:#?}"))
            }
        })
        .await;
    }

    /// Waits until an account is there with all that belongs to it.
    pub(super) async fn until_ready(&self, name: &str) -> BTreeMap<String, String> {
        self.world
            .until::<IdentityAccount>(name, ("Ready", "True", "Published"))
            .await;
        self.has_everything(name).await
    }

    /// The Secret holds what the sandbox gave, and its key works.
    async fn has_everything(&self, name: &str) -> BTreeMap<String, String> {
        let found = self.secret(name).await;
        let made = self.world.sandbox.applications();
        let application = made
            .iter()
            .find(|made| found.get("application_id") == Some(&made.uuid.to_string()))
            .unwrap_or_else(|| panic!("no application of the Secret's: {made:#?}"));
        assert_eq!(found.get("client_id"), Some(&application.client_id));
        assert!(found.get("api_key") == self.world.sandbox.api_key(application.uuid).as_ref());
        assert_eq!(self.world.balance(&found["api_key"]).await, 200);
        let account = self.read(name).await;
        assert_eq!(found.get("email"), Some(&account.spec.email));
        let status = account.status.unwrap();
        assert_eq!(status.state, Some(AccountState::Verified));
        assert_eq!(status.application_id, Some(application.uuid.to_string()));
        assert_eq!(status.client_id.as_ref(), Some(&application.client_id));
        assert_eq!(status.organization_id.as_ref(), found.get("organization_id"));
        found
    }

    /// The entries of an account's Secret.
    pub(super) async fn secret(&self, name: &str) -> BTreeMap<String, String> {
        entries(&self.world.secret(&secret_of(name)).await.unwrap())
    }

    /// The code of the newest mail to this address.
    pub(super) fn mailed(&self, email: &str) -> String {
        self.world.sandbox.mailbox(email).last().unwrap().code.clone()
    }

    /// Puts a code into the Secret of the account `ops`, as somebody does who edits it.
    pub(super) async fn bring(&self, code: &str) {
        self.bring_for(NAME, code).await;
    }

    /// Likewise for another account.
    pub(super) async fn bring_for(&self, name: &str, code: &str) {
        self.world
            .apply(json!({
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": format!("{name}-code")},
                "stringData": {"code": code},
            }))
            .await;
    }

    /// Waits until a code was refused for the so manieth time since the last mail.
    pub(super) async fn until_refused(&self, count: u32) {
        eventually(&format!("{count} codes were refused"), PATIENCE, async || {
            let status = self.read(NAME).await.status.unwrap_or_default();
            let done = status.registration.unwrap_or_default();
            if done.codes_refused == count && done.pending_call.is_none() {
                Ok(())
            } else {
                Err(format!("{done:#?}"))
            }
        })
        .await;
    }

    /// Asks for another code by annotation, as the condition says.
    pub(super) async fn ask_for_another_code(&self, name: &str, value: &str) {
        let change = json!({"metadata": {"annotations": {CODE_REQUESTED_ANNOTATION: value}}});
        self.world.edit::<IdentityAccount>(name, change).await;
    }

    /// Kills the operator and starts it again after a while in which only time goes by.
    pub(super) async fn sleeps_for(&mut self, pause: Duration) {
        self.falls_asleep().await;
        self.wakes_after(pause).await;
    }

    /// Kills the operator.
    pub(super) async fn falls_asleep(&mut self) {
        self.operator.kill().await;
    }

    /// Lets time go by and starts the operator again.
    pub(super) async fn wakes_after(&mut self, pause: Duration) {
        self.world.sandbox.advance(pause).unwrap();
        time::goes_by(&self.world.api(), pause).await;
        self.operator.start_again();
    }

    /// Changes something in an account's spec that means nothing, and waits until the operator has looked at it: it
    /// still says the same.
    pub(super) async fn still_says(&self, name: &str, wanted: (&str, &str, &str)) {
        let suspend = match self.read(name).await.spec.suspend {
            None => json!(false),
            Some(_) => Value::Null,
        };
        self.world
            .edit::<IdentityAccount>(name, json!({"spec": {"suspend": suspend}}))
            .await;
        self.world.until::<IdentityAccount>(name, wanted).await;
    }

    /// Fails unless these calls were made, and no others.
    pub(super) fn has_called(&self, expected: &[(Operation, u64)]) {
        let balance = Operation::GetBalance;
        let made: BTreeMap<_, _> = self
            .world
            .sandbox
            .counters()
            .into_iter()
            // The tests themselves try keys.
            .filter(|(operation, count)| *count > 0 && *operation != balance)
            .collect();
        let expected: BTreeMap<_, _> = expected.iter().copied().filter(|(_, count)| *count > 0).collect();
        assert_eq!(made, expected, "{:#?}", self.world.sandbox.calls());
    }

    /// Starts a mailbox and applies the Secret with this password of it.
    pub(super) async fn mailbox(&self) -> MailboxServer {
        let mailbox = MailboxServer::start().await.unwrap();
        self.apply_mailbox_secret(&mailbox, mailbox.password().expose_secret())
            .await;
        mailbox
    }

    /// Applies the Secret of a mailbox with a password.
    pub(super) async fn apply_mailbox_secret(&self, mailbox: &MailboxServer, password: &str) {
        self.world
            .apply(json!({
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": MAILBOX_SECRET},
                "stringData": {
                    "username": mailbox.username(),
                    "password": password,
                    "ca.crt": mailbox.ca_pem(),
                },
            }))
            .await;
    }

    /// Puts the newest mail of the sandbox to the mailbox's owner into it, as received at that time.
    pub(super) async fn mail_arrives(&self, mailbox: &MailboxServer, received: Timestamp) {
        let mail = CodeMail {
            to: EMAIL.to_owned(),
            subject: "Your verification code".to_owned(),
            code: self.mailed(EMAIL),
            sent_at: received,
        };
        mailbox
            .deliver_at(MailboxServer::INBOX, mail.to_message(), received)
            .await
            .unwrap();
    }
}

/// The Secret that is asked for an account.
pub(super) fn secret_of(name: &str) -> String {
    format!("{name}-didit")
}

/// `spec.code` for a mailbox whose mails are moved.
pub(super) fn by_mailbox(mailbox: &MailboxServer) -> Value {
    json!({"code": {"mailbox": {
        "host": mailbox.address().ip().to_string(),
        "port": mailbox.address().port(),
        "secretRef": {"name": MAILBOX_SECRET},
        "senders": [mailbox.sender()],
        "caBundle": {"secretKeyRef": {"name": MAILBOX_SECRET, "key": "ca.crt"}},
        "afterRead": {"action": "Move", "folder": MailboxServer::DONE},
    }}})
}
