//! Talking to identity APIs.
//!
//! A new identity API is one folder in here that implements [`IdentityApi`]. Nothing in here knows of
//! Kubernetes: what has to survive a restart leaves through [`session::LoginLedger`].

pub mod budget;
pub mod didit;
pub mod error;
pub mod http;
pub mod mailbox;
pub mod mark;
pub mod oauth2;
mod probe;
pub mod session;
pub mod token;

use async_trait::async_trait;
use secrecy::SecretString;

pub use error::{BrakeReason, CallError, ErrorKind, INVALID_APPLICATION_ID};

/// What Keywright needs of an identity API that keeps client applications.
///
/// Every call has a deadline and never panics on what the server answers. Calls that change something
/// report [`ErrorKind::Unknown`] when the change may have happened.
#[async_trait]
pub trait IdentityApi: Send + Sync {
    /// What this identity API can do, as a fact of its contract.
    fn capabilities(&self) -> Capabilities;

    /// The address of the API that workloads call with the application's key.
    fn workload_endpoint(&self) -> &str;

    /// Checks the credentials and says whom they belong to and which organization is used.
    async fn verify(&self) -> Result<VerifiedAccount, CallError>;

    /// Whether `id`, which a user has typed, has the form of an application's identifier. No call is made.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`] with reason [`INVALID_APPLICATION_ID`], and where to find the right one.
    fn check_application_id(&self, id: &str) -> Result<(), CallError>;

    /// All applications of the organization, oldest first as far as the API orders them.
    async fn list_applications(&self) -> Result<Vec<ApplicationSummary>, CallError>;

    /// One application with its credentials.
    async fn read_application(&self, id: &str) -> Result<Application, CallError>;

    /// Makes a new application. Not idempotent: after [`ErrorKind::Unknown`] look for it first.
    async fn create_application(&self, metadata: &ApplicationMetadata) -> Result<Application, CallError>;

    /// Changes the fields that are `Some`, leaves the others as they are, and returns the record after
    /// the change.
    async fn update_application(
        &self,
        id: &str,
        metadata: &ApplicationMetadata,
    ) -> Result<Application, CallError>;

    /// Asks the identity API, as cheaply as it allows, whether it accepts an application's key.
    async fn probe_key(&self, api_key: &SecretString) -> Result<KeyVerdict, CallError>;
}

/// What an identity API can do with applications and their credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// An application's key can be read again at any time, so a lost Secret can be rebuilt.
    pub read_api_key: bool,
    /// An application's key can be replaced.
    pub rotate_api_key: bool,
    /// An application can be deleted.
    pub delete_application: bool,
}

/// The account that a provider acts as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedAccount {
    /// The account's name at the identity API: for Didit its e-mail address.
    pub account: String,
    /// The organization whose applications are managed.
    pub organization: Organization,
}

/// An organization at the identity API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// Its identifier: for Didit a UUID.
    pub id: String,
    /// Its display name.
    pub name: String,
}

/// An application as a list shows it: without credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationSummary {
    /// Its identifier: for Didit a UUID.
    pub id: String,
    /// Its display name.
    pub name: String,
    /// Its description, where the list carries one. `None` says nothing about the record.
    pub description: Option<String>,
}

/// An application with its credentials.
#[derive(Clone, Debug)]
pub struct Application {
    /// Its identifier: for Didit a UUID. Never changes.
    pub id: String,
    /// Public OAuth 2.0 client identifier. Never changes.
    pub client_id: String,
    /// The application's key, its primary secret.
    pub api_key: SecretString,
    /// The fields that can be set; `None` where the record has none.
    pub metadata: ApplicationMetadata,
}

/// The fields of an application that a user can set. In a request `None` leaves a field alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApplicationMetadata {
    /// Display name.
    pub name: Option<String>,
    /// Address of the application's website.
    pub website_url: Option<String>,
    /// OAuth 2.0 redirect URIs (RFC 6749 section 3.1.2); a list that is given replaces the whole list.
    pub redirect_uris: Option<Vec<String>>,
    /// Address of the terms of service.
    pub terms_url: Option<String>,
    /// Address of the privacy policy.
    pub privacy_url: Option<String>,
    /// Internal description; carries the ownership [`mark`].
    pub description: Option<String>,
    /// Where the application's data is kept. Fixed when the application is made.
    pub data_location: Option<String>,
}

/// What the identity API says of an application's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyVerdict {
    /// It works.
    Accepted,
    /// It does not: wrong, revoked, expired, or not allowed from here.
    Refused {
        /// What the identity API said.
        message: String,
    },
}
