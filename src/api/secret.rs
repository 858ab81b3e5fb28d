//! References to Secrets, and the block that says what a written Secret looks like.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rule;

/// One key of a Secret in the same namespace (for a `ClusterIdentityProvider`: in the operator's).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyReference {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key in its data.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// One key of a ConfigMap in the same namespace (for a `ClusterIdentityProvider`: in the operator's).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapKeyReference {
    /// Name of the ConfigMap.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key in its data.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// Where a PEM bundle of CA certificates is kept. Exactly one of the two.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[x_kube(validation = rule(
    "has(self.secretKeyRef) != has(self.configMapKeyRef)",
    "caBundle needs exactly one of secretKeyRef and configMapKeyRef",
))]
#[serde(rename_all = "camelCase")]
pub struct CaBundleSource {
    /// A key of a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<SecretKeyReference>,
    /// A key of a ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<ConfigMapKeyReference>,
}

/// The Secret that Keywright writes for workloads to mount.
///
/// Labels and annotations are those that stand here: none are copied from the resource.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretTemplate {
    /// Name of the Secret, in the resource's namespace. Only one resource may claim a name, and a Secret
    /// that Keywright did not write is never touched.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub name: String,

    /// Type of the Secret: `Opaque`, also when absent, or `keywright.dev/credentials`, which tools can tell from
    /// ordinary Secrets. Kubernetes does not let a Secret change its type, so it can only change together with the
    /// name.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub type_: Option<SecretType>,

    /// Labels of the Secret, beside `app.kubernetes.io/managed-by`, which Keywright sets itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64, "additionalProperties" = {"type": "string", "maxLength": 63}))]
    #[x_kube(validation = rule(
        "self.all(key, self[key].matches('^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$'))",
        "secret.labels may only have values that Kubernetes accepts for labels: letters, digits, '-', '_' and '.', with a letter or digit at both ends",
    ))]
    #[x_kube(validation = rule(
        "self.all(key, key != 'app.kubernetes.io/managed-by' && !key.startsWith('keywright.dev/'))",
        "secret.labels may not set app.kubernetes.io/managed-by or names that start with keywright.dev/: Keywright sets these itself",
    ))]
    pub labels: BTreeMap<String, String>,

    /// Annotations of the Secret, beside Keywright's own, which start with `keywright.dev/`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64, "additionalProperties" = {"type": "string", "maxLength": 4096}))]
    #[x_kube(validation = rule(
        "self.all(key, !key.startsWith('keywright.dev/'))",
        "secret.annotations may not set names that start with keywright.dev/: Keywright sets these itself",
    ))]
    pub annotations: BTreeMap<String, String>,

    /// Other names for the Secret's keys. A key that is not renamed keeps the name given with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<SecretKeys>,

    /// The forms in which the content is written, one beside the other: `Keys` when absent.
    ///
    /// `Keys`: one key for each value, such as `client_id` or `access_token`. `Environment`: one key for each value,
    /// named for environment variables, such as `DIDIT_ACCESS_TOKEN`; with an OAuth 2.0 provider `OAUTH2_ACCESS_TOKEN`.
    /// `Json`: one document `credentials.json`. `Dotenv`: one document `credentials.env`. `AuthorizationHeader`: the
    /// token as a header line `Authorization: Bearer ...` under `authorization`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5))]
    #[x_kube(validation = rule(
        "self.all(a, self.exists_one(b, a == b))",
        "secret.formats may name each format once",
    ))]
    #[x_kube(validation = rule(
        "!('Keys' in self && 'Environment' in self)",
        "secret.formats: Keys and Environment are two ways to name the same keys. Choose one of them",
    ))]
    pub formats: Vec<SecretFormat>,

    /// Whether the token before the present one is kept under a key of its own, for workloads that try both. When
    /// absent, it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_access_token: Option<bool>,
}

/// A form in which the content of a Secret is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
pub enum SecretFormat {
    /// One key for each value, such as `client_id` or `access_token`.
    Keys,
    /// One key for each value, named for environment variables: `DIDIT_CLIENT_ID`, `DIDIT_ACCESS_TOKEN`; with an
    /// OAuth 2.0 provider `OAUTH2_ACCESS_TOKEN`.
    Environment,
    /// One JSON document with all values, under the key `credentials.json`.
    Json,
    /// One dotenv document with all values, named as for environment variables, under the key `credentials.env`.
    Dotenv,
    /// The token as one HTTP header line, `Authorization: Bearer ...`, under the key `authorization`.
    AuthorizationHeader,
}

/// Types that a written Secret may have. Service-account tokens and other types that Kubernetes acts on are
/// not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum SecretType {
    /// An ordinary Secret.
    Opaque,
    /// A Secret that can be told from ordinary ones by its type.
    #[serde(rename = "keywright.dev/credentials")]
    Credentials,
}

/// Names of the keys in a written Secret. Each must be a valid Secret key, and no two may be the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[x_kube(validation = rule(
    "[has(self.email) ? self.email : 'email', \
      has(self.password) ? self.password : 'password', \
      has(self.clientId) ? self.clientId : 'client_id', \
      has(self.apiKey) ? self.apiKey : 'api_key', \
      has(self.applicationId) ? self.applicationId : 'application_id', \
      has(self.organizationId) ? self.organizationId : 'organization_id', \
      has(self.apiUrl) ? self.apiUrl : 'api_url', \
      has(self.accessToken) ? self.accessToken : 'access_token', \
      has(self.tokenType) ? self.tokenType : 'token_type', \
      has(self.expiresAt) ? self.expiresAt : 'expires_at', \
      has(self.scope) ? self.scope : 'scope', \
      has(self.previousAccessToken) ? self.previousAccessToken : 'previous_access_token', \
      has(self.json) ? self.json : 'credentials.json', \
      has(self.dotenv) ? self.dotenv : 'credentials.env', \
      has(self.authorizationHeader) ? self.authorizationHeader : 'authorization'\
     ].all(a, [has(self.email) ? self.email : 'email', \
      has(self.password) ? self.password : 'password', \
      has(self.clientId) ? self.clientId : 'client_id', \
      has(self.apiKey) ? self.apiKey : 'api_key', \
      has(self.applicationId) ? self.applicationId : 'application_id', \
      has(self.organizationId) ? self.organizationId : 'organization_id', \
      has(self.apiUrl) ? self.apiUrl : 'api_url', \
      has(self.accessToken) ? self.accessToken : 'access_token', \
      has(self.tokenType) ? self.tokenType : 'token_type', \
      has(self.expiresAt) ? self.expiresAt : 'expires_at', \
      has(self.scope) ? self.scope : 'scope', \
      has(self.previousAccessToken) ? self.previousAccessToken : 'previous_access_token', \
      has(self.json) ? self.json : 'credentials.json', \
      has(self.dotenv) ? self.dotenv : 'credentials.env', \
      has(self.authorizationHeader) ? self.authorizationHeader : 'authorization'\
     ].exists_one(b, a == b))",
    "secret.keys gives the same name to two keys: every name may stand once, the names that are not changed included (email, password, client_id, api_key, application_id, organization_id, api_url, access_token, token_type, expires_at, scope, previous_access_token, credentials.json, credentials.env, authorization)",
))]
#[serde(rename_all = "camelCase")]
pub struct SecretKeys {
    /// Key for an account's e-mail address: `email` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub email: Option<String>,
    /// Key for an account's password: `password` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub password: Option<String>,
    /// Key for the OAuth 2.0 client identifier: `client_id` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub client_id: Option<String>,
    /// Key for the application's API key: `api_key` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub api_key: Option<String>,
    /// Key for the application's identifier at the identity API: `application_id` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub application_id: Option<String>,
    /// Key for the organization's identifier at the identity API: `organization_id` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub organization_id: Option<String>,
    /// Key for the base address that takes the API key: `api_url` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub api_url: Option<String>,
    /// Key for the access token: `access_token` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub access_token: Option<String>,
    /// Key for how the token is used (RFC 6749 section 7.1), usually `Bearer`: `token_type` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub token_type: Option<String>,
    /// Key for when the token expires, in RFC 3339: `expires_at` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub expires_at: Option<String>,
    /// Key for the scope that was granted: `scope` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub scope: Option<String>,
    /// Key for the token before the present one, with `previousAccessToken: true`: `previous_access_token` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub previous_access_token: Option<String>,
    /// Key for the JSON document of the format `Json`: `credentials.json` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub json: Option<String>,
    /// Key for the document of the format `Dotenv`: `credentials.env` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub dotenv: Option<String>,
    /// Key for the header line of the format `AuthorizationHeader`: `authorization` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub authorization_header: Option<String>,
}
