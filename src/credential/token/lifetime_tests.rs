use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::schedule::{Promise, Recorded, finding, refresh};
use super::{Lifetime, Remark, Said, lifetime};

const NOW: i64 = 1_800_000_000;

/// Asked at a round time, answered within 200 ms, by a server whose clock is right.
fn said() -> Said {
    let asked_at = Timestamp::from_second(NOW).unwrap();
    Said {
        asked_at,
        received_at: asked_at + SignedDuration::from_millis(200),
        server_date: Some(asked_at),
        expires_in: None,
        unreadable_expires_in: None,
        expiry_claim: None,
        issued_at_claim: None,
    }
}

fn dated(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp::from_second(seconds).unwrap())
}

fn life(lifetime: &Lifetime) -> i64 {
    assert_eq!(
        lifetime
            .expires_at
            .duration_since(lifetime.issued_at)
            .unsigned_abs(),
        lifetime.life
    );
    i64::try_from(lifetime.life.as_secs()).unwrap()
}

#[test]
fn a_life_is_read_from_whatever_was_said() {
    let skewed = 7200;
    let cases = [
        ("nothing", said(), 3600, vec![Remark::NoExpiry]),
        (
            "expires_in",
            Said {
                expires_in: Some(86_400),
                ..said()
            },
            86_400,
            vec![],
        ),
        (
            "exp alone",
            Said {
                expiry_claim: Some(NOW + 300),
                ..said()
            },
            300,
            vec![],
        ),
        (
            "exp of a server whose clock is ahead",
            Said {
                expiry_claim: Some(NOW + skewed + 300),
                server_date: dated(NOW + skewed),
                ..said()
            },
            300,
            vec![Remark::ClockSkew { seconds: 7199 }],
        ),
        (
            "exp of a server whose clock is behind",
            Said {
                expiry_claim: Some(NOW - skewed + 300),
                server_date: dated(NOW - skewed),
                ..said()
            },
            300,
            vec![Remark::ClockSkew { seconds: -7200 }],
        ),
        (
            "exp and iat of a server whose clock is behind and that has no Date",
            Said {
                expiry_claim: Some(NOW - skewed + 300),
                issued_at_claim: Some(NOW - skewed),
                server_date: None,
                ..said()
            },
            300,
            vec![],
        ),
        (
            "exp and iat of a server whose clock is ahead and that has no Date",
            Said {
                expiry_claim: Some(NOW + skewed + 300),
                issued_at_claim: Some(NOW + skewed),
                server_date: None,
                ..said()
            },
            300,
            vec![],
        ),
        (
            "a token that the server had made a while ago",
            Said {
                expiry_claim: Some(NOW + 100),
                issued_at_claim: Some(NOW - 200),
                ..said()
            },
            100,
            vec![],
        ),
        (
            "claims that agree but for a second",
            Said {
                expires_in: Some(3600),
                expiry_claim: Some(NOW + 3599),
                issued_at_claim: Some(NOW - 1),
                ..said()
            },
            3599,
            vec![],
        ),
        (
            "claims that are ten times as long, as in Didit's example",
            Said {
                expires_in: Some(86_400),
                expiry_claim: Some(NOW + 864_000),
                issued_at_claim: Some(NOW),
                ..said()
            },
            86_400,
            vec![Remark::Disagree {
                expires_in: 86_400,
                claimed: 864_000,
            }],
        ),
        (
            "claims that are shorter",
            Said {
                expires_in: Some(86_400),
                expiry_claim: Some(NOW + 600),
                ..said()
            },
            600,
            vec![Remark::Disagree {
                expires_in: 86_400,
                claimed: 600,
            }],
        ),
        (
            "exp in milliseconds",
            Said {
                expires_in: Some(600),
                expiry_claim: Some((NOW + 600) * 1000),
                ..said()
            },
            600,
            vec![Remark::Disagree {
                expires_in: 600,
                claimed: (NOW + 600) * 1000 - NOW,
            }],
        ),
        (
            "words",
            Said {
                unreadable_expires_in: Some("one hour".into()),
                ..said()
            },
            3600,
            vec![
                Remark::Unreadable {
                    expires_in: "one hour".into(),
                },
                Remark::NoExpiry,
            ],
        ),
        (
            "words beside exp",
            Said {
                unreadable_expires_in: Some("soon".into()),
                expiry_claim: Some(NOW + 600),
                ..said()
            },
            600,
            vec![Remark::Unreadable {
                expires_in: "soon".into(),
            }],
        ),
        (
            "an overflow",
            Said {
                expires_in: Some(i64::MAX),
                ..said()
            },
            315_360_000,
            vec![Remark::Absurd { said: i64::MAX }],
        ),
    ];
    for (name, said, expected, remarks) in cases {
        let lifetime = lifetime(&said).unwrap();
        assert_eq!(life(&lifetime), expected, "{name}");
        assert_eq!(lifetime.remarks, remarks, "{name}");
        assert_eq!(lifetime.issued_at.as_second(), NOW, "{name}");
    }
}

#[test]
fn a_token_that_is_over_on_arrival_is_no_token() {
    let slow = Said {
        received_at: said().asked_at + SignedDuration::from_secs(20),
        ..said()
    };
    let cases = [
        (
            "zero",
            Said {
                expires_in: Some(0),
                ..said()
            },
            0,
        ),
        (
            "negative",
            Said {
                expires_in: Some(-5),
                ..said()
            },
            -5,
        ),
        (
            "very negative",
            Said {
                expires_in: Some(i64::MIN),
                ..said()
            },
            i64::MIN,
        ),
        (
            "ended underway",
            Said {
                expires_in: Some(15),
                ..slow
            },
            -5,
        ),
        (
            "ended by its claims",
            Said {
                expires_in: Some(60),
                expiry_claim: Some(NOW - 1),
                ..said()
            },
            -1,
        ),
    ];
    for (name, said, left) in cases {
        assert_eq!(lifetime(&said), Err(Remark::AlreadyOver { left }), "{name}");
    }
}

#[test]
fn a_difference_that_a_date_cannot_show_is_none() {
    let with_date = |date, latency| {
        let said = Said {
            server_date: dated(date),
            received_at: said().asked_at + SignedDuration::from_millis(latency),
            expires_in: Some(3600),
            ..said()
        };
        lifetime(&said).unwrap().skew
    };
    assert_eq!(with_date(NOW + 1, 200), SignedDuration::ZERO);
    assert_eq!(with_date(NOW - 1, 200), SignedDuration::ZERO);
    assert_eq!(with_date(NOW + 7, 8000), SignedDuration::ZERO);
    assert_eq!(with_date(NOW + 30, 2000), SignedDuration::from_secs(29));
    assert_eq!(with_date(NOW - 30, 2000), SignedDuration::from_secs(-31));
}

#[test]
fn every_remark_has_a_reason_and_a_sentence_of_one_line() {
    let remarks = [
        Remark::Disagree {
            expires_in: 86_400,
            claimed: i64::MAX,
        },
        Remark::NoExpiry,
        Remark::AlreadyOver { left: i64::MIN },
        Remark::Absurd { said: i64::MAX },
        Remark::Unreadable {
            expires_in: "soon".into(),
        },
        Remark::ClockSkew { seconds: -125 },
    ];
    for remark in remarks {
        assert!(remark.reason().starts_with(char::is_uppercase));
        let sentence = remark.sentence();
        assert!(
            sentence.len() < 300 && !sentence.contains('\n') && !sentence.contains("  "),
            "{sentence}"
        );
    }
    assert_eq!(
        Remark::ClockSkew { seconds: -125 }.sentence(),
        "the server's clock is 2m 5s behind the cluster's: let both follow a time server"
    );
}

fn recorded(life: i64) -> Recorded {
    let (issued_at, expires_at) = (NOW, NOW + life);
    Recorded::new(
        Timestamp::from_second(issued_at).unwrap(),
        Timestamp::from_second(expires_at).unwrap(),
        SignedDuration::ZERO,
        Duration::from_millis(250),
    )
}

fn minutes(minutes: u64) -> Promise {
    Promise::new(Duration::from_secs(60 * minutes))
}

#[test]
fn a_refresh_leaves_room_for_all_that_eats_the_life() {
    // Of an hour: 10 minutes for the user, 4 for the kubelet, 11 seconds for clocks and network.
    let refresh = refresh(&recorded(3600), &minutes(10), "uid");
    assert!(refresh.kept);
    assert_eq!(refresh.latest.as_second(), NOW + 3600 - 600 - 240 - 11);
    let usable = refresh.latest.as_second() - NOW;
    let early = refresh.latest.duration_since(refresh.at).as_secs();
    assert!((usable / 20..=usable / 5 + 1).contains(&early), "{early} s early");
}

#[test]
fn a_tight_promise_is_kept_by_refreshing_more_often() {
    let refresh = refresh(&recorded(3600), &minutes(45), "uid");
    assert!(refresh.kept);
    assert!(refresh.at < refresh.latest);
    assert_eq!(finding(&recorded(3600), &minutes(45)), None);
}

#[test]
fn a_promise_that_cannot_be_kept_is_told_with_what_to_change() {
    let (token, promise) = (recorded(600), minutes(10));
    let refresh = refresh(&token, &promise, "uid");
    assert!(!refresh.kept);
    let after = refresh.at.as_second() - NOW;
    assert!(
        (285..=300).contains(&after),
        "refreshed after {after} s, not at about half its life"
    );

    let finding = finding(&token, &promise).unwrap();
    assert_eq!(finding.reason, "LifetimeTooShort");
    assert_eq!(
        finding.sentence,
        "the token lives 10m; minimumRemaining takes 10m of that, propagation to pods 4m, clocks and network 11s: \
         the token is refreshed at half its life, and pods may read one with less than minimumRemaining left; \
         lower minimumRemaining to 4m 49s or less, or let the server give tokens that live 15m 47s or more"
    );
}

proptest! {
    #[test]
    fn whoever_follows_the_advice_gets_the_promise(life in 1..100_000_i64, minimum in 0..100_000_u64) {
        let promise = Promise::new(Duration::from_secs(minimum));
        if let Some(finding) = finding(&recorded(life), &promise) {
            let told = |before: &str| {
                let (_, rest) = finding.sentence.split_once(before)?;
                let (span, _) = rest.split_once(" or ")?;
                Some(span.parse::<SignedDuration>().unwrap())
            };
            let longer = told("tokens that live ").unwrap().as_secs();
            prop_assert!(refresh(&recorded(longer), &promise, "uid").kept, "{}", finding.sentence);
            if let Some(lower) = told("lower minimumRemaining to ") {
                let lower = Promise::new(lower.unsigned_abs());
                prop_assert!(refresh(&recorded(life), &lower, "uid").kept, "{}", finding.sentence);
            }
        }
    }

    #[test]
    fn nothing_that_a_server_says_or_a_status_holds_breaks_the_schedule(
        times in any::<[i64; 3]>(),
        numbers in any::<[Option<i64>; 3]>(),
        margin in any::<[u64; 2]>(),
    ) {
        let time = |second: i64| Timestamp::from_second(second % 200_000_000_000).unwrap();
        let said = Said {
            asked_at: time(times[0]),
            received_at: time(times[1]),
            server_date: Some(time(times[2])),
            expires_in: numbers[0],
            unreadable_expires_in: None,
            expiry_claim: numbers[1],
            issued_at_claim: numbers[2],
        };
        if let Ok(lifetime) = lifetime(&said) {
            prop_assert!(lifetime.expires_at > said.received_at || lifetime.expires_at == Timestamp::MAX);
        }
        let promise = Promise {
            minimum_remaining: Duration::from_secs(margin[0]),
            propagation: Duration::from_secs(margin[1]),
        };
        let recorded = Recorded::new(time(times[0]), time(times[1]), SignedDuration::ZERO, Duration::from_secs(margin[0]));
        let refresh = refresh(&recorded, &promise, "uid");
        prop_assert!(refresh.at > recorded.issued_at);
        prop_assert!(!refresh.kept || refresh.at <= refresh.latest);
        prop_assert_eq!(refresh.kept, finding(&recorded, &promise).is_none());
    }
}
