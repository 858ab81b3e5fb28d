//! Opens the watches, keeps the indexes, and runs the controllers on them.

use std::collections::BTreeSet;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{ListParams, PartialObjectMeta};
use kube::core::NamespaceResourceScope;
use kube::runtime::controller::{self, Controller};
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{Predicate, PredicateConfig, WatchStreamExt, predicates};
use kube::{Api, Client, Resource, ResourceExt};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Config;
use super::health::OperatorHealth;
use super::rounds;
use super::shared::Shared;
use super::watchable::{Watchable, requests_by_annotation};
use crate::api::{AccessToken, ClientApplication, IdentityAccount};
use crate::controller::access_token::{self, AccessTokens};
use crate::controller::client_application::ClientApplications;
use crate::controller::identity_provider::{IdentityProviders, Observers, ProviderResource};
use crate::controller::index::ConsumerKind;
use crate::controller::registry::ProviderKey;
use crate::controller::wake::Wake;
use crate::controller::written::WrittenVersions;
use crate::controller::{Reconciler, Wrapper};
use crate::identity::http::CallObserver;
use crate::kube_ext::events::Events;
use crate::kube_ext::freshness::Freshness;
use crate::kube_ext::lease::Leadership;
use crate::kube_ext::watch::{self, Change, ChangeTracker};
use crate::telemetry::metrics::Metrics;

/// Everything that controllers are made from.
pub(super) struct Work {
    pub(super) config: Config,
    pub(super) client: Client,
    pub(super) cluster: String,
    pub(super) leadership: Leadership,
    pub(super) metrics: Metrics,
    pub(super) freshness: Freshness,
    pub(super) health: Arc<OperatorHealth>,
    pub(super) tasks: TaskTracker,
}

/// What is waited for before the first watch is opened.
const DEFINITIONS: &str = "custom resource definitions";

pub(super) type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Work {
    /// Works until `stop`, then lets what has begun come to its end.
    pub(super) async fn run(self, stop: CancellationToken) {
        self.health.fills(DEFINITIONS);
        tokio::select! {
            () = self.definitions_exist() => self.health.filled(DEFINITIONS),
            () = stop.cancelled() => return,
        }
        let shared = Shared::new(self.config.policy.release_timeout);
        let mut running: Vec<Running> = Vec::new();
        for namespace in self.namespaces() {
            shared.accounts.expect(namespace.as_deref());
        }
        for namespace in self.namespaces() {
            running.push(self.accounts(&shared, namespace.as_deref(), stop.clone()));
            running.push(self.applications(&shared, namespace.as_deref(), stop.clone()));
            running.push(self.access_tokens(&shared, namespace.as_deref(), stop.clone()));
            running.push(self.providers(
                &shared,
                namespace.as_deref(),
                &shared.wake_providers,
                stop.clone(),
            ));
        }
        if self.config.watch_secrets {
            for namespace in self.namespaces_of_secrets() {
                running.push(self.secrets(&shared, namespace.as_deref(), stop.clone()));
            }
        } else {
            let interval = self.config.policy.drift_interval;
            running.push(Box::pin(rounds::make(shared.clone(), interval, stop.clone())));
        }
        if self.config.cluster_identity_providers {
            running.push(self.providers(&shared, None, &shared.wake_cluster_providers, stop.clone()));
            running.push(self.namespace_labels(&shared, stop.clone()));
        } else {
            shared.providers.turn_shared_off();
        }
        match self.config.watch_namespaces.as_slice() {
            [] => tracing::info!("looking after all namespaces"),
            named => tracing::info!("looking after the namespaces {}", named.join(", ")),
        }
        futures::future::join_all(running).await;
        self.freshness.expect_nothing();
    }

    /// One for each namespace to look after; a single `None` means all.
    fn namespaces(&self) -> Vec<Option<String>> {
        if self.config.watch_namespaces.is_empty() {
            return vec![None];
        }
        let named: BTreeSet<_> = self.config.watch_namespaces.iter().cloned().map(Some).collect();
        named.into_iter().collect()
    }

    fn namespaces_of_secrets(&self) -> Vec<Option<String>> {
        let mut namespaces = self.namespaces();
        let own = Some(self.config.operator_namespace.clone());
        if self.config.cluster_identity_providers && !namespaces.contains(&None) && !namespaces.contains(&own)
        {
            namespaces.push(own);
        }
        namespaces
    }

    /// A watch on a kind that does not exist would only fail over and over.
    async fn definitions_exist(&self) {
        self.definition_exists::<ClientApplication>().await;
        self.definition_exists::<AccessToken>().await;
        self.definition_exists::<IdentityAccount>().await;
    }

    async fn definition_exists<K: Watchable + Resource<Scope = NamespaceResourceScope>>(&self) {
        loop {
            let namespace = self.config.watch_namespaces.first().map(String::as_str);
            let api: Api<K> = watch::namespaced(&self.client, namespace);
            match api.list_metadata(&ListParams::default().limit(1)).await {
                Ok(_) => return,
                Err(kube::Error::Api(answer)) if answer.is_not_found() => tracing::warn!(
                    "the custom resource definition of {} is not installed; apply what `keywright crd` prints. Looking again in 5 seconds",
                    K::KIND
                ),
                Err(error) => {
                    tracing::warn!(
                        "listing resources of kind {} failed: {error}. Trying again in 5 seconds",
                        K::KIND
                    );
                }
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    }

    fn applications(&self, shared: &Shared, namespace: Option<&str>, stop: CancellationToken) -> Running {
        let on_failure = shared.clone();
        let wrapper = self.wrap(ClientApplications {
            client: self.client.clone(),
            cluster: self.cluster.clone(),
            providers: shared.providers.clone(),
            wake_provider: Box::new(move |key| on_failure.wake_provider(key)),
            secrets: shared.secrets.clone(),
            consumers: shared.consumers.clone(),
            tokens: shared.tokens.clone(),
            pauses: shared.application_pauses.clone(),
            policy: self.config.policy,
            events: self.events(),
            metrics: self.metrics.clone(),
            leadership: self.leadership.clone(),
            written: WrittenVersions::default(),
        });
        let (indexed, gone) = (shared.clone(), wrapper.clone());
        let events = self.watched::<ClientApplication>(namespace, move |change| {
            indexed.read_credentials_anew(indexed.consumers.observe_application(&change));
            match change {
                Change::Present(_) => {}
                Change::Absent { namespace, name } => {
                    gone.forget(namespace, name);
                    gone.reconciler().forget(namespace, name);
                }
                // While a list of several pages comes in, the store still shows what was there before.
                Change::Synced => indexed.wake_all(indexed.consumers.all(ConsumerKind::ClientApplication)),
            }
        });
        self.control(
            events,
            shared.wake_applications.receiver(namespace),
            wrapper,
            stop,
        )
    }

    fn access_tokens(&self, shared: &Shared, namespace: Option<&str>, stop: CancellationToken) -> Running {
        let on_failure = shared.clone();
        let wrapper = self.wrap(AccessTokens {
            client: self.client.clone(),
            providers: shared.providers.clone(),
            wake_provider: Box::new(move |key| on_failure.wake_provider(key)),
            secrets: shared.secrets.clone(),
            consumers: shared.consumers.clone(),
            tokens: shared.tokens.clone(),
            policy: access_token::plan::Policy {
                token: self.config.policy.token,
                release_timeout: self.config.policy.release_timeout,
            },
            events: self.events(),
            metrics: self.metrics.clone(),
            leadership: self.leadership.clone(),
            written: WrittenVersions::default(),
            pauses: shared.token_pauses.clone(),
            clients: shared.token_clients.clone(),
        });
        let (indexed, gone) = (shared.clone(), wrapper.clone());
        let events = self.watched::<AccessToken>(namespace, move |change| {
            indexed.wake_all(indexed.consumers.observe_token(&change));
            match change {
                Change::Present(_) => {}
                Change::Absent { namespace, name } => {
                    gone.forget(namespace, name);
                    gone.reconciler().forget(namespace, name);
                }
                Change::Synced => indexed.wake_all(indexed.consumers.all(ConsumerKind::AccessToken)),
            }
        });
        self.control(events, shared.wake_tokens.receiver(namespace), wrapper, stop)
    }

    fn providers<K>(
        &self,
        shared: &Shared,
        namespace: Option<&str>,
        wake: &Wake<K>,
        stop: CancellationToken,
    ) -> Running
    where
        K: ProviderResource + Watchable + reflector::Lookup<DynamicType = ()>,
    {
        let users = shared.clone();
        let wrapper = self.wrap(IdentityProviders::<K> {
            client: self.client.clone(),
            operator_namespace: self.config.operator_namespace.clone(),
            watch_namespaces: self.config.watch_namespaces.clone(),
            providers: shared.providers.clone(),
            wake_users: Box::new(move |key| users.wake_users(key)),
            sessions: shared.sessions.clone(),
            metadata: shared.metadata.clone(),
            budgets: shared.budgets.clone(),
            observers: Observers {
                didit: Arc::new(Observer(self.metrics.clone(), "didit")),
                oauth2: Arc::new(Observer(self.metrics.clone(), "oauth2")),
            },
            check_interval: self.config.provider_check_interval,
            request_timeout: self.config.request_timeout,
            events: self.events(),
            metrics: self.metrics.clone(),
            opened: Mutex::default(),
            kind: PhantomData,
        });
        let (shared_by_watch, gone) = (shared.clone(), wrapper.clone());
        let listed_namespace = namespace.map(str::to_owned);
        let events = self.watched::<K>(namespace, move |change| {
            let providers = &shared_by_watch.providers;
            match change {
                Change::Present(provider) => {
                    let key = provider.key();
                    if providers.exists(&key, provider.access()) {
                        shared_by_watch.wake_users(&key);
                    }
                }
                Change::Absent { namespace, name } => {
                    let key = ProviderKey {
                        kind: K::PROVIDER_KIND,
                        namespace: namespace.to_owned(),
                        name: name.to_owned(),
                    };
                    providers.gone(&key);
                    gone.forget(namespace, name);
                    gone.reconciler().forget(&key);
                    shared_by_watch.wake_users(&key);
                }
                Change::Synced => providers.listed(K::PROVIDER_KIND, listed_namespace.as_deref()),
            }
        });
        self.control(events, wake.receiver(namespace), wrapper, stop)
    }

    /// A change of any Secret wakes what writes it or reads it, and nothing else.
    fn secrets(&self, shared: &Shared, namespace: Option<&str>, stop: CancellationToken) -> Running {
        let shared = shared.clone();
        let api: Api<PartialObjectMeta<Secret>> = watch::namespaced(&self.client, namespace);
        let events = watch::metadata(api, "Secret", self.metrics.clone());
        let events = self.reported(events, "secrets", namespace, move |change| {
            shared.secrets.observe(&change);
            let place = match change {
                Change::Present(secret) => (secret.namespace().unwrap_or_default(), secret.name_any()),
                Change::Absent { namespace, name } => (namespace.to_owned(), name.to_owned()),
                // Whoever has a Secret of an earlier name learns of it only now.
                Change::Synced => {
                    shared.wake_all(shared.consumers.all(ConsumerKind::ClientApplication));
                    shared.wake_all(shared.consumers.all(ConsumerKind::IdentityAccount));
                    return shared.wake_all(shared.consumers.all(ConsumerKind::AccessToken));
                }
            };
            shared.wake_all(shared.consumers.claimants(&place.0, &place.1));
            shared.read_credentials_anew(shared.consumers.readers(&place.0, &place.1));
            for key in shared.providers.readers(&place.0, &place.1) {
                shared.wake_provider(&key);
            }
        });
        drain(events, stop)
    }

    /// Labels of namespaces decide who may use a shared provider.
    fn namespace_labels(&self, shared: &Shared, stop: CancellationToken) -> Running {
        let shared = shared.clone();
        let api: Api<PartialObjectMeta<Namespace>> = Api::all(self.client.clone());
        let events = watch::metadata(api, "Namespace", self.metrics.clone());
        let events = self.reported(events, "namespaces", None, move |change| {
            let (name, labels) = match change {
                Change::Present(namespace) => (namespace.name_any(), Some(namespace.labels().clone())),
                Change::Absent { name, .. } => (name.to_owned(), None),
                Change::Synced => return,
            };
            if shared.providers.namespace_labels(&name, labels) {
                shared.reconsider(shared.consumers.of_namespace(&name));
            }
        });
        drain(events, stop)
    }

    pub(super) fn watched<K: Watchable>(
        &self,
        namespace: Option<&str>,
        on_change: impl FnMut(Change<'_, K>) + Send + 'static,
    ) -> impl Stream<Item = Event<K>> + Send + 'static {
        let kind: &'static str = K::KIND;
        let events = watch::objects(K::guarded(&self.client, namespace), kind, self.metrics.clone());
        self.reported(events, &K::plural(&()), namespace, on_change)
    }

    /// Reports changes, and tells the probes of the watch.
    fn reported<K, E, F>(
        &self,
        events: E,
        plural: &str,
        namespace: Option<&str>,
        mut on_change: F,
    ) -> impl Stream<Item = Event<K>> + Send + use<K, E, F>
    where
        K: Resource,
        E: Stream<Item = Event<K>> + Send,
        F: FnMut(Change<'_, K>) + Send,
    {
        self.freshness.expect(plural, Instant::now());
        let name = namespace.map_or_else(
            || plural.to_owned(),
            |namespace| format!("{plural} in {namespace}"),
        );
        self.health.fills(&name);
        let health = self.health.clone();
        let mut tracker = ChangeTracker::default();
        events.inspect(move |event| {
            tracker.observe(event, |change| {
                if matches!(change, Change::Synced) {
                    health.filled(&name);
                }
                on_change(change);
            });
        })
    }

    pub(super) fn control<R>(
        &self,
        events: impl Stream<Item = Event<R::Kind>> + Send + 'static,
        wake: impl Stream<Item = ObjectRef<R::Kind>> + Send + 'static,
        wrapper: Arc<Wrapper<R>>,
        stop: CancellationToken,
    ) -> Running
    where
        R: Reconciler,
        R::Kind: Watchable,
    {
        let (reader, writer) = reflector::store();
        // Status writes of our own change none of these, so they do not start another pass.
        let relevant = predicates::generation
            .combine(predicates::finalizers)
            .combine(requests_by_annotation);
        let applied = events
            .map(Ok::<_, watcher::Error>)
            .reflect(writer)
            .applied_objects()
            .predicate_filter(relevant, PredicateConfig::default());
        let concurrency = self.config.concurrency.max(R::LEAST_CONCURRENCY);
        let controller = Controller::for_stream(applied, reader)
            .with_config(controller::Config::default().concurrency(concurrency))
            .reconcile_on(wake)
            .graceful_shutdown_on(stop.cancelled_owned())
            .run(Wrapper::run, |_, error, _| match *error {}, wrapper);
        Box::pin(controller.for_each(|ended| async move {
            if let Err(error) = ended {
                // A wake for a resource that is gone: nothing to do.
                tracing::trace!("{error}");
            }
        }))
    }

    pub(super) fn wrap<R: Reconciler>(&self, reconciler: R) -> Arc<Wrapper<R>> {
        Arc::new(Wrapper::new(reconciler, self.metrics.clone(), self.tasks.clone()))
    }

    pub(super) fn events(&self) -> Events {
        Events::new(
            self.client.clone(),
            "keywright",
            &self.config.replica_name,
            self.metrics.clone(),
        )
    }
}

/// Counts calls to identity APIs.
pub(super) struct Observer(pub(super) Metrics, pub(super) &'static str);

impl CallObserver for Observer {
    fn called(&self, operation: &'static str, outcome: &'static str, elapsed: Duration) {
        self.0.identity_call(self.1, operation, outcome, elapsed);
    }
}

fn drain<T>(events: impl Stream<Item = T> + Send + 'static, stop: CancellationToken) -> Running {
    Box::pin(async move {
        events
            .take_until(stop.cancelled_owned())
            .for_each(|_| async {})
            .await;
    })
}
