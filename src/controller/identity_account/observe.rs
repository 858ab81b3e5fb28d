//! Gathers what a decision rests on. In the ordinary case, an account whose Secret is as it should be, this costs no call.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use kube::{Api, Resource, ResourceExt};
use secrecy::{ExposeSecret, SecretString};

use super::IdentityAccounts;
use super::inputs::{Found, no_need};
use super::mailbox::Mail;
use super::state::{
    CodeView, Inputs, Learned, Observed, Resource as Facts, SecretContent, SecretView, TokenView,
};
use super::write::held;
use crate::api::IdentityAccount;
use crate::api::identity_account::{AccountState, IdentityAccountStatus};
use crate::api::names::CODE_REQUESTED_ANNOTATION;
use crate::api::provider::DIDIT_AUTH_URL;
use crate::controller::ReconcileError;
use crate::controller::index::{Consumer, Place};
use crate::controller::owned_secret::{self, Owner};
use crate::controller::token::need::requests;
use crate::controller::token::pauses::Asked;
use crate::credential::onboarding::{Password, Recorded};
use crate::credential::secret_content::Member;
use crate::identity::didit::one_time_code::OneTimeCode;

/// One pass over one resource.
pub(super) struct Pass {
    /// The resource as it was read.
    pub(super) object: Arc<IdentityAccount>,
    /// Whose Secret it is.
    pub(super) owner: Owner,
    /// The conditions as they were told last.
    pub(super) told: Vec<Condition>,
    /// What a pause after a failure would be about.
    pub(super) asked: Asked,
    /// What decisions rest on.
    pub(super) observed: Observed,
    /// The account's password.
    pub(super) password: Option<SecretString>,
    /// CA certificates to trust beside the system's.
    pub(super) ca_bundle: Option<Vec<u8>>,
    /// The account's Secret as it stands, or that of an earlier name, where it was read.
    pub(super) live: Option<Secret>,
    /// The code that is there.
    pub(super) code: Option<OneTimeCode>,
    /// The mail that it was found in.
    pub(super) mail: Option<Mail>,
}

impl Pass {
    pub(super) fn place(&self) -> Place {
        let resource = &self.observed.resource;
        (resource.namespace.clone(), resource.name.clone())
    }

    pub(super) fn auth_url(&self) -> &str {
        auth_url(&self.object)
    }
}

pub(super) fn auth_url(object: &IdentityAccount) -> &str {
    object.spec.didit.auth_url.as_deref().unwrap_or(DIDIT_AUTH_URL)
}

/// The account's Secret.
struct OwnSecret {
    view: SecretView,
    earlier: Option<SecretView>,
    live: Option<Secret>,
}

impl IdentityAccounts {
    /// Everything about a resource, or nothing when it is gone.
    pub(super) async fn observe(&self, object: Arc<IdentityAccount>) -> Result<Option<Pass>, ReconcileError> {
        let Some(object) = self.recent(object).await? else {
            return Ok(None);
        };
        let owner = Owner::of(object.as_ref());
        let resource = facts(&object);
        let place = (resource.namespace.clone(), resource.name.clone());
        self.pauses.begin(&place);
        let spec = object.spec.clone();
        let status = object.status.clone().unwrap_or_default();
        let recorded = Recorded::of(&status).as_of(Timestamp::now());
        let own = self.own_secret(&object, &owner, &status).await?;
        let rival = if resource.is_deleted {
            None
        } else {
            let consumer = Consumer::account(&resource.namespace, &resource.name);
            let holds = matches!(own.view, SecretView::Ours { .. });
            self.consumers.claim(&consumer, &spec.secret.name, holds)
        };
        let is_idle = resource.is_deleted || spec.suspend == Some(true);
        let Found {
            inputs,
            password,
            ca_bundle,
        } = if is_idle || (own.live.is_none() && own.view.is_valid()) {
            no_need()
        } else {
            self.inputs(&object, &own.view, own.live.as_ref()).await?
        };
        let strays = owned_secret::strays(&self.secrets, &owner, &spec.secret, status.secret.as_ref());
        let asked = Asked {
            generation: resource.generation,
            provider: None,
            client: None,
            requests: requests(object.annotations()),
        };
        let token = TokenView {
            pause: self.pauses.about(&place, &asked),
            requests: asked.requests.clone(),
        };
        let brake = self.brake(&place, &status, &inputs);
        let code_request = object
            .annotations()
            .get(CODE_REQUESTED_ANNOTATION)
            .filter(|value| !value.is_empty())
            .cloned();
        let observed = Observed {
            resource,
            spec,
            recorded,
            is_unrecorded: false,
            secret: own.view,
            earlier_secret: own.earlier,
            strays,
            rival: rival.map(|rival| rival.to_string()),
            claimant: self.accounts.claimant(&object),
            is_password_outdated: is_password_outdated(&object, own.live.as_ref(), password.as_ref()),
            inputs,
            is_budget_known: self.accounts.is_complete(),
            budget: self.accounts.budget(auth_url(&object)),
            code: CodeView::NotLooked,
            is_code_polled: !self.watches_secrets && object.spec.code.mailbox.is_none(),
            code_request,
            login_braked_until: brake.as_ref().map(|brake| brake.until),
            token,
            learned: Learned {
                brake: brake.map(|brake| brake.message),
                ..Learned::default()
            },
            status,
        };
        let mut pass = Pass {
            owner,
            told: observed.status.conditions.clone(),
            asked,
            object,
            observed,
            password,
            ca_bundle,
            live: own.live,
            code: None,
            mail: None,
        };
        if waits_for_code(&pass.observed) {
            self.see_code(&mut pass).await?;
        }
        Ok(Some(pass))
    }

    /// The resource, read anew where an outdated copy could make something happen twice.
    async fn recent(
        &self,
        object: Arc<IdentityAccount>,
    ) -> Result<Option<Arc<IdentityAccount>>, ReconcileError> {
        let verified = object
            .status
            .as_ref()
            .is_some_and(|status| status.state == Some(AccountState::Verified));
        if verified
            && object.meta().deletion_timestamp.is_none()
            && !self.written.is_outdated(object.as_ref())
        {
            return Ok(Some(object));
        }
        let api: Api<IdentityAccount> =
            Api::namespaced(self.client.clone(), &object.namespace().unwrap_or_default());
        let live = api
            .get_opt(&object.name_any())
            .await
            .map_err(ReconcileError::kube("reading the IdentityAccount"))?;
        Ok(live.filter(|live| live.uid() == object.uid()).map(Arc::new))
    }

    /// The Secret that the spec names. It is read only when the watch does not show the very version that was recorded,
    /// and where something has to be taken out of it.
    async fn own_secret(
        &self,
        object: &IdentityAccount,
        owner: &Owner,
        status: &IdentityAccountStatus,
    ) -> Result<OwnSecret, ReconcileError> {
        let template = &object.spec.secret;
        let recorded = status
            .secret
            .as_ref()
            .filter(|recorded| recorded.name == template.name);
        let keeps_token = object.spec.keep_token == Some(true);
        if let Some(recorded) = recorded
            && status.state == Some(AccountState::Verified)
            && object.spec.password_secret_ref.is_none()
            && !is_token_due(status, keeps_token)
            && asks_for_nothing(object, status)
            && owned_secret::is_unchanged(&self.secrets, owner, template, recorded)
        {
            return Ok(OwnSecret {
                view: SecretView::Ours {
                    published: recorded.clone(),
                    content: SecretContent::Current,
                    token: status.token.clone().map(Box::new),
                },
                earlier: None,
                live: None,
            });
        }
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &owner.namespace);
        let read = async |name: &str| {
            api.get_opt(name)
                .await
                .map_err(ReconcileError::kube("reading the Secret"))
        };
        let live = read(&template.name).await?;
        let view = live.as_ref().map_or(SecretView::Absent, |live| {
            owned_secret::view(live, owner, template, recorded)
        });
        let readers = self.providers.readers(&owner.namespace, &template.name);
        let view = view.read_by(&readers);
        let earlier = status
            .secret
            .as_ref()
            .filter(|earlier| earlier.name != template.name && view == SecretView::Absent);
        let Some(earlier) = earlier else {
            return Ok(OwnSecret {
                live: live.filter(|_| matches!(view, SecretView::Ours { .. })),
                view,
                earlier: None,
            });
        };
        let live = read(&earlier.name)
            .await?
            .filter(|live| owned_secret::is_ours(live, owner));
        Ok(OwnSecret {
            view,
            earlier: live
                .as_ref()
                .map(|live| owned_secret::view(live, owner, template, Some(earlier))),
            live,
        })
    }
}

/// Whether the account's own Secret holds another password than the one that the spec names.
fn is_password_outdated(
    object: &IdentityAccount,
    live: Option<&Secret>,
    password: Option<&SecretString>,
) -> bool {
    let (Some(_), Some(live), Some(password)) = (&object.spec.password_secret_ref, live, password) else {
        return false;
    };
    held(object, Some(live))
        .value(Member::Password)
        .is_some_and(|held| held.expose_secret() != password.expose_secret())
}

/// Whether a token has to be got, so that the password is needed.
fn is_token_due(status: &IdentityAccountStatus, keeps_token: bool) -> bool {
    match &status.token {
        Some(token) => !keeps_token || token.refresh_at.0 <= Timestamp::now(),
        None => keeps_token,
    }
}

fn asks_for_nothing(object: &IdentityAccount, status: &IdentityAccountStatus) -> bool {
    let asked = requests(object.annotations());
    let done = status.fulfilled_requests.clone().unwrap_or_default();
    asked.refresh.is_none_or(|value| Some(value) == done.refresh)
        && asked.revoke.is_none_or(|value| Some(value) == done.revoke)
}

fn waits_for_code(observed: &Observed) -> bool {
    let is_ready = matches!(
        observed.inputs,
        Inputs::Ready {
            password: Password::Present,
            ..
        }
    );
    let is_waited_for = observed.recorded.sending.is_some() || observed.spec.code.mailbox.is_some();
    is_ready && !observed.recorded.verified && is_waited_for
}

fn facts(object: &IdentityAccount) -> Facts {
    Facts {
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
        uid: object.uid().unwrap_or_default(),
        generation: object.meta().generation.unwrap_or_default(),
        is_deleted: object.meta().deletion_timestamp.is_some(),
    }
}
