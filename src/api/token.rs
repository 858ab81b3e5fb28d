//! What is asked of an access token, and what is recorded of one. Shared by every kind that keeps tokens.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use kube::core::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rule;

/// The token is fresh, and its refreshes succeed.
pub const TOKEN_FRESH: &str = "TokenFresh";
/// The token that was granted is what was asked for. Present once there is a token.
pub const TOKEN_AS_REQUESTED: &str = "TokenAsRequested";
/// Tokens live long enough for what `minimumRemaining` promises. Present once there is a token.
pub const LIFETIME_SUFFICIENT: &str = "LifetimeSufficient";

/// What is asked of an access token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenSettings {
    /// OAuth 2.0 scopes to ask for (RFC 6749 section 3.3). When absent, the server chooses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 256), regex(pattern = r"^[!#-\[\]-~]+$"))
    )]
    pub scopes: Vec<String>,

    /// The `audience` parameter, which some authorization servers want.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub audience: Option<String>,

    /// Resource indicators (RFC 8707): absolute URIs of the APIs the token is for, without a fragment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 2048)))]
    #[x_kube(validation = rule(
        "self.all(uri, uri.matches('^[a-zA-Z][a-zA-Z0-9+.-]*:[^#]+$'))",
        "resources must be absolute URIs without a fragment (RFC 8707 section 2)",
    ))]
    pub resources: Vec<String>,

    /// For how long a token is still valid, at the least, when a workload reads it, for example `10m`: `1m` when absent.
    /// The refresh comes earlier still, by what the kubelet takes to show a new value (`--propagation-budget`), by the
    /// difference of the clocks, and by how long the server takes. Where tokens do not live that long, the condition
    /// `LifetimeSufficient` says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        with = "String",
        length(max = 32),
        regex(pattern = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$")
    )]
    #[x_kube(validation = rule(
        "duration(self) <= duration('720h')",
        "minimumRemaining may be 720h at the most",
    ))]
    pub minimum_remaining: Option<Duration>,

    /// Try each new token before workloads get it. A token that is refused is not published; the last good one
    /// stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<TokenVerification>,

    /// Whether a token is made worthless at the server (RFC 7009) when it is no longer needed: `Never`, also when
    /// absent, leaves it to expire; `OnDeletion` revokes the published token when the resource is deleted, where the
    /// server offers that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation_policy: Option<RevocationPolicy>,
}

/// How a new token is tried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[x_kube(
    validation = rule(
        "!has(self.method) || self.method != 'Probe' || has(self.probeUrl)",
        "verification.method Probe needs verification.probeUrl",
    ),
    validation = rule(
        "!has(self.method) || self.method != 'Introspection' || !has(self.probeUrl)",
        "verification.probeUrl is not used with method Introspection. Remove one of the two",
    ),
)]
#[serde(rename_all = "camelCase")]
pub struct TokenVerification {
    /// `Introspection` (RFC 7662) asks the server about the token, `Probe` calls `probeUrl` with it. When absent,
    /// introspection where the server offers it, else the probe; without `probeUrl` always introspection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<VerificationMethod>,

    /// An address that is called with the token, by GET. Its answer 401 or 403 means that the token is refused,
    /// 2xx that it is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = rule(
        "isURL(self) && url(self).getScheme() in ['https', 'http'] && !self.contains('#') && !self.contains('@')",
        "verification.probeUrl must be an absolute https address without user name or fragment",
    ))]
    pub probe_url: Option<String>,
}

/// How a token is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum VerificationMethod {
    /// The authorization server is asked about it (RFC 7662).
    Introspection,
    /// An API is called with it.
    Probe,
}

/// When a token is revoked (RFC 7009).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum RevocationPolicy {
    /// Tokens are left to expire.
    Never,
    /// The published token is revoked when the resource is deleted, where the server offers that.
    OnDeletion,
}

/// What is recorded of the published token. Never the token.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenStatus {
    /// When it was issued.
    pub issued_at: Time,
    /// When it expires.
    pub expires_at: Time,
    /// When it is refreshed.
    pub refresh_at: Time,
    /// Seconds that the refresh is earlier for the difference of the clocks and the time that the server takes.
    #[serde(default)]
    #[schemars(with = "i32", range(min = 0))]
    pub allowance_seconds: u32,
    /// How it is used (RFC 6749 section 7.1), as the server spelled it.
    pub token_type: String,
    /// The scope that was granted, where the server named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Digest of what the token was asked for with: client, scopes, audience, resources. Another request needs
    /// another token.
    pub request_digest: String,
    /// Digest of the token, by which it is found again in the Secret whatever its key is called.
    pub fingerprint: String,
    /// What was odd about its lifetime, as a CamelCase reason and a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<TokenRemark>,
}

/// Something that was odd about a token's lifetime.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct TokenRemark {
    /// CamelCase reason.
    pub reason: String,
    /// A sentence.
    pub message: String,
}

/// Which requests by annotation were fulfilled: `keywright.dev/refresh-requested-at` and
/// `keywright.dev/revoke-requested-at`. Each value is fulfilled once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FulfilledRequests {
    /// Value of the annotation for a refresh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<String>,
    /// Value of the annotation for a revocation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoke: Option<String>,
    /// Value of the annotation for a revocation that is half done: the token is replaced, and the earlier one still
    /// has to be revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoking: Option<String>,
}
