//! Real OAuth 2.0 authorization servers for tests, on 127.0.0.1: Keycloak, and `oidc-provider` for Node.
//!
//! Both speak TLS with a certificate of an authority that is made for each run, ask for clients' certificates, and
//! take clients of every authentication method that [`AuthenticationMethod`] names.
//!
//! # Where the servers come from
//!
//! Keycloak's distribution comes from Maven Central: through `mvn` if there is one, since that knows the user's
//! mirrors and proxies, otherwise directly. Its SHA-256 is pinned. `oidc-provider` and all it needs come through
//! `npm ci`, pinned by a lock file with checksums. Both are installed once, side by side with other processes that do
//! the same, and kept in `$XDG_CACHE_HOME/keywright/authorization-servers` (or `~/.cache/...`). That directory may be
//! deleted at any time. Installing Keycloak includes its build and a database with its realm, so that a start takes
//! some ten seconds rather than a minute.
//!
//! Java (17 or newer) and Node (20 or newer) are not installed. The server that misses its own is skipped, and stderr
//! says so; with `CI=true` that is an error.
//!
//! # Use
//!
//! Tests call [`shared`], which costs one start per test process, or nothing if the whole run was wrapped in
//! `authorization-servers exec -- cargo test`. Each test makes clients of its own:
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use keywright_authorization_servers::{
//!     AuthenticationMethod, AuthorizationServer, ClientSettings, shared,
//! };
//!
//! if let Some(keycloak) = shared()?.keycloak() {
//!     let mut settings = ClientSettings::new(AuthenticationMethod::ClientSecretBasic);
//!     settings.access_token_seconds = Some(60);
//!     let client = keycloak.create_client(&settings).await?;
//!     println!("{} at {}", client.client_id, keycloak.token_endpoint());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What is left behind
//!
//! Nothing: servers end and files go away with the value or the program, whether it returns, panics or gets a
//! signal. If it is killed with SIGKILL, the servers end at once, and the next run removes the files.
//!
//! # What the servers do otherwise than one may expect
//!
//! - Keycloak answers a wrong secret with status 401 and the error `unauthorized_client`, where RFC 6749, section 5.2,
//!   has `invalid_client`. A client that does not exist or is disabled gets `invalid_client`.
//! - Keycloak looks at the parameter `resource` (RFC 8707) in an experimental feature only, which is off here.
//! - Keycloak tells a client that a token is not active when the client is no audience of it, which it is not by
//!   default, even of its own tokens: see [`ClientSettings::in_own_audience`].
//! - Keycloak counts in seconds: see [`AuthorizationServer::revoke_tokens`].
//! - oidc-provider drops scopes that it does not know, silently; the answer's `scope` tells what is left. Keycloak
//!   answers `invalid_scope`.
//! - Both take a client's secret from the header and from the form, whichever of `client_secret_basic` and
//!   `client_secret_post` it was made for.
//! - oidc-provider grants scopes for a resource only. A client with scopes that asks for no resource gets an opaque
//!   token for a resource of its own here.
//! - oidc-provider keeps no record of access tokens that are JWTs: its introspection says that they are not active, and
//!   its revocation changes nothing.

mod administration;
mod cache;
mod directory;
mod download;
mod error;
mod install_keycloak;
mod install_oidc_provider;
mod keycloak;
mod keycloak_server;
mod keys;
mod oidc_provider;
mod oidc_provider_server;
mod pki;
mod process;
mod progress;
mod ready;
mod run;
mod servers;
mod settings;
mod shared;
mod step;
mod tools;

pub use administration::AuthorizationServer;
pub use error::Error;
pub use install_keycloak::VERSION as KEYCLOAK_VERSION;
pub use install_oidc_provider::VERSION as OIDC_PROVIDER_VERSION;
pub use keycloak::Keycloak;
pub use keys::PrivateKey;
pub use oidc_provider::{AccessTokenFormat, Fault, OidcProvider};
pub use run::{Installed, Missing, RunningServers, install};
pub use servers::Servers;
pub use settings::{AuthenticationMethod, Client, ClientSettings, Credential, SigningAlgorithm};
pub use shared::shared;
