//! What is asked of an authorization server, and what its answers mean.

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::answer::{self, Granted};
use super::metadata::EndpointKind;
use super::{Errand, OAuth2, refusal};
use crate::identity::http::Effect;
use crate::identity::probe::probe;
use crate::identity::token::{
    Introspection, Offers, TokenAnswer, TokenApi, TokenError, TokenKind, TokenRequest, Urgency,
};

#[async_trait]
impl TokenApi for OAuth2 {
    async fn offers(&self) -> Result<Offers, TokenError> {
        let manual = Offers {
            introspection: self.manual.introspection.is_some(),
            revocation: self.manual.revocation.is_some(),
        };
        match &self.discovery {
            Some(discovery) if !(manual.introspection && manual.revocation) => {
                let metadata = discovery.metadata(&self.http).await?;
                Ok(Offers {
                    introspection: manual.introspection || metadata.has(EndpointKind::Introspection),
                    revocation: manual.revocation || metadata.has(EndpointKind::Revocation),
                })
            }
            _ => Ok(manual),
        }
    }

    async fn request_token(&self, request: &TokenRequest) -> Result<TokenAnswer, TokenError> {
        let operation = "requestToken";
        let url = self
            .required_endpoint(operation, EndpointKind::Token, "EndpointMissing")
            .await?;
        let scope = request.scopes.join(" ");
        // A token that was given out and lost ends by itself; a refresh token may be spent by its use.
        let (effect, mut parameters) = match &request.refresh_token {
            None => (Effect::Reads, vec![("grant_type", "client_credentials")]),
            Some(token) => (
                Effect::Changes,
                vec![
                    ("grant_type", "refresh_token"),
                    ("refresh_token", token.expose_secret()),
                ],
            ),
        };
        if !scope.is_empty() {
            parameters.push(("scope", &scope));
        }
        parameters.extend(request.audience.as_deref().map(|audience| ("audience", audience)));
        parameters.extend(
            request
                .resources
                .iter()
                .map(|resource| ("resource", resource.as_str())),
        );
        parameters.extend(
            self.extra_parameters
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        );
        let errand = Errand {
            operation,
            effect,
            urgency: request.urgency,
            url,
            parameters,
            secrets: request.refresh_token.iter().collect(),
            reads_body: true,
        };
        let answer = self
            .send(errand, answer::granted)
            .await
            .map_err(refusal::explain)?;
        let mut sent = self.client.authentication.secrets();
        sent.extend(&request.refresh_token);
        Ok(Granted::noted(answer, &self.http, &sent))
    }

    async fn introspect(&self, token: &SecretString) -> Result<Introspection, TokenError> {
        let operation = "introspectToken";
        let errand = Errand {
            operation,
            effect: Effect::Reads,
            // A new token waits for it.
            urgency: Urgency::NeverSynced,
            url: self
                .required_endpoint(operation, EndpointKind::Introspection, "IntrospectionNotOffered")
                .await?,
            parameters: vec![("token", token.expose_secret())],
            secrets: vec![token],
            reads_body: true,
        };
        let answer = self.send(errand, answer::introspection).await;
        Ok(answer.map_err(refusal::explain)?.value)
    }

    async fn revoke(&self, token: &SecretString, kind: TokenKind) -> Result<(), TokenError> {
        let operation = "revokeToken";
        let hint = match kind {
            TokenKind::Access => "access_token",
            TokenKind::Refresh => "refresh_token",
        };
        let errand = Errand {
            operation,
            // Revoking again does no harm (RFC 7009 section 2.2), so a lost answer is only that.
            effect: Effect::Reads,
            urgency: Urgency::Whenever,
            url: self
                .required_endpoint(operation, EndpointKind::Revocation, "RevocationNotOffered")
                .await?,
            parameters: vec![("token", token.expose_secret()), ("token_type_hint", hint)],
            secrets: vec![token],
            reads_body: false,
        };
        self.send(errand, |_| Ok(()))
            .await
            .map_err(refusal::explain_revocation)?;
        Ok(())
    }

    async fn probe(&self, url: &Url, token: &SecretString) -> Result<Introspection, TokenError> {
        probe(&self.http, url, token, self.allow_insecure).await
    }
}
