//! Access tokens from real authorization servers: Keycloak, and `oidc-provider` for Node.
//!
//! [`compatibility`] is what each of the two supports together with Keywright; `docs/compatibility.md` is written from
//! it. A server whose Java or Node is missing is left out, which is said on stderr; with `CI=true` that is a failure.

mod compatibility;
mod faults;
mod features;
mod misconfigured;
mod page;
mod refresh_tokens;
mod refusals;
mod sharing;
mod stage;
