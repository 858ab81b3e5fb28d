use keywright_sandbox::{
    Bounds, FaultRule, Operation, RegisteredAddress, ResendPassword, RetryAfter, Switches, WrongCode,
};
use serde_json::json;

use super::super::one_time_code::OneTimeCode;
use super::super::registration::{Bootstrap, CodeRequested, CodeTried, Registration, RegistrationConfig};
use super::*;
use crate::identity::http::testing::CapturedLog;

async fn empty() -> World {
    World::with_config(Config::default()).await
}

fn registration(world: &World) -> Registration {
    let config = RegistrationConfig {
        auth_url: world.sandbox.auth_url(),
        ca_bundle: None,
        allow_insecure: true,
        request_timeout: Duration::from_secs(30),
        budget: None,
    };
    Registration::connect(config, Arc::new(Observed::default())).unwrap()
}

async fn register(world: &World) -> CodeRequested {
    registration(world)
        .register(EMAIL, &PASSWORD.into())
        .await
        .unwrap()
}

fn mailed(world: &World) -> OneTimeCode {
    let mail = world.sandbox.mailbox(EMAIL).pop().unwrap();
    OneTimeCode::parse(&mail.code).unwrap()
}

fn wrong(code: &OneTimeCode) -> OneTimeCode {
    let other = if code.secret().expose_secret() == "AAAAAA" {
        "BBBBBB"
    } else {
        "AAAAAA"
    };
    OneTimeCode::parse(other).unwrap()
}

async fn verify(world: &World, code: &OneTimeCode) -> Result<CodeTried, CallError> {
    registration(world).verify_email(EMAIL, code).await
}

fn bootstrap(tried: Result<CodeTried, CallError>) -> Bootstrap {
    match tried.unwrap() {
        CodeTried::Verified(bootstrap) => *bootstrap,
        CodeTried::Refused { message } => panic!("{message}"),
    }
}

#[tokio::test]
async fn an_address_becomes_an_account_with_an_application() {
    let world = empty().await;
    assert_eq!(register(&world).await, CodeRequested::Mailed { fresh: true });
    let made = bootstrap(verify(&world, &mailed(&world)).await);
    assert_eq!(made.organization.name, "ops");
    assert_eq!(made.tokens.expires_in, Duration::from_secs(86_400));

    let didit = world.connect();
    let read = didit.read_application(&made.application.id).await.unwrap();
    assert_eq!(didit.verify().await.unwrap().organization, made.organization);
    assert_eq!(read.client_id, made.application.client_id);
    assert_eq!(
        read.api_key.expose_secret(),
        made.application.api_key.expose_secret()
    );
    assert_eq!(
        didit.probe_key(&made.application.api_key).await.unwrap(),
        KeyVerdict::Accepted
    );
}

#[tokio::test]
async fn registering_again_or_resending_mails_another_code() {
    let world = empty().await;
    register(&world).await;
    let first = mailed(&world);
    assert_eq!(register(&world).await, CodeRequested::Mailed { fresh: false });
    for resend_password in [ResendPassword::Required, ResendPassword::Optional] {
        world.sandbox.set_switches(Switches {
            resend_password,
            ..Switches::default()
        });
        world.sandbox.advance(Duration::from_secs(61)).unwrap();
        let resent = registration(&world)
            .resend_code(EMAIL, &PASSWORD.into())
            .await
            .unwrap();
        assert_eq!(resent, CodeRequested::Mailed { fresh: false });
    }
    assert_eq!(world.sandbox.mailbox(EMAIL).len(), 4);
    assert!(matches!(
        verify(&world, &first).await.unwrap(),
        CodeTried::Refused { .. }
    ));
    bootstrap(verify(&world, &mailed(&world)).await);
}

#[tokio::test]
async fn what_is_refused_is_told_apart() {
    let world = World::new().await;
    let client = registration(&world);
    let told = async |email: &str, password: &str| client.register(email, &password.into()).await.unwrap();
    let host = world.host();

    for registered_address in [
        RegisteredAddress::Field,
        RegisteredAddress::Detail,
        RegisteredAddress::Conflict,
    ] {
        world.sandbox.set_switches(Switches {
            registered_address,
            ..Switches::default()
        });
        let CodeRequested::AddressTaken { message } = told(EMAIL, PASSWORD).await else {
            panic!("{registered_address:?}")
        };
        assert!(
            message.ends_with("An account with this email already exists"),
            "{message}"
        );
    }
    assert_eq!(
        told("nobody", PASSWORD).await,
        CodeRequested::InvalidEmail {
            message: format!("{host} answered 400 Bad Request: email: Enter a valid email address")
        }
    );
    assert_eq!(
        told("new@corp.example.net", "Weakpassword1").await,
        CodeRequested::WeakPassword {
            message: format!(
                "{host} answered 400 Bad Request: password: The password must have at least one special character"
            )
        }
    );
}

#[tokio::test]
async fn a_mail_that_cannot_be_sent_is_told_from_an_answer_that_is_lost() {
    let world = empty().await;
    let client = registration(&world);
    let password = PASSWORD.into();
    assert!(matches!(
        client.register("ops@corp.example", &password).await.unwrap(),
        CodeRequested::MailNotSent { .. }
    ));
    for (fault, mails) in [(Fault::Drop, 1), (status(502), 2), (Fault::Garbled, 3)] {
        world
            .sandbox
            .inject(FaultRule::new(Operation::Register, fault).after())
            .unwrap();
        let error = client.register(EMAIL, &password).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unknown, "{error}");
        assert_eq!(
            world.sandbox.mailbox(EMAIL).len(),
            mails,
            "it took effect, and is not repeated"
        );
    }
}

#[tokio::test]
async fn the_hourly_limit_and_the_minute_between_resends_are_throttles() {
    let world = empty().await;
    let client = registration(&world);
    let password = PASSWORD.into();
    client.register(EMAIL, &password).await.unwrap();
    client.resend_code(EMAIL, &password).await.unwrap();
    let too_soon = client.resend_code(EMAIL, &password).await.unwrap_err();
    let ErrorKind::Throttled {
        retry_after: Some(wait),
    } = too_soon.kind
    else {
        panic!("{too_soon}")
    };
    assert!(wait <= Duration::from_secs(60), "{wait:?}");

    for _ in 0..Bounds::default().registrations - 3 {
        client.register(EMAIL, &password).await.unwrap();
    }
    let error = client.register(EMAIL, &password).await.unwrap_err();
    let ErrorKind::Throttled {
        retry_after: Some(wait),
    } = error.kind
    else {
        panic!("{error}")
    };
    assert!(wait > Duration::from_secs(3000), "{wait:?}");

    world.sandbox.set_switches(Switches {
        omit_retry_after: true,
        ..Switches::default()
    });
    assert_eq!(
        client.register(EMAIL, &password).await.unwrap_err().kind,
        ErrorKind::Throttled { retry_after: None }
    );
}

#[tokio::test]
async fn a_code_that_is_wrong_expired_or_used_is_refused() {
    for wrong_code in [WrongCode::Detail, WrongCode::Field, WrongCode::Unauthorized] {
        let world = empty().await;
        world.sandbox.set_switches(Switches {
            wrong_code,
            ..Switches::default()
        });
        let refused = async |code: &OneTimeCode| {
            let tried = verify(&world, code).await.unwrap();
            let CodeTried::Refused { message } = tried else {
                panic!("{tried:?}")
            };
            assert!(
                message.ends_with("Invalid or expired verification code"),
                "{message}"
            );
        };
        register(&world).await;
        let expired = mailed(&world);
        refused(&wrong(&expired)).await;
        world.sandbox.advance(Duration::from_secs(601)).unwrap();
        refused(&expired).await;
        register(&world).await;
        let used = mailed(&world);
        bootstrap(verify(&world, &used).await);
        refused(&used).await;
    }
}

#[tokio::test]
async fn a_lost_answer_to_the_right_code_is_unknown_and_a_login_recovers_everything() {
    let faults = [
        Fault::Drop,
        Fault::Garbled,
        status(500),
        status(503),
        Fault::Body {
            body: json!({"access_token": "a.b.c", "expires_in": 86_400, "organization": null}),
        },
    ];
    for fault in faults {
        let world = empty().await;
        register(&world).await;
        world
            .sandbox
            .inject(FaultRule::new(Operation::VerifyEmail, fault.clone()).after())
            .unwrap();
        let error = verify(&world, &mailed(&world)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unknown, "{fault:?}: {error}");

        let didit = world.connect();
        assert_eq!(didit.verify().await.unwrap().organization.name, "ops");
        let applications = didit.list_applications().await.unwrap();
        let [application] = applications.as_slice() else {
            panic!("{applications:?}")
        };
        didit.read_application(&application.id).await.unwrap();
        assert_eq!(world.sandbox.count(Operation::VerifyEmail), 1);
    }
}

#[tokio::test]
async fn what_never_left_is_known_not_to_have_happened() {
    let world = empty().await;
    let client = registration(&world);
    world.sandbox.stop().await;
    let code = OneTimeCode::parse("K7Q2ZD").unwrap();
    for error in [
        client.register(EMAIL, &PASSWORD.into()).await.unwrap_err(),
        client.resend_code(EMAIL, &PASSWORD.into()).await.unwrap_err(),
        client.verify_email(EMAIL, &code).await.unwrap_err(),
    ] {
        assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    }
}

#[tokio::test]
async fn a_throttle_of_the_code_keeps_the_pause() {
    let world = empty().await;
    register(&world).await;
    let fault = Fault::Status {
        status: 429,
        body: None,
        retry_after: Some(RetryAfter::Seconds(9)),
    };
    world
        .sandbox
        .inject(FaultRule::new(Operation::VerifyEmail, fault))
        .unwrap();
    let error = verify(&world, &mailed(&world)).await.unwrap_err();
    assert_eq!(
        error.kind,
        ErrorKind::Throttled {
            retry_after: Some(Duration::from_secs(9))
        }
    );
}

#[tokio::test]
async fn neither_code_nor_password_nor_what_comes_back_is_shown() {
    let log = CapturedLog::start();
    let world = empty().await;
    let client = registration(&world);
    let password = PASSWORD.into();
    let mut shown = String::new();
    for body in [
        json!({"password": [format!("{PASSWORD} is weak.")]}),
        json!({"detail": format!("No {PASSWORD} here.")}),
    ] {
        let fault = Fault::Status {
            status: 400,
            body: Some(body),
            retry_after: None,
        };
        world
            .sandbox
            .inject(FaultRule::new(Operation::Register, fault))
            .unwrap();
        shown.push_str(&format!("{:?} ", client.register(EMAIL, &password).await));
    }
    client.register(EMAIL, &password).await.unwrap();
    let code = mailed(&world);
    let echo = Fault::Status {
        status: 400,
        body: Some(json!({"code": [format!("{} is wrong.", code.secret().expose_secret())]})),
        retry_after: None,
    };
    world
        .sandbox
        .inject(FaultRule::new(Operation::VerifyEmail, echo))
        .unwrap();
    shown.push_str(&format!("{:?} ", client.verify_email(EMAIL, &code).await));
    shown.push_str(&format!(
        "{:?} {}",
        client.verify_email(EMAIL, &code).await,
        log.text()
    ));

    assert!(
        shown.contains("*** is wrong")
            && shown.contains("*** is weak")
            && shown.contains("Verified(Bootstrap"),
        "{shown}"
    );
    for secret in world
        .sandbox
        .known_secrets()
        .iter()
        .map(String::as_str)
        .chain([PASSWORD])
    {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}
