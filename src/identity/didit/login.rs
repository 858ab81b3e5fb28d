//! Logging in to Didit with e-mail, password and, where the account has one, its authenticator (section 2.4).

use std::sync::Arc;

use async_trait::async_trait;
use k8s_openapi::jiff::Timestamp;
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use totp_rs::{Builder, Secret, Totp};

use super::DiditConfig;
use super::wire::{self, LoginAnswer};
use crate::identity::budget::Permit;
use crate::identity::http::{Call, Effect, Endpoint, Failure, HttpClient};
use crate::identity::session::{Login, LoginError, Tokens};
use crate::identity::token::Urgency;
use crate::identity::{CallError, ErrorKind};

const NO_SEED: &str = "the account asks for a second factor: use an account without one, or put the seed of its \
                       authenticator under the key `totpSeed` of the Secret with its password";

const PASSKEYS_ONLY: &str = "the account asks for a passkey, which cannot be completed without a browser: use an \
                             account without a second factor, or add an authenticator to this one and put its \
                             seed under the key `totpSeed` of the Secret with its password";

const SECOND_FACTOR: &str = "verifySecondFactor";

/// Everybody who acts as the account waits for its login.
const URGENCY: Urgency = Urgency::NeverSynced;

pub(super) struct DiditLogin {
    pub(super) http: Arc<HttpClient>,
    pub(super) auth: Endpoint,
    pub(super) email: String,
    pub(super) password: SecretString,
    pub(super) totp_seed: Option<SecretString>,
}

#[async_trait]
impl Login for DiditLogin {
    async fn permit(&self) -> Result<Permit, CallError> {
        self.http.permit(URGENCY).await
    }

    async fn login(&self, permit: Permit) -> Result<Tokens, LoginError> {
        let call = Call::new(
            "login",
            Effect::Authenticates,
            Method::POST,
            self.auth.route(&["programmatic", "login"]),
        )
        .json(json!({"email": self.email, "password": self.password.expose_secret()}))
        .secret(&self.password);
        match self
            .http
            .exchange(permit, call, wire::login)
            .await
            .map(|answer| answer.value)
        {
            Ok(LoginAnswer::Tokens(tokens)) => Ok(tokens),
            Ok(LoginAnswer::SecondFactor {
                has_authenticator: false,
                ..
            }) => Err(LoginError::SecondFactorRequired {
                message: PASSKEYS_ONLY.to_owned(),
            }),
            Ok(LoginAnswer::SecondFactor { temp_token, .. }) => match &self.totp_seed {
                Some(seed) => self.second_factor(&temp_token, seed).await,
                None => Err(LoginError::SecondFactorRequired {
                    message: NO_SEED.to_owned(),
                }),
            },
            Err(failure) if is_judgement(&failure) => {
                let message = sentence("the e-mail and password were refused", &failure);
                Err(LoginError::Refused { message })
            }
            Err(failure) => Err(not_judged(failure)),
        }
    }
}

impl DiditLogin {
    async fn second_factor(
        &self,
        temp_token: &SecretString,
        seed: &SecretString,
    ) -> Result<Tokens, LoginError> {
        let permit = self.http.permit(URGENCY).await.map_err(|error| {
            LoginError::HeldBack(CallError {
                operation: SECOND_FACTOR,
                ..error
            })
        })?;
        // Made now and not before: it is good for half a minute.
        let code = current_code(seed).map_err(LoginError::Call)?;
        let url = self.auth.route(&["2fa", "verify"]);
        let call = Call::new(SECOND_FACTOR, Effect::Authenticates, Method::POST, url)
            .json(json!({"temp_token": temp_token.expose_secret(), "otp_token": code.expose_secret()}))
            .secret(temp_token)
            .secret(&code);
        match self
            .http
            .exchange(permit, call, wire::second_factor)
            .await
            .map(|answer| answer.value)
        {
            Ok(tokens) => Ok(tokens),
            Err(failure) if is_judgement(&failure) => {
                let message = format!(
                    "{}; check that `totpSeed` is this account's and that the clocks agree",
                    sentence("the authenticator code was refused", &failure)
                );
                Err(LoginError::SecondFactorRefused { message })
            }
            Err(failure) => Err(not_judged(failure)),
        }
    }
}

/// What a login has met that says nothing for sure about the credentials. With 429 they may have been judged
/// all the same: a wrong password and a locked account are both answered with it (section 2.4).
fn not_judged(failure: Failure) -> LoginError {
    match failure.error.kind {
        ErrorKind::Throttled { retry_after } if failure.status == Some(StatusCode::TOO_MANY_REQUESTS) => {
            LoginError::Throttled {
                retry_after,
                message: failure.error.message,
            }
        }
        _ => LoginError::Call(failure.error),
    }
}

/// Statuses that answer the credentials, rather than the way they were brought. A locked account answers 403
/// too.
fn is_judgement(failure: &Failure) -> bool {
    matches!(
        failure.status,
        Some(
            StatusCode::BAD_REQUEST
                | StatusCode::UNAUTHORIZED
                | StatusCode::FORBIDDEN
                | StatusCode::UNPROCESSABLE_ENTITY
                | StatusCode::LOCKED
        )
    )
}

fn sentence(what: &str, failure: &Failure) -> String {
    format!("{what}: {}", failure.error.message)
}

/// What is wrong with the credentials themselves, before they are sent anywhere.
pub(super) fn check_credentials(config: &DiditConfig) -> Result<(), CallError> {
    let incomplete = |what: &str| misconfigured("IncompleteCredentials", format!("the {what} is empty"));
    if config.email.trim().is_empty() {
        return Err(incomplete("account's e-mail address"));
    }
    if config.password.expose_secret().is_empty() {
        return Err(incomplete("account's password"));
    }
    config
        .totp_seed
        .as_ref()
        .map_or(Ok(()), |seed| authenticator(seed).map(drop))
}

fn current_code(seed: &SecretString) -> Result<SecretString, CallError> {
    let now = u64::try_from(Timestamp::now().as_second()).unwrap_or_default();
    Ok(authenticator(seed)?.generate(now).to_string().into())
}

/// An authenticator as apps make them: SHA-1, six digits, a new code every 30 seconds (RFC 6238).
fn authenticator(seed: &SecretString) -> Result<Totp, CallError> {
    // Seeds are shown in groups, in either case, and sometimes padded.
    let compact: String = seed
        .expose_secret()
        .chars()
        .filter(|character| !character.is_whitespace() && *character != '-')
        .map(|character| character.to_ascii_uppercase())
        .collect();
    let secret = Secret::try_from_base32(compact.trim_end_matches('='))
        .ok()
        .filter(|secret| !secret.as_bytes().is_empty())
        .ok_or_else(|| {
            misconfigured(
                "InvalidTotpSeed",
                "`totpSeed` is not base32 (letters A to Z and digits 2 to 7): it has to be the seed that the \
                 authenticator was set up with, not a code that it shows"
                    .to_owned(),
            )
        })?;
    // Not the strict builder: it refuses seeds of 80 bits, which many services give out.
    Ok(Builder::new().with_secret(secret).build_noncompliant())
}

fn misconfigured(reason: &'static str, message: String) -> CallError {
    CallError {
        operation: "connect",
        kind: ErrorKind::Misconfigured { reason },
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_at(seed: &str, second: u64) -> String {
        authenticator(&seed.into()).unwrap().generate(second).to_string()
    }

    #[test]
    fn codes_are_those_of_rfc_6238() {
        // Appendix B: the ASCII seed 12345678901234567890; the last six of its eight digits.
        const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        for (second, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_234_567_890, "005924"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code_at(SEED, second), code);
        }
    }

    #[test]
    fn a_seed_may_be_grouped_lower_case_padded_or_short() {
        let expected = code_at("JBSWY3DPEHPK3PXP", 1_700_000_000);
        for seed in [
            "jbsw y3dp ehpk 3pxp",
            " JBSW-Y3DP-EHPK-3PXP\n",
            "JBSWY3DPEHPK3PXP======",
        ] {
            assert_eq!(code_at(seed, 1_700_000_000), expected, "{seed}");
        }
    }

    #[test]
    fn what_is_not_a_seed_is_refused_without_repeating_it() {
        for seed in ["", "  ", "=", "123456", "not base32!", "JBSWY3DPEHPK3PX1", "é"] {
            let error = authenticator(&seed.into()).unwrap_err();
            assert_eq!(
                error.kind,
                ErrorKind::Misconfigured {
                    reason: "InvalidTotpSeed"
                },
                "{seed}"
            );
            assert_eq!(
                error.message,
                "`totpSeed` is not base32 (letters A to Z and digits 2 to 7): it has to be the seed that the \
                 authenticator was set up with, not a code that it shows"
            );
        }
    }
}
