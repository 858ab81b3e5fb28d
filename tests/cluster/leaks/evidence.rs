//! Everything that the operator shows to anybody.

use std::collections::BTreeMap;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::api::events::v1::Event;
use keywright::api::{AccessToken, ClientApplication, ClusterIdentityProvider, IdentityProvider};
use kube::api::ListParams;
use kube::core::NamespaceResourceScope;
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::needles::Needle;
use crate::harness::{Operator, World};

/// Texts by where they were found.
#[derive(Default)]
pub(super) struct Evidence(BTreeMap<&'static str, String>);

impl Evidence {
    /// Adds what the cluster and the metrics show now. Values of Secrets are what nobody is to look at; their
    /// metadata is looked at.
    pub(super) async fn collect(&mut self, world: &World, operator: &Operator) {
        self.add(
            "metrics",
            &operator
                .get("/metrics")
                .await
                .map_or_else(|error| error, |(_, text)| text),
        );
        for namespace in [&world.namespace, &world.operator_namespace] {
            self.list::<IdentityProvider>("identity providers", world, namespace)
                .await;
            self.list::<ClientApplication>("client applications", world, namespace)
                .await;
            self.list::<AccessToken>("access tokens", world, namespace).await;
            self.list::<Event>("events", world, namespace).await;
            self.list::<ConfigMap>("config maps", world, namespace).await;
            self.list::<Lease>("leases", world, namespace).await;
            let secrets: Api<Secret> = Api::namespaced(world.client.clone(), namespace);
            for secret in secrets.list_metadata(&ListParams::default()).await.unwrap() {
                self.add(
                    "metadata of secrets",
                    &serde_json::to_string(&secret.metadata).unwrap(),
                );
            }
        }
        let shared: Api<ClusterIdentityProvider> = Api::all(world.client.clone());
        for provider in shared.list(&ListParams::default()).await.unwrap() {
            self.add(
                "cluster identity providers",
                &serde_json::to_string(&provider).unwrap(),
            );
        }
    }

    /// Adds what the operator has written.
    pub(super) fn collect_log(&mut self, operator: &Operator) {
        self.add("log", &operator.log());
    }

    /// The text from one place.
    pub(super) fn of(&self, place: &str) -> &str {
        self.0.get(place).map_or("", String::as_str)
    }

    /// Where secrets were found.
    pub(super) fn holds(&self, needles: &[Needle]) -> Vec<String> {
        let all = self
            .0
            .iter()
            .flat_map(|(place, text)| needles.iter().map(move |needle| (place, text, needle)));
        all.filter_map(|(place, text, needle)| Some(format!("{place}: {}", needle.find_in(text)?)))
            .collect()
    }

    async fn list<K>(&mut self, place: &'static str, world: &World, namespace: &str)
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Serialize,
        K: std::fmt::Debug,
    {
        let api: Api<K> = Api::namespaced(world.client.clone(), namespace);
        for object in api.list(&ListParams::default()).await.unwrap() {
            self.add(place, &serde_json::to_string(&object).unwrap());
        }
    }

    fn add(&mut self, place: &'static str, text: &str) {
        let all = self.0.entry(place).or_default();
        all.push_str(text);
        all.push('\n');
    }
}
