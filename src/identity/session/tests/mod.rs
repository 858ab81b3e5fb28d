mod brake;
mod flight;

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures::future::join_all;
use k8s_openapi::jiff::SignedDuration;
use secrecy::ExposeSecret;
use tokio::sync::Semaphore;
use tokio::time::advance;

use super::*;
use crate::identity::{BrakeReason, ErrorKind};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A login whose outcomes a test states beforehand; after them, every login works.
struct StatedLogin {
    outcomes: Mutex<VecDeque<Outcome>>,
    begun: AtomicUsize,
    may_finish: Semaphore,
}

enum Outcome {
    Works,
    /// It yields a token that lives for so long.
    WorksFor(Duration),
    Fails(LoginError),
    Panics,
}

#[async_trait]
impl Login for StatedLogin {
    async fn login(&self, _permit: Permit) -> Result<Tokens, LoginError> {
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        self.may_finish.acquire().await.unwrap().forget();
        let outcome = self.outcomes.lock().unwrap().pop_front();
        let tokens = |expires_in| Tokens {
            access_token: format!("token-{number}").into(),
            expires_in,
        };
        match outcome.unwrap_or(Outcome::Works) {
            Outcome::Works => Ok(tokens(DAY)),
            Outcome::WorksFor(life) => Ok(tokens(life)),
            Outcome::Fails(error) => Err(error),
            Outcome::Panics => panic!("a defect in the login"),
        }
    }
}

/// A ledger that keeps every record, and fails or hangs when told to.
#[derive(Default)]
struct KeptLedger {
    records: Mutex<Vec<LoginRecord>>,
    fails: AtomicBool,
    hangs: AtomicBool,
}

#[async_trait]
impl LoginLedger for KeptLedger {
    async fn record(&self, record: &LoginRecord) -> Result<(), String> {
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.fails.load(Ordering::SeqCst) {
            return Err("the cluster is away".to_owned());
        }
        self.records.lock().unwrap().push(record.clone());
        Ok(())
    }
}

struct Bench {
    login: Arc<StatedLogin>,
    ledger: Arc<KeptLedger>,
    now: Arc<Mutex<Timestamp>>,
    session: Arc<Session>,
}

impl Bench {
    fn new(outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        Self::with_record(outcomes, LoginRecord::for_credentials(None, "v1"))
    }

    fn with_record(outcomes: impl IntoIterator<Item = Outcome>, record: LoginRecord) -> Self {
        let login = Arc::new(StatedLogin {
            outcomes: Mutex::new(outcomes.into_iter().collect()),
            begun: AtomicUsize::new(0),
            may_finish: Semaphore::new(Semaphore::MAX_PERMITS),
        });
        let ledger = Arc::new(KeptLedger::default());
        let now = Arc::new(Mutex::new("2026-11-23T10:00:00Z".parse::<Timestamp>().unwrap()));
        let time = Arc::clone(&now);
        let clock: Clock = Arc::new(move || *time.lock().unwrap());
        let kept: Arc<dyn LoginLedger> = ledger.clone();
        let session = Arc::new(Session::with_clock(login.clone(), &kept, record, clock));
        Self {
            login,
            ledger,
            now,
            session,
        }
    }

    fn logins(&self) -> usize {
        self.login.begun.load(Ordering::SeqCst)
    }

    fn recorded(&self) -> Vec<LoginRecord> {
        self.ledger.records.lock().unwrap().clone()
    }

    async fn token(&self) -> String {
        self.session
            .token()
            .await
            .unwrap()
            .secret()
            .expose_secret()
            .to_owned()
    }

    async fn error(&self) -> CallError {
        self.session.token().await.unwrap_err()
    }

    /// Both clocks.
    async fn pass(&self, time: Duration) {
        *self.now.lock().unwrap() += SignedDuration::try_from(time).unwrap();
        advance(time).await;
    }

    fn hold_logins(&self) {
        self.login.may_finish.forget_permits(Semaphore::MAX_PERMITS);
    }
}

fn refused() -> Outcome {
    Outcome::Fails(LoginError::Refused {
        message: "didit refused: No account.".to_owned(),
    })
}

fn fails(kind: ErrorKind) -> Outcome {
    Outcome::Fails(LoginError::Call(CallError {
        operation: "login",
        kind,
        message: "what happened".to_owned(),
    }))
}
