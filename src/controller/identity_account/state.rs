//! What is known about one `IdentityAccount` while it is reconciled, and what may be done about it.

use k8s_openapi::jiff::Timestamp;

use crate::api::client_application::PublishedSecret;
use crate::api::conditions::Finding;
use crate::api::identity_account::{IdentityAccountSpec, IdentityAccountStatus, RegistrationCall};
use crate::api::token::{FulfilledRequests, TokenStatus};
use crate::controller::index::Place;
pub use crate::controller::owned_secret::{SecretContent, SecretView};
use crate::controller::token::findings::Trouble;
use crate::controller::token::need::Why;
use crate::controller::token::pauses::Pause;
use crate::controller::token::service::Obtained;
use crate::credential::onboarding::{HourlyBudget, LoginOutcome, Outcome, Password, Recorded};

/// Everything a decision rests on.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The resource's metadata.
    pub resource: Resource,
    /// What the user asks for.
    pub spec: IdentityAccountSpec,
    /// What was recorded last.
    pub status: IdentityAccountStatus,
    /// What is known of the sign-up now.
    pub recorded: Recorded,
    /// Some of that is not recorded yet.
    pub is_unrecorded: bool,
    /// The Secret with the name that the spec gives.
    pub secret: SecretView,
    /// The Secret of an earlier name, where the one that the spec names is not there.
    pub earlier_secret: Option<SecretView>,
    /// Other Secrets of the namespace that were written for this resource.
    pub strays: Vec<String>,
    /// An older resource of the namespace that claims the same Secret.
    pub rival: Option<String>,
    /// An older resource for the same address at the same identity API.
    pub claimant: Option<Place>,
    /// The Secret holds another password than the one that `spec.passwordSecretRef` names.
    pub is_password_outdated: bool,
    /// What calls are made with.
    pub inputs: Inputs,
    /// Whether all accounts are known, so that the budget is.
    pub is_budget_known: bool,
    /// What is left of the hourly limit.
    pub budget: HourlyBudget,
    /// The code, as far as somebody has looked.
    pub code: CodeView,
    /// Whether nobody tells when the Secret changes that a person puts the code in.
    pub is_code_polled: bool,
    /// Value of the annotation that asks for a code.
    pub code_request: Option<String>,
    /// The brake on logins ends then.
    pub login_braked_until: Option<Timestamp>,
    /// What the management token rests on.
    pub token: TokenView,
    /// What this pass has learned.
    pub learned: Learned,
}

/// The part of the resource's metadata that decisions need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// Generation of the spec.
    pub generation: i64,
    /// Whether deletion was asked for.
    pub is_deleted: bool,
}

/// What calls are made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inputs {
    /// Nothing was read: there is no call to make.
    NotNeeded,
    /// Something is missing.
    Unusable(Box<Finding>),
    /// Everything is there, or is to be made.
    Ready {
        /// Where the password is.
        password: Password,
        /// Version of the password and the address: see `Facts::inputs_version`.
        version: String,
    },
}

/// The code, as far as somebody has looked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodeView {
    /// Nobody has looked in this pass.
    NotLooked,
    /// The mailbox is not looked into before this time.
    Later {
        /// That time.
        until: Timestamp,
        /// Why the last look could not read it.
        unreadable: Option<Box<Finding>>,
    },
    /// There is none.
    Absent {
        /// Why, as a CamelCase word.
        reason: String,
        /// Why, and what to do.
        message: String,
        /// When to look again.
        again: Option<Timestamp>,
    },
    /// The mailbox cannot be read.
    Unreadable {
        /// Why, and what to do.
        finding: Box<Finding>,
        /// When to look again.
        again: Timestamp,
    },
    /// There is one: its mark.
    There(String),
}

/// What the management token of an account rests on, besides the account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenView {
    /// What somebody asks for by annotation.
    pub requests: FulfilledRequests,
    /// Until when nothing is tried, because of an earlier failure.
    pub pause: Option<Pause>,
}

/// What one pass has learned so far.
#[derive(Clone, Debug, Default)]
pub struct Learned {
    /// This pass recorded the call that is pending, and has not sent it.
    pub is_own_intent: bool,
    /// What went wrong with a call, as a sentence.
    pub trouble: Option<String>,
    /// The brake on logins, as a sentence.
    pub brake: Option<String>,
    /// The Secret was written in this pass.
    pub is_published: bool,
    /// What the Secret holds cannot be read.
    pub is_unreadable: bool,
    /// Why the API server does not take the Secret.
    pub secret_refused: Option<String>,
    /// The Secret of an earlier name was removed.
    pub is_retired: bool,
    /// The mail with the code was marked or moved, or that was tried.
    pub is_settled: bool,
    /// A mail was found whose code was taken.
    pub has_mail: bool,
    /// A token that is to be published.
    pub obtained: Option<Obtained>,
    /// One was published in this pass.
    pub token_published: bool,
    /// Why none was got.
    pub token_trouble: Option<Trouble>,
}

/// The identifiers of what came with an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identifiers {
    /// Of the organization.
    pub organization_id: Option<String>,
    /// Of the application.
    pub application_id: Option<String>,
    /// The application's OAuth 2.0 client identifier.
    pub client_id: Option<String>,
}

/// One thing to do. Every step may be repeated after a crash at any moment.
#[derive(Clone, Debug)]
pub enum Step {
    /// Make a password and write it into the account's Secret.
    StorePassword,
    /// Write the planned status now, before going on.
    RecordStatus,
    /// Record that a call is about to be made, if the budget still has room for it.
    RecordIntent(RegistrationCall),
    /// Make the call that is recorded.
    Call(RegistrationCall),
    /// Take a call that an earlier process began for one whose outcome nobody knows.
    Abandon,
    /// Log in and read what belongs to the account.
    LogIn,
    /// Take what the Secret holds for recorded: a process was killed after it wrote it.
    TakeInSaved,
    /// Look whether there is a code: in the Secret that it is put into by hand, or in the mailbox.
    LookForCode,
    /// Mark or move the mail whose code was taken.
    SettleMail,
    /// Get a management token.
    ObtainToken(Why),
    /// Write the Secret again from what it holds, with the token that was obtained or without one.
    RewriteSecret,
    /// Remove the Secret that was written under this earlier name.
    RetireSecret(String),
    /// Remove a Secret of this name if Keywright wrote it, which no status recorded.
    RetireStray(String),
}

impl Step {
    /// Its name in logs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::StorePassword => "store_password",
            Self::RecordStatus => "record_status",
            Self::RecordIntent(_) => "record_intent",
            Self::Call(_) => "call",
            Self::Abandon => "abandon",
            Self::LogIn => "log_in",
            Self::TakeInSaved => "take_in_saved",
            Self::LookForCode => "look_for_code",
            Self::SettleMail => "settle_mail",
            Self::ObtainToken(_) => "obtain_token",
            Self::RewriteSecret => "rewrite_secret",
            Self::RetireSecret(_) => "retire_secret",
            Self::RetireStray(_) => "retire_stray",
        }
    }
}

/// What a step has shown.
#[derive(Clone, Debug)]
pub enum Evidence {
    /// The status is recorded.
    StatusRecorded(Box<IdentityAccountStatus>),
    /// The intent is recorded.
    IntentRecorded(Box<IdentityAccountStatus>),
    /// Others have used the budget meanwhile.
    BudgetChanged(HourlyBudget),
    /// The call that was recorded has ended.
    CallEnded {
        /// How.
        outcome: Outcome,
        /// What went wrong, as a sentence.
        trouble: Option<String>,
        /// The Secret, where the address is verified.
        saved: Option<Box<Saved>>,
        /// When.
        at: Timestamp,
    },
    /// No login was made: the brake of an earlier one holds.
    LoginBraked {
        /// Until then.
        until: Timestamp,
        /// Why, as a sentence.
        message: String,
    },
    /// The login has ended.
    LoginEnded {
        /// How.
        outcome: LoginOutcome,
        /// The brake that it put on ends then.
        braked_until: Option<Timestamp>,
        /// What went wrong, as a sentence.
        trouble: Option<String>,
        /// The Secret, where it worked.
        saved: Option<Box<Saved>>,
        /// When.
        at: Timestamp,
    },
    /// The Secret holds what belongs to the account already.
    SavedFound(Identifiers),
    /// Somebody has looked for a code.
    CodeLookedFor(CodeView),
    /// What was to be done with the mail is done, or cannot be.
    MailSettled,
    /// The Secret as it stands after the write.
    SecretWritten(Box<Saved>),
    /// What the Secret holds cannot be used any more.
    SecretUnreadable,
    /// The Secret turned out to belong to someone else.
    SecretForeign {
        /// Who that is.
        owner: String,
    },
    /// The API server does not take the Secret.
    SecretRefused {
        /// What it said.
        message: String,
    },
    /// The password is in the account's Secret.
    PasswordStored {
        /// The Secret.
        saved: Box<Saved>,
        /// Version of the password.
        version: String,
    },
    /// A token was obtained.
    TokenObtained(Box<Obtained>),
    /// None was.
    TokenFailed(Trouble),
    /// The earlier Secret is gone.
    SecretRetired,
    /// No Secret of this name that Keywright wrote is left.
    StrayRetired(String),
}

impl Evidence {
    /// Why a Secret was not written.
    #[must_use]
    pub fn words(&self) -> &str {
        match self {
            Self::SecretForeign { owner } => owner,
            Self::SecretRefused { message } => message,
            _ => "",
        }
    }
}

/// A Secret that was written.
#[derive(Clone, Debug)]
pub struct Saved {
    /// What is recorded of it.
    pub published: PublishedSecret,
    /// The token in it.
    pub token: Option<TokenStatus>,
    /// What is in it; `None` where that has not changed.
    pub identifiers: Option<Identifiers>,
}

impl Observed {
    /// The Secret holds all that belongs to a verified account, whatever its form, and it can be read.
    #[must_use]
    pub fn holds_account(&self) -> bool {
        let holds = |view: &SecretView| match view {
            SecretView::Ours { published, .. } if view.is_valid() => {
                !published.application_digest.is_empty()
                    || (self.recorded.verified && self.status.application_id.is_none())
            }
            _ => false,
        };
        if self.learned.is_unreadable {
            return false;
        }
        holds(&self.secret) || self.earlier_secret.as_ref().is_some_and(holds)
    }

    /// Mark of the code that is there.
    #[must_use]
    pub fn mark(&self) -> Option<&str> {
        match &self.code {
            CodeView::There(mark) => Some(mark),
            _ => None,
        }
    }

    /// Version of the password and the address.
    #[must_use]
    pub fn inputs_version(&self) -> &str {
        match &self.inputs {
            Inputs::Ready { version, .. } => version,
            Inputs::NotNeeded | Inputs::Unusable(_) => "",
        }
    }

    /// Takes in what a step has shown.
    pub fn absorb(&mut self, evidence: Evidence) {
        match evidence {
            Evidence::StatusRecorded(status) => {
                self.status = *status;
                self.is_unrecorded = false;
            }
            Evidence::IntentRecorded(status) => {
                self.recorded = Recorded::of(&status);
                self.status = *status;
                self.learned.is_own_intent = true;
                self.is_unrecorded = false;
            }
            Evidence::BudgetChanged(budget) => self.budget = budget,
            Evidence::CallEnded {
                outcome,
                trouble,
                saved,
                at,
            } => {
                self.recorded = self.recorded.after(&outcome, self.inputs_version(), at);
                self.is_unrecorded = true;
                self.learned.is_own_intent = false;
                self.learned.trouble = trouble;
                // What was there was for the call, and another code may have come meanwhile.
                self.code = CodeView::NotLooked;
                self.take_in(saved);
            }
            Evidence::LoginBraked { until, message } => {
                self.login_braked_until = Some(until);
                self.learned.brake = Some(message);
            }
            Evidence::LoginEnded {
                outcome,
                braked_until,
                trouble,
                saved,
                at,
            } => {
                self.login_braked_until = braked_until.or(self.login_braked_until);
                let request = self.code_request.as_deref();
                self.recorded = self
                    .recorded
                    .after_login(&outcome, self.inputs_version(), request, at);
                self.is_unrecorded = true;
                self.learned.trouble = trouble;
                self.take_in(saved);
            }
            Evidence::SavedFound(identifiers) => {
                self.recorded.verified = true;
                self.recorded.pending = None;
                self.recorded.login_needed = None;
                self.recorded.stopped = None;
                self.is_unrecorded = true;
                self.name(identifiers);
            }
            Evidence::CodeLookedFor(view) => {
                self.learned.has_mail =
                    self.spec.code.mailbox.is_some() && matches!(view, CodeView::There(_));
                self.code = view;
            }
            Evidence::MailSettled => self.learned.is_settled = true,
            Evidence::SecretWritten(saved) => self.take_in(Some(saved)),
            Evidence::PasswordStored { saved, version } => {
                self.take_in(Some(saved));
                self.inputs = Inputs::Ready {
                    password: Password::Present,
                    version,
                };
            }
            Evidence::SecretUnreadable => self.learned.is_unreadable = true,
            Evidence::SecretForeign { owner } => self.secret = SecretView::Foreign { owner },
            Evidence::SecretRefused { message } => self.learned.secret_refused = Some(message),
            Evidence::TokenObtained(obtained) => self.learned.obtained = Some(*obtained),
            Evidence::TokenFailed(trouble) => self.learned.token_trouble = Some(trouble),
            Evidence::SecretRetired => self.learned.is_retired = true,
            Evidence::StrayRetired(name) => self.strays.retain(|stray| *stray != name),
        }
    }

    fn take_in(&mut self, saved: Option<Box<Saved>>) {
        let Some(saved) = saved else { return };
        self.learned.token_published |= self.learned.obtained.take().is_some();
        self.learned.is_published = true;
        self.learned.is_unreadable = false;
        self.is_password_outdated = false;
        self.secret = SecretView::Ours {
            published: saved.published,
            content: SecretContent::Current,
            token: saved.token.map(Box::new),
        };
        if let Some(identifiers) = saved.identifiers {
            self.name(identifiers);
        }
    }

    fn name(&mut self, identifiers: Identifiers) {
        self.status.organization_id = identifiers.organization_id;
        self.status.application_id = identifiers.application_id;
        self.status.client_id = identifiers.client_id;
    }
}
