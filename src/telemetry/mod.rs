//! Logs, metrics and health endpoints.

pub mod http;
pub mod logs;
pub mod metrics;
pub mod outcome;
