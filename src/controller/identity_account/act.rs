//! Does one step and brings back what it has shown.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use secrecy::SecretString;

use super::IdentityAccounts;
use super::connect::{asked, failed, not_logged_in, read_account};
use super::inputs::version_of_made;
use super::observe::Pass;
use super::plan::decides;
use super::state::{Evidence, Saved, Step};
use super::token;
use super::write::{Belongings, Save, held};
use crate::api::identity_account::{IdentityAccountStatus, RegistrationCall};
use crate::controller::ReconcileError;
use crate::controller::owned_secret;
use crate::controller::secret_writer;
use crate::controller::token::findings::Trouble;
use crate::controller::token::need::{self, Why};
use crate::controller::token::promise;
use crate::controller::token::service::{Ask, Obtained};
use crate::credential::onboarding::{LoginOutcome, Move, Outcome};
use crate::identity::ErrorKind;
use crate::identity::didit::password;
use crate::identity::didit::registration::{Bootstrap, CodeTried};
use crate::identity::session::Gate;

/// Pauses between tries to save what comes once.
const SAVE_PAUSES: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

/// What became of a call, with what went wrong and what was saved.
type Ended = (Outcome, Option<String>, Option<Box<Saved>>);

impl IdentityAccounts {
    /// Does one step. `status` is the planned status, for the step that records it.
    pub(super) async fn perform(
        &self,
        step: Step,
        status: IdentityAccountStatus,
        pass: &mut Pass,
    ) -> Result<Evidence, ReconcileError> {
        match step {
            Step::StorePassword => self.store_password(pass).await,
            Step::RecordStatus => {
                self.record(pass, &status).await?;
                Ok(Evidence::StatusRecorded(Box::new(status)))
            }
            Step::RecordIntent(call) => self.record_intent(pass, call, status).await,
            Step::Call(call) => self.call(pass, call).await,
            Step::Abandon => Ok(Evidence::CallEnded {
                outcome: Outcome::Abandoned,
                trouble: None,
                saved: None,
                at: Timestamp::now(),
            }),
            Step::LogIn => self.log_in(pass).await,
            Step::TakeInSaved => {
                self.forget_refusals(pass).await;
                let held = held(&pass.object, pass.live.as_ref());
                Ok(match Belongings::held(&held) {
                    Some(belongings) => Evidence::SavedFound(belongings.identifiers()),
                    None => Evidence::SecretUnreadable,
                })
            }
            Step::LookForCode => self.look_for_code(pass).await,
            Step::SettleMail => Ok(self.settle_mail(pass).await),
            Step::ObtainToken(why) => Ok(self.obtain_token(pass, why).await),
            Step::RewriteSecret => self.rewrite(pass).await,
            Step::RetireSecret(name) => {
                let secrets = self.secrets_api(pass);
                secret_writer::retire(&secrets, &name, &pass.owner, owned_secret::is_ours).await?;
                Ok(Evidence::SecretRetired)
            }
            Step::RetireStray(name) => {
                let secrets = self.secrets_api(pass);
                secret_writer::retire(&secrets, &name, &pass.owner, owned_secret::is_written_by_us).await?;
                Ok(Evidence::StrayRetired(name))
            }
        }
    }

    async fn store_password(&self, pass: &mut Pass) -> Result<Evidence, ReconcileError> {
        let password = password::generate();
        Ok(match self.save_password(pass, &password).await? {
            Save::Done(saved) => {
                pass.password = Some(password);
                let version = version_of_made(&saved.published.uid, &pass.object);
                Evidence::PasswordStored { saved, version }
            }
            Save::Not(evidence) => evidence,
        })
    }

    /// Records the intent, unless others have used the budget since it was decided.
    async fn record_intent(
        &self,
        pass: &mut Pass,
        call: RegistrationCall,
        mut status: IdentityAccountStatus,
    ) -> Result<Evidence, ReconcileError> {
        let accounts = Arc::clone(&self.accounts);
        let _turn = accounts.turn().await;
        let now = Timestamp::now();
        pass.observed.budget = accounts.budget(pass.auth_url());
        if decides(&pass.observed, now) != Move::RecordIntent(call) {
            return Ok(Evidence::BudgetChanged(pass.observed.budget.clone()));
        }
        let observed = &pass.observed;
        let recorded = observed.recorded.begin(
            call,
            observed.mark(),
            observed.code_request.as_deref(),
            observed.inputs_version(),
            now,
        );
        recorded.write_to(&mut status);
        self.record(pass, &status).await?;
        Ok(Evidence::IntentRecorded(Box::new(status)))
    }

    async fn call(&self, pass: &mut Pass, call: RegistrationCall) -> Result<Evidence, ReconcileError> {
        let (outcome, trouble, saved) = match self.registration(pass) {
            Err(error) => {
                let (outcome, trouble) = failed(&error);
                (outcome, trouble, None)
            }
            Ok(registration) => {
                let email = &pass.observed.spec.email.clone();
                let password = pass.password.clone();
                match (call, &password, &pass.code) {
                    (RegistrationCall::Register, Some(password), _) => {
                        without_secret(asked(registration.register(email, password).await))
                    }
                    (RegistrationCall::ResendOtp, Some(password), _) => {
                        without_secret(asked(registration.resend_code(email, password).await))
                    }
                    (RegistrationCall::VerifyEmail, Some(password), Some(code)) => {
                        match registration.verify_email(email, code).await {
                            Ok(CodeTried::Verified(bootstrap)) => {
                                self.save_bootstrap(pass, password, *bootstrap).await
                            }
                            Ok(CodeTried::Refused { message }) => (Outcome::CodeRefused, Some(message), None),
                            Err(error) => without_secret(failed(&error)),
                        }
                    }
                    _ => (Outcome::NotMade, None, None),
                }
            }
        };
        if outcome == Outcome::Verified {
            self.forget_refusals(pass).await;
        }
        tracing::info!(call = ?call, outcome = outcome_name(&outcome), "a call of the sign-up ended");
        Ok(Evidence::CallEnded {
            outcome,
            trouble,
            saved,
            at: Timestamp::now(),
        })
    }

    /// The answer to the right code comes once: it is written before anything else, and more than once if need be. Where
    /// that fails, a login finds the account.
    async fn save_bootstrap(&self, pass: &mut Pass, password: &SecretString, bootstrap: Bootstrap) -> Ended {
        let token = self.bootstrap_token(pass, &bootstrap.tokens, bootstrap.asked_at);
        let belongings = Belongings {
            organization_id: Some(bootstrap.organization.id),
            application: Some(bootstrap.application),
        };
        let mut trouble = None;
        for pause in SAVE_PAUSES {
            tokio::time::sleep(pause).await;
            match self
                .save_account(pass, password, &belongings, token.as_ref())
                .await
            {
                Ok(Save::Done(saved)) => return (Outcome::Verified, None, Some(saved)),
                Ok(Save::Not(evidence)) => {
                    trouble = Some(format!("the Secret could not be written: {}", evidence.words()));
                    break;
                }
                Err(error) => {
                    tracing::warn!("the answer to the code could not be saved yet: {error}");
                    trouble = Some(error.to_string());
                    self.see_secret(pass).await;
                }
            }
        }
        (Outcome::Lost, trouble, None)
    }

    async fn log_in(&self, pass: &Pass) -> Result<Evidence, ReconcileError> {
        let ended = |outcome, trouble, saved| Evidence::LoginEnded {
            outcome,
            braked_until: None,
            trouble,
            saved,
            at: Timestamp::now(),
        };
        let known = pass.observed.status.application_id.as_deref();
        let read = match self.connect(pass) {
            Ok(didit) => {
                // Another user of the session may have been refused since this pass began. That says nothing of now.
                if let Gate::Closed(brake) = didit.session().record().gate(Timestamp::now()) {
                    return Ok(Evidence::LoginBraked {
                        until: brake.until,
                        message: brake.message,
                    });
                }
                read_account(&didit, known).await
            }
            Err(error) => Err(error),
        };
        let belongings = match read {
            Ok(belongings) => belongings,
            Err(error) => {
                let at = Timestamp::now();
                let (outcome, trouble) = not_logged_in(&error, at);
                return Ok(Evidence::LoginEnded {
                    outcome,
                    braked_until: match error.kind {
                        ErrorKind::Braked { until, .. } => Some(until),
                        _ => None,
                    },
                    trouble,
                    saved: None,
                    at,
                });
            }
        };
        let Some(password) = &pass.password else {
            return Ok(ended(LoginOutcome::Later { until: None }, None, None));
        };
        let obtained = pass.observed.learned.obtained.as_ref();
        Ok(
            match self.save_account(pass, password, &belongings, obtained).await? {
                Save::Done(saved) => ended(LoginOutcome::Recovered, None, Some(saved)),
                Save::Not(evidence) => evidence,
            },
        )
    }

    async fn obtain_token(&self, pass: &Pass, why: Why) -> Evidence {
        let settings = token::settings();
        let didit = match self.connect(pass) {
            Ok(didit) => didit,
            Err(error) => return Evidence::TokenFailed(Trouble::of(&error.into(), &settings)),
        };
        let api = didit.account_tokens();
        let request_digest = token::request_digest(&pass.observed);
        let published = token::published(&pass.observed);
        let now = Timestamp::now();
        let uid = &pass.owner.uid;
        let ask = Ask {
            key: uid,
            uid,
            api: api.as_ref(),
            settings: &settings,
            request_digest: &request_digest,
            promise: promise(&settings, &self.policy),
            why,
            urgency: need::urgency(published, now),
            refresh_token: None,
        };
        match self.tokens.obtain(&ask).await {
            Ok(got) => {
                if let Some(published) = published.filter(|_| got.asked) {
                    let left = published.expires_at.0.duration_since(now).as_secs_f64();
                    self.metrics.token_refreshed("identity_account", left);
                }
                Evidence::TokenObtained(Box::<Obtained>::new(got.obtained))
            }
            Err(trouble) => Evidence::TokenFailed(trouble),
        }
    }
}

fn without_secret((outcome, trouble): (Outcome, Option<String>)) -> Ended {
    (outcome, trouble, None)
}

fn outcome_name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::CodeMailed => "code_mailed",
        Outcome::AddressTaken => "address_taken",
        Outcome::InvalidEmail { .. } => "invalid_email",
        Outcome::WeakPassword { .. } => "weak_password",
        Outcome::MailNotSent => "mail_not_sent",
        Outcome::Verified => "verified",
        Outcome::CodeRefused => "code_refused",
        Outcome::Throttled { .. } => "throttled",
        Outcome::Rejected => "rejected",
        Outcome::NotMade => "not_made",
        Outcome::Lost => "lost",
        Outcome::Abandoned => "abandoned",
    }
}
