//! What the operator of such a life goes through, and looks at what it shows meanwhile.

use k8s_openapi::api::core::v1::Secret;
use keywright::api::{ClientApplication, IdentityProvider};
use keywright_sandbox::{ApplicationEdit, Fault, FaultRule, KeyState, Operation, Outage};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Life, PASSWORD, SEED, WRONG_PASSWORD};
use crate::harness::{EMAIL, account_secret, client_application, entries};

impl Life {
    pub(super) async fn is_refused_and_then_logs_in(&mut self) {
        self.says(
            Operation::Login,
            401,
            &format!("{WRONG_PASSWORD} is not the password of {EMAIL}"),
        );
        self.world.apply(account(WRONG_PASSWORD)).await;
        self.world.apply(self.world.identity_provider(json!({}))).await;
        self.world
            .apply(client_application(
                "payments",
                json!({"displayName": "payments-prod"}),
            ))
            .await;
        let said = self
            .world
            .until::<IdentityProvider>("didit", ("Ready", "False", "LoginRefused"))
            .await;
        assert!(
            said.message
                .contains(&format!("*** is not the password of {EMAIL}")),
            "{}",
            said.message
        );
        self.look().await;

        self.world.apply(account(PASSWORD)).await;
        self.world.until_published("payments").await;
        assert_eq!(self.world.sandbox.count(Operation::VerifySecondFactor), 1);
        self.look().await;
    }

    pub(super) async fn keeps_its_secret(&mut self) {
        let edit = json!({"data": {"api_key": "d3Jvbmc="}});
        self.world.edit::<Secret>("payments-didit", edit).await;
        self.holds_the_key("payments", self.made()).await;
        self.world.delete::<Secret>("payments-didit").await;
        self.holds_the_key("payments", self.made()).await;
        self.look().await;
    }

    pub(super) async fn lives_through_an_outage(&mut self) {
        for outage in [Outage::Unavailable, Outage::Drop] {
            self.world.sandbox.set_outage(Some(outage));
            self.world.delete::<Secret>("payments-didit").await;
            self.world
                .until::<ClientApplication>("payments", ("ProviderReady", "False", "Unavailable"))
                .await;
            self.look().await;
            self.world.sandbox.set_outage(None);
            self.holds_the_key("payments", self.made()).await;
        }
    }

    /// Answers that hold secrets and cannot be understood.
    pub(super) async fn reads_nonsense(&mut self) {
        let key = self.world.sandbox.api_key(self.made()).unwrap();
        for fault in [
            Fault::Garbled,
            Fault::Body {
                body: json!({"uuid": self.made(), "api_key": [key], "client_secret": key}),
            },
            Fault::Body { body: json!([key]) },
            Fault::Redirect {
                location: format!("https://elsewhere.corp.example.net/{key}?key={key}"),
            },
        ] {
            self.world
                .sandbox
                .inject(FaultRule::new(Operation::GetApplication, fault))
                .unwrap();
            self.world.delete::<Secret>("payments-didit").await;
            self.holds_the_key("payments", self.made()).await;
            assert_eq!(self.world.sandbox.faults(), [], "the fault was not met");
            self.look().await;
        }
    }

    /// The identity API refuses an update and repeats what it was told and what it gave.
    pub(super) async fn is_told_its_own_secrets(&mut self) {
        for secret in self.exchanged().await {
            self.says(
                Operation::UpdateApplication,
                400,
                &format!("refused, told {secret}"),
            );
            let website = format!("https://pay.corp.example.net/{}", Uuid::new_v4());
            let didit = json!({"websiteUrl": website});
            self.world
                .apply(client_application(
                    "payments",
                    json!({"displayName": "payments-prod", "didit": didit}),
                ))
                .await;
            let said = self
                .world
                .until::<ClientApplication>("payments", ("Provisioned", "False", "Rejected"))
                .await;
            assert!(
                said.message.contains("refused, told"),
                "the rejection is not repeated"
            );
            self.look().await;
        }
        self.world
            .apply(client_application(
                "payments",
                json!({"displayName": "payments-prod"}),
            ))
            .await;
        self.world.until_published("payments").await;
    }

    pub(super) async fn adopts(&mut self) {
        let existing = self.world.sandbox.applications();
        let existing = existing
            .iter()
            .find(|application| application.uuid != self.made())
            .unwrap()
            .uuid;
        let adopt = json!({"adopt": {"applicationId": existing.to_string()}});
        self.world.apply(client_application("adopted", adopt)).await;
        self.holds_the_key("adopted", existing).await;
        self.look().await;
    }

    pub(super) async fn is_refused_its_key(&mut self) {
        let key = self.world.sandbox.api_key(self.made()).unwrap();
        let refuse = answer(401, &format!("{key} is no key"));
        self.world
            .sandbox
            .inject(FaultRule::new(Operation::GetBalance, refuse).always())
            .unwrap();
        self.world.delete::<Secret>("payments-didit").await;
        let said = self
            .world
            .until::<ClientApplication>("payments", ("KeyAccepted", "False", "KeyRefused"))
            .await;
        assert!(
            said.message.contains("*** is no key"),
            "the refusal is not repeated"
        );
        self.look().await;
        self.world.sandbox.clear_faults();
        let revoked = ApplicationEdit {
            key_state: Some(KeyState::Revoked),
            ..ApplicationEdit::default()
        };
        self.world.sandbox.edit_application(self.made(), revoked).unwrap();
        self.world.delete::<Secret>("payments-didit").await;
        self.holds_the_key("payments", self.made()).await;
        self.look().await;
    }

    pub(super) async fn leaves_an_application_behind(&mut self) {
        let refuse = answer(
            400,
            &format!("refused, told {}", self.exchanged().await.join(" ")),
        );
        self.world
            .sandbox
            .inject(FaultRule::new(Operation::UpdateApplication, refuse).always())
            .unwrap();
        self.world.delete::<ClientApplication>("payments").await;
        self.world.until_event("payments", "ApplicationLeftBehind").await;
        self.world.until_gone::<ClientApplication>("payments").await;
        self.world.sandbox.clear_faults();
        self.world.delete::<ClientApplication>("adopted").await;
        self.world.until_gone::<ClientApplication>("adopted").await;
        self.look().await;
    }

    /// The next call of an operation is refused with these words.
    fn says(&self, operation: Operation, status: u16, detail: &str) {
        self.world
            .sandbox
            .inject(FaultRule::new(operation, answer(status, detail)))
            .unwrap();
    }

    /// The application that was made for `payments`.
    pub(super) fn made(&self) -> Uuid {
        let all = self.world.sandbox.applications();
        all.iter()
            .find(|application| application.name == "payments-prod")
            .unwrap()
            .uuid
    }

    async fn holds_the_key(&self, name: &str, id: Uuid) {
        let key = self.world.sandbox.api_key(id).unwrap();
        let what = "holds the key";
        self.world
            .until_secret(&format!("{name}-didit"), what, |secret| {
                entries(secret).get("api_key") == Some(&key)
            })
            .await;
    }

    /// What the operator has sent to the identity API or used out of its answers.
    async fn exchanged(&self) -> Vec<String> {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}/organizations/me/", self.world.sandbox.auth_url());
        let mut exchanged = vec![PASSWORD.to_owned(), SEED.to_owned()];
        exchanged.extend(self.world.sandbox.api_key(self.made()));
        let others = exchanged.len();
        for secret in self
            .world
            .sandbox
            .known_secrets()
            .into_iter()
            .filter(|secret| secret.starts_with("eyJ"))
        {
            let answer = http.get(&url).bearer_auth(&secret).send().await.unwrap();
            exchanged.extend(answer.status().is_success().then_some(secret));
        }
        assert!(exchanged.len() > others, "no access token is known");
        exchanged
    }
}

/// An error as Didit words it.
fn answer(status: u16, detail: &str) -> Fault {
    Fault::Status {
        status,
        body: Some(json!({"detail": detail})),
        retry_after: None,
    }
}

/// The account's Secret with this password.
fn account(password: &str) -> Value {
    account_secret(json!({"email": EMAIL, "password": password, "totpSeed": SEED}))
}
