//! Keywright is a Kubernetes operator for machine credentials: it provisions client applications at an
//! identity API and keeps their credentials in Secrets that workloads mount.
//!
//! # What it guarantees
//!
//! - Nothing is made twice: the intent to create is recorded before the call, and what an interrupted pass
//!   has made is found by its mark and taken over.
//! - The last good value stays: a failure never empties a Secret.
//! - A Secret of somebody else is never touched, and this is settled before the identity API is called.
//! - Credentials that were refused are not tried again until they change or a long time has passed, and a
//!   restart does not change that.
//! - Secret bytes never appear in statuses, events, logs, metrics or error messages.
//!
//! # Where things are
//!
//! [`api`] has the custom resources, [`credential`] what is decided about credentials, both without I/O.
//! [`identity`] talks to identity APIs and [`kube_ext`] to the Kubernetes API; they know nothing of each
//! other. [`controller`] joins them, [`app`] wires everything up, [`cli`] is the command line, and [`rights`]
//! lists what the operator has to be allowed to do.

pub mod api;
pub mod app;
pub mod cli;
pub mod controller;
pub mod credential;
pub mod identity;
pub mod kube_ext;
pub mod rights;
pub mod telemetry;
