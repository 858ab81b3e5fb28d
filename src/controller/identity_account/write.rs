//! Writes the account's Secret.

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::{Api, Resource, ResourceExt};
use secrecy::{ExposeSecret, SecretString};

use super::IdentityAccounts;
use super::observe::Pass;
use super::plan::api_url;
use super::state::{Evidence, Identifiers, Saved, SecretView};
use super::token;
use crate::api::IdentityAccount;
use crate::api::names::LAYOUT_ANNOTATION;
use crate::api::secret::SecretTemplate;
use crate::controller::ReconcileError;
use crate::controller::owned_secret::{self, Owner};
use crate::controller::secret_writer::{self, Written};
use crate::controller::token::held::Held;
use crate::controller::token::promise;
use crate::controller::token::service::{Obtained, examine};
use crate::credential::secret_content::{Content, Layout, Member, Vocabulary};
use crate::identity::Application;
use crate::identity::session::Tokens;
use crate::identity::token::TokenAnswer;

/// What belongs to an account.
#[derive(Default)]
pub(super) struct Belongings {
    /// Its organization, where there is one that can be told.
    pub(super) organization_id: Option<String>,
    /// The application that came with it.
    pub(super) application: Option<Application>,
}

/// What became of a write.
pub(super) enum Save {
    /// It stands.
    Done(Box<Saved>),
    /// It does not.
    Not(Evidence),
}

/// What the Secret is to hold.
struct Wanted<'a> {
    password: &'a SecretString,
    belongings: Option<&'a Belongings>,
    token: Option<&'a Obtained>,
    previous: Option<SecretString>,
}

impl Belongings {
    pub(super) fn identifiers(&self) -> Identifiers {
        Identifiers {
            organization_id: self.organization_id.clone(),
            application_id: self
                .application
                .as_ref()
                .map(|application| application.id.clone()),
            client_id: self
                .application
                .as_ref()
                .map(|application| application.client_id.clone()),
        }
    }

    /// What a Secret of ours holds, where it holds all of it.
    pub(super) fn held(held: &Held) -> Option<Self> {
        let application = || {
            Some(Application {
                id: held.text(Member::ApplicationId)?,
                client_id: held.text(Member::ClientId)?,
                api_key: held.value(Member::ApiKey)?,
                metadata: crate::identity::ApplicationMetadata::default(),
            })
        };
        let has_key = held.value(Member::ApiKey).is_some();
        let application = application();
        if has_key && application.is_none() {
            return None;
        }
        Some(Self {
            organization_id: held.text(Member::OrganizationId),
            application,
        })
    }
}

/// What the account's Secret holds, laid out as it was when it was written.
pub(super) fn held(object: &IdentityAccount, live: Option<&Secret>) -> Held {
    let template = &object.spec.secret;
    let layout = match live {
        Some(live) => owned_secret::written_layout(live, template),
        None => Layout::of(template, Vocabulary::Didit),
    };
    Held::of(live.cloned(), &Owner::of(object), layout)
}

/// Names of keys and formats, so that what was written can be read when the spec wants it otherwise.
fn layout_annotation(template: &SecretTemplate) -> String {
    let layout = SecretTemplate {
        name: template.name.clone(),
        type_: None,
        labels: std::collections::BTreeMap::new(),
        annotations: std::collections::BTreeMap::new(),
        keys: template.keys.clone(),
        formats: template.formats.clone(),
        previous_access_token: None,
    };
    serde_json::to_string(&layout).unwrap_or_default()
}

impl IdentityAccounts {
    pub(super) fn secrets_api(&self, pass: &Pass) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &pass.observed.resource.namespace)
    }

    /// Looks at the Secret anew before another try to write it: it may have been deleted or made meanwhile.
    pub(super) async fn see_secret(&self, pass: &mut Pass) {
        let template = &pass.observed.spec.secret;
        match self.secrets_api(pass).get_opt(&template.name).await {
            Ok(live) => {
                let view = live.as_ref().map_or(SecretView::Absent, |live| {
                    owned_secret::view(live, &pass.owner, template, pass.observed.status.secret.as_ref())
                });
                pass.observed.secret = view;
            }
            Err(error) => tracing::warn!("the Secret could not be looked at again: {error}"),
        }
    }

    /// Writes the password alone.
    pub(super) async fn save_password(
        &self,
        pass: &Pass,
        password: &SecretString,
    ) -> Result<Save, ReconcileError> {
        let wanted = Wanted {
            password,
            belongings: None,
            token: None,
            previous: None,
        };
        self.save(pass, &wanted).await
    }

    /// Writes what belongs to the account, and the token that came with it or that the Secret holds.
    pub(super) async fn save_account(
        &self,
        pass: &Pass,
        password: &SecretString,
        belongings: &Belongings,
        token: Option<&Obtained>,
    ) -> Result<Save, ReconcileError> {
        let held = held(&pass.object, pass.live.as_ref());
        let standing = standing(pass, &held);
        let token = token
            .or(standing.as_ref())
            .filter(|_| token::is_wanted(&pass.observed));
        let previous = token.and_then(|token| {
            let standing = standing.as_ref().map(|standing| &standing.status);
            held.previous(token, standing, &pass.observed.spec.secret)
        });
        let wanted = Wanted {
            password,
            belongings: Some(belongings),
            token,
            previous,
        };
        self.save(pass, &wanted).await
    }

    /// Writes the Secret from what it holds, with the token that was obtained, or without one that nobody wants.
    pub(super) async fn rewrite(&self, pass: &Pass) -> Result<Evidence, ReconcileError> {
        // What was read when the pass began may not be what this pass has written.
        let name = match (&pass.observed.secret, &pass.observed.status.secret) {
            (SecretView::Absent, Some(earlier)) => &earlier.name,
            _ => &pass.observed.spec.secret.name,
        };
        let live = self
            .secrets_api(pass)
            .get_opt(name)
            .await
            .map_err(ReconcileError::kube("reading the Secret"))?
            .filter(|live| owned_secret::is_ours(live, &pass.owner));
        let held = held(&pass.object, live.as_ref());
        let password = pass.password.clone().or_else(|| held.value(Member::Password));
        let (Some(password), Some(belongings)) = (password, Belongings::held(&held)) else {
            return Ok(Evidence::SecretUnreadable);
        };
        let standing = standing(pass, &held);
        let token = pass
            .observed
            .learned
            .obtained
            .as_ref()
            .or(standing.as_ref())
            .filter(|_| token::is_wanted(&pass.observed));
        let previous = token.and_then(|token| {
            let standing = standing.as_ref().map(|standing| &standing.status);
            held.previous(token, standing, &pass.observed.spec.secret)
        });
        let wanted = Wanted {
            password: &password,
            belongings: Some(&belongings),
            token,
            previous,
        };
        Ok(match self.save(pass, &wanted).await? {
            Save::Done(saved) => Evidence::SecretWritten(saved),
            Save::Not(evidence) => evidence,
        })
    }

    async fn save(&self, pass: &Pass, wanted: &Wanted<'_>) -> Result<Save, ReconcileError> {
        let observed = &pass.observed;
        let template = &observed.spec.secret;
        let layout = Layout::of(template, Vocabulary::Didit);
        let status = wanted.token.map(|token| &token.status);
        let content = content(pass, wanted);
        let mut secret = match owned_secret::build(&pass.owner, template, &content, &layout, status) {
            Ok(secret) => secret,
            Err(error) => {
                return Ok(Save::Not(Evidence::SecretRefused {
                    message: error.to_string(),
                }));
            }
        };
        secret
            .annotations_mut()
            .insert(LAYOUT_ANNOTATION.to_owned(), layout_annotation(template));
        let ours = match &observed.secret {
            SecretView::Ours { published, .. } => Some(published.uid.as_str()),
            SecretView::Absent | SecretView::Foreign { .. } => None,
        };
        let mut secrets = vec![wanted.password];
        let application = wanted.belongings.and_then(|found| found.application.as_ref());
        secrets.extend(application.map(|application| &application.api_key));
        secrets.extend(wanted.token.map(|token| &token.access_token));
        let api = self.secrets_api(pass);
        Ok(
            match secret_writer::apply(&api, secret, ours, &pass.owner, &secrets).await? {
                Written::Done(written) => {
                    self.metrics.secret_written("identity_account");
                    tracing::info!(secret = written.name_any(), "wrote a Secret");
                    let recorded = observed.status.secret.as_ref();
                    if let Some(restored) = owned_secret::restored(&template.name, &observed.secret, recorded)
                    {
                        let about = pass.object.object_ref(&());
                        owned_secret::tell_restored(&self.events, &about, &restored).await;
                    }
                    let address = wanted.belongings.map_or("", |_| api_url(observed));
                    Save::Done(Box::new(Saved {
                        published: owned_secret::published(&written, template, address),
                        token: status.cloned(),
                        identifiers: wanted.belongings.map(Belongings::identifiers),
                    }))
                }
                Written::Foreign { owner } => Save::Not(Evidence::SecretForeign { owner }),
                Written::Refused { message } => Save::Not(Evidence::SecretRefused { message }),
            },
        )
    }
}

fn content(pass: &Pass, wanted: &Wanted<'_>) -> Content {
    let content = Content::default()
        .with(Member::Email, pass.observed.spec.email.clone())
        .with(Member::Password, wanted.password.clone());
    let Some(belongings) = wanted.belongings else {
        return content;
    };
    let content = content
        .with_known(Member::OrganizationId, belongings.organization_id.clone())
        .with(Member::ApiUrl, api_url(&pass.observed).to_owned());
    let content = match &belongings.application {
        Some(application) => content
            .with(Member::ClientId, application.client_id.clone())
            .with(Member::ApiKey, application.api_key.clone())
            .with(Member::ApplicationId, application.id.clone()),
        None => content,
    };
    match wanted.token {
        Some(token) => token.add_to(content, wanted.previous.clone()),
        None => content,
    }
}

/// The token whose bytes stand in the Secret, where they are good.
fn standing(pass: &Pass, held: &Held) -> Option<Obtained> {
    let now = Timestamp::now();
    [
        token::published(&pass.observed),
        pass.observed.status.token.as_ref(),
        held.annotated(),
    ]
    .into_iter()
    .flatten()
    .filter(|token| token.expires_at.0 > now)
    .find_map(|recorded| held.token(recorded))
}

impl IdentityAccounts {
    /// The management token that came with the answer to a code, where one is wanted.
    pub(super) fn bootstrap_token(
        &self,
        pass: &Pass,
        tokens: &Tokens,
        asked_at: Timestamp,
    ) -> Option<Obtained> {
        if !token::is_wanted(&pass.observed) {
            return None;
        }
        let answer = TokenAnswer {
            access_token: tokens.access_token.expose_secret().to_owned().into(),
            token_type: "Bearer".to_owned(),
            expires_in: i64::try_from(tokens.expires_in.as_secs()).ok(),
            unreadable_expires_in: None,
            expiry_claim: None,
            issued_at_claim: None,
            scope: None,
            refresh_token: None,
            asked_at,
            received_at: Timestamp::now(),
            server_date: None,
        };
        let promise = promise(&token::settings(), &self.policy);
        let digest = token::request_digest(&pass.observed);
        // Without it one is got by a login.
        examine(&answer, &digest, promise, &pass.owner.uid).ok()
    }
}
