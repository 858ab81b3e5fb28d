//! The credentials of a client application.

use secrecy::SecretString;

use super::content::{Content, Member};

/// The credentials of a client application, with what a consumer needs to use them.
#[derive(Clone, Debug)]
pub struct ApplicationCredentials {
    /// OAuth 2.0 client identifier.
    pub client_id: String,
    /// The application's key.
    pub api_key: SecretString,
    /// The application's identifier at the identity API.
    pub application_id: String,
    /// The organization's identifier at the identity API.
    pub organization_id: String,
    /// Base address that takes the key.
    pub api_url: String,
}

impl ApplicationCredentials {
    /// The credentials as content that can be written in any layout.
    #[must_use]
    pub fn content(&self) -> Content {
        Content::default()
            .with(Member::ClientId, self.client_id.clone())
            .with(Member::ApiKey, self.api_key.clone())
            .with(Member::ApplicationId, self.application_id.clone())
            .with(Member::OrganizationId, self.organization_id.clone())
            .with(Member::ApiUrl, self.api_url.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_do_not_show_their_key() {
        let credentials = ApplicationCredentials {
            client_id: "client".into(),
            api_key: "sk_test_value".to_owned().into(),
            application_id: "application".into(),
            organization_id: "organization".into(),
            api_url: "https://verification.example/v3".into(),
        };
        assert!(!format!("{credentials:?} {:?}", credentials.content()).contains("sk_test_value"));
    }
}
