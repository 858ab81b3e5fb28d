//! The random strings the API hands out, in the shapes the contract gives them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::config::TokenAlgorithm;

/// An API key of a live application: `sk_live_` and 43 URL-safe characters (contract, 4.6).
pub(crate) fn live_key() -> String {
    format!("sk_live_{}", secret())
}

/// An API key of a sandbox application: `sk_test_` and 43 URL-safe characters (contract, 4.6).
pub(crate) fn sandbox_key() -> String {
    format!("sk_test_{}", secret())
}

/// A webhook secret, or any other: 43 URL-safe characters (contract, 8.1).
pub(crate) fn secret() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

/// A public client id: 22 URL-safe characters (contract, 4.4).
pub(crate) fn client_id() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>())
}

/// A code to be mailed: six upper-case letters and digits (contract, 2.1).
pub(crate) fn code() -> String {
    (0..6)
        .filter_map(|_| char::from_digit(rand::random_range(0..36), 36))
        .map(|character| character.to_ascii_uppercase())
        .collect()
}

/// Something that reads like a signed JWT with these claims. The signature is random: nobody can check
/// it, as the contract asks clients to treat the token as opaque (2.5).
pub(crate) fn jwt(algorithm: TokenAlgorithm, claims: &Value) -> String {
    let (name, signature) = match algorithm {
        TokenAlgorithm::Rs256 => ("RS256", rand::random::<[[u8; 32]; 8]>().concat()),
        TokenAlgorithm::Es256 => ("ES256", rand::random::<[[u8; 32]; 2]>().concat()),
    };
    let header = json!({"alg": name, "typ": "JWT"}).to_string();
    let mut token = URL_SAFE_NO_PAD.encode(header);
    for part in [claims.to_string().into_bytes(), signature] {
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(part));
    }
    token
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_those_of_the_contract() {
        assert_eq!(live_key().len(), "sk_live_".len() + 43);
        assert!(sandbox_key().starts_with("sk_test_"));
        assert_eq!(client_id().len(), 22);
        let code = code();
        assert_eq!(code.len(), 6);
        assert!(
            code.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit()),
            "{code}"
        );
    }

    #[test]
    fn a_token_carries_its_claims() {
        let token = jwt(TokenAlgorithm::Es256, &json!({"exp": 7}));
        let parts: Vec<_> = token.split('.').collect();
        assert_eq!(parts.len(), 3);
        assert_eq!(URL_SAFE_NO_PAD.decode(parts[1]).unwrap(), br#"{"exp":7}"#);
        assert_ne!(token, jwt(TokenAlgorithm::Es256, &json!({"exp": 7})));
    }
}
