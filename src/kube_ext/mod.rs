//! What Keywright needs of the Kubernetes API beyond `kube` itself.

pub mod apply;
pub mod events;
pub mod finalizer;
pub mod freshness;
pub mod index;
pub mod layer;
pub mod lease;
pub mod watch;
