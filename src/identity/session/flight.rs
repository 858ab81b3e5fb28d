//! The inside of a session: one login at a time, in a task of its own, recorded before and after.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, join_all};
use k8s_openapi::jiff::Timestamp;
use secrecy::SecretString;
use tokio::time::{Instant, timeout};

use super::record::{Brake, Gate, LoginRecord};
use super::{Login, LoginError, LoginLedger, Tokens};
use crate::identity::{CallError, ErrorKind};

/// What a [`CallError`] about a login has for its operation.
pub const OPERATION: &str = "login";

/// How long the ledger may take. It is asked while callers wait for a token.
const LEDGER_DEADLINE: Duration = Duration::from_secs(30);

/// How long a busy identity API is left alone that did not say for how long.
const PAUSE: Duration = Duration::from_secs(60);

/// Gives the current time; a test's own in tests.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// An access token of the account.
#[derive(Clone, Debug)]
pub struct AccountToken {
    pub(super) secret: Arc<SecretString>,
    pub(super) obtained: Instant,
    pub(super) use_until: Instant,
    asked_at: Timestamp,
    expires_in: Duration,
}

impl AccountToken {
    fn new(tokens: Tokens, asked: Instant, asked_at: Timestamp) -> Self {
        // Renewed before it ends, so that a call which has just begun does not carry a token that has just
        // expired.
        let use_until = asked.checked_add(tokens.expires_in.mul_f64(0.9)).unwrap_or(asked);
        Self {
            secret: Arc::new(tokens.access_token),
            obtained: asked,
            use_until,
            asked_at,
            expires_in: tokens.expires_in,
        }
    }

    /// The token itself.
    #[must_use]
    pub fn secret(&self) -> &SecretString {
        &self.secret
    }

    /// When its login was sent.
    #[must_use]
    pub fn asked_at(&self) -> Timestamp {
        self.asked_at
    }

    /// How long it is valid, counted from then.
    #[must_use]
    pub fn expires_in(&self) -> Duration {
        self.expires_in
    }
}

pub(super) struct Core {
    login: Arc<dyn Login>,
    clock: Clock,
    state: Mutex<State>,
}

pub(super) type Flight = Shared<BoxFuture<'static, Result<AccountToken, CallError>>>;

pub(super) struct State {
    pub(super) record: LoginRecord,
    pub(super) token: Option<AccountToken>,
    /// The token is valid and lacks a permission: a 403 is no reason to replace it.
    pub(super) lacks_permission: bool,
    pub(super) flight: Option<Flight>,
    pause: Option<(Instant, CallError)>,
    /// One for each user of the account that is still there.
    ledgers: Vec<Weak<dyn LoginLedger>>,
}

impl Core {
    pub(super) fn new(
        login: Arc<dyn Login>,
        ledger: &Arc<dyn LoginLedger>,
        record: LoginRecord,
        clock: Clock,
    ) -> Self {
        let state = Mutex::new(State {
            record,
            token: None,
            lacks_permission: false,
            flight: None,
            pause: None,
            ledgers: vec![Arc::downgrade(ledger)],
        });
        Self { login, clock, state }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a login in a task of its own, unless brake or pause forbid it.
    pub(super) fn depart(self: &Arc<Self>, state: &mut State) -> Result<Flight, CallError> {
        if let Gate::Closed(brake) = state.record.gate((self.clock)()) {
            return Err(braked(&brake));
        }
        if let Some((until, error)) = &state.pause
            && Instant::now() < *until
        {
            let retry_after = Some(until.saturating_duration_since(Instant::now()));
            return Err(CallError {
                kind: ErrorKind::Throttled { retry_after },
                ..error.clone()
            });
        }
        let core = Arc::clone(self);
        let task = tokio::spawn(async move {
            let result = AssertUnwindSafe(core.attempt()).catch_unwind().await;
            core.state().flight = None;
            result.unwrap_or_else(|_| Err(ended()))
        });
        let flight = task
            .map(|joined| joined.unwrap_or_else(|_| Err(ended())))
            .boxed()
            .shared();
        state.flight = Some(flight.clone());
        Ok(flight)
    }

    async fn attempt(&self) -> Result<AccountToken, CallError> {
        let permit = self.login.permit().await.map_err(|error| CallError {
            operation: OPERATION,
            ..error
        })?;
        let begun = self.state().record.begin((self.clock)());
        self.store(&begun).await.map_err(|why| {
            unavailable(format!(
                "the login was not made, because it could not be recorded before: {why}"
            ))
        })?;
        self.proceed(begun).await?;
        let (asked, asked_at) = (Instant::now(), (self.clock)());
        let result = self.login.login(permit).await;
        let (record, result) = self.conclude(asked, asked_at, result);
        if let Err(why) = self.store(&record).await {
            tracing::warn!(error = why, "the outcome of a login could not be recorded");
        }
        result
    }

    /// Makes the login that was recorded the present one, unless somebody has joined meanwhile who remembers a
    /// brake.
    async fn proceed(&self, begun: LoginRecord) -> Result<(), CallError> {
        let remembered = {
            let mut state = self.state();
            match state.record.gate((self.clock)()) {
                Gate::Open => {
                    state.record = begun.joined(&state.record);
                    return Ok(());
                }
                Gate::Closed(brake) => (state.record.clone(), brake),
            }
        };
        let (record, brake) = remembered;
        if let Err(why) = self.store(&record).await {
            tracing::warn!(error = why, "a brake could not be recorded");
        }
        Err(braked(&brake))
    }

    pub(super) async fn forget_refusals(&self) -> Result<(), String> {
        let record = {
            let mut state = self.state();
            state.record = LoginRecord::for_credentials(None, &state.record.credentials_version);
            state.pause = None;
            state.record.clone()
        };
        self.store(&record).await
    }

    /// Stores the record in every ledger. One that keeps it is enough: another may belong to a user that is
    /// just going away.
    async fn store(&self, record: &LoginRecord) -> Result<(), String> {
        let ledgers = self.ledgers();
        let stored = ledgers.iter().map(|ledger| async {
            match timeout(LEDGER_DEADLINE, ledger.record(record)).await {
                Ok(result) => result,
                Err(_) => Err(format!("no answer within {LEDGER_DEADLINE:?}")),
            }
        });
        let mut refusal = "nobody uses this account any more".to_owned();
        let mut kept = false;
        for outcome in join_all(stored).await {
            match outcome {
                Ok(()) => kept = true,
                Err(why) => refusal = why,
            }
        }
        if kept { Ok(()) } else { Err(refusal) }
    }

    fn ledgers(&self) -> Vec<Arc<dyn LoginLedger>> {
        let mut state = self.state();
        state.ledgers.retain(|ledger| ledger.strong_count() > 0);
        state.ledgers.iter().filter_map(Weak::upgrade).collect()
    }

    /// Another user of the account joins, with what it remembers.
    pub(super) fn join(&self, ledger: &Arc<dyn LoginLedger>, remembered: &LoginRecord) {
        let mut state = self.state();
        state.ledgers.push(Arc::downgrade(ledger));
        // A token that is in use says more than any memory.
        if state.token.is_none() {
            state.record = state.record.joined(remembered);
        }
        if state.record.brake.is_some() {
            let (ledger, record) = (Arc::clone(ledger), state.record.clone());
            tokio::spawn(async move {
                if let Err(why) = ledger.record(&record).await {
                    tracing::warn!(error = why, "a brake could not be recorded");
                }
            });
        }
    }

    /// Takes the outcome of a login into the state, and gives what ledger and callers get to know of it.
    fn conclude(
        &self,
        asked: Instant,
        asked_at: Timestamp,
        result: Result<Tokens, LoginError>,
    ) -> (LoginRecord, Result<AccountToken, CallError>) {
        let now = (self.clock)();
        let mut state = self.state();
        let begun = state.record.clone();
        let (record, result) = match result {
            Ok(tokens) => (begun.succeeded(), Ok(AccountToken::new(tokens, asked, asked_at))),
            Err(LoginError::Refused { message }) => refused(begun.refused(now, message)),
            Err(LoginError::SecondFactorRequired { message }) => refused(begun.second_factor(now, message)),
            Err(LoginError::SecondFactorRefused { message }) => refused(begun.code_refused(now, message)),
            // The budget knows how long to wait, and what was sent before has been answered.
            Err(LoginError::HeldBack(error)) => (begun.not_sent(), Err(error)),
            Err(LoginError::Throttled { retry_after, message }) => {
                refused(begun.throttled(now, retry_after, message))
            }
            Err(LoginError::Call(error)) => match error.kind {
                ErrorKind::Unknown => (begun.lost(&error.message), Err(unavailable(error.message))),
                // An identity API that is busy, and not an answer about the credentials.
                ErrorKind::Throttled { retry_after } => {
                    let wait = retry_after.unwrap_or(PAUSE);
                    let error = CallError {
                        kind: ErrorKind::Throttled {
                            retry_after: Some(wait),
                        },
                        ..error
                    };
                    state.pause = Instant::now()
                        .checked_add(wait)
                        .map(|until| (until, error.clone()));
                    (begun.lost(&error.message), Err(error))
                }
                _ => (begun.not_sent(), Err(error)),
            },
        };
        if let Ok(token) = &result {
            state.token = Some(token.clone());
            state.lacks_permission = false;
            state.pause = None;
        }
        state.record = record.clone();
        (record, result)
    }
}

/// The outcome of a login whose credentials were judged: the record with the brake on, and what callers see.
fn refused(record: LoginRecord) -> (LoginRecord, Result<AccountToken, CallError>) {
    let error = record.brake.as_ref().map_or_else(ended, braked);
    (record, Err(error))
}

fn braked(brake: &Brake) -> CallError {
    let kind = ErrorKind::Braked {
        reason: brake.reason,
        until: brake.until,
    };
    CallError {
        operation: OPERATION,
        kind,
        message: brake.message.clone(),
    }
}

fn ended() -> CallError {
    unavailable("the login ended unexpectedly".to_owned())
}

fn unavailable(message: String) -> CallError {
    CallError {
        operation: OPERATION,
        kind: ErrorKind::Unavailable,
        message,
    }
}
