use keywright_sandbox::{Locked, Operation, Switches, WrongPassword};

use super::*;
use crate::identity::BrakeReason;

const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const OTHER_SEED: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";

fn with_authenticator() -> NewAccount {
    NewAccount {
        totp_seed: Some(SEED.to_owned()),
        ..NewAccount::new(EMAIL, PASSWORD)
    }
}

fn with_seed(world: &World, seed: &str) -> DiditConfig {
    DiditConfig {
        totp_seed: Some(seed.into()),
        ..world.config()
    }
}

/// The message of a login that was refused, and the brake that it put on.
async fn refusal(didit: &Didit) -> (String, BrakeReason, Duration) {
    let error = didit.verify().await.unwrap_err();
    let ErrorKind::Braked { reason, until } = error.kind else {
        panic!("{error}")
    };
    let left = until
        .duration_since(k8s_openapi::jiff::Timestamp::now())
        .unsigned_abs();
    (error.message, reason, left)
}

fn about_hours(left: Duration, hours: u64) -> bool {
    let whole = Duration::from_secs(hours * 3600);
    left <= whole && left > whole - Duration::from_secs(60)
}

#[tokio::test]
async fn a_wrong_password_is_one_login_whatever_is_asked_and_after_restarts() {
    for (wrong_password, status) in [
        (WrongPassword::Unauthorized, "401 Unauthorized"),
        (WrongPassword::Forbidden, "403 Forbidden"),
    ] {
        let world = World::new().await;
        world.sandbox.set_switches(Switches {
            wrong_password,
            ..Switches::default()
        });
        let wrong = DiditConfig {
            password: "Wr0ng!password".into(),
            ..world.config()
        };
        let mut record = LoginRecord::for_credentials(None, "v1");
        for _ in 0..10 {
            let didit = connect_with(wrong.clone(), &record);
            let (message, reason, left) = refusal(&didit).await;
            assert_eq!(
                message,
                format!(
                    "the e-mail and password were refused: {} answered {status}: No active account found with the \
                     given credentials",
                    world.host()
                )
            );
            assert_eq!(reason, BrakeReason::LoginRefused);
            assert!(about_hours(left, 1), "{left:?}");
            let all = [
                didit.list_applications().await.map(drop),
                didit.read_application("a").await.map(drop),
                didit.create_application(&named("a")).await.map(drop),
                didit.update_application("a", &named("a")).await.map(drop),
            ];
            assert!(
                all.into_iter()
                    .all(|result| matches!(result.unwrap_err().kind, ErrorKind::Braked { .. }))
            );
            record = didit.session().record();
        }
        assert_eq!(world.sandbox.count(Operation::Login), 1);
    }
}

#[tokio::test]
async fn a_wrong_password_that_is_answered_with_429_is_one_login() {
    let world = World::new().await;
    world.sandbox.set_switches(Switches {
        wrong_password: WrongPassword::Throttled,
        omit_retry_after: true,
        ..Switches::default()
    });
    let didit = connect(DiditConfig {
        password: "Wr0ng!password".into(),
        ..world.config()
    });
    for _ in 0..10 {
        let (_, reason, left) = refusal(&didit).await;
        assert_eq!(reason, BrakeReason::LoginThrottled);
        assert!(left <= Duration::from_secs(60), "{left:?}");
    }
    assert_eq!(world.sandbox.count(Operation::Login), 1);
}

#[tokio::test]
async fn a_locked_account_keeps_the_servers_words() {
    let world = World::new().await;
    for _ in 0..5 {
        let wrong = DiditConfig {
            password: "Wr0ng!password".into(),
            ..world.config()
        };
        refusal(&connect(wrong)).await;
    }
    let (message, reason, left) = refusal(&world.connect()).await;
    assert_eq!(reason, BrakeReason::LoginThrottled);
    assert!(message.contains(" answered 429 Too Many Requests: "), "{message}");
    assert!(
        left > Duration::from_secs(14 * 60),
        "{left:?}, the lock lasts 15 minutes"
    );

    world.sandbox.set_switches(Switches {
        locked: Locked::Forbidden,
        ..Switches::default()
    });
    let (message, reason, _) = refusal(&world.connect()).await;
    let prefix = format!(
        "the e-mail and password were refused: {} answered 403 Forbidden: ",
        world.host()
    );
    assert!(
        message.starts_with(&prefix) && message.to_lowercase().contains("lock"),
        "{message}"
    );
    assert_eq!(reason, BrakeReason::LoginRefused);
}

#[tokio::test]
async fn a_second_factor_is_given_from_the_seed() {
    let world = World::with_account(with_authenticator()).await;
    let didit = connect(with_seed(&world, SEED));
    didit.verify().await.unwrap();
    didit.list_applications().await.unwrap();
    assert_eq!(world.sandbox.count(Operation::Login), 1);
    assert_eq!(world.sandbox.count(Operation::VerifySecondFactor), 1);
}

#[tokio::test]
async fn a_second_factor_that_is_missing_says_what_to_do() {
    let world = World::with_account(with_authenticator()).await;
    let (message, reason, left) = refusal(&world.connect()).await;
    assert_eq!(
        message,
        "the account asks for a second factor: use an account without one, or put the seed of its authenticator \
         under the key `totpSeed` of the Secret with its password"
    );
    assert_eq!(reason, BrakeReason::SecondFactorRequired);
    assert!(about_hours(left, 24), "{left:?}");

    let passkeys = NewAccount {
        has_passkeys: true,
        ..NewAccount::new(EMAIL, PASSWORD)
    };
    let world = World::with_account(passkeys).await;
    let (message, reason, _) = refusal(&connect(with_seed(&world, SEED))).await;
    assert_eq!(
        message,
        "the account asks for a passkey, which cannot be completed without a browser: use an account without a \
         second factor, or add an authenticator to this one and put its seed under the key `totpSeed` of the \
         Secret with its password"
    );
    assert_eq!(reason, BrakeReason::SecondFactorRequired);
}

#[tokio::test]
async fn a_wrong_seed_is_one_attempt() {
    let world = World::with_account(with_authenticator()).await;
    let didit = connect(with_seed(&world, OTHER_SEED));
    for _ in 0..5 {
        let (message, reason, left) = refusal(&didit).await;
        assert_eq!(
            message,
            format!(
                "the authenticator code was refused: {} answered 400 Bad Request: Invalid OTP token; check that \
                 `totpSeed` is this account's and that the clocks agree",
                world.host()
            )
        );
        assert_eq!(reason, BrakeReason::SecondFactorRequired);
        assert!(about_hours(left, 1), "{left:?}");
    }
    assert_eq!(world.sandbox.count(Operation::VerifySecondFactor), 1);
}

#[tokio::test]
async fn clients_with_the_same_credentials_share_a_session() {
    let world = World::new().await;
    let registry = SessionRegistry::new();
    let connect = |config| {
        let observed = Arc::new(Observed::default());
        let record = LoginRecord::for_credentials(None, "v1");
        Didit::connect(config, observed, &registry, Arc::new(NoLedger), &record).unwrap()
    };
    let clients = [connect(world.config()), connect(world.config())];
    for client in &clients {
        client.list_applications().await.unwrap();
    }
    assert_eq!(world.sandbox.count(Operation::Login), 1);
    let wrong = connect(DiditConfig {
        password: "Wr0ng!password".into(),
        ..world.config()
    });
    refusal(&wrong).await;
    clients[0].list_applications().await.unwrap();
    assert_eq!(world.sandbox.count(Operation::Login), 2);
}

#[test]
fn everything_that_a_login_depends_on_tells_sessions_apart() {
    let auth = Endpoint::parse("authUrl", "https://apx.didit.me/auth/v2", false).unwrap();
    let key = |config| session_key(&auth, &config);
    let base = || {
        config(
            auth.as_str().to_owned(),
            "https://verification.didit.me/v3".to_owned(),
        )
    };
    assert_eq!(
        key(base()),
        key(DiditConfig {
            organization: OrganizationChoice::Id("a".to_owned()),
            ..base()
        })
    );
    for other in [
        DiditConfig {
            email: "dev@corp.example.net".to_owned(),
            ..base()
        },
        DiditConfig {
            password: "An0ther!horse".into(),
            ..base()
        },
        DiditConfig {
            totp_seed: Some(SEED.into()),
            ..base()
        },
        DiditConfig {
            ca_bundle: Some(vec![1]),
            ..base()
        },
    ] {
        assert_ne!(key(base()), key(other));
    }
}

#[test]
fn a_configuration_that_cannot_work_is_refused_before_any_call() {
    let refused = |config| {
        let observed = Arc::new(Observed::default());
        let record = LoginRecord::default();
        let error = Didit::connect(
            config,
            observed,
            &SessionRegistry::new(),
            Arc::new(NoLedger),
            &record,
        )
        .err()
        .unwrap();
        let ErrorKind::Misconfigured { reason } = error.kind else {
            panic!("{error}")
        };
        (reason, error.message)
    };
    let good = || {
        config(
            "https://apx.didit.me/auth/v2".to_owned(),
            "https://verification.didit.me/v3".to_owned(),
        )
    };
    assert_eq!(
        refused(DiditConfig {
            email: " ".to_owned(),
            ..good()
        }),
        (
            "IncompleteCredentials",
            "the account's e-mail address is empty".to_owned()
        )
    );
    assert_eq!(
        refused(DiditConfig {
            password: "".into(),
            ..good()
        }),
        (
            "IncompleteCredentials",
            "the account's password is empty".to_owned()
        )
    );
    assert_eq!(
        refused(DiditConfig {
            totp_seed: Some("123456".into()),
            ..good()
        })
        .0,
        "InvalidTotpSeed"
    );
    assert_eq!(
        refused(DiditConfig {
            ca_bundle: Some(Vec::new()),
            ..good()
        })
        .0,
        "InvalidCaBundle"
    );
    assert_eq!(
        refused(DiditConfig {
            auth_url: "apx.didit.me".to_owned(),
            ..good()
        })
        .0,
        "InvalidEndpoint"
    );
    let insecure = DiditConfig {
        api_url: "http://localhost/v3".to_owned(),
        allow_insecure: false,
        ..good()
    };
    assert_eq!(refused(insecure).0, "InsecureEndpoint");
}
