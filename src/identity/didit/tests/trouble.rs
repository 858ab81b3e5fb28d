use futures::future::join_all;
use keywright_sandbox::{FaultRule, Operation, Outage, Refusal, RetryAfter, Role, Switches, Tls};

use super::*;
use crate::identity::http::testing::CapturedLog;

#[tokio::test]
async fn an_expired_token_is_replaced_once() {
    for refusal in [Refusal::Unauthorized, Refusal::Forbidden] {
        let world = World::new().await;
        world.sandbox.set_switches(Switches {
            bad_token: refusal,
            ..Switches::default()
        });
        let didit = world.connect();
        didit.list_applications().await.unwrap();
        world.sandbox.advance(Duration::from_secs(25 * 3600)).unwrap();
        grow_old().await;
        let lists = join_all((0..10).map(|_| didit.list_applications())).await;
        assert!(lists.into_iter().all(|list| list.is_ok()));
        assert_eq!(world.sandbox.count(Operation::Login), 2);
    }
}

#[tokio::test]
async fn a_permission_that_is_missing_is_told_and_causes_no_logins() {
    let mut account = NewAccount::new(EMAIL, PASSWORD);
    account.organizations = Some(vec!["ops".to_owned()]);
    account.role = Role::Developer;
    let world = World::with_account(account).await;
    let didit = world.connect();
    for _ in 0..5 {
        let error = didit.list_applications().await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Forbidden);
        assert_eq!(
            error.to_string(),
            format!(
                "listApplications: {} answered 403 Forbidden: You do not have permission to perform this action; \
                 the account has to be owner or administrator of the organization",
                world.host()
            )
        );
    }
    assert_eq!(world.sandbox.count(Operation::Login), 1);
    grow_old().await;
    assert_eq!(
        didit.list_applications().await.unwrap_err().kind,
        ErrorKind::Forbidden
    );
    assert_eq!(
        world.sandbox.count(Operation::Login),
        1,
        "the login is not what is wrong"
    );
}

#[tokio::test]
async fn a_lost_answer_to_a_creation_is_unknown_and_the_application_can_be_found() {
    let world = World::new().await;
    let didit = world.connect();
    didit.verify().await.unwrap();
    for (rule, made) in [
        (FaultRule::new(Operation::CreateApplication, Fault::Drop), 0),
        (
            FaultRule::new(Operation::CreateApplication, Fault::Drop).after(),
            1,
        ),
        (
            FaultRule::new(Operation::CreateApplication, Fault::Garbled).after(),
            2,
        ),
        (
            FaultRule::new(Operation::CreateApplication, status(500)).after(),
            3,
        ),
    ] {
        world.sandbox.inject(rule).unwrap();
        let error = didit.create_application(&named("lost")).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unknown, "{error}");
        assert!(
            error
                .message
                .ends_with("; whether the request took effect is not known"),
            "{error}"
        );
        assert_eq!(
            world
                .sandbox
                .applications()
                .iter()
                .filter(|app| app.name == "lost")
                .count(),
            made
        );
    }
    assert_eq!(
        world.sandbox.count(Operation::CreateApplication),
        4,
        "nothing is repeated"
    );
}

#[tokio::test]
async fn a_creation_is_repeated_after_a_refused_token_only() {
    let world = World::new().await;
    let didit = world.connect();
    didit.verify().await.unwrap();
    let before = world.sandbox.applications().len();
    for (fault, calls, made) in [
        // With a token that is old enough to be replaced.
        (status(401), 2, 1),
        (status(500), 1, 0),
        (Fault::Drop, 1, 0),
        (Fault::Garbled, 1, 0),
    ] {
        grow_old().await;
        world.sandbox.clear_calls();
        let known = world.sandbox.applications().len();
        world
            .sandbox
            .inject(FaultRule::new(Operation::CreateApplication, fault))
            .unwrap();
        let outcome = didit.create_application(&named("a")).await;
        assert_eq!(outcome.is_ok(), made == 1, "{outcome:?}");
        assert_eq!(world.sandbox.count(Operation::CreateApplication), calls);
        assert_eq!(world.sandbox.applications().len() - known, made);
    }
    assert_eq!(world.sandbox.applications().len(), before + 1);
}

#[tokio::test]
async fn refusals_and_outages_are_told_apart() {
    let world = World::new().await;
    let didit = world.connect();
    let missing = didit
        .read_application("7c1f3a52-0f2d-4f0b-8f57-0e6a4a3b9c02")
        .await
        .unwrap_err();
    assert_eq!(missing.kind, ErrorKind::NotFound);
    assert_eq!(
        missing.to_string(),
        format!(
            "getApplication: {} answered 404 Not Found: Not found",
            world.host()
        )
    );

    let mut wrong = named("a");
    wrong.website_url = Some("not an address".to_owned());
    let rejected = didit.create_application(&wrong).await.unwrap_err();
    assert_eq!(rejected.kind, ErrorKind::Rejected);
    assert!(
        rejected
            .message
            .contains(" answered 400 Bad Request: website_url: "),
        "{rejected}"
    );

    let throttled = Fault::Status {
        status: 429,
        body: None,
        retry_after: Some(RetryAfter::Seconds(9)),
    };
    world
        .sandbox
        .inject(FaultRule::new(Operation::CreateApplication, throttled))
        .unwrap();
    let error = didit.create_application(&named("a")).await.unwrap_err();
    assert_eq!(
        error.kind,
        ErrorKind::Throttled {
            retry_after: Some(Duration::from_secs(9))
        }
    );

    world.sandbox.set_outage(Some(Outage::Unavailable));
    assert_eq!(
        didit.list_applications().await.unwrap_err().kind,
        ErrorKind::Unavailable
    );
    world.sandbox.set_outage(Some(Outage::Drop));
    assert_eq!(
        didit.list_applications().await.unwrap_err().kind,
        ErrorKind::Unavailable
    );
    world.sandbox.set_outage(None);
    assert_eq!(didit.list_applications().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_private_authority_is_trusted_only_when_it_is_given() {
    let directory = tempfile::tempdir().unwrap();
    let tls = Tls::SelfSigned {
        directory: directory.path().to_owned(),
        names: Vec::new(),
    };
    let accounts = vec![NewAccount::new(EMAIL, PASSWORD)];
    let world = World::with_config(Config {
        tls,
        accounts,
        ..Config::default()
    })
    .await;
    let config = DiditConfig {
        allow_insecure: false,
        ..world.config()
    };

    let error = connect(config.clone()).verify().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert_eq!(
        error.to_string(),
        format!(
            "login: localhost:{} could not be reached: its TLS certificate was not issued by an authority that is \
             trusted here; add that authority's certificate to the CA bundle",
            world.sandbox.address().port()
        )
    );
    assert_eq!(world.sandbox.count(Operation::Login), 0);

    let ca_bundle = Some(std::fs::read(directory.path().join("ca.crt")).unwrap());
    let trusting = connect(DiditConfig { ca_bundle, ..config });
    assert_eq!(trusting.verify().await.unwrap().account, EMAIL);
}

#[tokio::test]
async fn no_secret_is_logged_or_shown() {
    let log = CapturedLog::start();
    let world = World::new().await;
    let didit = world.connect();
    let made = didit.create_application(&named("a")).await.unwrap();
    let mut shown = format!("{made:?} {:?} {:?}", didit.session(), world.config());
    didit.probe_key(&made.api_key).await.unwrap();
    for fault in [
        Fault::Garbled,
        Fault::Drop,
        Fault::Oversized { bytes: 2 << 20 },
        status(500),
        status(403),
    ] {
        world
            .sandbox
            .inject(FaultRule::new(Operation::GetApplication, fault).after())
            .unwrap();
        let error = didit.read_application(&made.id).await.unwrap_err();
        shown.push_str(&format!("{error} {error:?}"));
    }
    world.sandbox.set_password(EMAIL, "An0ther!horse").unwrap();
    let error = world.connect().verify().await.unwrap_err();
    shown.push_str(&format!("{error} {error:?} {}", log.text()));

    assert!(
        shown.contains("createApplication") && shown.contains("LoginRefused"),
        "{shown}"
    );
    let secrets = world.sandbox.known_secrets();
    assert!(
        secrets
            .iter()
            .any(|secret| secret == made.api_key.expose_secret())
    );
    for secret in secrets.iter().map(String::as_str).chain([PASSWORD]) {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}
