//! What calls are made with: the password and the CA certificates.

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt};
use secrecy::SecretString;

use super::IdentityAccounts;
use super::observe::auth_url;
use super::state::{Inputs, SecretView};
use super::write::held;
use crate::api::IdentityAccount;
use crate::api::client_application::SECRET_SYNCED;
use crate::api::conditions::{Finding, Truth};
use crate::api::identity_account::{AccountState, REGISTERED};
use crate::api::secret::SecretKeyReference;
use crate::controller::ReconcileError;
use crate::controller::accounts::normal;
use crate::controller::identity_provider::ca_bundle;
use crate::credential::onboarding::Password;
use crate::credential::secret_content::Member;

/// What was found.
pub(super) struct Found {
    pub(super) inputs: Inputs,
    pub(super) password: Option<SecretString>,
    pub(super) ca_bundle: Option<Vec<u8>>,
}

/// Nothing is read where no call is made.
pub(super) fn no_need() -> Found {
    unusable(Inputs::NotNeeded)
}

fn unusable(inputs: Inputs) -> Found {
    Found {
        inputs,
        password: None,
        ca_bundle: None,
    }
}

/// A password with its version.
struct Versioned {
    password: Option<SecretString>,
    version: String,
}

impl IdentityAccounts {
    /// Reads the password and the CA certificates, or says what is missing. `live` is the account's own Secret.
    pub(super) async fn inputs(
        &self,
        object: &IdentityAccount,
        view: &SecretView,
        live: Option<&Secret>,
    ) -> Result<Found, ReconcileError> {
        let namespace = object.namespace().unwrap_or_default();
        let stage = stage(object);
        let mut authorities = None;
        if let Some(source) = &object.spec.didit.ca_bundle {
            match ca_bundle(&self.client, source, &namespace, "didit", stage).await? {
                Ok(bundle) => authorities = Some(bundle.value),
                Err(missing) => return Ok(unusable(Inputs::Unusable(Box::new(missing)))),
            }
        }
        let found = match &object.spec.password_secret_ref {
            Some(reference) => match self.referred(reference, &namespace, stage).await? {
                Ok(found) => found,
                Err(missing) => return Ok(unusable(Inputs::Unusable(Box::new(missing)))),
            },
            None => own(object, view, live),
        };
        let password = match found.password {
            Some(_) => Password::Present,
            None => Password::Absent,
        };
        Ok(Found {
            inputs: Inputs::Ready {
                password,
                version: version(&found.version, object),
            },
            password: found.password,
            ca_bundle: authorities,
        })
    }

    /// The password in a Secret of the user's.
    async fn referred(
        &self,
        reference: &SecretKeyReference,
        namespace: &str,
        stage: &'static str,
    ) -> Result<Result<Versioned, Finding>, ReconcileError> {
        let (name, key) = (&reference.name, &reference.key);
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let live = api
            .get_opt(name)
            .await
            .map_err(ReconcileError::kube("reading the password's Secret"))?;
        let problem = match &live {
            None => format!(
                "does not exist. Create it, with the password on standard input: kubectl create secret generic {name} \
                 --namespace {namespace} --from-file={key}=/dev/stdin"
            ),
            Some(live) => match entry(live, key) {
                Some(password) => {
                    return Ok(Ok(Versioned {
                        password: Some(password),
                        version: version_of(live),
                    }));
                }
                None => format!("has no text under the key {key:?}. Put the account's password there"),
            },
        };
        let message = format!("Secret {namespace}/{name}, which spec.passwordSecretRef names, {problem}");
        Ok(Err(Finding::new(
            stage,
            Truth::False,
            "PasswordNotFound",
            message,
        )))
    }
}

/// The password in the account's own Secret. Its version stays the same while Keywright itself writes that Secret.
fn own(object: &IdentityAccount, view: &SecretView, live: Option<&Secret>) -> Versioned {
    let Some(live) = live else {
        return Versioned {
            password: None,
            version: String::new(),
        };
    };
    let is_as_written = view.is_valid() || *view == SecretView::Absent;
    Versioned {
        password: held(object, Some(live)).value(Member::Password),
        version: if is_as_written {
            made(&live.uid().unwrap_or_default())
        } else {
            version_of(live)
        },
    }
}

/// Version of a password that was made for the account and stands in the Secret with this UID.
fn made(uid: &str) -> String {
    format!("{uid}/made")
}

/// Version of a password that was just made.
pub(super) fn version_of_made(uid: &str, object: &IdentityAccount) -> String {
    version(&made(uid), object)
}

fn version(of_password: &str, object: &IdentityAccount) -> String {
    format!("{of_password}@{}", normal(auth_url(object)))
}

fn version_of(live: &Secret) -> String {
    format!(
        "{}/{}",
        live.uid().unwrap_or_default(),
        live.resource_version().unwrap_or_default()
    )
}

/// A text in a Secret that somebody else wrote. A line break at the end of a file is no part of it.
pub(super) fn entry(live: &Secret, key: &str) -> Option<SecretString> {
    let bytes = live.data.as_ref()?.get(key)?;
    let text = std::str::from_utf8(&bytes.0).ok()?.trim_end_matches(['\r', '\n']);
    (!text.trim().is_empty()).then(|| text.to_owned().into())
}

/// The condition that tells what is missing.
fn stage(object: &IdentityAccount) -> &'static str {
    let state = object.status.as_ref().and_then(|status| status.state);
    if state == Some(AccountState::Verified) {
        SECRET_SYNCED
    } else {
        REGISTERED
    }
}
