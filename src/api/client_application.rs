//! `ClientApplication`: a client application at an identity API, and the Secret with its credentials.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::provider::AccountReference;
use super::rule;
use super::secret::SecretTemplate;
use super::token::{FulfilledRequests, TokenSettings, TokenStatus};

/// The identity provider can be used.
pub const PROVIDER_READY: &str = "ProviderReady";
/// The application exists at the identity API as the resource describes it.
pub const PROVISIONED: &str = "Provisioned";
/// The Secret holds the application's credentials.
pub const SECRET_SYNCED: &str = "SecretSynced";
/// Present while `spec.suspend` is true.
pub const SUSPENDED: &str = "Suspended";
/// The identity API accepts the published key.
pub const KEY_ACCEPTED: &str = "KeyAccepted";

/// A client application to provision or adopt at an identity API, and the Secret that gets its `client_id`
/// and API key.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Deserialize, Serialize)]
#[kube(
    group = "keywright.dev",
    version = "v1alpha1",
    kind = "ClientApplication",
    namespaced,
    status = "ClientApplicationStatus",
    shortname = "capp",
    category = "keywright",
    derive = "PartialEq",
    doc = "A client application at an identity API. Keywright provisions it, or adopts an existing one, and writes its credentials into a Secret that workloads mount.",
    selectable = ".spec.providerRef.name",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status",
        description = "Whether the Secret holds working credentials"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason",
        description = "Why, in one word"
    ),
    printcolumn(
        name = "Provider",
        type_ = "string",
        json_path = ".spec.providerRef.name",
        description = "The identity provider"
    ),
    printcolumn(
        name = "Client ID",
        type_ = "string",
        json_path = ".status.clientId",
        description = "OAuth 2.0 client identifier"
    ),
    printcolumn(
        name = "Expires",
        type_ = "string",
        json_path = ".status.token.expiresAt",
        description = "When the published access token expires"
    ),
    printcolumn(
        name = "Refresh",
        type_ = "string",
        json_path = ".status.token.refreshAt",
        description = "When the access token is refreshed"
    ),
    printcolumn(
        name = "Secret",
        type_ = "string",
        json_path = ".spec.secret.name",
        description = "The Secret to mount"
    ),
    printcolumn(
        name = "Application ID",
        type_ = "string",
        json_path = ".status.applicationId",
        description = "The application's identifier at the identity API",
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        description = "What is, and what to do",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = rule(
        "self.providerRef == oldSelf.providerRef",
        "spec.providerRef cannot change: an application stays where it was made. Create another ClientApplication instead",
    ),
    validation = rule(
        "(has(self.didit) && has(self.didit.dataLocation) ? self.didit.dataLocation : '') == (has(oldSelf.didit) && has(oldSelf.didit.dataLocation) ? oldSelf.didit.dataLocation : '')",
        "spec.didit.dataLocation cannot change: Didit fixes it when the application is made. Create another ClientApplication instead",
    ),
    validation = rule(
        "!has(oldSelf.adopt) || (has(self.adopt) && self.adopt == oldSelf.adopt)",
        "spec.adopt cannot change once it is set. Create another ClientApplication to adopt another application",
    ),
    validation = rule(
        "!has(self.secret.keys) || !(has(self.secret.keys.email) || has(self.secret.keys.password))",
        "spec.secret.keys: the Secret of a ClientApplication holds no email and no password. They stand in the Secret of the account",
    ),
    validation = rule(
        "self.secret.name != oldSelf.secret.name || (has(self.secret.type) ? self.secret.type : 'Opaque') == (has(oldSelf.secret.type) ? oldSelf.secret.type : 'Opaque')",
        "spec.secret.type cannot change while spec.secret.name stays: Kubernetes does not let a Secret change its type. Choose another name as well",
    ),
    validation = rule(
        "!has(self.accessToken) || !has(self.accessToken.revocationPolicy) || self.accessToken.revocationPolicy == 'Never'",
        "spec.accessToken.revocationPolicy: only Never is possible, since Didit offers no call that revokes a token",
    ),
    validation = rule(
        "!has(self.deletionPolicy) || self.deletionPolicy == 'Retain'",
        "spec.deletionPolicy: only Retain is possible, since Didit offers no call that deletes an application. On deletion Keywright removes its Secret and its mark, and the application stays",
    ),
)]
#[serde(rename_all = "camelCase")]
pub struct ClientApplicationSpec {
    /// The identity provider to use. Cannot change.
    pub provider_ref: ProviderReference,

    /// Display name of the application at the identity API. When absent, a new application gets the
    /// resource's name, and the name is left alone from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    #[x_kube(validation = rule(
        "self == self.trim()",
        "displayName may not begin or end with white space, which Didit takes off",
    ))]
    pub display_name: Option<String>,

    /// Settings of the application at Didit. A field that is set is kept as it stands here; a field that is
    /// absent is never touched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub didit: Option<DiditApplication>,

    /// Take an application that already exists instead of making one. May be added later, cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<Adoption>,

    /// The Secret to write. Its labels and annotations are those that stand here: none are copied from this resource.
    pub secret: SecretTemplate,

    /// Keep an access token of this application fresh in the same Secret. When absent, the Secret holds the
    /// application's credentials only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token: Option<TokenSettings>,

    /// What becomes of the application when this resource is deleted: `Retain`, also when absent. The application
    /// stays at the identity API, without Keywright's mark. `Delete` is refused, since Didit offers no way to delete
    /// one. The Secret is removed in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,

    /// While true, nothing is called and nothing is written for this resource; what was published stays.
    /// Deleting the resource still works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

/// Which identity provider to use.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderReference {
    /// `IdentityProvider` (in the same namespace) or `ClusterIdentityProvider`.
    pub kind: ProviderKind,
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// The kinds of identity provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
pub enum ProviderKind {
    /// In the same namespace.
    IdentityProvider,
    /// Shared by the namespaces that it allows.
    ClusterIdentityProvider,
}

impl ProviderKind {
    /// The kind's name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IdentityProvider => "IdentityProvider",
            Self::ClusterIdentityProvider => "ClusterIdentityProvider",
        }
    }
}

/// What Didit keeps of an application beside its credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiditApplication {
    /// Address of the application's website.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = rule(
        "isURL(self) && url(self).getScheme() in ['https', 'http']",
        "websiteUrl must be an absolute address that starts with https:// or http://",
    ))]
    pub website_url: Option<String>,

    /// OAuth 2.0 redirect URIs. The whole list is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 2048)))]
    #[x_kube(validation = rule(
        "self.all(uri, isURL(uri) && url(uri).getScheme() != '' && !uri.contains('#'))",
        "redirectUris must be absolute URIs without a fragment (RFC 6749 section 3.1.2)",
    ))]
    pub redirect_uris: Option<Vec<String>>,

    /// Address of the terms of service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = rule(
        "isURL(self) && url(self).getScheme() in ['https', 'http']",
        "termsUrl must be an absolute address that starts with https:// or http://",
    ))]
    pub terms_url: Option<String>,

    /// Address of the privacy policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = rule(
        "isURL(self) && url(self).getScheme() in ['https', 'http']",
        "privacyUrl must be an absolute address that starts with https:// or http://",
    ))]
    pub privacy_url: Option<String>,

    /// Internal description, not shown to end users. Keywright's ownership mark stands on a line of its own
    /// below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = rule(
        "!self.contains('[keywright ')",
        "description may not contain \"[keywright \": that begins the ownership mark, which Keywright writes itself",
    ))]
    #[x_kube(validation = rule(
        "self == self.trim()",
        "description may not begin or end with white space, which Didit takes off",
    ))]
    pub description: Option<String>,

    /// Where Didit keeps the application's data, for example `eu`. Fixed when the application is made: it
    /// cannot be added, changed or removed later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub data_location: Option<String>,
}

/// An application that already exists, by exactly one of its identifier and the account that it came with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[x_kube(validation = rule(
    "has(self.applicationId) != has(self.accountRef)",
    "adopt needs exactly one of applicationId and accountRef",
))]
#[serde(rename_all = "camelCase")]
pub struct Adoption {
    /// Identifier of the application at the identity API: for Didit its UUID, which the console shows in the
    /// application's settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9_-]+$"))]
    pub application_id: Option<String>,

    /// The `IdentityAccount` of the same namespace whose application is taken, once its address is verified. The
    /// provider has to manage the organization of that account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_ref: Option<AccountReference>,
}

/// What becomes of the application when its resource is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum DeletionPolicy {
    /// It stays at the identity API, without Keywright's mark.
    Retain,
    /// It is deleted at the identity API. No identity API that is supported today can do that.
    Delete,
}

/// What is true of a `ClientApplication` now.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientApplicationStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// `Ready`, and one condition for each stage: `ProviderReady`, `Provisioned`, `SecretSynced`,
    /// `KeyAccepted`; with an access token also `TokenFresh`, `TokenAsRequested` and
    /// `LifetimeSufficient`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,

    /// The application's identifier at the identity API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_id: Option<String>,

    /// The application's OAuth 2.0 client identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,

    /// The organization the application belongs to at the identity API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<String>,

    /// How Keywright came by the application: `Created` it, or `Adopted` one that existed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,

    /// What becomes of the application when this resource is deleted. Always `Retain`: the application stays at
    /// the identity API, since Didit offers no way to delete one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,

    /// A creation that was begun and whose outcome is not recorded yet. While it stands, Keywright looks
    /// for the application before it makes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_creation: Option<PendingCreation>,

    /// When the application was last compared with the spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_checked_time: Option<Time>,

    /// Generation of the spec that the application was last brought in line with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_generation: Option<i64>,

    /// The published access token, with `spec.accessToken`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenStatus>,

    /// Requests by annotation that were fulfilled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fulfilled_requests: Option<FulfilledRequests>,

    /// The Secret as it was last written or found intact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<PublishedSecret>,
}

/// How Keywright came by an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Origin {
    /// Keywright made it.
    Created,
    /// It existed and `spec.adopt` named it.
    Adopted,
}

/// The intent to make an application, recorded before the call that makes it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingCreation {
    /// Display name the application is made with.
    pub display_name: String,
    /// The organization it is made in.
    pub organization_id: String,
    /// When the intent was recorded, or, where the call that makes it came back without an outcome, when it did.
    pub recorded_time: Time,
}

/// A Secret that Keywright wrote.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PublishedSecret {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Its resource version when it was last written or found intact.
    pub resource_version: String,
    /// Digest of the `secret` block that it was written from, without its name.
    pub form: String,
    /// Digest of its content as Keywright wrote it.
    pub content_digest: String,
    /// Digest of the application's own credentials in it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub application_digest: String,
    /// The address of the API in it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub api_url: String,
}
