//! Signing up at Didit: register, resend the code, verify the address (contract sections 2.1 to 2.3).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::one_time_code::OneTimeCode;
use super::wire;
use crate::identity::budget::Budget;
use crate::identity::http::{
    Answer, Call, CallObserver, Effect, Endpoint, Failure, Fields, HttpClient, HttpOptions,
};
use crate::identity::session::Tokens;
use crate::identity::token::Urgency;
use crate::identity::{Application, CallError, ErrorKind, Organization};

/// Words by which an answer says that an address has an account. Which it uses is not documented (section 2.1).
const TAKEN: [&str; 5] = ["already", "exist", "taken", "in use", "registered"];

/// How to reach Didit's auth host to sign up there.
pub struct RegistrationConfig {
    /// The auth host's base address, by default `https://apx.didit.me/auth/v2`.
    pub auth_url: String,
    /// Certificate authorities that are trusted besides those of the system, as PEM.
    pub ca_bundle: Option<Vec<u8>>,
    /// Permits addresses that begin with `http://`.
    pub allow_insecure: bool,
    /// How long one call may take in all.
    pub request_timeout: Duration,
    /// The budget that the call takes part in. Without one, calls are made at once.
    pub budget: Option<Arc<Budget>>,
}

/// A client of Didit's sign-up. It needs no account yet, and it repeats nothing by itself.
pub struct Registration {
    http: HttpClient,
    auth: Endpoint,
}

/// What became of asking for a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodeRequested {
    /// A code was mailed.
    Mailed {
        /// Whether the account is new. It is not where the address waited for its code already.
        fresh: bool,
    },
    /// The address has a verified account, or waits for a code with another password.
    AddressTaken {
        /// What Didit said, as a sentence without a final stop.
        message: String,
    },
    /// Didit does not take it for an address.
    InvalidEmail {
        /// Likewise.
        message: String,
    },
    /// The password does not keep Didit's rules.
    WeakPassword {
        /// Likewise: the first rule that it breaks.
        message: String,
    },
    /// Didit answered 500, as it does when it cannot hand the mail over. The account may be registered all the same.
    MailNotSent {
        /// Likewise.
        message: String,
    },
}

/// What became of a code that was tried.
#[derive(Debug)]
pub enum CodeTried {
    /// The address is verified. This answer comes once.
    Verified(Box<Bootstrap>),
    /// The code is wrong, has expired or was used.
    Refused {
        /// What Didit said, as a sentence without a final stop.
        message: String,
    },
}

/// All that comes with a verified account (section 2.3).
pub struct Bootstrap {
    /// The account's management token.
    pub tokens: Tokens,
    /// When it was asked for, by our clock.
    pub asked_at: Timestamp,
    /// The organization that was made, which the account owns.
    pub organization: Organization,
    /// The application that was made in it.
    pub application: Application,
}

impl fmt::Debug for Bootstrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bootstrap")
            .field("organization", &self.organization)
            .field("application", &self.application)
            .finish_non_exhaustive()
    }
}

impl Registration {
    /// Makes a client, without any I/O.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`] with reason `InvalidEndpoint`, `InsecureEndpoint`, `InvalidCaBundle` or
    /// `TlsUnavailable`.
    pub fn connect(config: RegistrationConfig, observer: Arc<dyn CallObserver>) -> Result<Self, CallError> {
        let auth = Endpoint::parse("authUrl", &config.auth_url, config.allow_insecure)?;
        let options = HttpOptions {
            ca_bundle: config.ca_bundle,
            deadline: config.request_timeout,
            secrets: Vec::new(),
            budget: config.budget,
        };
        Ok(Self {
            http: HttpClient::new(options, observer)?,
            auth,
        })
    }

    /// Registers the address, or has another code mailed where it waits for one with the same password (section 2.1).
    /// Five calls in an hour are allowed for each IP address, together with [`Self::resend_code`].
    ///
    /// # Errors
    ///
    /// `Throttled` over that limit; `Unknown` where the call may have taken effect; `Unavailable` where nothing was
    /// sent; `Rejected` and the like for what nobody documents.
    pub async fn register(&self, email: &str, password: &SecretString) -> Result<CodeRequested, CallError> {
        self.request_code("register", &["programmatic", "register"], email, password)
            .await
    }

    /// Has another code mailed to an address that waits for one (section 2.2). One call a minute is allowed for each
    /// address, and it counts against the limit of [`Self::register`].
    ///
    /// # Errors
    ///
    /// As [`Self::register`]; `Rejected` where nothing waits for a code.
    pub async fn resend_code(
        &self,
        email: &str,
        password: &SecretString,
    ) -> Result<CodeRequested, CallError> {
        self.request_code("resendOtp", &["programmatic", "resend-otp"], email, password)
            .await
    }

    /// Tries a code (section 2.3). The answer to the right one is given once: where it is lost, the account is verified
    /// and has to be looked at by logging in.
    ///
    /// # Errors
    ///
    /// `Unknown` where the call may have taken effect, an answer that cannot be read included; `Unavailable` where
    /// nothing was sent; otherwise as [`Self::register`].
    pub async fn verify_email(&self, email: &str, code: &OneTimeCode) -> Result<CodeTried, CallError> {
        let body = json!({"email": email, "code": code.secret().expose_secret()});
        let call = self
            .call("verifyEmail", &["programmatic", "verify-email"], body)
            .secret(code.secret());
        match self.exchange("verifyEmail", call, wire::bootstrap).await {
            Ok(answer) => {
                let (tokens, organization, application) = answer.value;
                self.http.remember(&application.api_key);
                Ok(CodeTried::Verified(Box::new(Bootstrap {
                    tokens,
                    asked_at: answer.asked_at,
                    organization,
                    application,
                })))
            }
            Err(failure) if is_about_the_code(&failure) => Ok(CodeTried::Refused {
                message: failure.error.message,
            }),
            Err(failure) => Err(failure.error),
        }
    }

    async fn request_code(
        &self,
        operation: &'static str,
        route: &[&str],
        email: &str,
        password: &SecretString,
    ) -> Result<CodeRequested, CallError> {
        let body = json!({"email": email, "password": password.expose_secret()});
        let call = self.call(operation, route, body).secret(password);
        match self
            .exchange(operation, call, |answer| Fields::of_answer(answer).map(drop))
            .await
        {
            Ok(answer) => Ok(CodeRequested::Mailed {
                fresh: answer.status == StatusCode::CREATED,
            }),
            Err(failure) => refusal(failure),
        }
    }

    fn call(&self, operation: &'static str, route: &[&str], body: Value) -> Call<'static> {
        Call::new(operation, Effect::Changes, Method::POST, self.auth.route(route)).json(body)
    }

    async fn exchange<T>(
        &self,
        operation: &'static str,
        call: Call<'_>,
        decode: impl FnOnce(&Value) -> Result<T, crate::identity::http::Unreadable>,
    ) -> Result<Answer<T>, Failure> {
        let permit = self
            .http
            .permit(Urgency::NeverSynced)
            .await
            .map_err(|error| Failure::from(CallError { operation, ..error }))?;
        self.http.exchange(permit, call, decode).await
    }
}

/// Statuses that answer the code, rather than the way it was brought.
fn is_about_the_code(failure: &Failure) -> bool {
    matches!(
        failure.status,
        Some(
            StatusCode::BAD_REQUEST
                | StatusCode::UNAUTHORIZED
                | StatusCode::GONE
                | StatusCode::UNPROCESSABLE_ENTITY
        )
    )
}

/// Bodies of refusals are not documented (section 2.1), so the status decides first, then the field, then the words.
fn refusal(failure: Failure) -> Result<CodeRequested, CallError> {
    let message = failure.error.message.clone();
    let said = failure.said.as_deref().unwrap_or_default().to_lowercase();
    let is_taken = TAKEN.iter().any(|word| said.contains(word));
    match failure.status {
        Some(StatusCode::INTERNAL_SERVER_ERROR) if failure.error.kind == ErrorKind::Unknown => {
            Ok(CodeRequested::MailNotSent { message })
        }
        Some(StatusCode::CONFLICT) => Ok(CodeRequested::AddressTaken { message }),
        Some(StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY) => {
            if said.starts_with("password:") {
                Ok(CodeRequested::WeakPassword { message })
            } else if is_taken {
                Ok(CodeRequested::AddressTaken { message })
            } else if said.starts_with("email:") {
                Ok(CodeRequested::InvalidEmail { message })
            } else {
                Err(failure.error)
            }
        }
        _ => Err(failure.error),
    }
}
