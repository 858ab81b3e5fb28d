use super::*;

#[tokio::test]
async fn fifty_callers_share_one_refusal() {
    let bench = Bench::new([refused()]);
    let errors = join_all((0..50).map(|_| bench.error())).await;
    assert!(
        errors
            .iter()
            .all(|error| matches!(error.kind, ErrorKind::Braked { .. }))
    );
    assert_eq!(bench.logins(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_one_login_until_the_brake_ends() {
    let bench = Bench::new([refused(), refused()]);
    let until: Timestamp = "2026-11-23T11:00:00Z".parse().unwrap();
    for _ in 0..20 {
        let error = bench.error().await;
        assert_eq!(
            error.kind,
            ErrorKind::Braked {
                reason: BrakeReason::LoginRefused,
                until
            }
        );
        assert_eq!(error.to_string(), "login: didit refused: No account.");
    }
    assert_eq!(bench.logins(), 1);
    assert_eq!(bench.recorded().len(), 2);
    bench.pass(Duration::from_secs(3600)).await;
    bench.error().await;
    assert_eq!(bench.logins(), 2);
}

#[tokio::test]
async fn what_was_refused_before_the_account_was_verified_is_forgotten() {
    let bench = Bench::new([refused()]);
    bench.error().await;
    bench.session.forget_refusals().await.unwrap();
    let fresh = LoginRecord::for_credentials(None, "v1");
    assert_eq!(
        bench.recorded().last(),
        Some(&fresh),
        "a restart does not bring it back"
    );
    assert_eq!(bench.token().await, "token-2");
}

#[tokio::test]
async fn a_restart_keeps_the_brake() {
    let first = Bench::new([refused()]);
    first.error().await;
    let second = Bench::with_record([], first.session.record());
    assert!(matches!(second.error().await.kind, ErrorKind::Braked { .. }));
    assert_eq!(second.logins(), 0);
}

#[tokio::test]
async fn a_second_factor_brakes() {
    let missing = LoginError::SecondFactorRequired {
        message: "no seed".to_owned(),
    };
    let refused = LoginError::SecondFactorRefused {
        message: "wrong code".to_owned(),
    };
    for (error, until) in [
        (missing, "2026-11-24T10:00:00Z"),
        (refused, "2026-11-23T11:00:00Z"),
    ] {
        let bench = Bench::new([Outcome::Fails(error)]);
        let until = until.parse().unwrap();
        let braked = ErrorKind::Braked {
            reason: BrakeReason::SecondFactorRequired,
            until,
        };
        assert_eq!(bench.error().await.kind, braked);
        assert_eq!(bench.error().await.kind, braked);
        assert_eq!(bench.logins(), 1);
    }
}

#[tokio::test]
async fn three_logins_without_an_answer_brake() {
    let bench = Bench::new([
        fails(ErrorKind::Unknown),
        fails(ErrorKind::Unknown),
        fails(ErrorKind::Unknown),
    ]);
    for unanswered in 1..=3 {
        // To a caller, what became of the login is not what became of its own call.
        let error = bench.error().await;
        assert_eq!(
            (error.kind, error.message.as_str()),
            (ErrorKind::Unavailable, "what happened")
        );
        assert_eq!(bench.session.record().unanswered, unanswered);
    }
    let until = "2026-11-23T10:15:00Z".parse().unwrap();
    let error = bench.error().await;
    assert_eq!(
        error.kind,
        ErrorKind::Braked {
            reason: BrakeReason::LoginUnanswered,
            until
        }
    );
    assert_eq!(bench.logins(), 3);
    assert_eq!(
        error.message,
        "3 logins in a row ended without an answer, and each may have counted as a failed one; the last one: what \
         happened"
    );
}

#[tokio::test]
async fn what_did_not_judge_the_credentials_does_not_count() {
    for kind in [
        ErrorKind::Unavailable,
        ErrorKind::NotFound,
        ErrorKind::Rejected,
        ErrorKind::Malformed,
        ErrorKind::Misconfigured {
            reason: "InvalidTotpSeed",
        },
    ] {
        let bench = Bench::new((0..10).map(|_| fails(kind.clone())));
        for _ in 0..10 {
            assert_eq!(bench.error().await.kind, kind);
        }
        assert_eq!(bench.session.record(), LoginRecord::for_credentials(None, "v1"));
        assert_eq!(bench.recorded().last(), Some(&bench.session.record()));
        assert_eq!(bench.token().await, "token-11");
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_identity_api_is_left_alone_as_long_as_it_asked() {
    let told = Some(Duration::from_secs(40));
    let bench = Bench::new([fails(ErrorKind::Throttled { retry_after: told })]);
    assert_eq!(
        bench.error().await.kind,
        ErrorKind::Throttled { retry_after: told }
    );
    bench.pass(Duration::from_secs(30)).await;
    let left = Some(Duration::from_secs(10));
    assert_eq!(
        bench.error().await.kind,
        ErrorKind::Throttled { retry_after: left }
    );
    assert_eq!(bench.logins(), 1);
    bench.pass(Duration::from_secs(10)).await;
    assert_eq!(bench.token().await, "token-2");
}

fn throttled(retry_after: Option<u64>) -> Outcome {
    Outcome::Fails(LoginError::Throttled {
        retry_after: retry_after.map(Duration::from_secs),
        message: "429".to_owned(),
    })
}

#[tokio::test(start_paused = true)]
async fn a_login_answered_with_429_brakes_across_restarts_for_the_longer_of_both_pauses() {
    let mut record = LoginRecord::for_credentials(None, "v1");
    let mut expected = Vec::new();
    for (retry_after, pause) in [(None, 60), (Some(90), 120), (None, 3600), (Some(9000), 9000)] {
        let bench = Bench::with_record([throttled(retry_after)], record);
        let until = *bench.now.lock().unwrap() + SignedDuration::from_secs(pause);
        let braked = ErrorKind::Braked {
            reason: BrakeReason::LoginThrottled,
            until,
        };
        for _ in 0..20 {
            assert_eq!(bench.error().await.kind, braked);
        }
        let restarted = Bench::with_record([], bench.session.record());
        assert_eq!(restarted.error().await.kind, braked);
        expected.push((bench.logins(), restarted.logins()));
        record = LoginRecord {
            // The brake has ended.
            brake: None,
            ..bench.session.record()
        };
    }
    assert_eq!(expected, [(1, 0); 4]);
    let bench = Bench::with_record([], record);
    assert_eq!(bench.token().await, "token-1");
    assert_eq!(bench.session.record().throttled, 0);
}

#[tokio::test]
async fn a_login_that_was_kept_back_half_way_is_neither_unanswered_nor_a_reason_to_wait() {
    let kept_back = || {
        Outcome::Fails(LoginError::HeldBack(CallError {
            operation: "verifySecondFactor",
            kind: ErrorKind::Throttled {
                retry_after: Some(DAY),
            },
            message: "nothing was sent".to_owned(),
        }))
    };
    let bench = Bench::new((0..10).map(|_| kept_back()));
    for _ in 0..10 {
        let error = bench.error().await;
        assert_eq!(error.to_string(), "verifySecondFactor: nothing was sent");
        assert_eq!(bench.session.record(), LoginRecord::for_credentials(None, "v1"));
    }
    assert_eq!(bench.token().await, "token-11");
}
