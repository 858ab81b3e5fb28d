//! What is known about one `ClientApplication` while it is reconciled, and what may be done about it.

use k8s_openapi::jiff::Timestamp;
use secrecy::SecretString;

use crate::api::client_application::{ClientApplicationSpec, ClientApplicationStatus, PublishedSecret};
use crate::api::token::{FulfilledRequests, TokenStatus};
use crate::controller::index::Consumer;
pub use crate::controller::owned_secret::{SecretContent, SecretView};
use crate::controller::token::findings::Trouble;
use crate::controller::token::need::Why;
use crate::controller::token::pauses::Pause;
use crate::controller::token::service::Obtained;
use crate::identity::mark::Mark;
use crate::identity::{Application, ApplicationMetadata, CallError, KeyVerdict};

/// Everything a decision rests on. Absence is a value here; what could not be observed is an error before.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The resource's metadata.
    pub resource: Resource,
    /// What the user asks for.
    pub spec: ClientApplicationSpec,
    /// What was recorded last.
    pub status: ClientApplicationStatus,
    /// The identity provider it names.
    pub provider: ProviderView,
    /// The Secret with the name that the spec gives.
    pub secret: SecretView,
    /// Other Secrets of the namespace that say they were written for this resource, besides the one that the
    /// spec names and the one that is recorded: a process that was killed may have left one.
    pub strays: Vec<String>,
    /// An older resource of the namespace that claims the same Secret.
    pub rival: Option<String>,
    /// The resource, perhaps of another namespace, that has the application which this one is to adopt.
    pub application_rival: Option<Consumer>,
    /// What its access token rests on, besides the application.
    pub token: TokenView,
    /// What this pass has learned of the identity API.
    pub learned: Learned,
    /// What went wrong in this pass; nothing further is tried in it.
    pub failure: Option<Failure>,
    /// Passes in a row that ended in a failure, before this one.
    pub earlier_failures: u32,
}

/// What the access token of a resource rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenView {
    /// The provider gives out tokens now, even if its account cannot log in.
    pub can_be_had: bool,
    /// The scopes that may be asked for; `None` means any.
    pub allowed_scopes: Option<Vec<String>>,
    /// What somebody asks for by annotation.
    pub requests: FulfilledRequests,
    /// Until when nothing is tried, because of an earlier failure.
    pub pause: Option<Pause>,
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
    /// When deletion was asked for.
    pub deletion: Option<Timestamp>,
    /// Whether Keywright's finalizer is on it.
    pub has_finalizer: bool,
    /// Identifier of this cluster.
    pub cluster: String,
}

impl Resource {
    /// The mark that an application held for this resource carries.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark {
            cluster: self.cluster.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            uid: self.uid.clone(),
        }
    }
}

/// The identity provider as this resource sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderView {
    /// It exists and its controller has not looked at it yet.
    Pending,
    /// There is none of that name.
    Missing,
    /// It is shared, and this namespace is not among those it allows.
    NotAllowed,
    /// It is shared, and the operator was told not to look after shared providers.
    TurnedOff,
    /// It cannot be used now.
    NotReady {
        /// Reason of its `Ready` condition.
        reason: String,
        /// Message of its `Ready` condition.
        message: String,
    },
    /// It only gives out tokens, and keeps no applications.
    TokensOnly,
    /// It can be used.
    Ready(UsableProvider),
}

/// What a resource needs to know of a provider that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsableProvider {
    /// The organization's identifier.
    pub organization_id: String,
    /// The address of the API that workloads call.
    pub api_url: String,
    /// Whether this namespace may adopt applications.
    pub allows_adoption: bool,
}

impl ProviderView {
    /// The provider, where it can be used.
    #[must_use]
    pub fn usable(&self) -> Option<&UsableProvider> {
        match self {
            Self::Ready(usable) => Some(usable),
            _ => None,
        }
    }
}

/// What one pass has learned of the identity API so far.
#[derive(Clone, Debug, Default)]
pub struct Learned {
    /// What a search for this resource's mark brought.
    pub search: Search,
    /// When that search began: it says nothing of what was made later.
    pub search_began: Option<Timestamp>,
    /// The application's record.
    pub application: Option<Application>,
    /// The identity API does not know the application.
    pub gone: bool,
    /// The record was changed in this pass.
    pub updated: bool,
    /// The intent to create was recorded in this pass, so no creation from an earlier one is under way.
    pub intent_recorded: bool,
    /// The Secret was written in this pass.
    pub published: bool,
    /// Why the API server does not take the Secret.
    pub secret_refused: Option<String>,
    /// What the identity API says of the key.
    pub verdict: Option<Result<KeyVerdict, CallError>>,
    /// The Secret of an earlier name was removed.
    pub retired: bool,
    /// The mark was taken off the application.
    pub released: bool,
    /// Why it is not known which application is to be adopted.
    pub adoption_waits: Option<AdoptionWaits>,
    /// What it has learned of the access token.
    pub token: LearnedOfToken,
}

/// Why it is not known which application is to be adopted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdoptionWaits {
    /// CamelCase reason.
    pub reason: &'static str,
    /// A sentence.
    pub message: String,
}

/// What one pass has learned of the access token.
#[derive(Clone, Debug, Default)]
pub struct LearnedOfToken {
    /// A token that is to be published.
    pub obtained: Option<Obtained>,
    /// One was published in this pass.
    pub published: bool,
    /// Why none was got.
    pub trouble: Option<Trouble>,
    /// The Secret is of an earlier form, in which the credentials beside the token cannot be found.
    pub unreadable: bool,
}

/// The outcome of looking for an application that carries this resource's mark.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Search {
    /// Nobody looked yet.
    #[default]
    NotLooked,
    /// There is none.
    Nothing,
    /// It was made for this resource.
    Mine(String),
    /// It was made for an earlier resource of the same name.
    Predecessor(String),
}

/// Which records a search reads, where the list of applications carries no descriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Candidates {
    /// All of them: the identity API, or somebody, may have changed the name of a lost application.
    All,
    /// Those with this display name, white space at its ends and case aside.
    Named(String),
}

/// A step that failed at the identity API.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What was tried.
    pub step: StepKind,
    /// What came back.
    pub error: CallError,
}

/// One thing to do. Every step may be repeated after a crash at any moment.
#[derive(Clone, Debug)]
pub enum Step {
    /// Put the finalizer on the resource.
    AddFinalizer,
    /// Write the planned status now, before going on.
    RecordStatus,
    /// Look for an application that carries this resource's mark.
    FindMarked(Candidates),
    /// Make the application.
    Create {
        /// What it is made with.
        metadata: ApplicationMetadata,
        /// When the call is cut off: past it, another process might take its intent for settled too early.
        deadline: Timestamp,
    },
    /// Read the application's record.
    Read(String),
    /// Change the application's record.
    Update(String, ApplicationMetadata),
    /// Write the Secret from this record.
    WriteSecret(Box<Application>),
    /// Get an access token.
    ObtainToken(Why),
    /// Write the Secret again: its own credentials, with the token that was obtained or without one.
    RewriteSecret,
    /// Ask the identity API whether it accepts this key.
    Probe(SecretString),
    /// Remove the Secret that was written under this earlier name.
    RetireSecret(String),
    /// Remove a Secret of this name if Keywright wrote it, which no status recorded.
    RetireStray(String),
    /// Take the mark off the application.
    Release(String, ApplicationMetadata),
    /// Take the finalizer off the resource, which ends it.
    RemoveFinalizer {
        /// What stays behind at the identity API, for an event and the log.
        left_behind: Option<String>,
    },
}

/// The kinds of [`Step`], for failures and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the step of the same name")]
pub enum StepKind {
    AddFinalizer,
    RecordStatus,
    FindMarked,
    Create,
    Read,
    Update,
    WriteSecret,
    ObtainToken,
    RewriteSecret,
    Probe,
    RetireSecret,
    RetireStray,
    Release,
    RemoveFinalizer,
}

impl Step {
    /// Which kind of step it is.
    #[must_use]
    pub fn kind(&self) -> StepKind {
        match self {
            Self::AddFinalizer => StepKind::AddFinalizer,
            Self::RecordStatus => StepKind::RecordStatus,
            Self::FindMarked(_) => StepKind::FindMarked,
            Self::Create { .. } => StepKind::Create,
            Self::Read(_) => StepKind::Read,
            Self::Update(..) => StepKind::Update,
            Self::WriteSecret(_) => StepKind::WriteSecret,
            Self::ObtainToken(_) => StepKind::ObtainToken,
            Self::RewriteSecret => StepKind::RewriteSecret,
            Self::Probe(_) => StepKind::Probe,
            Self::RetireSecret(_) => StepKind::RetireSecret,
            Self::RetireStray(_) => StepKind::RetireStray,
            Self::Release(..) => StepKind::Release,
            Self::RemoveFinalizer { .. } => StepKind::RemoveFinalizer,
        }
    }
}

/// What a step that succeeded has shown.
#[derive(Clone, Debug)]
pub enum Evidence {
    /// The finalizer is on the resource.
    FinalizerAdded,
    /// The status is recorded.
    StatusRecorded(Box<ClientApplicationStatus>),
    /// The search has ended.
    Searched {
        /// What it brought.
        found: Search,
        /// When it began.
        began: Timestamp,
    },
    /// The application was made.
    Created(Application),
    /// The record, or that there is none.
    Read(Option<Application>),
    /// The record after a change.
    Updated(Application),
    /// The Secret as it stands after the write.
    SecretWritten {
        /// What is recorded of it.
        published: PublishedSecret,
        /// The access token in it.
        token: Option<Box<TokenStatus>>,
    },
    /// What the Secret holds cannot be used any more.
    SecretUnreadable,
    /// A token was obtained.
    TokenObtained(Box<Obtained>),
    /// None was.
    TokenFailed(Trouble),
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
    /// What the identity API says of the key, or why it could not say.
    Probed(Result<KeyVerdict, CallError>),
    /// The earlier Secret is gone.
    SecretRetired,
    /// No Secret of this name that Keywright wrote is left.
    StrayRetired(String),
    /// The mark is off.
    Released,
    /// The resource has ended.
    FinalizerRemoved,
}

impl Observed {
    /// Takes in what a step has shown.
    pub fn absorb(&mut self, evidence: Evidence) {
        match evidence {
            Evidence::FinalizerAdded => self.resource.has_finalizer = true,
            Evidence::StatusRecorded(status) => {
                self.learned.intent_recorded |= status.pending_creation.is_some();
                self.status = *status;
            }
            Evidence::Searched { found, began } => {
                self.learned.search = found;
                self.learned.search_began = Some(began);
            }
            Evidence::Created(application) | Evidence::Read(Some(application)) => {
                self.learned.application = Some(application);
            }
            Evidence::Read(None) => self.learned.gone = true,
            Evidence::Updated(application) => {
                self.learned.application = Some(application);
                self.learned.updated = true;
            }
            Evidence::SecretWritten { published, token } => {
                self.secret = SecretView::Ours {
                    published,
                    content: SecretContent::Current,
                    token,
                };
                self.learned.published = true;
                self.learned.token.published |= self.learned.token.obtained.take().is_some();
            }
            // What workloads read from it is good all the same.
            Evidence::SecretUnreadable if self.secret.is_valid() && !self.secret.is_current() => {
                self.learned.token.unreadable = true;
            }
            Evidence::SecretUnreadable => self.secret.spoil(),
            Evidence::TokenObtained(obtained) => self.learned.token.obtained = Some(*obtained),
            Evidence::TokenFailed(trouble) => self.learned.token.trouble = Some(trouble),
            Evidence::SecretForeign { owner } => self.secret = SecretView::Foreign { owner },
            Evidence::SecretRefused { message } => self.learned.secret_refused = Some(message),
            Evidence::Probed(verdict) => self.learned.verdict = Some(verdict),
            Evidence::SecretRetired => self.learned.retired = true,
            Evidence::StrayRetired(name) => self.strays.retain(|stray| *stray != name),
            Evidence::Released => self.learned.released = true,
            Evidence::FinalizerRemoved => self.resource.has_finalizer = false,
        }
    }
}
