//! Where the code comes from: a Secret that a person fills, or a mailbox.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::{Api, ResourceExt};
use secrecy::ExposeSecret;

use super::IdentityAccounts;
use super::inputs::entry;
use super::observe::Pass;
use super::state::{CodeView, Evidence};
use super::wording;
use crate::api::conditions::{Finding, Truth};
use crate::api::identity_account::CODE_RECEIVED;
use crate::api::mailbox::{AfterReadAction, IMAPS_PORT, INBOX, Mailbox as MailboxSpec};
use crate::controller::ReconcileError;
use crate::controller::identity_provider::ca_bundle;
use crate::identity::didit::one_time_code::OneTimeCode;
use crate::identity::mailbox::{AfterRead, Lookup, MailId, Mailbox, MailboxConfig, MailboxError};

/// How often it is looked for a mail that should come soon.
const SOON: SignedDuration = SignedDuration::from_secs(5);

/// For so long after a mail was asked for.
const SOON_FOR: SignedDuration = SignedDuration::from_mins(3);

/// How often later, and after something went wrong.
const LATER: SignedDuration = SignedDuration::from_secs(30);

/// How soon a password is tried again that the mail server refused, unless it changes before.
const AFTER_REFUSAL: SignedDuration = SignedDuration::from_hours(1);

/// A mail that a code was found in.
pub(super) struct Mail {
    mailbox: Mailbox,
    id: MailId,
}

/// When a mailbox is looked into next.
pub(super) struct NextLook {
    at: Timestamp,
    /// What the look before was made with, and for which mail.
    version: String,
    /// Whether it holds although another mail was asked for.
    is_refusal: bool,
    /// Why the look before could not read the mailbox.
    unreadable: Option<Box<Finding>>,
}

/// A mailbox that can be read.
struct Opened {
    mailbox: Mailbox,
    /// Version of the credentials.
    version: String,
}

impl IdentityAccounts {
    /// Sees whether there is a code, as far as that costs nothing that is scarce.
    pub(super) async fn see_code(&self, pass: &mut Pass) -> Result<(), ReconcileError> {
        if pass.observed.spec.code.mailbox.is_some() {
            if let Some((until, unreadable)) = self.next_look(pass).await? {
                pass.observed.code = CodeView::Later { until, unreadable };
            }
            return Ok(());
        }
        let Some((name, key)) = wording::code_secret(&pass.observed) else {
            return Ok(());
        };
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &pass.owner.namespace);
        let live = api
            .get_opt(name)
            .await
            .map_err(ReconcileError::kube("reading the code's Secret"))?;
        let absent = |reason: &str, message| CodeView::Absent {
            reason: reason.to_owned(),
            message,
            again: None,
        };
        let view = match &live {
            None => absent(
                "WaitingForCode",
                format!(
                    "put the code of the mail to {} into a Secret: {}",
                    pass.observed.spec.email,
                    wording::create_code(&pass.observed)
                ),
            ),
            Some(live) => {
                let code = entry(live, key).and_then(|text| OneTimeCode::parse(text.expose_secret()));
                match code {
                    Some(code) => {
                        let view = mark(pass, &code);
                        pass.code = Some(code);
                        view
                    }
                    None => absent(
                        "CodeUnreadable",
                        format!(
                            "Secret {name} has no code of six letters and digits under the key {key:?}. Put it there: {}",
                            wording::replace_code(&pass.observed)
                        ),
                    ),
                }
            }
        };
        pass.observed.code = view;
        Ok(())
    }

    /// Looks whether there is a code.
    pub(super) async fn look_for_code(&self, pass: &mut Pass) -> Result<Evidence, ReconcileError> {
        if pass.observed.spec.code.mailbox.is_some() {
            return self.look_into_mailbox(pass).await;
        }
        self.see_code(pass).await?;
        Ok(Evidence::CodeLookedFor(pass.observed.code.clone()))
    }

    async fn look_into_mailbox(&self, pass: &mut Pass) -> Result<Evidence, ReconcileError> {
        let opened = match self.open_mailbox(pass).await? {
            Ok(opened) => opened,
            Err(finding) => return Ok(self.unreadable(pass, "", finding, LATER, false)),
        };
        let now = Timestamp::now();
        let recorded = &pass.observed.recorded;
        let Some(sending) = recorded.sending.clone().filter(|_| recorded.takes_codes(now)) else {
            return Ok(self.try_mailbox(pass, &opened, now).await);
        };
        let pace = if now.duration_since(sending.at) < SOON_FOR {
            SOON
        } else {
            LATER
        };
        let version = opened.version;
        match opened.mailbox.find_code(sending.at).await {
            Ok(Lookup::Found(found)) => {
                let Some(code) = OneTimeCode::parse(found.code.expose_secret()) else {
                    let message = "the newest mail holds no code that can be one".to_owned();
                    return Ok(self.looked(pass, &version, "NoCodeInMail", message, pace));
                };
                let view = mark(pass, &code);
                if let CodeView::There(mark) = &view
                    && pass.observed.recorded.spent.contains(mark)
                {
                    let message = "the newest mail holds a code that was tried already".to_owned();
                    return Ok(self.looked(pass, &version, "CodeRefused", message, pace));
                }
                pass.code = Some(code);
                pass.mail = Some(Mail {
                    mailbox: opened.mailbox,
                    id: found.mail,
                });
                Ok(Evidence::CodeLookedFor(view))
            }
            Ok(Lookup::Absent(absence)) => {
                Ok(self.looked(pass, &version, absence.reason(), absence.to_string(), pace))
            }
            Err(error) => Ok(self.failed_to_read(pass, &version, &error)),
        }
    }

    /// Opens the mailbox before a mail is asked for. What is in it was not asked for.
    async fn try_mailbox(&self, pass: &Pass, opened: &Opened, now: Timestamp) -> Evidence {
        match opened.mailbox.find_code(now).await {
            Ok(_) => Evidence::CodeLookedFor(CodeView::Absent {
                reason: "WaitingForCode".to_owned(),
                message: "the mailbox can be read".to_owned(),
                again: None,
            }),
            Err(error) => self.failed_to_read(pass, &opened.version, &error),
        }
    }

    fn failed_to_read(&self, pass: &Pass, version: &str, error: &MailboxError) -> Evidence {
        tracing::warn!("{error}");
        let is_refusal = error.is_login_refused();
        let (pause, message) = if is_refusal {
            (AFTER_REFUSAL, wording::mailbox_refused(&pass.observed, error))
        } else {
            (LATER, error.to_string())
        };
        self.unreadable(pass, version, missing(error.reason(), message), pause, is_refusal)
    }

    /// Marks or moves the mail whose code was taken.
    pub(super) async fn settle_mail(&self, pass: &Pass) -> Evidence {
        if let Some(mail) = &pass.mail
            && let Err(error) = mail.mailbox.settle(mail.id).await
        {
            tracing::warn!("the code was taken, and its mail could neither be marked nor moved: {error}");
        }
        Evidence::MailSettled
    }

    fn unreadable(
        &self,
        pass: &Pass,
        version: &str,
        finding: Finding,
        pause: SignedDuration,
        is_refusal: bool,
    ) -> Evidence {
        let finding = Box::new(finding);
        let unreadable = Some(finding.clone());
        let again = self.look_later(pass, version, pause, is_refusal, unreadable);
        Evidence::CodeLookedFor(CodeView::Unreadable { finding, again })
    }

    /// Remembers when the mailbox is looked into next, and returns that.
    fn look_later(
        &self,
        pass: &Pass,
        version: &str,
        pause: SignedDuration,
        is_refusal: bool,
        unreadable: Option<Box<Finding>>,
    ) -> Timestamp {
        let at = Timestamp::now().saturating_add(pause).unwrap_or(Timestamp::MAX);
        let look = NextLook {
            at,
            version: looked_for(pass, version, is_refusal),
            is_refusal,
            unreadable,
        };
        self.kept().entry(pass.place()).or_default().next_look = Some(look);
        at
    }

    fn looked(
        &self,
        pass: &Pass,
        version: &str,
        reason: &str,
        message: String,
        pause: SignedDuration,
    ) -> Evidence {
        let at = self.look_later(pass, version, pause, false, None);
        Evidence::CodeLookedFor(CodeView::Absent {
            reason: reason.to_owned(),
            message,
            again: Some(at),
        })
    }

    /// When the mailbox is looked into next, if that is not now.
    async fn next_look(
        &self,
        pass: &Pass,
    ) -> Result<Option<(Timestamp, Option<Box<Finding>>)>, ReconcileError> {
        let (at, version, is_refusal, unreadable) = {
            let kept = self.kept();
            let look = kept.get(&pass.place()).and_then(|kept| kept.next_look.as_ref());
            match look {
                Some(look) if look.at > Timestamp::now() => (
                    look.at,
                    look.version.clone(),
                    look.is_refusal,
                    look.unreadable.clone(),
                ),
                _ => return Ok(None),
            }
        };
        let opened = self.open_mailbox(pass).await?;
        let now = opened.map_or_else(|_| String::new(), |opened| opened.version);
        Ok((looked_for(pass, &now, is_refusal) == version).then_some((at, unreadable)))
    }

    async fn open_mailbox(&self, pass: &Pass) -> Result<Result<Opened, Finding>, ReconcileError> {
        let namespace = &pass.owner.namespace;
        let Some(spec) = &pass.observed.spec.code.mailbox else {
            return Ok(Err(missing(
                "MailboxMisconfigured",
                "spec.code names no mailbox".to_owned(),
            )));
        };
        let reference = &spec.secret_ref;
        let keys = reference.keys.clone().unwrap_or_default();
        let key = keys.password.as_deref().unwrap_or("password");
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let live = api
            .get_opt(&reference.name)
            .await
            .map_err(ReconcileError::kube("reading the mailbox's Secret"))?;
        let Some((live, password)) = live.and_then(|live| entry(&live, key).map(|password| (live, password)))
        else {
            let name = &reference.name;
            return Ok(Err(missing(
                "MailboxSecretNotFound",
                format!(
                    "Secret {namespace}/{name}, which spec.code.mailbox.secretRef names, does not exist or has no text \
                     under the key {key:?}. Create it, with the password on standard input: kubectl create secret \
                     generic {name} --namespace {namespace} --from-literal=username=… --from-file={key}=/dev/stdin"
                ),
            )));
        };
        let (authorities, of_bundle) = match &spec.ca_bundle {
            None => (None, String::new()),
            Some(source) => {
                match ca_bundle(&self.client, source, namespace, "code.mailbox", CODE_RECEIVED).await? {
                    Ok(bundle) => (Some(bundle.value), bundle.version),
                    Err(missing) => return Ok(Err(missing)),
                }
            }
        };
        let username = entry(&live, keys.username.as_deref().unwrap_or("username"));
        let username = username.map_or_else(
            || pass.observed.spec.email.clone(),
            |username| username.expose_secret().trim().to_owned(),
        );
        let config = MailboxConfig {
            host: spec.host.clone(),
            port: spec.port.unwrap_or(IMAPS_PORT),
            username,
            password,
            folder: spec.folder.clone().unwrap_or_else(|| INBOX.to_owned()),
            senders: spec.senders.iter().map(|sender| sender_of(sender)).collect(),
            ca_bundle: authorities,
            after_read: after_read(spec),
            deadline: self.request_timeout.max(Duration::from_secs(5)),
        };
        let version = format!(
            "{}/{}/{of_bundle}",
            live.uid().unwrap_or_default(),
            live.resource_version().unwrap_or_default()
        );
        Ok(match Mailbox::new(config) {
            Ok(mailbox) => Ok(Opened { mailbox, version }),
            Err(error) => Err(unusable(&error)),
        })
    }
}

/// What a look was made with and for: with another password, for another mail or for another spec one looks at once.
fn looked_for(pass: &Pass, version: &str, is_refusal: bool) -> String {
    let generation = pass.observed.resource.generation;
    let sending = pass.observed.recorded.sending.as_ref();
    match sending.filter(|_| !is_refusal) {
        Some(sending) => format!("{version}/{generation}/{}", sending.at),
        None => format!("{version}/{generation}"),
    }
}

fn mark(pass: &Pass, code: &OneTimeCode) -> CodeView {
    match &pass.password {
        Some(password) => CodeView::There(code.mark(password, &pass.owner.uid)),
        None => CodeView::Absent {
            reason: "PasswordNotFound".to_owned(),
            message: "the account's password is not there".to_owned(),
            again: None,
        },
    }
}

/// A domain in the reader's words.
fn sender_of(sender: &str) -> String {
    if sender.contains('@') {
        sender.to_owned()
    } else {
        format!("@{sender}")
    }
}

fn after_read(spec: &MailboxSpec) -> AfterRead {
    let Some(after) = &spec.after_read else {
        return AfterRead::Keep;
    };
    match (after.action, &after.folder) {
        (AfterReadAction::MarkSeen, _) => AfterRead::MarkSeen,
        (AfterReadAction::Move, Some(folder)) => AfterRead::Move(folder.clone()),
        (AfterReadAction::Keep | AfterReadAction::Move, _) => AfterRead::Keep,
    }
}

fn unusable(error: &MailboxError) -> Finding {
    missing(error.reason(), error.to_string())
}

fn missing(reason: &str, message: String) -> Finding {
    Finding::new(CODE_RECEIVED, Truth::False, reason, message)
}
