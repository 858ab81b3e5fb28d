//! Didit: its programmatic account API and the applications of an organization.
//!
//! Section numbers in here are those of the contract of Didit's API.

mod account_tokens;
mod login;
pub mod one_time_code;
mod organization;
pub mod password;
pub mod registration;
#[cfg(test)]
mod tests;
mod wire;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::budget::Budget;
use super::http::{Call, CallObserver, Effect, Endpoint, Failure, HttpClient, HttpOptions, Unreadable, tidy};
use super::session::{LoginLedger, LoginRecord, Session, SessionKey, SessionRegistry};
use super::token::TokenApi;
use super::{
    Application, ApplicationMetadata, ApplicationSummary, CallError, Capabilities, ErrorKind,
    INVALID_APPLICATION_ID, IdentityApi, KeyVerdict, Organization, VerifiedAccount,
};
use account_tokens::AccountTokens;
use login::DiditLogin;
pub use organization::OrganizationChoice;

/// How to reach Didit, and as whom.
#[derive(Clone)]
pub struct DiditConfig {
    /// The auth host's base address, by default `https://apx.didit.me/auth/v2`.
    pub auth_url: String,
    /// The verification host's base address, by default `https://verification.didit.me/v3`.
    pub api_url: String,
    /// The account's e-mail address.
    pub email: String,
    /// The account's password.
    pub password: SecretString,
    /// The seed of the account's authenticator in base32 (RFC 4648 section 6), where it has one.
    pub totp_seed: Option<SecretString>,
    /// Which of the account's organizations to manage.
    pub organization: OrganizationChoice,
    /// Certificate authorities that are trusted besides those of the system, as PEM.
    pub ca_bundle: Option<Vec<u8>>,
    /// Permits addresses that begin with `http://`.
    pub allow_insecure: bool,
    /// How long one call may take in all.
    pub request_timeout: Duration,
    /// The budget that all clients of this account share. Without one, calls are made at once.
    pub budget: Option<Arc<Budget>>,
}

impl fmt::Debug for DiditConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiditConfig")
            .field("auth_url", &self.auth_url)
            .field("api_url", &self.api_url)
            .field("email", &self.email)
            .field("organization", &self.organization)
            .finish_non_exhaustive()
    }
}

/// A client of Didit that acts as one account in one of its organizations.
pub struct Didit {
    http: Arc<HttpClient>,
    auth: Endpoint,
    api: Endpoint,
    account: String,
    choice: OrganizationChoice,
    organization: Mutex<Option<Organization>>,
    session: Arc<Session>,
    allow_insecure: bool,
    /// Held because the session writes to it only as long as this client is there.
    _ledger: Arc<dyn LoginLedger>,
}

impl Didit {
    /// Makes a client, without any I/O. Where `registry` has the account's session already, `ledger` and
    /// `record` join it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`] with reason `InvalidEndpoint`, `InsecureEndpoint`, `InvalidCaBundle`,
    /// `TlsUnavailable`, `IncompleteCredentials` or `InvalidTotpSeed`.
    pub fn connect(
        config: DiditConfig,
        observer: Arc<dyn CallObserver>,
        registry: &SessionRegistry,
        ledger: Arc<dyn LoginLedger>,
        record: &LoginRecord,
    ) -> Result<Self, CallError> {
        let auth = Endpoint::parse("authUrl", &config.auth_url, config.allow_insecure)?;
        let api = Endpoint::parse("apiUrl", &config.api_url, config.allow_insecure)?;
        login::check_credentials(&config)?;
        let key = session_key(&auth, &config);
        let secrets = [Some(config.password.clone()), config.totp_seed.clone()];
        let options = HttpOptions {
            ca_bundle: config.ca_bundle,
            deadline: config.request_timeout,
            secrets: secrets.into_iter().flatten().collect(),
            budget: config.budget,
        };
        let http = Arc::new(HttpClient::new(options, observer)?);
        let login = DiditLogin {
            http: Arc::clone(&http),
            auth: auth.clone(),
            email: config.email.clone(),
            password: config.password,
            totp_seed: config.totp_seed,
        };
        let session = registry.session(key, &ledger, record, || {
            Session::new(Arc::new(login), &ledger, record.clone())
        });
        Ok(Self {
            http,
            auth,
            api,
            account: config.email,
            choice: config.organization,
            organization: Mutex::new(None),
            session,
            allow_insecure: config.allow_insecure,
            _ledger: ledger,
        })
    }

    /// The account's name: its e-mail address.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The account's own management tokens.
    #[must_use]
    pub fn account_tokens(&self) -> Arc<dyn TokenApi> {
        Arc::new(AccountTokens {
            session: Arc::clone(&self.session),
            http: Arc::clone(&self.http),
            allow_insecure: self.allow_insecure,
        })
    }

    /// The session of the account, which other clients may share.
    #[must_use]
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// Makes a call with the account's token. One that is refused is replaced and the call repeated, once:
    /// both 401 and 403 can mean that it has expired (section 2.5).
    async fn authorized<T>(
        &self,
        call: impl Fn() -> Call<'static> + Send + Sync,
        decode: impl Fn(&Value) -> Result<T, Unreadable> + Send + Sync,
    ) -> Result<T, CallError> {
        let token = self.session.token().await?;
        let mut result = self.http.call(call().bearer(token.secret()), &decode).await;
        let denied = result.as_ref().err().and_then(denial);
        if denied.is_some_and(|forbidden| self.session.discard(&token, forbidden)) {
            let token = self.session.token().await?;
            result = self.http.call(call().bearer(token.secret()), &decode).await;
        }
        result.map_err(explain_denial)
    }

    /// An error about this application, or about another one, must not repeat its key.
    fn remember_key(&self, record: Result<Application, CallError>) -> Result<Application, CallError> {
        record.inspect(|application| self.http.remember(&application.api_key))
    }

    async fn list_organizations(&self) -> Result<Vec<Organization>, CallError> {
        let url = self.auth.route(&["organizations", "me"]);
        let call = || Call::new("listOrganizations", Effect::Reads, Method::GET, url.clone());
        self.authorized(call, wire::organizations).await
    }

    /// Asks which organization is meant, and remembers the answer.
    async fn resolve_organization(&self) -> Result<Organization, CallError> {
        let organizations = self.list_organizations().await?;
        let organization = organization::choose(&self.choice, &self.account, &organizations)?;
        *self.organization.lock().unwrap_or_else(PoisonError::into_inner) = Some(organization.clone());
        Ok(organization)
    }

    /// The segments of the organization's applications route, then `rest`.
    async fn applications_route(&self, rest: Option<&str>) -> Result<reqwest::Url, CallError> {
        let known = self
            .organization
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let organization = match known {
            Some(organization) => organization,
            None => self.resolve_organization().await?,
        };
        let segments = ["organizations", "me", &organization.id, "applications"];
        Ok(self
            .auth
            .route(&segments.into_iter().chain(rest).collect::<Vec<_>>()))
    }
}

#[async_trait]
impl IdentityApi for Didit {
    fn capabilities(&self) -> Capabilities {
        // Sections 4.4, 4.6 and 6: the key can be read at any time; there is no route to change or delete.
        Capabilities {
            read_api_key: true,
            rotate_api_key: false,
            delete_application: false,
        }
    }

    fn workload_endpoint(&self) -> &str {
        self.api.as_str()
    }

    async fn verify(&self) -> Result<VerifiedAccount, CallError> {
        let organization = self.resolve_organization().await?;
        Ok(VerifiedAccount {
            account: self.account.clone(),
            organization,
        })
    }

    fn check_application_id(&self, id: &str) -> Result<(), CallError> {
        // With its hyphens, as Didit writes it (section 4.4).
        let is_uuid = id.len() == uuid::fmt::Hyphenated::LENGTH && uuid::Uuid::try_parse(id).is_ok();
        if is_uuid {
            Ok(())
        } else {
            Err(invalid_id("getApplication", id))
        }
    }

    async fn list_applications(&self) -> Result<Vec<ApplicationSummary>, CallError> {
        let url = self.applications_route(None).await?;
        let call = || Call::new("listApplications", Effect::Reads, Method::GET, url.clone());
        self.authorized(call, wire::applications).await
    }

    async fn read_application(&self, id: &str) -> Result<Application, CallError> {
        check_id("getApplication", id)?;
        let url = self.applications_route(Some(id)).await?;
        let call = || Call::new("getApplication", Effect::Reads, Method::GET, url.clone());
        let record = self
            .authorized(call, |answer| wire::application_with_id(answer, id))
            .await;
        self.remember_key(record)
    }

    async fn create_application(&self, metadata: &ApplicationMetadata) -> Result<Application, CallError> {
        let url = self.applications_route(None).await?;
        let body = wire::creation(metadata);
        let call =
            || Call::new("createApplication", Effect::Changes, Method::POST, url.clone()).json(body.clone());
        let record = self.authorized(call, wire::application).await;
        self.remember_key(record)
    }

    async fn update_application(
        &self,
        id: &str,
        metadata: &ApplicationMetadata,
    ) -> Result<Application, CallError> {
        check_id("updateApplication", id)?;
        let url = self.applications_route(Some(id)).await?;
        let body = wire::change(metadata);
        let call =
            || Call::new("updateApplication", Effect::Changes, Method::PATCH, url.clone()).json(body.clone());
        let record = self
            .authorized(call, |answer| wire::application_with_id(answer, id))
            .await;
        self.remember_key(record)
    }

    async fn probe_key(&self, api_key: &SecretString) -> Result<KeyVerdict, CallError> {
        let url = self.api.route(&["billing", "balance"]);
        let call = Call::new("getBalance", Effect::Reads, Method::GET, url).header("x-api-key", api_key);
        match self.http.call(call, wire::balance).await {
            Ok(()) => Ok(KeyVerdict::Accepted),
            Err(failure) if denial(&failure).is_some() => Ok(KeyVerdict::Refused {
                message: failure.error.message,
            }),
            Err(failure) => Err(failure.error),
        }
    }
}

/// Whether the token was refused; `Some(true)` where it may only lack a permission.
fn denial(failure: &Failure) -> Option<bool> {
    match failure.status {
        Some(StatusCode::UNAUTHORIZED) => Some(false),
        Some(StatusCode::FORBIDDEN) => Some(true),
        _ => None,
    }
}

fn explain_denial(failure: Failure) -> CallError {
    let mut error = failure.error;
    if error.kind == ErrorKind::Forbidden {
        error
            .message
            .push_str("; the account has to be owner or administrator of the organization");
    }
    error
}

/// Identifiers become part of a path.
fn check_id(operation: &'static str, id: &str) -> Result<(), CallError> {
    if wire::is_id(id) {
        Ok(())
    } else {
        Err(invalid_id(operation, id))
    }
}

fn invalid_id(operation: &'static str, id: &str) -> CallError {
    CallError {
        operation,
        kind: ErrorKind::Misconfigured {
            reason: INVALID_APPLICATION_ID,
        },
        message: format!(
            "`{}` is not an application id: Didit's are UUIDs, and its console shows them in the application's settings",
            tidy(id)
        ),
    }
}

fn session_key(auth: &Endpoint, config: &DiditConfig) -> SessionKey {
    let seed = config.totp_seed.as_ref().map_or("", |seed| seed.expose_secret());
    let credentials = [
        config.password.expose_secret().as_bytes(),
        seed.as_bytes(),
        // A client that trusts other authorities must not log in for this one.
        config.ca_bundle.as_deref().unwrap_or_default(),
    ];
    SessionKey::new(auth.as_str(), &config.email, &credentials)
}
