//! What a Secret holds: secret bytes, on their way into the next version of it.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use secrecy::{ExposeSecret, SecretString};

use super::service::Obtained;
use crate::api::secret::SecretTemplate;
use crate::api::token::TokenStatus;
use crate::controller::ReconcileError;
use crate::controller::owned_secret::{self, Owner};
use crate::credential::secret_content::{Content, Layout, Member, read_back, recognise};

/// The content of a Secret of ours as it stands; nothing where there is none.
pub struct Held {
    data: BTreeMap<String, ByteString>,
    layout: Layout,
    owner_uid: String,
}

impl Held {
    /// Reads a Secret.
    ///
    /// # Errors
    /// When the Kubernetes API does not answer.
    pub async fn read(
        secrets: &Api<Secret>,
        name: &str,
        owner: &Owner,
        layout: Layout,
    ) -> Result<Self, ReconcileError> {
        let live = secrets
            .get_opt(name)
            .await
            .map_err(ReconcileError::kube("reading the Secret"))?
            .filter(|live| owned_secret::is_ours(live, owner));
        Ok(Self {
            data: live.and_then(|live| live.data).unwrap_or_default(),
            layout,
            owner_uid: owner.uid.clone(),
        })
    }

    /// One value of it.
    #[must_use]
    pub fn value(&self, member: Member) -> Option<SecretString> {
        read_back(&self.data, &self.layout, member)
    }

    /// One value of it that is no secret.
    #[must_use]
    pub fn text(&self, member: Member) -> Option<String> {
        (!member.is_secret())
            .then(|| self.value(member))
            .flatten()
            .map(|value| value.expose_secret().to_owned())
    }

    /// The token that was recorded, wherever in the Secret it stands.
    #[must_use]
    pub fn token(&self, recorded: &TokenStatus) -> Option<Obtained> {
        let access_token = recognise(&self.data, &self.owner_uid, &recorded.fingerprint)?;
        Some(Obtained {
            access_token,
            status: recorded.clone(),
        })
    }

    /// The token that is replaced by `next`, if it is another. `recorded` finds it where the Secret was written with other
    /// names than those that are wanted now.
    #[must_use]
    pub fn replaced_by(&self, next: &Obtained, recorded: Option<&TokenStatus>) -> Option<SecretString> {
        recorded
            .and_then(|recorded| self.token(recorded))
            .map(|held| held.access_token)
            .or_else(|| self.value(Member::AccessToken))
            .filter(|held| held.expose_secret() != next.access_token.expose_secret())
    }

    /// The token to keep beside `next` as the previous one, where the spec wants that.
    #[must_use]
    pub fn previous(
        &self,
        next: &Obtained,
        recorded: Option<&TokenStatus>,
        template: &SecretTemplate,
    ) -> Option<SecretString> {
        (template.previous_access_token == Some(true))
            .then(|| {
                self.replaced_by(next, recorded)
                    .or_else(|| self.value(Member::PreviousAccessToken))
            })
            .flatten()
    }
}

impl Obtained {
    /// A content with this token, and perhaps the one before it.
    #[must_use]
    pub fn add_to(&self, content: Content, previous: Option<SecretString>) -> Content {
        content
            .with(Member::AccessToken, self.access_token.clone())
            .with(Member::TokenType, self.status.token_type.clone())
            .with_expiry(self.status.expires_at.0)
            .with_known(
                Member::Scope,
                self.status.scope.clone().filter(|scope| !scope.is_empty()),
            )
            .with_known(Member::PreviousAccessToken, previous)
    }
}
