use proptest::prelude::*;
use serde_json::json;

use super::*;

fn with(field: &str, value: Value) -> Value {
    let mut answer = json!({"access_token": "t0ken"});
    answer[field] = value;
    answer
}

fn error(answer: &Value) -> String {
    granted(answer)
        .err()
        .map(|Unreadable(sentence)| sentence)
        .unwrap_or_default()
}

fn jwt(payload: &Value) -> String {
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload.to_string()))
}

#[test]
fn a_lifetime_is_read_however_it_is_written() {
    for (value, seconds) in [
        (json!(3600), 3600),
        (json!("3600"), 3600),
        (json!(" 3600 "), 3600),
        (json!(3599.9), 3599),
        (json!("3599.9"), 3599),
        (json!(-5), -5),
        (json!("-5"), -5),
        (json!(-0.5), 0),
        (json!(0), 0),
        (json!(i64::MAX), i64::MAX),
        (json!(u64::MAX), i64::MAX),
        (json!(1e300), i64::MAX),
        (json!(-1e300), i64::MIN),
        (json!("99999999999999999999999"), i64::MAX),
        (json!("1e3"), 1000),
    ] {
        assert_eq!(lifetime(&value), Lifetime::Seconds(seconds), "{value}");
    }
    for (value, text) in [
        (json!("soon"), "soon"),
        (json!("inf"), "inf"),
        (json!("NaN"), "NaN"),
        (json!("1h"), "1h"),
        (json!(""), ""),
        (json!(true), "true"),
        (json!([3600]), "[3600]"),
        (json!({"seconds": 1}), r#"{"seconds":1}"#),
    ] {
        assert_eq!(lifetime(&value), Lifetime::Unreadable(text.to_owned()), "{value}");
    }
    for absent in [with("expires_in", Value::Null), with("other", json!(1))] {
        assert_eq!(granted(&absent).unwrap().expires_in, None);
    }
}

#[test]
fn only_bearer_tokens_are_taken() {
    for (value, name) in [
        (json!("Bearer"), "Bearer"),
        (json!("bearer"), "bearer"),
        (json!("BEARER"), "BEARER"),
        (Value::Null, "Bearer"),
    ] {
        assert_eq!(granted(&with("token_type", value)).unwrap().token_type, name);
    }
    assert_eq!(
        error(&with("token_type", json!("DPoP"))),
        "the answer's `token_type` is `DPoP`; only bearer tokens are supported, so set the client up for those"
    );
    for odd in [json!(""), json!("eyJhbGciOi+/"), json!("x".repeat(33))] {
        assert_eq!(
            error(&with("token_type", odd)),
            "the answer's `token_type` is no known type; only bearer tokens are supported"
        );
    }
    assert_eq!(
        error(&with("token_type", json!(1))),
        "the answer's `token_type` is not a string"
    );
}

#[test]
fn a_token_has_to_be_one_that_a_header_can_carry() {
    assert_eq!(error(&json!({})), "the answer has no `access_token`");
    assert_eq!(
        error(&with("access_token", json!(""))),
        "the answer's `access_token` is empty"
    );
    assert_eq!(
        error(&with("access_token", json!(5))),
        "the answer's `access_token` is not a string"
    );
    for token in ["two words", "line\nbreak", "tökén", "bell\u{7}"] {
        assert_eq!(
            error(&with("access_token", json!(token))),
            "the answer's `access_token` has characters that no HTTP header can carry"
        );
    }
}

#[test]
fn a_scope_is_a_string_or_a_list() {
    let scope = |value| granted(&with("scope", value)).unwrap().scope;
    assert_eq!(scope(json!("read write")).as_deref(), Some("read write"));
    assert_eq!(scope(json!(["read", "write"])).as_deref(), Some("read write"));
    assert_eq!(scope(json!("")).as_deref(), Some(""));
    for nothing in [Value::Null, json!(5), json!(["read", 5])] {
        assert_eq!(scope(nothing), None);
    }
}

#[test]
fn the_times_of_a_jwt_are_read_and_those_of_nothing_else() {
    let both = |expiry, issued_at| Claims { expiry, issued_at };
    assert_eq!(
        claims(&jwt(&json!({"exp": 20, "iat": 10}))),
        both(Some(20), Some(10))
    );
    assert_eq!(claims(&jwt(&json!({"exp": 20.9}))), both(Some(20), None));
    assert_eq!(claims(&jwt(&json!({"exp": "20", "iat": null}))), both(None, None));
    for token in [
        "opaque",
        "a.b",
        "a.b.c",
        "a.b.c.d",
        "..",
        "e30.W10.x",
        &format!("{}.a", jwt(&json!({"exp": 1}))),
    ] {
        assert_eq!(claims(token), Claims::default(), "{token}");
    }
    let large = jwt(&json!({"exp": 1, "padding": "x".repeat(MAX_JWT_BYTES)}));
    assert_eq!(claims(&large), Claims::default());
}

#[test]
fn what_is_said_of_a_token_is_true_or_false() {
    assert_eq!(
        introspection(&json!({"active": true, "exp": 1})),
        Ok(Introspection::Active)
    );
    assert!(matches!(
        introspection(&json!({"active": false})),
        Ok(Introspection::Inactive { .. })
    ));
    for answer in [
        json!({}),
        json!({"active": "true"}),
        json!({"active": 1}),
        json!([]),
    ] {
        assert!(introspection(&answer).is_err(), "{answer}");
    }
}

proptest! {
    #[test]
    fn no_answer_stops_the_program(token in ".{0,40}", value in ".{0,40}", number: f64) {
        for value in [json!(value), json!(number), json!([value])] {
            for field in ["expires_in", "scope", "refresh_token", "token_type"] {
                let mut answer = with(field, value.clone());
                answer["access_token"] = json!(token);
                let _ = granted(&answer);
            }
        }
    }
}
