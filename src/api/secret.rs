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

    /// Type of the Secret: `Opaque` when absent. Kubernetes does not let a Secret change its type, so it
    /// can only change together with the name.
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
    "[has(self.clientId) ? self.clientId : 'client_id', \
      has(self.apiKey) ? self.apiKey : 'api_key', \
      has(self.applicationId) ? self.applicationId : 'application_id', \
      has(self.organizationId) ? self.organizationId : 'organization_id', \
      has(self.apiUrl) ? self.apiUrl : 'api_url'\
     ].all(a, [has(self.clientId) ? self.clientId : 'client_id', \
      has(self.apiKey) ? self.apiKey : 'api_key', \
      has(self.applicationId) ? self.applicationId : 'application_id', \
      has(self.organizationId) ? self.organizationId : 'organization_id', \
      has(self.apiUrl) ? self.apiUrl : 'api_url'\
     ].exists_one(b, a == b))",
    "secret.keys gives the same name to two keys: every name may stand once, the names that are not changed included (client_id, api_key, application_id, organization_id, api_url)",
))]
#[serde(rename_all = "camelCase")]
pub struct SecretKeys {
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
}
