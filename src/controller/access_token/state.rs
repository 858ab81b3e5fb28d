//! What is known about one `AccessToken` while it is reconciled, and what may be done about it.

use k8s_openapi::jiff::Timestamp;

use crate::api::access_token::{AccessTokenSpec, AccessTokenStatus};
use crate::api::client_application::PublishedSecret;
use crate::api::token::{FulfilledRequests, TokenStatus};
use crate::controller::owned_secret::{SecretContent, SecretView};
use crate::controller::token::findings::Trouble;
use crate::controller::token::need::Why;
use crate::controller::token::pauses::Pause;
use crate::controller::token::service::Obtained;

/// Everything a decision rests on. Absence is a value here; what could not be observed is an error before.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The resource's metadata.
    pub resource: Resource,
    /// What the user asks for.
    pub spec: AccessTokenSpec,
    /// What was recorded last.
    pub status: AccessTokenStatus,
    /// The identity provider it names.
    pub provider: ProviderView,
    /// The client it names.
    pub client: ClientView,
    /// The Secret with the name that the spec gives.
    pub secret: SecretView,
    /// The resource that the Secret is reserved for instead.
    pub rival: Option<String>,
    /// Other Secrets of the namespace that were written for this resource.
    pub strays: Vec<String>,
    /// What this pass has learned.
    pub learned: Learned,
    /// What went wrong in this pass; nothing further is tried in it.
    pub failure: Option<Failure>,
    /// What went wrong in an earlier pass, and until when nothing is tried because of it.
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
    /// Whether the finalizer that keeps it until its token is revoked is on it.
    pub has_finalizer: bool,
    /// What somebody asks for by annotation.
    pub requests: FulfilledRequests,
}

/// The identity provider as this resource sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderView {
    /// Its controller has not looked at it yet.
    Pending,
    /// It cannot be used now.
    NotUsable {
        /// CamelCase reason.
        reason: String,
        /// A sentence that says what to do.
        message: String,
    },
    /// It can be used.
    Usable(UsableProvider),
}

/// What a resource needs to know of a provider that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsableProvider {
    /// Digest of the server that gives out its tokens.
    pub server_digest: String,
    /// The scopes that may be asked for; `None` means any.
    pub allowed_scopes: Option<Vec<String>>,
    /// Whether the account's own token may be had.
    pub allows_account_tokens: bool,
    /// Whether it has an account of its own at all.
    pub has_account: bool,
}

/// The client that the token is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientView {
    /// Its credentials are there.
    Ready {
        /// Its identifier.
        client_id: String,
    },
    /// They are not.
    NotReady(Trouble),
}

/// What one pass has learned so far.
#[derive(Clone, Debug, Default)]
pub struct Learned {
    /// A token that is to be published.
    pub obtained: Option<Obtained>,
    /// A token was published in this pass.
    pub published: bool,
    /// Why it was asked for.
    pub why: Option<Why>,
    /// What was to be revoked is worthless, or cannot be revoked, for the reason given.
    pub revoked: Option<Result<(), String>>,
    /// Why the API server does not take the Secret.
    pub secret_refused: Option<String>,
    /// The Secret of an earlier name was removed.
    pub retired: bool,
}

/// A step that failed at the server.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What it means.
    pub trouble: Trouble,
}

/// One thing to do. Every step may be repeated after a crash at any moment.
#[derive(Clone, Debug)]
pub enum Step {
    /// Put the finalizer on the resource.
    AddFinalizer,
    /// Get a token.
    Obtain {
        /// Why.
        why: Why,
    },
    /// Write the Secret: with the token that was obtained, or with the one that it holds in another form.
    WriteSecret,
    /// Make the replaced token worthless.
    RevokeReplaced,
    /// Make the published token worthless, and what else was given out for it.
    RevokePublished,
    /// Remove the Secret that was written under this earlier name.
    RetireSecret(String),
    /// Remove a Secret of this name if Keywright wrote it, which no status recorded.
    RetireStray(String),
    /// Take the finalizer off the resource.
    RemoveFinalizer {
        /// What stays behind at the server, for an event and the log.
        left_behind: Option<String>,
    },
}

impl Step {
    /// Its name in logs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::AddFinalizer => "add finalizer",
            Self::Obtain { .. } => "obtain token",
            Self::WriteSecret => "write secret",
            Self::RevokeReplaced => "revoke replaced token",
            Self::RevokePublished => "revoke published token",
            Self::RetireSecret(_) => "retire secret",
            Self::RetireStray(_) => "retire stray",
            Self::RemoveFinalizer { .. } => "remove finalizer",
        }
    }
}

/// What a step has shown.
#[derive(Clone, Debug)]
pub enum Evidence {
    /// The finalizer is on the resource.
    FinalizerAdded,
    /// A token was obtained.
    Obtained {
        /// The token.
        obtained: Box<Obtained>,
        /// Why it was asked for.
        why: Why,
    },
    /// An earlier pass has replaced the token that is to be revoked.
    AlreadyReplaced,
    /// The Secret as it stands after the write.
    SecretWritten {
        /// What is recorded of it.
        published: PublishedSecret,
        /// The token in it.
        token: Box<TokenStatus>,
    },
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
    /// What the Secret held cannot be read back: another token is needed.
    TokenLost,
    /// The token is worthless, or cannot be revoked for that reason.
    Revoked(Result<(), String>),
    /// The earlier Secret is gone.
    SecretRetired,
    /// The stray of this name is gone.
    StrayRetired(String),
    /// The finalizer is off.
    FinalizerRemoved,
    /// The step failed at the server.
    Failed(Trouble),
}

impl Observed {
    /// Takes in what a step has shown.
    pub fn absorb(&mut self, evidence: Evidence) {
        match evidence {
            Evidence::FinalizerAdded => self.resource.has_finalizer = true,
            Evidence::Obtained { obtained, why } => {
                self.learned.obtained = Some(*obtained);
                self.learned.why = Some(why);
            }
            Evidence::SecretWritten { published, token } => {
                self.secret = SecretView::Ours {
                    published,
                    content: SecretContent::Current,
                    token: Some(token),
                };
                self.learned.published |= self.learned.obtained.take().is_some();
            }
            Evidence::AlreadyReplaced => {
                self.learned.published = true;
                self.learned.why = Some(Why::RevocationRequested);
            }
            Evidence::SecretForeign { owner } => self.secret = SecretView::Foreign { owner },
            Evidence::SecretRefused { message } => self.learned.secret_refused = Some(message),
            Evidence::TokenLost => self.secret.lose_token(),
            Evidence::Revoked(outcome) => self.learned.revoked = Some(outcome),
            Evidence::SecretRetired => self.learned.retired = true,
            Evidence::StrayRetired(name) => self.strays.retain(|stray| *stray != name),
            Evidence::FinalizerRemoved => self.resource.has_finalizer = false,
            Evidence::Failed(trouble) => self.failure = Some(Failure { trouble }),
        }
    }

    /// The token that the Secret holds, intact.
    #[must_use]
    pub fn published(&self) -> Option<&TokenStatus> {
        self.secret.token()
    }
}
