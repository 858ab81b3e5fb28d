//! `AccessToken`: one access token that is kept fresh in a Secret.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::client_application::{ProviderReference, PublishedSecret};
use super::oauth2::ClientAuthentication;
use super::rule;
use super::secret::SecretTemplate;
use super::token::{FulfilledRequests, TokenSettings, TokenStatus};

/// The client's credentials are there.
pub const CLIENT_READY: &str = "ClientReady";

/// One access token with its own scopes and its own Secret.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Deserialize, Serialize)]
#[kube(
    group = "keywright.dev",
    version = "v1alpha1",
    kind = "AccessToken",
    namespaced,
    status = "AccessTokenStatus",
    shortname = "atok",
    category = "keywright",
    derive = "PartialEq",
    doc = "One OAuth 2.0 access token. Keywright asks for it by the client credentials grant, keeps it fresh by its real expiry, and writes it into a Secret that workloads mount.",
    selectable = ".spec.providerRef.name",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status",
        description = "Whether the Secret holds a valid token"
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
        name = "Expires",
        type_ = "string",
        json_path = ".status.token.expiresAt",
        description = "When the published token expires"
    ),
    printcolumn(
        name = "Refresh",
        type_ = "string",
        json_path = ".status.token.refreshAt",
        description = "When it is refreshed"
    ),
    printcolumn(
        name = "Secret",
        type_ = "string",
        json_path = ".spec.secret.name",
        description = "The Secret to mount"
    ),
    printcolumn(
        name = "Client ID",
        type_ = "string",
        json_path = ".status.clientId",
        description = "OAuth 2.0 client identifier",
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
        "spec.providerRef cannot change. Create another AccessToken instead",
    ),
    validation = rule(
        "self.secret.name != oldSelf.secret.name || (has(self.secret.type) ? self.secret.type : 'Opaque') == (has(oldSelf.secret.type) ? oldSelf.secret.type : 'Opaque')",
        "spec.secret.type cannot change while spec.secret.name stays: Kubernetes does not let a Secret change its type. Choose another name as well",
    ),
    validation = rule(
        "!has(self.secret.keys) || !(has(self.secret.keys.email) || has(self.secret.keys.password) || has(self.secret.keys.clientId) || has(self.secret.keys.apiKey) || has(self.secret.keys.applicationId) || has(self.secret.keys.organizationId) || has(self.secret.keys.apiUrl))",
        "spec.secret.keys: the Secret of an AccessToken holds accessToken, tokenType, expiresAt, scope and previousAccessToken only",
    ),
    validation = rule(
        "!has(self.client.providerAccount) || ((!has(self.scopes) || self.scopes.size() == 0) && !has(self.audience) && (!has(self.resources) || self.resources.size() == 0))",
        "spec.scopes, spec.audience and spec.resources have no meaning with client.providerAccount: the account's token opens what the account may do. Remove them",
    ),
)]
#[serde(rename_all = "camelCase")]
pub struct AccessTokenSpec {
    /// The identity provider to use. Cannot change.
    pub provider_ref: ProviderReference,

    /// The client that the token is for: exactly one of `clientApplicationRef`, `secretRef` and `providerAccount`.
    pub client: TokenClient,

    /// What is asked of the token.
    #[serde(flatten)]
    pub token: TokenSettings,

    /// The Secret to write. Its labels and annotations are those that stand here: none are copied from this resource.
    pub secret: SecretTemplate,

    /// While true, nothing is called and nothing is written for this resource; what was published stays, and the
    /// token is not refreshed. Deleting the resource still works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

/// The client that a token is for. Exactly one of the three.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[x_kube(validation = rule(
    "(has(self.clientApplicationRef) ? 1 : 0) + (has(self.secretRef) ? 1 : 0) + (has(self.providerAccount) ? 1 : 0) == 1",
    "client needs exactly one of clientApplicationRef, secretRef and providerAccount",
))]
#[serde(rename_all = "camelCase")]
pub struct TokenClient {
    /// A `ClientApplication` of the same namespace, with the same provider. Its API key is the client secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_application_ref: Option<ClientApplicationReference>,

    /// A Secret of the same namespace with the credentials of a client that exists already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<ClientSecretReference>,

    /// The provider's own account: the token is its management token. Only Didit has one, and a
    /// `ClusterIdentityProvider` has to allow it (`allowAccountTokens`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rule("self", "client.providerAccount may only be true. Remove it to name another client"))]
    pub provider_account: Option<bool>,
}

/// A `ClientApplication` of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct ClientApplicationReference {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// A Secret with the credentials of a client.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientSecretReference {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// Names of the Secret's keys, where they differ from the usual ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<ClientSecretKeys>,

    /// The client identifier, where the Secret does not hold it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub client_id: Option<String>,

    /// How this client authenticates, where that differs from the provider's `clientAuthentication`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<ClientAuthentication>,
}

/// Names of the keys in a Secret with a client's credentials. Which are needed follows from the method of
/// authentication.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientSecretKeys {
    /// Key that holds the client identifier: `client_id` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub client_id: Option<String>,
    /// Key that holds the client secret: `client_secret` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub client_secret: Option<String>,
    /// Key that holds the private key for `private_key_jwt`, as PEM or JWK: `private_key` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub private_key: Option<String>,
    /// Key that holds the identifier of the private key (`kid`), which may be missing: `key_id` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub key_id: Option<String>,
    /// Key that holds the client certificate with its chain, as PEM: `tls.crt` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub certificate: Option<String>,
    /// Key that holds the certificate's private key, as PEM: `tls.key` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub certificate_key: Option<String>,
}

/// What is true of an `AccessToken` now.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessTokenStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// `Ready`, and one condition for each stage: `ProviderReady`, `ClientReady`, `TokenFresh`,
    /// `TokenAsRequested`, `LifetimeSufficient`, `SecretSynced`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,

    /// The OAuth 2.0 client identifier in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,

    /// The published token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenStatus>,

    /// Requests by annotation that were fulfilled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fulfilled_requests: Option<FulfilledRequests>,

    /// The Secret as it was last written or found intact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<PublishedSecret>,
}
