//! What can go wrong for whoever runs a sandbox.

use std::io;
use std::net::SocketAddr;

use uuid::Uuid;

use crate::faults::FaultError;
use crate::state::AccountError;
use crate::store::StoreError;
use crate::tls::TlsError;

/// The sandbox could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; choose another address or port")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// TLS cannot be set up.
    #[error("TLS: {0}")]
    Tls(#[from] TlsError),
    /// The state file cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An account cannot be set up or changed.
    #[error("account: {0}")]
    Account(#[from] AccountError),
    /// A fault cannot be injected.
    #[error("fault: {0}")]
    Fault(#[from] FaultError),
    /// No application has this id.
    #[error("no application has the id {0}")]
    UnknownApplication(Uuid),
}
