//! Connections to Didit: for the sign-up, and as the account.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::IdentityAccounts;
use super::observe::Pass;
use super::plan::api_url;
use super::state::Inputs;
use super::write::Belongings;
use crate::api::identity_account::IdentityAccountStatus;
use crate::controller::index::Place;
use crate::controller::login_ledger::{self, StatusLedger};
use crate::credential::onboarding::{LoginOutcome, Outcome};
use crate::identity::didit::registration::{CodeRequested, Registration, RegistrationConfig};
use crate::identity::didit::{Didit, DiditConfig, OrganizationChoice};
use crate::identity::session::{Brake, Gate, LoginLedger, LoginRecord};
use crate::identity::{Application, BrakeReason, CallError, ErrorKind, IdentityApi, Organization};
use kube::Api;

/// An open connection, and what it was opened with.
pub(super) struct Connection {
    version: String,
    didit: Arc<Didit>,
}

impl IdentityAccounts {
    /// A client of the sign-up.
    pub(super) fn registration(&self, pass: &Pass) -> Result<Registration, CallError> {
        Registration::connect(
            RegistrationConfig {
                auth_url: pass.auth_url().to_owned(),
                ca_bundle: pass.ca_bundle.clone(),
                allow_insecure: pass.observed.spec.didit.allow_insecure == Some(true),
                request_timeout: self.request_timeout,
                // At most five in an hour: there is nothing to slow down.
                budget: None,
            },
            Arc::clone(&self.observer),
        )
    }

    /// The connection as the account, whose session and brake it shares with the providers that use it.
    pub(super) fn connect(&self, pass: &Pass) -> Result<Arc<Didit>, CallError> {
        let (Inputs::Ready { version, .. }, Some(password)) = (&pass.observed.inputs, &pass.password) else {
            return Err(CallError {
                operation: "connect",
                kind: ErrorKind::Misconfigured {
                    reason: "PasswordNotFound",
                },
                message: "the account's password is not there".to_owned(),
            });
        };
        let place = pass.place();
        let opened_with = format!(
            "{version}/{}/{}",
            pass.owner.uid, pass.observed.resource.generation
        );
        if let Some(connection) = self
            .kept()
            .get(&place)
            .and_then(|kept| kept.connection.as_ref())
            .filter(|connection| connection.version == opened_with)
        {
            return Ok(Arc::clone(&connection.didit));
        }
        let status = pass.object.status.as_ref();
        let stored = status.and_then(|status| status.login.as_ref());
        let record = LoginRecord::for_credentials(stored.map(login_ledger::record_of), version);
        let api = Api::namespaced(self.client.clone(), &place.0);
        let ledger = StatusLedger::new(api, Arc::clone(&pass.object), version.clone());
        let spec = &pass.observed.spec;
        let config = DiditConfig {
            auth_url: pass.auth_url().to_owned(),
            api_url: api_url(&pass.observed).to_owned(),
            email: spec.email.clone(),
            password: password.clone(),
            totp_seed: None,
            organization: match &pass.observed.status.organization_id {
                Some(id) => OrganizationChoice::Id(id.clone()),
                None => OrganizationChoice::Only,
            },
            ca_bundle: pass.ca_bundle.clone(),
            allow_insecure: spec.didit.allow_insecure == Some(true),
            request_timeout: self.request_timeout,
            budget: None,
        };
        let didit = Arc::new(Didit::connect(
            config,
            Arc::clone(&self.observer),
            &self.sessions,
            Arc::new(ledger),
            &record,
        )?);
        self.kept().entry(place).or_default().connection = Some(Connection {
            version: opened_with,
            didit: Arc::clone(&didit),
        });
        Ok(didit)
    }

    /// What was refused before the account was verified says nothing of it now: the brake is released, here and for the
    /// providers that share the session.
    pub(super) async fn forget_refusals(&self, pass: &mut Pass) {
        pass.observed.login_braked_until = None;
        pass.observed.learned.brake = None;
        let place = pass.place();
        let kept = self
            .kept()
            .get_mut(&place)
            .and_then(|kept| kept.connection.take());
        let forgotten = match kept {
            Some(connection) => connection.didit.session().forget_refusals().await,
            None if pass.observed.status.login.is_some() => {
                let version = pass.observed.inputs_version().to_owned();
                let api = Api::namespaced(self.client.clone(), &place.0);
                let ledger = StatusLedger::new(api, Arc::clone(&pass.object), version.clone());
                ledger.record(&LoginRecord::for_credentials(None, &version)).await
            }
            None => Ok(()),
        };
        if let Err(why) = forgotten {
            tracing::warn!("a brake from before the account was verified holds until it ends: {why}");
        }
    }

    /// The brake on logins with the present password.
    pub(super) fn brake(
        &self,
        place: &Place,
        status: &IdentityAccountStatus,
        inputs: &Inputs,
    ) -> Option<Brake> {
        let Inputs::Ready { version, .. } = inputs else {
            return None;
        };
        let of_session = self
            .kept()
            .get(place)
            .and_then(|kept| kept.connection.as_ref())
            .filter(|connection| connection.version.starts_with(version.as_str()))
            .map(|connection| connection.didit.session().record());
        let stored = status.login.as_ref().map(login_ledger::record_of);
        let record = of_session.unwrap_or_else(|| LoginRecord::for_credentials(stored, version));
        match record.gate(Timestamp::now()) {
            Gate::Closed(brake) => Some(brake),
            Gate::Open => None,
        }
    }
}

/// Logs in and reads what belongs to the account. `known` is the application that is recorded.
pub(super) async fn read_account(didit: &Didit, known: Option<&str>) -> Result<Belongings, CallError> {
    let organization = match didit.verify().await {
        Ok(account) => account.organization,
        // The login worked. Which organization is meant is for a provider to say.
        Err(error) if is_about_organizations(&error) => return Ok(Belongings::default()),
        Err(error) => return Err(error),
    };
    let application = read_application(didit, &organization, known).await?;
    Ok(Belongings {
        organization_id: Some(organization.id),
        application,
    })
}

/// The application that is recorded, else the one that bears the organization's name, as the one does that comes with an
/// account (contract section 2.3), else the first.
async fn read_application(
    didit: &Didit,
    organization: &Organization,
    known: Option<&str>,
) -> Result<Option<Application>, CallError> {
    let applications = didit.list_applications().await?;
    let chosen = applications
        .iter()
        .find(|application| Some(application.id.as_str()) == known)
        .or_else(|| {
            applications
                .iter()
                .find(|application| application.name == organization.name)
        })
        .or_else(|| applications.first());
    match chosen {
        Some(application) => didit.read_application(&application.id).await.map(Some),
        None => Ok(None),
    }
}

fn is_about_organizations(error: &CallError) -> bool {
    matches!(
        error.kind,
        ErrorKind::Misconfigured {
            reason: "OrganizationAmbiguous" | "OrganizationNotFound"
        }
    )
}

/// What it means for the sign-up that asking for a code came to this, with what went wrong.
pub(super) fn asked(result: Result<CodeRequested, CallError>) -> (Outcome, Option<String>) {
    match result {
        Ok(CodeRequested::Mailed { .. }) => (Outcome::CodeMailed, None),
        Ok(CodeRequested::AddressTaken { message }) => (Outcome::AddressTaken, Some(message)),
        Ok(CodeRequested::InvalidEmail { message }) => (Outcome::InvalidEmail { message }, None),
        Ok(CodeRequested::WeakPassword { message }) => (Outcome::WeakPassword { message }, None),
        Ok(CodeRequested::MailNotSent { message }) => (Outcome::MailNotSent, Some(message)),
        Err(error) => failed(&error),
    }
}

/// What it means that a call of the sign-up failed.
pub(super) fn failed(error: &CallError) -> (Outcome, Option<String>) {
    let outcome = match error.kind {
        ErrorKind::Throttled { retry_after } => Outcome::Throttled { retry_after },
        ErrorKind::Unknown | ErrorKind::Malformed => Outcome::Lost,
        ErrorKind::Unavailable | ErrorKind::Misconfigured { .. } | ErrorKind::Braked { .. } => {
            Outcome::NotMade
        }
        ErrorKind::Rejected | ErrorKind::Unauthorized | ErrorKind::Forbidden | ErrorKind::NotFound => {
            Outcome::Rejected
        }
    };
    (outcome, Some(error.to_string()))
}

/// What it means that a login failed, or what was read after it.
pub(super) fn not_logged_in(error: &CallError, now: Timestamp) -> (LoginOutcome, Option<String>) {
    let message = error.message.clone();
    let outcome = match error.kind {
        ErrorKind::Braked { reason, until } => match reason {
            BrakeReason::LoginRefused => LoginOutcome::Refused { message },
            BrakeReason::SecondFactorRequired => LoginOutcome::SecondFactorRequired { message },
            BrakeReason::LoginUnanswered | BrakeReason::LoginThrottled => {
                LoginOutcome::Later { until: Some(until) }
            }
        },
        ErrorKind::Throttled {
            retry_after: Some(wait),
        } => LoginOutcome::Later {
            until: now.checked_add(wait.min(Duration::from_secs(86_400))).ok(),
        },
        _ => LoginOutcome::Later { until: None },
    };
    (outcome, Some(error.to_string()))
}
