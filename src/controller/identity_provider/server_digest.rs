//! Tells one authorization server from another, so that no token of the one passes for a token of the other.

use crate::api::oauth2::OAuth2Provider;
use crate::controller::token::need::digest;

/// Digest of Didit's auth host.
pub(super) fn of_didit(auth_url: &str) -> String {
    digest([auth_url.trim_end_matches('/')])
}

/// Digest of where tokens come from, and of the parameters that every request has.
pub(super) fn of_oauth2(spec: &OAuth2Provider) -> String {
    let token_endpoint = spec.endpoints.as_ref().and_then(|given| given.token.as_deref());
    let server = [spec.issuer.as_deref(), token_endpoint].map(Option::unwrap_or_default);
    let parameters = spec
        .extra_parameters
        .iter()
        .flat_map(|(name, value)| [name.as_str(), value.as_str()]);
    digest(server.into_iter().chain(parameters))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(spec: Value) -> String {
        of_oauth2(&serde_json::from_value(spec).unwrap())
    }

    #[test]
    fn another_server_or_other_parameters_give_other_tokens() {
        let production = of(json!({"issuer": "https://login.example"}));
        for other in [
            json!({"issuer": "https://staging.example"}),
            json!({"endpoints": {"token": "https://login.example"}}),
            json!({"issuer": "https://login.example", "endpoints": {"token": "https://login.example/token"}}),
            json!({"issuer": "https://login.example", "extraParameters": {"tenant": "one"}}),
        ] {
            assert_ne!(of(other.clone()), production, "{other}");
        }
        assert_ne!(
            of_didit("https://one.example/v2"),
            of_didit("https://two.example/v2")
        );
    }

    #[test]
    fn what_says_nothing_of_the_server_leaves_its_tokens_as_they_are() {
        let production = of(json!({"issuer": "https://login.example"}));
        let gentler = json!({
            "issuer": "https://login.example",
            "clientAuthentication": {"method": "client_secret_post"},
            "endpoints": {"introspection": "https://login.example/introspect"},
        });
        assert_eq!(of(gentler), production);
        assert_eq!(
            of_didit("https://one.example/v2"),
            of_didit("https://one.example/v2/")
        );
    }
}
