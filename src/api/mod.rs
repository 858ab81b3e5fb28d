//! The custom resources of `keywright.dev/v1alpha1`: types only, no client, no tokio.
//!
//! Validation lives in the schema and in CEL rules beside the fields, so that a bad resource is refused at
//! `kubectl apply`. Nothing is defaulted by the schema, so that GitOps tools see no difference: what an
//! absent field means is said in its documentation and decided where it is used.

#![allow(
    unreachable_pub,
    reason = "KubeSchema copies the structs into functions, where pub is unreachable"
)]
#![allow(
    clippy::duplicated_attributes,
    reason = "every printer column has a type, which clippy takes for one attribute given twice"
)]

pub mod access_token;
pub mod client_application;
pub mod conditions;
mod description;
pub mod identity_account;
pub mod mailbox;
pub mod names;
pub mod oauth2;
pub mod provider;
pub mod secret;
pub mod token;

pub use access_token::{AccessToken, AccessTokenSpec, AccessTokenStatus};
pub use client_application::{ClientApplication, ClientApplicationSpec, ClientApplicationStatus};
pub use identity_account::{IdentityAccount, IdentityAccountSpec, IdentityAccountStatus};
pub use provider::{
    ClusterIdentityProvider, ClusterIdentityProviderSpec, IdentityProvider, IdentityProviderSpec,
    IdentityProviderStatus,
};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::Rule;

/// Every custom resource definition of Keywright, in the order of `keywright crd`.
#[must_use]
pub fn custom_resource_definitions() -> Vec<CustomResourceDefinition> {
    [
        description::definition::<AccessToken>(),
        description::definition::<ClientApplication>(),
        description::definition::<ClusterIdentityProvider>(),
        description::definition::<IdentityAccount>(),
        description::definition::<IdentityProvider>(),
    ]
    .into()
}

/// A CEL rule with the sentence that the user reads when it does not hold.
fn rule(expression: &str, message: &str) -> Rule {
    Rule::new(expression).message(message)
}
