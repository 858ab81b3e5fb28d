//! A real Kubernetes control plane for tests and the demo: etcd, kube-apiserver and kube-controller-manager
//! on 127.0.0.1, with an administrator's kubeconfig and a kubectl that fits.
//!
//! There are no nodes and no scheduler: pods are created but never run.
//!
//! # Where the programs come from
//!
//! Each of the four is looked for in the directory that `KUBEBUILDER_ASSETS` names, then in `PATH`. What is
//! still missing is built once with Go (1.26 or newer) from the pinned module in this package's `go`
//! directory, and kept in `$XDG_CACHE_HOME/keywright/control-plane` (or `~/.cache/...`). That directory may
//! be deleted at any time. The rules in full:
//!
//! - A program in `KUBEBUILDER_ASSETS` is always used, whatever else is found. The one exception is an etcd
//!   too old for lists that are streamed as a watch (before 3.4.31, or 3.5.0 to 3.5.12).
//! - The remaining servers are taken from `PATH` only together: when all of them are there and new enough, and
//!   kube-apiserver and kube-controller-manager are of one minor version. Otherwise all of them are the built
//!   ones.
//! - kubectl accompanies the API server: with a built API server the built kubectl is used, otherwise the one
//!   in `PATH` if it is at most one minor version away, otherwise the built one.
//! - An API server and a controller manager of different minor versions are refused.
//!
//! # Use
//!
//! Tests call [`shared`], which costs one start per test process, or nothing if the whole run was wrapped in
//! `control-plane exec -- cargo test`. What needs a control plane of its own uses [`ControlPlane::start`].
//!
//! Other test servers that are written in Go are built in the same way: [`GoModule`].
//!
//! # What is left behind
//!
//! Nothing: servers end and files go away with the value or the program, whether it returns, panics or gets a
//! signal. If it is killed with SIGKILL, the built servers notice within about a second and end, and the next
//! control plane removes the files; servers from elsewhere than the build must then be ended by hand.

mod api;
mod build;
mod compile;
mod component;
mod directory;
mod error;
pub mod exec;
mod find;
mod flags;
mod go_module;
mod kubeconfig;
mod pki;
mod plane;
mod probe;
mod progress;
mod shared;
pub mod signals;
mod source;
mod tool;

pub use build::built_directory;
pub use error::Error;
pub use go_module::GoModule;
pub use plane::{ControlPlane, Options};
pub use shared::{Shared, shared};
pub use source::SourceFile;
