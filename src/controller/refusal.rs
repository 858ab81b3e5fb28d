//! What the Kubernetes API, or a webhook that it asks, says about a Secret, made fit to be shown and logged.

use k8s_openapi::ByteString;
use secrecy::{ExposeSecret, SecretString};

/// The longest text that is shown, in characters.
const LONGEST: usize = 300;

/// The text on one line, bounded, and without the secrets, in which form ever they were quoted.
pub(super) fn fit_to_show(message: &str, secrets: &[&SecretString]) -> String {
    let shown = secrets
        .iter()
        .fold(message.to_owned(), |text, secret| without(&text, secret));
    shown
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST)
        .collect()
}

/// The error in such words. What kind of answer it was stays.
pub(super) fn scrubbed(error: kube::Error, secrets: &[&SecretString]) -> kube::Error {
    match error {
        kube::Error::Api(mut status) => {
            status.message = fit_to_show(&status.message, secrets);
            status.reason = fit_to_show(&status.reason, secrets);
            // They quote the fields that are refused.
            status.details = None;
            status.metadata = None;
            kube::Error::Api(status)
        }
        // Its own words are never shown.
        error @ kube::Error::SerdeError(_) => error,
        other => kube::Error::Service(fit_to_show(&other.to_string(), secrets).into()),
    }
}

fn without(text: &str, secret: &SecretString) -> String {
    let key = secret.expose_secret();
    if key.is_empty() {
        return text.to_owned();
    }
    let encoded = serde_json::to_value(ByteString(key.as_bytes().to_vec())).ok();
    let encoded = encoded
        .as_ref()
        .and_then(serde_json::Value::as_str)
        .unwrap_or(key);
    // Some write it without padding.
    let encoded = encoded.trim_end_matches('=');
    text.replace(key, "***").replace(encoded, "***")
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    const KEY: &str = "sk_test_0123456789abcdef";
    const ENCODED: &str = "c2tfdGVzdF8wMTIzNDU2Nzg5YWJjZGVm";

    fn key() -> SecretString {
        KEY.to_owned().into()
    }

    #[test]
    fn the_key_is_taken_out_of_whatever_the_api_server_answers() {
        for code in [400, 403, 409, 413, 422, 429, 500, 503, 504] {
            let words = format!("webhook denied {KEY} and\n{ENCODED}");
            let mut status = Status::failure(&words, &words);
            status.code = code;
            let details = serde_json::json!({"name": KEY, "causes": [{"message": ENCODED}]});
            status.details = serde_json::from_value(details).unwrap();
            let error = scrubbed(kube::Error::Api(status.into()), &[&key()]);
            for shown in [error.to_string(), format!("{error:?}")] {
                assert!(!shown.contains(KEY) && !shown.contains(ENCODED), "{shown}");
                assert!(shown.contains("webhook denied *** and ***"), "{shown}");
            }
            assert!(matches!(error, kube::Error::Api(status) if status.code == code));
        }
    }

    #[test]
    fn the_key_is_taken_out_of_errors_on_the_way() {
        let words = format!("the proxy said {ENCODED}");
        let error = scrubbed(kube::Error::Service(words.into()), &[&key()]);
        assert!(error.to_string().ends_with("the proxy said ***"), "{error}");
    }

    #[test]
    fn what_is_shown_is_bounded() {
        assert_eq!(fit_to_show(&"x".repeat(5000), &[&key()]).chars().count(), LONGEST);
    }
}
