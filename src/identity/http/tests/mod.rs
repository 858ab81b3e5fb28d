mod answers;
mod mishaps;
mod secrets;

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::testing::{CapturedLog, Observed, Reply, Server, answer, json as json_answer};
use super::*;
use crate::identity::ErrorKind;

const EFFECTS: [Effect; 3] = [Effect::Reads, Effect::Changes, Effect::Authenticates];
const SUFFIX: &str = "; whether the request took effect is not known";

fn client_within(deadline: Duration) -> HttpClient {
    let options = HttpOptions {
        ca_bundle: None,
        deadline,
        secrets: vec!["hunter2-password".into()],
        budget: None,
    };
    HttpClient::new(options, Arc::new(Observed::default())).unwrap()
}

fn client() -> HttpClient {
    client_within(DEFAULT_DEADLINE)
}

fn call_to(url: &str, effect: Effect) -> Call<'static> {
    let endpoint = Endpoint::parse("authUrl", url, true).unwrap();
    Call::new(
        "testOperation",
        effect,
        Method::POST,
        endpoint.route(&["v2", "things"]),
    )
}

fn name_of(answer: &Value) -> Result<String, Unreadable> {
    Ok(Fields::of_answer(answer)?.text("name")?.to_owned())
}

/// The failures of one call per effect.
async fn failures(client: &HttpClient, url: &str) -> [Failure; 3] {
    let [reads, changes, authenticates] = EFFECTS;
    [
        client.call(call_to(url, reads), name_of).await.unwrap_err(),
        client.call(call_to(url, changes), name_of).await.unwrap_err(),
        client
            .call(call_to(url, authenticates), name_of)
            .await
            .unwrap_err(),
    ]
}

/// Asserts kinds and the sentence, which is the same but for what is added to an unknown change.
async fn assert_fails(client: &HttpClient, url: &str, kinds: [ErrorKind; 3], sentence: &str) {
    for (failure, kind) in failures(client, url).await.into_iter().zip(kinds) {
        let unknown_change = kind == ErrorKind::Unknown && failure.error.message.ends_with(SUFFIX);
        let expected = if unknown_change {
            format!("{sentence}{SUFFIX}")
        } else {
            sentence.to_owned()
        };
        assert_eq!(failure.error.message, expected);
        assert_eq!(failure.error.kind, kind, "{sentence}");
        assert_eq!(failure.error.operation, "testOperation");
    }
}

const UNREADABLE: [ErrorKind; 3] = [ErrorKind::Malformed, ErrorKind::Unknown, ErrorKind::Malformed];
const LOST: [ErrorKind; 3] = [ErrorKind::Unavailable, ErrorKind::Unknown, ErrorKind::Unknown];
const NOT_SENT: [ErrorKind; 3] = [
    ErrorKind::Unavailable,
    ErrorKind::Unavailable,
    ErrorKind::Unavailable,
];
