//! `IdentityAccount`: an account at an identity API that Keywright signs up, from an e-mail address to credentials.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::client_application::PublishedSecret;
use super::mailbox::Mailbox;
use super::provider::{
    API_URL_FORM, API_URL_IS_SECURE, API_URL_NEEDS_HTTPS, AUTH_URL_FORM, AUTH_URL_IS_SECURE,
    AUTH_URL_NEEDS_HTTPS, IS_BASE_ADDRESS, LoginStatus,
};
use super::rule;
use super::secret::{CaBundleSource, SecretKeyReference, SecretTemplate};
use super::token::{FulfilledRequests, TokenStatus};

/// The account is registered: a code was mailed, or the address has an account that the password opens.
pub const REGISTERED: &str = "Registered";
/// A code for the address is there.
pub const CODE_RECEIVED: &str = "CodeReceived";
/// The address is verified.
pub const VERIFIED: &str = "Verified";

/// The key of a code's Secret, unless another is named.
pub const CODE_KEY: &str = "code";

// The form that browsers take for an address (HTML standard, "valid e-mail address"), with a dot in the domain.
const IS_ADDRESS: &str = r#"self.matches("^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?([.][A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+$")"#;

// RFC 2606 and RFC 6761. Names below example.net are left: Didit's list does not have them.
const IS_DELIVERABLE: &str = r#"!self.lowerAscii().matches("@(([^@]+[.])?example[.](com|org)|example[.]net|[^@]+[.](test|example|invalid|localhost))$")"#;

/// An account at an identity API. Keywright registers it, proves the address by the code that is mailed, and writes its
/// credentials into a Secret.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Deserialize, Serialize)]
#[kube(
    group = "keywright.dev",
    version = "v1alpha1",
    kind = "IdentityAccount",
    namespaced,
    status = "IdentityAccountStatus",
    shortname = "idacct",
    category = "keywright",
    derive = "PartialEq",
    doc = "An account at an identity API. Keywright registers it, proves the e-mail address by the code that is mailed, and writes the account's credentials into a Secret.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status",
        description = "Whether the Secret holds the account's credentials"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason",
        description = "Why, in one word"
    ),
    printcolumn(
        name = "E-mail",
        type_ = "string",
        json_path = ".spec.email",
        description = "The account's e-mail address"
    ),
    printcolumn(
        name = "State",
        type_ = "string",
        json_path = ".status.state",
        description = "How far the sign-up has come"
    ),
    printcolumn(
        name = "Code Until",
        type_ = "string",
        json_path = ".status.codeExpiresAt",
        description = "When the code that was mailed ends"
    ),
    printcolumn(
        name = "Secret",
        type_ = "string",
        json_path = ".spec.secret.name",
        description = "The Secret with the account's credentials"
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
        "self.email == oldSelf.email",
        "spec.email cannot change: an account belongs to its address. Create another IdentityAccount instead",
    ),
    validation = rule(
        "(has(self.didit.authUrl) ? self.didit.authUrl : 'https://apx.didit.me/auth/v2') == (has(oldSelf.didit.authUrl) ? oldSelf.didit.authUrl : 'https://apx.didit.me/auth/v2')",
        "spec.didit.authUrl cannot change: an account belongs to its server. Create another IdentityAccount instead",
    ),
    validation = rule(
        "self.secret.name != oldSelf.secret.name || (has(self.secret.type) ? self.secret.type : 'Opaque') == (has(oldSelf.secret.type) ? oldSelf.secret.type : 'Opaque')",
        "spec.secret.type cannot change while spec.secret.name stays: Kubernetes does not let a Secret change its type. Choose another name as well",
    ),
    validation = rule(
        "!has(self.secret.keys) || !has(self.secret.keys.scope)",
        "spec.secret.keys: the token of an account has no scope",
    ),
    validation = rule(
        "!has(self.secret.formats) || self.secret.formats.size() == 0 || self.secret.formats.exists(format, format != 'AuthorizationHeader')",
        "spec.secret.formats: AuthorizationHeader alone has no place for the password. Add another format",
    ),
    validation = rule(
        "!has(self.passwordSecretRef) || self.passwordSecretRef.name != self.secret.name",
        "spec.passwordSecretRef may not name the Secret of spec.secret, which Keywright writes. Remove it to have a password made",
    ),
    validation = rule(
        "!has(self.code.secretRef) || self.code.secretRef.name != self.secret.name",
        "spec.code.secretRef may not name the Secret of spec.secret, which Keywright writes. Name another Secret",
    ),
)]
#[serde(rename_all = "camelCase")]
pub struct IdentityAccountSpec {
    /// Didit, where the account is.
    pub didit: DiditAccount,

    /// The account's e-mail address. Cannot change.
    #[schemars(length(min = 3, max = 254))]
    #[x_kube(validation = rule(
        IS_ADDRESS,
        "spec.email must be an e-mail address, for example ops@corp.example.net",
    ))]
    #[x_kube(validation = rule(
        IS_DELIVERABLE,
        "spec.email: no mail reaches this domain, which is reserved for documentation and tests (RFC 2606). Didit needs an address that can be delivered",
    ))]
    pub email: String,

    /// The account's password. When absent, Keywright makes one and keeps it in the account's Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_secret_ref: Option<SecretKeyReference>,

    /// Where the code comes from that is mailed to the address.
    pub code: CodeSource,

    /// The Secret to write. It holds the e-mail address and the password, and from the sign-up on the organization, the
    /// application and its API key.
    pub secret: SecretTemplate,

    /// Whether the Secret also holds a management token of the account, kept fresh by logging in. It opens everything
    /// that the account may do. When absent, it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_token: Option<bool>,

    /// While true, nothing is called and nothing is written for this resource; what was published stays. Deleting the
    /// resource still works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

/// Didit, for an account that is signed up there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[x_kube(
    validation = rule(AUTH_URL_IS_SECURE, AUTH_URL_NEEDS_HTTPS),
    validation = rule(API_URL_IS_SECURE, API_URL_NEEDS_HTTPS),
)]
#[serde(rename_all = "camelCase")]
pub struct DiditAccount {
    /// Base address of Didit's auth host: `https://apx.didit.me/auth/v2` when absent. Cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = rule(IS_BASE_ADDRESS, AUTH_URL_FORM))]
    pub auth_url: Option<String>,

    /// Base address of Didit's verification host, which takes the API key and is written beside it:
    /// `https://verification.didit.me/v3` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = rule(IS_BASE_ADDRESS, API_URL_FORM))]
    pub api_url: Option<String>,

    /// CA certificates to trust beside the system's, for example those of a proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<CaBundleSource>,

    /// Permits addresses that start with `http://`, which show the password to everyone on the way. For
    /// tests only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_insecure: Option<bool>,
}

/// Where the code comes from. Exactly one of the two.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[x_kube(validation = rule(
    "has(self.secretRef) != has(self.mailbox)",
    "code needs exactly one of secretRef and mailbox",
))]
#[serde(rename_all = "camelCase")]
pub struct CodeSource {
    /// A Secret that a person makes when the mail has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<CodeSecretReference>,

    /// A mailbox that Keywright reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mailbox: Option<Mailbox>,
}

/// A Secret that a person puts the code in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct CodeSecretReference {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key in its data: `code` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub key: Option<String>,
}

/// What is true of an `IdentityAccount` now.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdentityAccountStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// `Ready`, and one condition for each stage: `Registered`, `CodeReceived`, `Verified`, `SecretSynced`; with
    /// `keepToken` also `TokenFresh`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,

    /// How far the sign-up has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<AccountState>,

    /// When the last code was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_sent_at: Option<Time>,

    /// When that code ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_expires_at: Option<Time>,

    /// What was done to sign up, so that a restart repeats nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<RegistrationStatus>,

    /// What became of the logins with the present password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<LoginStatus>,

    /// The organization that came with the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<String>,

    /// The application that came with the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_id: Option<String>,

    /// That application's OAuth 2.0 client identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,

    /// The published management token, with `spec.keepToken`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenStatus>,

    /// Requests by annotation for the token that were fulfilled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fulfilled_requests: Option<FulfilledRequests>,

    /// The Secret as it was last written or found intact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<PublishedSecret>,
}

/// How far a sign-up has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum AccountState {
    /// No code was asked for.
    #[default]
    NotRegistered,
    /// A code was asked for.
    CodeSent,
    /// The address is verified.
    Verified,
}

/// What was done to sign up. It outlives restarts. Never a code and never a password.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegistrationStatus {
    /// A call that was begun and whose outcome is not recorded yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_call: Option<PendingCall>,
    /// Whether the last code was mailed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_mailed: Option<CodeMailed>,
    /// Before this time no further code is asked for on account of the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resend_after: Option<Time>,
    /// What the last code was asked for with: with another password or address of the identity API it is not tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_inputs_version: Option<String>,
    /// Codes that were asked for since somebody last asked by annotation.
    #[serde(default)]
    #[schemars(with = "i32", range(min = 0))]
    pub codes_requested: u32,
    /// Codes that were refused since the last one was mailed.
    #[serde(default)]
    #[schemars(with = "i32", range(min = 0))]
    pub codes_refused: u32,
    /// Keyed digests of codes that are not tried again, the newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub spent_codes: Vec<String>,
    /// Calls of the last hour that count against Didit's limit for each IP address: register and resend-otp.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub counted_calls: Vec<Time>,
    /// The identity API asked for a pause of such calls that ends then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttled_until: Option<Time>,
    /// Before this time nothing is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Time>,
    /// Tries in a row that did not reach the identity API.
    #[serde(default)]
    #[schemars(with = "i32", range(min = 0))]
    pub failures: u32,
    /// Why a login has to tell whether the account is verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_needed: Option<LoginNeeded>,
    /// Why nothing is tried any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<StoppedStatus>,
    /// Value of the annotation `keywright.dev/code-requested-at` that was fulfilled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fulfilled_code_request: Option<String>,
}

/// A call that was begun. Recorded before it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingCall {
    /// The call.
    pub call: RegistrationCall,
    /// When it was recorded.
    pub recorded_time: Time,
    /// Keyed digest of the code that is sent or, where a new code is asked for, of the one that it replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Value of the annotation that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// What it is made with: the versions of the password and of the identity API's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs_version: Option<String>,
}

/// Calls of a sign-up, by their names in Didit's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum RegistrationCall {
    /// `register`: a code is mailed.
    Register,
    /// `resend-otp`: another code is mailed.
    ResendOtp,
    /// `verify-email`: a code is tried.
    VerifyEmail,
}

/// Whether a code was mailed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum CodeMailed {
    /// The identity API says so.
    Yes,
    /// The answer was lost.
    Unknown,
    /// The identity API could not hand the mail over.
    No,
}

/// Why a login has to tell whether the account is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum LoginNeeded {
    /// The answer to a code was lost.
    AnswerLost,
    /// The address has an account already.
    AddressTaken,
}

/// Why nothing is tried any more.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoppedStatus {
    /// CamelCase reason.
    pub reason: String,
    /// What the identity API said.
    pub message: String,
    /// What it was tried with: another password or address of the identity API starts anew.
    pub inputs_version: String,
}
