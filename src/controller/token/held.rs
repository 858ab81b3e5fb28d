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
    annotated: Option<TokenStatus>,
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
            .map_err(ReconcileError::kube("reading the Secret"))?;
        Ok(Self::of(live, owner, layout))
    }

    /// The content of a Secret that was read, where it is ours.
    #[must_use]
    pub fn of(live: Option<Secret>, owner: &Owner, layout: Layout) -> Self {
        let live = live.filter(|live| owned_secret::is_ours(live, owner));
        Self {
            annotated: live.as_ref().and_then(owned_secret::annotated_token),
            data: live.and_then(|live| live.data).unwrap_or_default(),
            layout,
            owner_uid: owner.uid.clone(),
        }
    }

    /// What the Secret itself says of its token. Somebody may have changed either since.
    #[must_use]
    pub fn annotated(&self) -> Option<&TokenStatus> {
        self.annotated.as_ref()
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
                // Whatever else somebody has put into its place is not for workloads to try.
                recorded
                    .and_then(|recorded| self.token(recorded))
                    .map(|held| held.access_token)
                    .filter(|held| held.expose_secret() != next.access_token.expose_secret())
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

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::credential::secret_content::{Vocabulary, fingerprint};

    fn obtained(token: &str) -> Obtained {
        let access_token = SecretString::from(token.to_owned());
        let at = |second: i64| Time(Timestamp::from_second(second).unwrap());
        Obtained {
            status: TokenStatus {
                issued_at: at(0),
                expires_at: at(3600),
                refresh_at: at(3000),
                allowance_seconds: 10,
                token_type: "Bearer".into(),
                scope: None,
                request_digest: "digest".into(),
                fingerprint: fingerprint("uid-1", &access_token),
                remark: None,
            },
            access_token,
        }
    }

    fn template(spec: serde_json::Value) -> SecretTemplate {
        serde_json::from_value(spec).unwrap()
    }

    fn held(entries: &[(&str, &str)], template: &SecretTemplate) -> Held {
        Held {
            data: entries
                .iter()
                .map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec())))
                .collect(),
            annotated: None,
            layout: Layout::of(template, Vocabulary::OAuth2),
            owner_uid: "uid-1".into(),
        }
    }

    fn text(secret: Option<&SecretString>) -> Option<&str> {
        secret.map(ExposeSecret::expose_secret)
    }

    #[test]
    fn a_token_is_found_whatever_its_key_is_called_now() {
        let renamed = template(json!({"name": "orders", "keys": {"accessToken": "TOKEN"}}));
        let held = held(&[("access_token", "token-1")], &renamed);
        let (first, second) = (obtained("token-1"), obtained("token-2"));
        assert_eq!(
            held.token(&first.status).unwrap().access_token.expose_secret(),
            "token-1"
        );
        assert!(held.token(&second.status).is_none());
        assert_eq!(
            text(held.replaced_by(&second, Some(&first.status)).as_ref()),
            Some("token-1")
        );
        assert_eq!(
            text(held.replaced_by(&first, Some(&first.status)).as_ref()),
            None,
            "it is the same"
        );
    }

    #[test]
    fn the_previous_token_is_kept_where_it_is_wanted_and_nothing_else_in_its_place() {
        let wanted = template(json!({"name": "orders", "previousAccessToken": true}));
        let unwanted = template(json!({"name": "orders"}));
        let (first, second) = (obtained("token-1"), obtained("token-2"));
        let entries = [("access_token", "token-1"), ("previous_access_token", "token-0")];
        for (entries, next, template, expected) in [
            (&entries, &second, &wanted, Some("token-1")),
            (&entries, &first, &wanted, Some("token-0")),
            (&entries, &second, &unwanted, None),
            (&[("access_token", "edited"), ("x", "y")], &second, &wanted, None),
        ] {
            let previous = held(entries, template).previous(next, Some(&first.status), template);
            assert_eq!(text(previous.as_ref()), expected);
        }
    }
}
