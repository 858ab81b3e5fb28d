use super::*;

#[tokio::test]
async fn fifty_callers_share_one_login() {
    let bench = Bench::new([]);
    let tokens = join_all((0..50).map(|_| bench.token())).await;
    assert_eq!(tokens, vec!["token-1"; 50]);
    assert_eq!(bench.logins(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_used_for_nine_tenths_of_its_life() {
    let bench = Bench::new([]);
    assert_eq!(bench.token().await, "token-1");
    bench.pass(DAY * 9 / 10 - Duration::from_secs(1)).await;
    assert_eq!(bench.token().await, "token-1");
    bench.pass(Duration::from_secs(1)).await;
    assert_eq!(bench.token().await, "token-2");
}

#[tokio::test(start_paused = true)]
async fn a_login_of_late_serves_whoever_wants_a_new_token_but_for_a_small_part_of_its_life() {
    const RECENT: Duration = Duration::from_secs(300);
    for (life, late, too_late) in [(DAY, 290, 20), (Duration::from_secs(80), 3, 2)] {
        let bench = Bench::new([Outcome::WorksFor(life)]);
        bench.session.recent_token(RECENT).await.unwrap();
        bench.pass(Duration::from_secs(late)).await;
        bench.session.recent_token(RECENT).await.unwrap();
        assert_eq!(bench.logins(), 1, "{life:?}");
        bench.pass(Duration::from_secs(too_late)).await;
        bench.session.recent_token(RECENT).await.unwrap();
        assert_eq!(bench.logins(), 2, "{life:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_good_token_stays_in_use_while_no_recent_one_can_be_had() {
    let bench = Bench::new([Outcome::Works, refused()]);
    assert_eq!(bench.token().await, "token-1");
    bench.pass(Duration::from_secs(600)).await;
    let error = bench
        .session
        .recent_token(Duration::from_secs(300))
        .await
        .unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Braked { .. }), "{error}");
    assert_eq!(bench.token().await, "token-1");
}

#[tokio::test]
async fn a_login_is_recorded_before_it_is_made_and_after() {
    let bench = Bench::new([]);
    bench.hold_logins();
    let waiting = tokio::spawn({
        let session = Arc::clone(&bench.session);
        async move { session.token().await.map(drop) }
    });
    while bench.logins() == 0 {
        tokio::task::yield_now().await;
    }
    let begun = LoginRecord {
        unanswered: 1,
        ..LoginRecord::for_credentials(None, "v1")
    };
    assert_eq!(bench.recorded(), std::slice::from_ref(&begun));
    bench.login.may_finish.add_permits(1);
    waiting.await.unwrap().unwrap();
    assert_eq!(bench.recorded(), [begun.clone(), begun.succeeded()]);
    assert_eq!(bench.session.record(), begun.succeeded());
}

#[tokio::test]
async fn a_login_outlives_the_callers_that_wait_for_it() {
    let bench = Bench::new([refused()]);
    bench.hold_logins();
    let waiting = tokio::spawn({
        let session = Arc::clone(&bench.session);
        async move { session.token().await.map(drop) }
    });
    while bench.logins() == 0 {
        tokio::task::yield_now().await;
    }
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    bench.login.may_finish.add_permits(1);
    while bench.recorded().len() < 2 {
        tokio::task::yield_now().await;
    }
    assert!(bench.recorded().last().unwrap().brake.is_some());
    assert!(matches!(bench.error().await.kind, ErrorKind::Braked { .. }));
    assert_eq!(bench.logins(), 1);
}

#[tokio::test]
async fn without_a_ledger_no_login_is_made() {
    let bench = Bench::new([]);
    bench.ledger.fails.store(true, Ordering::SeqCst);
    let error = bench.error().await;
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert_eq!(
        error.to_string(),
        "login: the login was not made, because it could not be recorded before: the cluster is away"
    );
    assert_eq!(bench.logins(), 0);
    assert_eq!(bench.session.record(), LoginRecord::for_credentials(None, "v1"));
    bench.ledger.fails.store(false, Ordering::SeqCst);
    assert_eq!(bench.token().await, "token-1");
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_hangs_is_given_up() {
    let bench = Bench::new([]);
    bench.ledger.hangs.store(true, Ordering::SeqCst);
    let error = bench.error().await;
    assert_eq!(
        error.message,
        "the login was not made, because it could not be recorded before: no answer within 30s"
    );
    assert_eq!(bench.logins(), 0);
}

#[tokio::test]
async fn a_login_that_panics_is_an_error_and_the_session_goes_on() {
    let bench = Bench::new([Outcome::Panics]);
    let error = bench.error().await;
    assert_eq!(error.to_string(), "login: the login ended unexpectedly");
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert_eq!(bench.session.record().unanswered, 1);
    assert_eq!(bench.token().await, "token-2");
}

#[tokio::test(start_paused = true)]
async fn only_an_old_token_is_given_up_and_only_once() {
    let bench = Bench::new([]);
    let young = bench.session.token().await.unwrap();
    bench.pass(Duration::from_secs(299)).await;
    assert!(!bench.session.discard(&young, false));
    assert_eq!(bench.token().await, "token-1");
    bench.pass(Duration::from_secs(1)).await;
    assert!(bench.session.discard(&young, false));
    assert_eq!(bench.token().await, "token-2");
    // Whoever still holds the first one is to try again with the second, which stays.
    assert!(bench.session.discard(&young, false));
    assert_eq!(bench.token().await, "token-2");
    assert_eq!(bench.logins(), 2);
}

#[tokio::test]
async fn nothing_shows_a_token() {
    let bench = Bench::new([]);
    let token = bench.session.token().await.unwrap();
    let tokens = Tokens {
        access_token: "token-1".into(),
        expires_in: DAY,
    };
    let key = SessionKey::new("https://auth", "ops", &[b"token-1"]);
    let shown = format!(
        "{token:?} {tokens:?} {:?} {key:?} {:?}",
        bench.session,
        SessionRegistry::new()
    );
    assert!(!shown.contains("token-1"), "{shown}");
    assert!(shown.contains("\"ops\""), "{shown}");
}

#[tokio::test]
async fn one_session_serves_everybody_with_the_same_credentials() {
    let registry = SessionRegistry::new();
    let key =
        |account, password: &[u8], seed: &[u8]| SessionKey::new("https://auth", account, &[password, seed]);
    let ledger: Arc<dyn LoginLedger> = Arc::new(KeptLedger::default());
    let record = LoginRecord::default();
    let open = || Session::new(Bench::new([]).login, &ledger, record.clone());
    let session = |key, open: &dyn Fn() -> Session| registry.session(key, &ledger, &record, open);
    let first = session(key("ops", b"ab", b"c"), &open);
    let same = session(key("ops", b"ab", b"c"), &|| panic!("there is one already"));
    assert!(Arc::ptr_eq(&first, &same));
    for other in [
        key("ops", b"a", b"bc"),
        key("ops", b"abc", b""),
        key("dev", b"ab", b"c"),
    ] {
        assert!(!Arc::ptr_eq(&first, &session(other, &open)));
    }
    drop((first, same));
    let opened = std::cell::Cell::new(false);
    session(key("ops", b"ab", b"c"), &|| {
        opened.set(true);
        open()
    });
    assert!(opened.get(), "a session that nobody holds is gone");
}

#[tokio::test(start_paused = true)]
async fn a_missing_permission_does_not_cost_a_login_every_five_minutes() {
    let bench = Bench::new([]);
    let token = bench.session.token().await.unwrap();
    assert!(
        !bench.session.discard(&token, true),
        "fresh, so it is about a permission"
    );
    bench.pass(YOUNGEST_DISCARD).await;
    assert!(!bench.session.discard(&token, true));
    assert!(
        bench.session.discard(&token, false),
        "a 401 is about the token itself"
    );
}

#[tokio::test]
async fn a_brake_that_a_user_brings_is_recorded_for_it_too() {
    let bench = Bench::new([refused()]);
    bench.error().await;
    let second = Arc::new(KeptLedger::default());
    let joining: Arc<dyn LoginLedger> = second.clone();
    bench
        .session
        .join(&joining, &LoginRecord::for_credentials(None, "v9"));
    while second.records.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(second.records.lock().unwrap()[0].brake.is_some());
}

#[tokio::test]
async fn every_user_of_an_account_remembers_its_logins() {
    let bench = Bench::new([refused()]);
    let second = Arc::new(KeptLedger::default());
    let joining: Arc<dyn LoginLedger> = second.clone();
    bench
        .session
        .join(&joining, &LoginRecord::for_credentials(None, "v9"));
    bench.error().await;
    let brakes = |records: Vec<LoginRecord>| records.iter().filter(|record| record.brake.is_some()).count();
    assert_eq!(brakes(bench.recorded()), 1);
    assert_eq!(brakes(second.records.lock().unwrap().clone()), 1);
}

#[tokio::test]
async fn the_first_user_of_an_account_may_go_away() {
    let Bench {
        login,
        ledger,
        session,
        ..
    } = Bench::new([]);
    let second: Arc<dyn LoginLedger> = Arc::new(KeptLedger::default());
    session.join(&second, &LoginRecord::for_credentials(None, "v9"));
    drop(ledger);
    assert_eq!(session.token().await.unwrap().secret().expose_secret(), "token-1");
    assert_eq!(login.begun.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_brake_that_one_user_remembers_holds_for_all() {
    let bench = Bench::new([]);
    let now = *bench.now.lock().unwrap();
    let ledger: Arc<dyn LoginLedger> = Arc::new(KeptLedger::default());
    bench.session.join(
        &ledger,
        &LoginRecord::for_credentials(None, "v9").refused(now, "no".into()),
    );
    assert!(matches!(bench.error().await.kind, ErrorKind::Braked { .. }));
    assert_eq!(bench.logins(), 0);
}
