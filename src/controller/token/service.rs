//! Gets tokens: one call at a time for the same request, tried before use where that is wanted.

#[cfg(test)]
mod tests;
mod trial;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use secrecy::SecretString;

use self::trial::Unproven;
use super::findings::Trouble;
use super::need::{Why, refresh_of};
use crate::api::token::{TokenRemark, TokenSettings, TokenStatus, TokenVerification};
use crate::credential::secret_content;
use crate::credential::token::{Promise, Said, lifetime};
use crate::identity::ErrorKind;
use crate::identity::token::{OAuthErrorCode, TokenAnswer, TokenApi, TokenError, TokenRequest, Urgency};

/// Expired tokens are looked for when this many have been kept since the last time.
const SWEEP_EVERY: usize = 256;

/// A token that may be published.
#[derive(Clone, Debug)]
pub struct Obtained {
    /// The token.
    pub access_token: SecretString,
    /// What is recorded of it.
    pub status: TokenStatus,
}

impl Obtained {
    /// The same token for a resource that shares it.
    fn seen_by(&self, ask: &Ask<'_>) -> Self {
        let mut status = self.status.clone();
        status.fingerprint = secret_content::fingerprint(ask.uid, &self.access_token);
        status.refresh_at = Time(refresh_of(&status, ask.promise, ask.uid).at);
        Self {
            access_token: self.access_token.clone(),
            status,
        }
    }
}

/// What a token is wanted for.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// Whose tokens are the same: UID of the resource, or what is common to all who share.
    pub key: &'a str,
    /// UID of the resource.
    pub uid: &'a str,
    /// The server, as the client.
    pub api: &'a dyn TokenApi,
    /// What is asked of the token.
    pub settings: &'a TokenSettings,
    /// Digest of the request.
    pub request_digest: &'a str,
    /// The promise to workloads.
    pub promise: Promise,
    /// Why a token is needed.
    pub why: Why,
    /// How urgent that is.
    pub urgency: Urgency,
    /// A refresh token to use. Whoever gives it has made sure that it is not used a second time.
    pub refresh_token: Option<&'a SecretString>,
}

impl Ask<'_> {
    fn is_shared(&self) -> bool {
        self.key != self.uid
    }
}

/// What was got, and a refresh token for the next time.
#[derive(Clone, Debug)]
pub struct Got {
    /// The token.
    pub obtained: Obtained,
    /// A refresh token to keep.
    pub refresh_token: Option<SecretString>,
    /// Whether it is a new token, handed out for the first time; otherwise a kept one served.
    pub asked: bool,
}

/// Gets tokens, and keeps the last one of each request in memory: a Secret that is lost is written again without a
/// call, and those who share get the same.
#[derive(Default)]
pub struct TokenService {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    slots: HashMap<String, Arc<Slot>>,
    since_sweep: usize,
}

/// One at a time asks; the others wait and take what it got.
#[derive(Default)]
struct Slot {
    state: tokio::sync::Mutex<State>,
    /// How many requests the server has refused.
    refusals: AtomicU64,
}

#[derive(Default)]
struct State {
    /// The last one that may be published.
    kept: Option<Token>,
    /// A newer one of which nobody could tell yet whether it is good.
    unproven: Option<Token>,
    /// What came of the last request, if it was refused.
    refusal: Option<Trouble>,
}

/// A token with the trials that it has passed: those who share it may want it tried in different ways.
struct Token {
    obtained: Obtained,
    passed: Vec<TokenVerification>,
    /// What came with it, until it is handed out.
    refresh_token: Option<SecretString>,
}

impl Token {
    /// Tries the token where the resource asks for that, unless it has passed that trial before.
    async fn prove(&mut self, ask: &Ask<'_>) -> Result<(), Unproven> {
        let Some(verification) = &ask.settings.verification else {
            return Ok(());
        };
        if !self.passed.contains(verification) {
            trial::verify(ask, verification, &self.obtained.access_token).await?;
            self.passed.push(verification.clone());
        }
        Ok(())
    }
}

impl State {
    /// Gives a new token to the resource, and keeps it, unless it is refused.
    async fn hand_out(&mut self, mut token: Token, ask: &Ask<'_>) -> Result<Got, Unproven> {
        if let Err(unproven) = token.prove(ask).await {
            if matches!(unproven, Unproven::Unknown(_)) {
                self.unproven = Some(token);
            }
            return Err(unproven);
        }
        let got = Got {
            obtained: token.obtained.seen_by(ask),
            refresh_token: token.refresh_token.take(),
            asked: true,
        };
        self.kept = Some(token);
        Ok(got)
    }
}

impl Slot {
    fn refused(&self, state: &mut State, trouble: &Trouble) {
        // Another try at once may do better where the trouble is a passing one.
        if !trouble.passes || trouble.retry_after.is_some() {
            state.refusal = Some(trouble.clone());
            self.refusals.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl TokenService {
    /// A token that is good for the resource's promise: a kept one, or a new one.
    ///
    /// # Errors
    /// What keeps it from being published.
    pub async fn obtain(&self, ask: &Ask<'_>) -> Result<Got, Trouble> {
        let slot = self.slot(ask.key);
        let seen = slot.refusals.load(Ordering::Relaxed);
        let mut state = slot.state.lock().await;
        if let Some(token) = state
            .kept
            .as_mut()
            .filter(|kept| serves(&kept.obtained, ask, Timestamp::now()))
        {
            match token.prove(ask).await {
                Ok(()) => {
                    return Ok(Got {
                        obtained: token.obtained.seen_by(ask),
                        refresh_token: None,
                        asked: false,
                    });
                }
                Err(Unproven::Unknown(trouble)) => return Err(trouble),
                // The others are content with it; this one gets another.
                Err(Unproven::Refused(_)) => {}
            }
        }
        // Another token would find nobody either who can tell.
        let unproven = state.unproven.take();
        if let Some(token) = unproven.filter(|token| serves(&token.obtained, ask, Timestamp::now())) {
            match state.hand_out(token, ask).await {
                Ok(got) => return Ok(got),
                Err(Unproven::Unknown(trouble)) => return Err(trouble),
                Err(Unproven::Refused(_)) => {}
            }
        }
        // Who has waited meanwhile would be refused likewise, and too many refusals lock a client out.
        if let Some(refusal) = state
            .refusal
            .as_ref()
            .filter(|_| ask.is_shared() && slot.refusals.load(Ordering::Relaxed) != seen)
        {
            return Err(refusal.clone());
        }
        state.refusal = None;
        let (answer, used) = request(ask)
            .await
            .inspect_err(|trouble| slot.refused(&mut state, trouble))?;
        let token = Token {
            obtained: examined(&answer, ask)?,
            passed: Vec::new(),
            // One that was used and not replaced stays good (RFC 6749 section 6).
            refresh_token: answer.refresh_token.or(used),
        };
        Ok(state.hand_out(token, ask).await?)
    }

    fn slot(&self, key: &str) -> Arc<Slot> {
        let mut kept = self.lock();
        kept.since_sweep += 1;
        if kept.since_sweep > SWEEP_EVERY {
            kept.since_sweep = 0;
            let now = Timestamp::now();
            kept.slots.retain(|_, slot| is_of_use(slot, now));
        }
        Arc::clone(kept.slots.entry(key.to_owned()).or_default())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a slot is in use or holds a token that lives.
fn is_of_use(slot: &Arc<Slot>, now: Timestamp) -> bool {
    match slot.state.try_lock() {
        Err(_) => true,
        Ok(state) => {
            let mut tokens = state.kept.iter().chain(&state.unproven);
            Arc::strong_count(slot) > 1 || tokens.any(|token| token.obtained.status.expires_at.0 > now)
        }
    }
}

/// Whether a kept token is what a resource asks for, and is not due for it.
fn serves(kept: &Obtained, ask: &Ask<'_>, now: Timestamp) -> bool {
    !ask.why.needs_new()
        && kept.status.request_digest == ask.request_digest
        && refresh_of(&kept.status, ask.promise, ask.uid).at > now
}

/// Asks the server. Returns the answer with the refresh token that brought it, if one did.
async fn request(ask: &Ask<'_>) -> Result<(TokenAnswer, Option<SecretString>), Trouble> {
    let request = TokenRequest {
        scopes: ask.settings.scopes.clone(),
        audience: ask.settings.audience.clone(),
        resources: ask.settings.resources.clone(),
        refresh_token: ask.refresh_token.cloned(),
        urgency: ask.urgency,
    };
    let (answer, used) = match ask.api.request_token(&request).await {
        Err(error) if request.refresh_token.is_some() && falls_back(&error) => {
            tracing::info!("the refresh token did not work ({error}); asking with the client's credentials");
            let by_grant = TokenRequest {
                refresh_token: None,
                ..request
            };
            (ask.api.request_token(&by_grant).await, None)
        }
        other => (other, request.refresh_token),
    };
    let answer = answer.map_err(|error| Trouble::of(&error, ask.settings))?;
    Ok((answer, used))
}

/// A refresh token that was refused, or whose use has an unknown outcome, is not used again: the client's own
/// credentials are always good for another token. Servers refuse one with many codes, for example a scope that is no
/// longer granted with `invalid_scope`. Only where the client itself was refused would its credentials fare no better.
fn falls_back(error: &TokenError) -> bool {
    match error.code {
        Some(code) => code != OAuthErrorCode::InvalidClient,
        None => matches!(
            error.call.kind,
            ErrorKind::Rejected | ErrorKind::Forbidden | ErrorKind::Unknown
        ),
    }
}

fn examined(answer: &TokenAnswer, ask: &Ask<'_>) -> Result<Obtained, Trouble> {
    examine(answer, ask.request_digest, ask.promise, ask.uid)
}

/// Reads the lifetime out of an answer.
///
/// # Errors
/// When it cannot be told, so that the token is not published.
pub fn examine(
    answer: &TokenAnswer,
    request_digest: &str,
    promise: Promise,
    uid: &str,
) -> Result<Obtained, Trouble> {
    let life = lifetime(&Said {
        asked_at: answer.asked_at,
        received_at: answer.received_at,
        server_date: answer.server_date,
        expires_in: answer.expires_in,
        unreadable_expires_in: answer.unreadable_expires_in.clone(),
        expiry_claim: answer.expiry_claim,
        issued_at_claim: answer.issued_at_claim,
    })
    .map_err(|remark| {
        Trouble::to_mend(
            remark.reason(),
            format!("{}. It is not published", remark.sentence()),
        )
    })?;
    let recorded = life.recorded();
    let mut status = TokenStatus {
        issued_at: Time(recorded.issued_at),
        expires_at: Time(recorded.expires_at),
        refresh_at: Time(recorded.expires_at),
        allowance_seconds: u32::try_from(recorded.allowance.as_secs()).unwrap_or(u32::MAX),
        token_type: answer.token_type.clone(),
        scope: answer.scope.clone(),
        request_digest: request_digest.to_owned(),
        fingerprint: secret_content::fingerprint(uid, &answer.access_token),
        remark: life.remarks.first().map(|remark| TokenRemark {
            reason: remark.reason().to_owned(),
            message: remark.sentence(),
        }),
    };
    status.refresh_at = Time(refresh_of(&status, promise, uid).at);
    Ok(Obtained {
        access_token: answer.access_token.clone(),
        status,
    })
}
