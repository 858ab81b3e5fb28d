//! What is decided about credentials: pure functions, time comes in as an argument.

pub mod onboarding;
pub mod schedule;
pub mod secret_content;
pub mod token;
