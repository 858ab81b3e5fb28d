//! Names that Keywright gives to things in the cluster, stated once.

/// The API group of every kind here.
pub const GROUP: &str = "keywright.dev";

/// Server-side apply field manager.
pub const FIELD_MANAGER: &str = "keywright";

/// Label that tools read to learn what manages an object.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";

/// Value of [`MANAGED_BY_LABEL`] on every Secret that Keywright writes.
pub const MANAGED_BY: &str = "keywright";

/// Annotation on a Secret: UID of the resource it is written for.
pub const OWNER_UID_ANNOTATION: &str = "keywright.dev/owner-uid";

/// Annotation on a Secret: kind and name of the resource it is written for, as `Kind/name`.
pub const OWNER_ANNOTATION: &str = "keywright.dev/owner";

/// Annotation on a Secret: digest of the content as Keywright wrote it. An edited Secret no longer fits it.
pub const CONTENT_DIGEST_ANNOTATION: &str = "keywright.dev/content-digest";

/// Annotation on a Secret: the keys that Keywright wrote, separated by commas. The digest is about these.
pub const CONTENT_KEYS_ANNOTATION: &str = "keywright.dev/content-keys";

/// Annotation on a Secret: digest of what shapes it, such as labels and names of keys.
pub const FORM_ANNOTATION: &str = "keywright.dev/form";

/// Annotation on a Secret: digest of the application's own credentials in it, whatever else it holds.
pub const APPLICATION_DIGEST_ANNOTATION: &str = "keywright.dev/application-digest";

/// Annotation on a Secret: what is known of the access token in it, as JSON. Never the token.
pub const TOKEN_ANNOTATION: &str = "keywright.dev/token";

/// Annotation on the Secret of an account: names of keys and formats that it was written with, as JSON, so that the
/// password is found in it when the spec wants it otherwise.
pub const LAYOUT_ANNOTATION: &str = "keywright.dev/layout";

/// Finalizer on a [`crate::api::ClientApplication`] whose application carries Keywright's mark.
pub const RELEASE_FINALIZER: &str = "keywright.dev/release-application";

/// The Secret type that tells a Keywright credential from an ordinary Secret.
pub const CREDENTIALS_SECRET_TYPE: &str = "keywright.dev/credentials";

/// Annotation on a resource with a token: another value refreshes the token once.
pub const REFRESH_REQUESTED_ANNOTATION: &str = "keywright.dev/refresh-requested-at";

/// Annotation on a resource with a token: another value replaces the token once, then revokes the replaced one.
pub const REVOKE_REQUESTED_ANNOTATION: &str = "keywright.dev/revoke-requested-at";

/// Finalizer on a [`crate::api::AccessToken`] whose token is revoked when the resource is deleted.
pub const REVOKE_FINALIZER: &str = "keywright.dev/revoke-token";

/// Annotation on an [`crate::api::IdentityAccount`]: another value asks for a new code once.
pub const CODE_REQUESTED_ANNOTATION: &str = "keywright.dev/code-requested-at";
