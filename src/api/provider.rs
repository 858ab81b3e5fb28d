//! `IdentityProvider` and `ClusterIdentityProvider`: how to reach one identity API, and as whom.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::oauth2::{OAuth2Provider, RequestBudget};
use super::rule;
use super::secret::CaBundleSource;

/// The account's credentials were accepted.
pub const AUTHENTICATED: &str = "Authenticated";
/// The organization whose applications are managed is known.
pub const ORGANIZATION_RESOLVED: &str = "OrganizationResolved";

/// The authorization server's metadata was read and fits.
pub const METADATA_RESOLVED: &str = "MetadataResolved";

/// Didit's auth host, where applications are managed (contract section 1).
pub const DIDIT_AUTH_URL: &str = "https://apx.didit.me/auth/v2";
/// Didit's verification host, which takes an application's key (contract section 1).
pub const DIDIT_API_URL: &str = "https://verification.didit.me/v3";

// The rules of Didit's addresses, for every kind that names them.
pub(super) const AUTH_URL_IS_SECURE: &str = "(has(self.allowInsecure) && self.allowInsecure) || !has(self.authUrl) || self.authUrl.startsWith('https://')";
pub(super) const AUTH_URL_NEEDS_HTTPS: &str =
    "didit.authUrl must start with https://. Only for tests, allowInsecure: true permits http://";
pub(super) const API_URL_IS_SECURE: &str = "(has(self.allowInsecure) && self.allowInsecure) || !has(self.apiUrl) || self.apiUrl.startsWith('https://')";
pub(super) const API_URL_NEEDS_HTTPS: &str =
    "didit.apiUrl must start with https://. Only for tests, allowInsecure: true permits http://";
pub(super) const IS_BASE_ADDRESS: &str = "isURL(self) && url(self).getScheme() in ['https', 'http'] && !self.contains('?') && !self.contains('#') && !self.contains('@')";
pub(super) const AUTH_URL_FORM: &str = "didit.authUrl must be an absolute http or https address without user name, query or fragment, for example https://apx.didit.me/auth/v2";
pub(super) const API_URL_FORM: &str = "didit.apiUrl must be an absolute http or https address without user name, query or fragment, for example https://verification.didit.me/v3";

/// How to reach one identity API, and as whom. Used by resources of the same namespace.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Deserialize, Serialize)]
#[kube(
    group = "keywright.dev",
    version = "v1alpha1",
    kind = "IdentityProvider",
    namespaced,
    status = "IdentityProviderStatus",
    shortname = "idp",
    category = "keywright",
    derive = "PartialEq",
    doc = "How to reach one identity API, and as whom. Used by resources of the same namespace.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status",
        description = "Whether resources can use it"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason",
        description = "Why, in one word"
    ),
    printcolumn(
        name = "Account",
        type_ = "string",
        json_path = ".status.account",
        description = "The account in use"
    ),
    printcolumn(
        name = "Organization",
        type_ = "string",
        json_path = ".status.organization.name",
        description = "The organization in use"
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
        "has(self.didit) != has(self.oauth2)",
        "spec needs exactly one of didit and oauth2",
    ),
    validation = rule(
        "has(self.didit) == has(oldSelf.didit)",
        "spec.didit and spec.oauth2 cannot take each other's place. Create another provider instead",
    ),
)]
#[serde(rename_all = "camelCase")]
pub struct IdentityProviderSpec {
    /// Didit. Exactly one of `didit` and `oauth2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub didit: Option<DiditProvider>,

    /// An OAuth 2.0 authorization server. Exactly one of `didit` and `oauth2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth2: Option<OAuth2Provider>,

    /// How gently the identity API is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_budget: Option<RequestBudget>,

    /// Whether resources that ask for the same token share one: same client with the same credentials, scopes,
    /// audience and resources. Then one call serves many Secrets, and no token is revoked. When absent, each resource
    /// gets its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share_tokens: Option<bool>,

    /// While true, the identity API is not called for this provider or for the resources that use it; what
    /// they have published stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

/// An identity API that several namespaces share. Its Secrets live in the operator's namespace.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Deserialize, Serialize)]
#[kube(
    group = "keywright.dev",
    version = "v1alpha1",
    kind = "ClusterIdentityProvider",
    status = "IdentityProviderStatus",
    shortname = "cidp",
    category = "keywright",
    derive = "PartialEq",
    doc = "How to reach one identity API, and as whom, for the namespaces that it allows. Its Secrets live in the operator's namespace.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status",
        description = "Whether resources can use it"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason",
        description = "Why, in one word"
    ),
    printcolumn(
        name = "Account",
        type_ = "string",
        json_path = ".status.account",
        description = "The account in use"
    ),
    printcolumn(
        name = "Organization",
        type_ = "string",
        json_path = ".status.organization.name",
        description = "The organization in use"
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
        "has(self.didit) != has(self.oauth2)",
        "spec needs exactly one of didit and oauth2",
    ),
    validation = rule(
        "has(self.didit) == has(oldSelf.didit)",
        "spec.didit and spec.oauth2 cannot take each other's place. Create another provider instead",
    ),
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterIdentityProviderSpec {
    /// Didit. Exactly one of `didit` and `oauth2`. Secrets and ConfigMaps are looked for in the operator's
    /// namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub didit: Option<DiditProvider>,

    /// An OAuth 2.0 authorization server. Exactly one of `didit` and `oauth2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth2: Option<OAuth2Provider>,

    /// The namespaces whose resources may use this provider. When absent, none may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_namespaces: Option<AllowedNamespaces>,

    /// Whether those namespaces may adopt applications that exist already (`spec.adopt`). Who may adopt can take
    /// any application of the organization that no resource holds, and gets its key. When absent, they may not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_adoption: Option<bool>,

    /// Whether those namespaces may have the account's own management token (`client.providerAccount` of an
    /// `AccessToken`), which opens everything that the account may do. When absent, they may not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_account_tokens: Option<bool>,

    /// The scopes that those namespaces may ask for. Then a resource has to name the scopes it wants. When absent,
    /// they may ask for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 256),
        inner(length(min = 1, max = 256), regex(pattern = r"^[!#-\[\]-~]+$"))
    )]
    pub allowed_scopes: Option<Vec<String>>,

    /// How gently the identity API is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_budget: Option<RequestBudget>,

    /// Whether resources that ask for the same token share one: same client with the same credentials, scopes,
    /// audience and resources. Then one call serves many Secrets, and no token is revoked. When absent, each resource
    /// gets its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share_tokens: Option<bool>,

    /// While true, the identity API is not called for this provider or for the resources that use it; what
    /// they have published stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

/// Namespaces that may use a shared provider: those that are named, and those whose labels are selected.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AllowedNamespaces {
    /// Names of namespaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024), inner(length(min = 1, max = 63)))]
    pub names: Vec<String>,

    /// Selects namespaces by their labels. An empty selector selects every namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

/// An account at Didit.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[x_kube(
    validation = rule(
        AUTH_URL_IS_SECURE,
        AUTH_URL_NEEDS_HTTPS,
    ),
    validation = rule(
        API_URL_IS_SECURE,
        API_URL_NEEDS_HTTPS,
    ),
    validation = rule(
        "has(self.accountSecretRef) != has(self.accountRef)",
        "didit needs exactly one of accountSecretRef and accountRef",
    ),
)]
#[serde(rename_all = "camelCase")]
pub struct DiditProvider {
    /// The Secret with the account's e-mail address and password. Exactly one of `accountSecretRef` and `accountRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_secret_ref: Option<AccountSecretReference>,

    /// The `IdentityAccount` to use, once its address is verified. Exactly one of `accountSecretRef` and `accountRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_ref: Option<AccountReference>,

    /// The organization whose applications are managed. May be absent when the account belongs to one
    /// organization only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<OrganizationReference>,

    /// Base address of Didit's auth host: `https://apx.didit.me/auth/v2` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = rule(
        IS_BASE_ADDRESS,
        AUTH_URL_FORM,
    ))]
    pub auth_url: Option<String>,

    /// Base address of Didit's verification host, which workloads call with the API key:
    /// `https://verification.didit.me/v3` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = rule(
        IS_BASE_ADDRESS,
        API_URL_FORM,
    ))]
    pub api_url: Option<String>,

    /// CA certificates to trust beside the system's, for example those of a proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<CaBundleSource>,

    /// Permits addresses that start with `http://`, which show the password to everyone on the way. For
    /// tests only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_insecure: Option<bool>,
}

/// The Secret with an account's credentials, and the names of its keys.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountSecretReference {
    /// Name of the Secret, in the provider's namespace (for a `ClusterIdentityProvider`: in the operator's).
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// Names of the Secret's keys, where they differ from `email`, `password` and `totpSeed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<AccountSecretKeys>,
}

/// An `IdentityAccount`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct AccountReference {
    /// Name of the `IdentityAccount`, in the provider's namespace (for a `ClusterIdentityProvider`: in the operator's, which
    /// has to be among those that the operator looks after).
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// Names of the keys in an account's Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountSecretKeys {
    /// Key that holds the e-mail address: `email` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub email: Option<String>,
    /// Key that holds the password: `password` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub password: Option<String>,
    /// Key that holds the seed of the second factor (RFC 6238, Base32), for an account that has one:
    /// `totpSeed` when absent. The key itself may be missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub totp_seed: Option<String>,
}

/// An organization at the identity API, by exactly one of its identifier and its name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[x_kube(validation = rule(
    "has(self.id) != has(self.name)",
    "didit.organization needs exactly one of id and name",
))]
#[serde(rename_all = "camelCase")]
pub struct OrganizationReference {
    /// Its identifier: for Didit a UUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub id: Option<String>,
    /// Its exact name. Refused when several organizations have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub name: Option<String>,
}

/// What is true of an identity provider now.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdentityProviderStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// `Ready`; for Didit also `Authenticated` and `OrganizationResolved`, for OAuth 2.0 `MetadataResolved`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,

    /// The account in use: for Didit its e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,

    /// The organization in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<OrganizationStatus>,

    /// What the identity API can do, by capability: `ReadApiKey`, `RotateApiKey`, `DeleteApplication`,
    /// `IntrospectToken`, `RevokeToken`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub capabilities: BTreeMap<String, bool>,

    /// What became of the logins with the present credentials. It outlives restarts, so that credentials
    /// that were refused are not tried over and over: that would lock the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<LoginStatus>,
}

/// The organization that a provider uses.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct OrganizationStatus {
    /// Its identifier.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// What became of the logins with one version of the credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoginStatus {
    /// UID and resource version of the Secret that these logins used, and the address they went to. Another
    /// version starts anew.
    pub credentials_version: String,
    /// Whether a login has succeeded.
    #[serde(default)]
    pub verified: bool,
    /// Logins in a row that were begun and have no known outcome.
    #[serde(default)]
    #[schemars(with = "i32", range(min = 0))]
    pub unanswered: u32,
    /// Logins in a row that were refused.
    #[serde(default)]
    #[schemars(with = "i32", range(min = 0))]
    pub refusals: u32,
    /// Logins in a row that the identity API answered with 429: it asked to wait, or the account is locked, or
    /// the password is wrong.
    #[serde(default)]
    #[schemars(with = "i32", range(min = 0))]
    pub throttled: u32,
    /// The brake: while it is on, these credentials are not tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brake: Option<BrakeStatus>,
}

/// Why and until when credentials are not tried.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BrakeStatus {
    /// CamelCase reason: `LoginRefused`, `SecondFactorRequired`, `LoginUnanswered` or `LoginThrottled`.
    pub reason: String,
    /// When the credentials are tried again if the Secret does not change before.
    pub until: Time,
    /// What the identity API said.
    pub message: String,
}
