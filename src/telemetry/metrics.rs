//! Metrics in the OpenMetrics text format, all named `keywright_...`, in base units.
//!
//! Label values come from closed sets, or from the names of providers and of resources with an access token, whose
//! series go when they go: whoever is paged has to know which credential expires. No label carries the name of a
//! Secret, a client identifier or a scope.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fmt, time::Duration};

use k8s_openapi::jiff::Timestamp;

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

use super::outcome::{KubeOutcome, Outcome};

/// The content type of [`Metrics::encode`] (OpenMetrics 1.0, "Overall Structure").
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Seconds. A reconcile without work ends in microseconds, one that waits for the identity API in
/// seconds, and the wrapper cuts it off after about a minute.
const RECONCILE_BUCKETS: [f64; 10] = [0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 10.0, 30.0, 60.0];

/// Seconds. From a key probe on a near server to a login that runs into its deadline.
const IDENTITY_CALL_BUCKETS: [f64; 9] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Seconds. From a token that was refreshed too late to one of a day.
const REMAINING_BUCKETS: [f64; 11] = [
    0.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0, 86400.0,
];

/// Seconds. A request that need not wait takes none; one that waits longer than half a minute is given up.
const BUDGET_WAIT_BUCKETS: [f64; 9] = [0.001, 0.01, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// A refresh counts as overdue when it is this many seconds late. Less than that is the way of timers and queues.
const OVERDUE_AFTER: i64 = 60;

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// Everything Keywright measures. Clones are cheap and share their values.
#[derive(Clone, Debug)]
pub struct Metrics {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    registry: Registry,
    reconciles: Family<ReconcileLabels, Counter>,
    reconcile_duration: Histograms<ControllerLabels>,
    identity_calls: Family<IdentityCallLabels, Counter>,
    identity_call_duration: Histograms<IdentityOperationLabels>,
    secret_writes: Family<ControllerLabels, Counter>,
    watch_errors: Family<KindLabels, Counter>,
    events_dropped: Counter,
    leader: Gauge,
    provider_ready: Family<ProviderLabels, Gauge>,
    login_brake: Family<ProviderLabels, Gauge>,
    account_state: Family<AccountLabels, Gauge>,
    kube_requests: Family<KubeRequestLabels, Counter>,
    credential_expiry: Family<CredentialLabels, Gauge>,
    credential_refresh: Family<CredentialLabels, Gauge>,
    credential_deadline: Family<CredentialLabels, Gauge>,
    resource_ready: Family<CredentialLabels, Gauge>,
    secret_conflict: Family<CredentialLabels, Gauge>,
    refreshes_overdue: Family<KindLabels, Gauge>,
    remaining_at_refresh: Histograms<ControllerLabels>,
    budget_wait: Histograms<ProviderLabels>,
    budget_queue: Family<ProviderLabels, Gauge>,
    breaker: Family<ProviderLabels, Gauge>,
    paused_until: Family<ProviderLabels, Gauge>,
    /// When the credentials there are will be refreshed: what is overdue follows from the clock.
    refreshes: Mutex<HashMap<CredentialLabels, Timestamp>>,
}

/// What the clock means for a published token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenTimes {
    /// When it expires.
    pub expires_at: Timestamp,
    /// When it is to be refreshed.
    pub refresh_at: Timestamp,
    /// When that is too late for what was promised to workloads.
    pub deadline: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CredentialLabels {
    kind: &'static str,
    namespace: String,
    name: String,
}

impl CredentialLabels {
    fn new(kind: &'static str, namespace: &str, name: &str) -> Self {
        Self {
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ControllerLabels {
    controller: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReconcileLabels {
    controller: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct IdentityCallLabels {
    provider_type: &'static str,
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct IdentityOperationLabels {
    provider_type: &'static str,
    operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProviderLabels {
    kind: &'static str,
    namespace: String,
    name: String,
}

impl ProviderLabels {
    fn new(kind: &'static str, namespace: &str, name: &str) -> Self {
        Self {
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AccountLabels {
    namespace: String,
    name: String,
}

impl AccountLabels {
    fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KubeRequestLabels {
    method: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
}

impl Metrics {
    /// All metrics, at zero. `version` is the version of Keywright that `build_info` shows.
    #[must_use]
    pub fn new(version: &'static str) -> Self {
        let mut shared = Shared {
            registry: Registry::with_prefix("keywright"),
            reconciles: Family::default(),
            reconcile_duration: Family::new_with_constructor(|| Histogram::new(RECONCILE_BUCKETS)),
            identity_calls: Family::default(),
            identity_call_duration: Family::new_with_constructor(|| Histogram::new(IDENTITY_CALL_BUCKETS)),
            secret_writes: Family::default(),
            watch_errors: Family::default(),
            events_dropped: Counter::default(),
            leader: Gauge::default(),
            provider_ready: Family::default(),
            account_state: Family::default(),
            login_brake: Family::default(),
            kube_requests: Family::default(),
            credential_expiry: Family::default(),
            credential_refresh: Family::default(),
            credential_deadline: Family::default(),
            resource_ready: Family::default(),
            secret_conflict: Family::default(),
            refreshes_overdue: Family::default(),
            remaining_at_refresh: Family::new_with_constructor(|| Histogram::new(REMAINING_BUCKETS)),
            budget_wait: Family::new_with_constructor(|| Histogram::new(BUDGET_WAIT_BUCKETS)),
            budget_queue: Family::default(),
            breaker: Family::default(),
            paused_until: Family::default(),
            refreshes: Mutex::default(),
        };
        shared.register_work();
        shared.register_state();
        shared.register_tokens();
        shared.register_budget();
        shared.registry.register(
            "build",
            "Always 1; the label says which version of Keywright runs",
            Info::new(BuildLabels { version }),
        );
        Self {
            shared: Arc::new(shared),
        }
    }

    /// A reconcile ended, or was dropped before it could.
    pub fn reconcile_finished(&self, controller: &'static str, outcome: Outcome, elapsed: Duration) {
        let outcome = outcome.as_str();
        self.shared
            .reconciles
            .get_or_create(&ReconcileLabels { controller, outcome })
            .inc();
        self.shared
            .reconcile_duration
            .get_or_create(&ControllerLabels { controller })
            .observe(elapsed.as_secs_f64());
    }

    /// A call to an identity API came back or ran into its deadline.
    ///
    /// `provider_type` is `didit` or `oauth2`; `operation` is the contract's name for the call; `outcome`
    /// is `ok` or the kind of error.
    pub fn identity_call(
        &self,
        provider_type: &'static str,
        operation: &'static str,
        outcome: &'static str,
        elapsed: Duration,
    ) {
        self.shared
            .identity_calls
            .get_or_create(&IdentityCallLabels {
                provider_type,
                operation,
                outcome,
            })
            .inc();
        self.shared
            .identity_call_duration
            .get_or_create(&IdentityOperationLabels {
                provider_type,
                operation,
            })
            .observe(elapsed.as_secs_f64());
    }

    /// A Secret was written.
    pub fn secret_written(&self, controller: &'static str) {
        self.shared
            .secret_writes
            .get_or_create(&ControllerLabels { controller })
            .inc();
    }

    /// A watch failed and will be tried again. `kind` is the plural of the resource.
    pub fn watch_failed(&self, kind: &'static str) {
        self.shared.watch_errors.get_or_create(&KindLabels { kind }).inc();
    }

    /// An event could not be published.
    pub fn event_dropped(&self) {
        self.shared.events_dropped.inc();
    }

    /// Whether this replica leads.
    pub fn set_leading(&self, leading: bool) {
        self.shared.leader.set(i64::from(leading));
    }

    /// The state of one provider; `namespace` is empty for a cluster-wide one.
    pub fn set_provider(&self, kind: &'static str, namespace: &str, name: &str, ready: bool, braked: bool) {
        let labels = ProviderLabels::new(kind, namespace, name);
        self.shared
            .provider_ready
            .get_or_create(&labels)
            .set(i64::from(ready));
        self.shared
            .login_brake
            .get_or_create(&labels)
            .set(i64::from(braked));
    }

    /// Forgets a provider that was deleted.
    pub fn remove_provider(&self, kind: &'static str, namespace: &str, name: &str) {
        let labels = ProviderLabels::new(kind, namespace, name);
        self.shared.provider_ready.remove(&labels);
        self.shared.login_brake.remove(&labels);
        self.shared.budget_wait.remove(&labels);
        self.shared.budget_queue.remove(&labels);
        self.shared.breaker.remove(&labels);
        self.shared.paused_until.remove(&labels);
    }

    /// How far the sign-up of an account has come (0 not registered, 1 a code was sent, 2 verified), and whether its
    /// password is not tried.
    pub fn set_account(&self, namespace: &str, name: &str, state: i64, braked: bool) {
        self.shared
            .account_state
            .get_or_create(&AccountLabels::new(namespace, name))
            .set(state);
        self.shared
            .login_brake
            .get_or_create(&ProviderLabels::new("IdentityAccount", namespace, name))
            .set(i64::from(braked));
    }

    /// Forgets an account whose resource was deleted.
    pub fn remove_account(&self, namespace: &str, name: &str) {
        self.shared
            .account_state
            .remove(&AccountLabels::new(namespace, name));
        self.shared
            .login_brake
            .remove(&ProviderLabels::new("IdentityAccount", namespace, name));
    }

    /// The published token of a resource. `None`: there is none.
    pub fn set_credential(&self, kind: &'static str, namespace: &str, name: &str, times: Option<TokenTimes>) {
        let labels = CredentialLabels::new(kind, namespace, name);
        let Some(times) = times else {
            return self.remove_credential(&labels);
        };
        let shared = &self.shared;
        for (family, time) in [
            (&shared.credential_expiry, times.expires_at),
            (&shared.credential_refresh, times.refresh_at),
            (&shared.credential_deadline, times.deadline),
        ] {
            family.get_or_create(&labels).set(time.as_second());
        }
        shared.refreshes().insert(labels, times.refresh_at);
    }

    /// The state of a resource that writes a Secret: whether workloads can rely on that Secret, and whether it cannot be
    /// written since its name is somebody else's.
    pub fn set_resource(&self, kind: &'static str, namespace: &str, name: &str, ready: bool, conflict: bool) {
        let labels = CredentialLabels::new(kind, namespace, name);
        let shared = &self.shared;
        for (family, value) in [
            (&shared.resource_ready, ready),
            (&shared.secret_conflict, conflict),
        ] {
            family.get_or_create(&labels).set(i64::from(value));
        }
    }

    /// Forgets a resource that was deleted.
    pub fn remove_resource(&self, kind: &'static str, namespace: &str, name: &str) {
        let labels = CredentialLabels::new(kind, namespace, name);
        self.shared.resource_ready.remove(&labels);
        self.shared.secret_conflict.remove(&labels);
        self.remove_credential(&labels);
    }

    fn remove_credential(&self, labels: &CredentialLabels) {
        self.shared.credential_expiry.remove(labels);
        self.shared.credential_refresh.remove(labels);
        self.shared.credential_deadline.remove(labels);
        self.shared.refreshes().remove(labels);
    }

    /// A token was replaced that had `remaining` seconds left; negative when it was too late.
    pub fn token_refreshed(&self, controller: &'static str, remaining: f64) {
        self.shared
            .remaining_at_refresh
            .get_or_create(&ControllerLabels { controller })
            .observe(remaining);
    }

    /// A request waited for a provider's budget.
    pub fn budget_waited(&self, kind: &'static str, namespace: &str, name: &str, waited: Duration) {
        self.shared
            .budget_wait
            .get_or_create(&ProviderLabels::new(kind, namespace, name))
            .observe(waited.as_secs_f64());
    }

    /// So many requests wait for a provider's budget.
    pub fn set_budget_queue(&self, kind: &'static str, namespace: &str, name: &str, length: usize) {
        self.shared
            .budget_queue
            .get_or_create(&ProviderLabels::new(kind, namespace, name))
            .set(i64::try_from(length).unwrap_or(i64::MAX));
    }

    /// Whether a provider's breaker keeps requests back: 0 closed, 1 trying, 2 open.
    pub fn set_breaker(&self, kind: &'static str, namespace: &str, name: &str, state: i64) {
        self.shared
            .breaker
            .get_or_create(&ProviderLabels::new(kind, namespace, name))
            .set(state);
    }

    /// Until when a provider asked to be left alone; `None` when it did not.
    pub fn set_paused_until(
        &self,
        kind: &'static str,
        namespace: &str,
        name: &str,
        until: Option<Timestamp>,
    ) {
        self.shared
            .paused_until
            .get_or_create(&ProviderLabels::new(kind, namespace, name))
            .set(until.map_or(0, Timestamp::as_second));
    }

    /// A request to the Kubernetes API ended. `method` is the HTTP method.
    pub fn kube_request(&self, method: &'static str, outcome: KubeOutcome) {
        let outcome = outcome.as_str();
        self.shared
            .kube_requests
            .get_or_create(&KubeRequestLabels { method, outcome })
            .inc();
    }

    /// All metrics as text of type [`CONTENT_TYPE`], as they are at `now`.
    ///
    /// # Errors
    ///
    /// When a value cannot be written as text.
    pub fn encode(&self, now: Timestamp) -> Result<String, fmt::Error> {
        self.shared.count_overdue(now);
        let mut text = String::new();
        text::encode(&mut text, &self.shared.registry)?;
        Ok(text)
    }
}

impl Shared {
    fn refreshes(&self) -> MutexGuard<'_, HashMap<CredentialLabels, Timestamp>> {
        self.refreshes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A queue that stands still, or a timer that never fires, cannot hide what is overdue by the clock.
    fn count_overdue(&self, now: Timestamp) {
        for kind in ["AccessToken", "ClientApplication", "IdentityAccount"] {
            let refreshes = self.refreshes();
            let overdue = refreshes
                .iter()
                .filter(|(labels, at)| {
                    labels.kind == kind && now.as_second() - at.as_second() > OVERDUE_AFTER
                })
                .count();
            self.refreshes_overdue
                .get_or_create(&KindLabels { kind })
                .set(i64::try_from(overdue).unwrap_or(i64::MAX));
        }
    }

    fn register_tokens(&mut self) {
        let registry = &mut self.registry;
        registry.register_with_unit(
            "credential_expiry_timestamp",
            "When the published token of a resource expires, in seconds since 1970",
            Unit::Seconds,
            self.credential_expiry.clone(),
        );
        registry.register_with_unit(
            "credential_refresh_timestamp",
            "When the published token of a resource is to be refreshed, in seconds since 1970",
            Unit::Seconds,
            self.credential_refresh.clone(),
        );
        registry.register_with_unit(
            "credential_deadline_timestamp",
            "When a refresh of the published token is too late for what was promised, in seconds since 1970",
            Unit::Seconds,
            self.credential_deadline.clone(),
        );
        registry.register(
            "refreshes_overdue",
            "Tokens whose refresh is more than a minute late by the clock, by kind of resource",
            self.refreshes_overdue.clone(),
        );
        registry.register_with_unit(
            "remaining_at_refresh",
            "Life that tokens had left when they were replaced, in seconds; none when it was too late",
            Unit::Seconds,
            self.remaining_at_refresh.clone(),
        );
    }

    fn register_budget(&mut self) {
        let registry = &mut self.registry;
        registry.register_with_unit(
            "budget_wait",
            "Time that requests waited for their provider's request budget, in seconds",
            Unit::Seconds,
            self.budget_wait.clone(),
        );
        registry.register(
            "budget_queue",
            "Requests that wait for their provider's request budget",
            self.budget_queue.clone(),
        );
        registry.register(
            "breaker_state",
            "Whether requests to the provider are kept back since it did not answer: 0 closed, 1 trying, 2 open",
            self.breaker.clone(),
        );
        registry.register_with_unit(
            "provider_paused_until_timestamp",
            "Until when the provider asked to be left alone, in seconds since 1970; 0 when it did not",
            Unit::Seconds,
            self.paused_until.clone(),
        );
    }

    /// What is done, and how long it takes. The names of counters get `_total`, those with a unit the unit.
    fn register_work(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "reconcile",
            "Reconciles by controller and outcome (completed, waiting, conflict, failed, timed_out, panicked, abandoned)",
            self.reconciles.clone(),
        );
        registry.register_with_unit(
            "reconcile_duration",
            "Time from the start of a reconcile to its outcome, in seconds",
            Unit::Seconds,
            self.reconcile_duration.clone(),
        );
        registry.register(
            "identity_calls",
            "Calls to identity APIs by operation and outcome (ok or the kind of error)",
            self.identity_calls.clone(),
        );
        registry.register_with_unit(
            "identity_call_duration",
            "Time from sending a call to an identity API to its whole answer, in seconds",
            Unit::Seconds,
            self.identity_call_duration.clone(),
        );
        registry.register(
            "secret_writes",
            "Secrets written to the Kubernetes API by the controller that wrote them",
            self.secret_writes.clone(),
        );
        registry.register(
            "watch_errors",
            "Watches of the Kubernetes API that failed and were tried again, by resource",
            self.watch_errors.clone(),
        );
        registry.register(
            "events_dropped",
            "Kubernetes events that could not be published",
            self.events_dropped.clone(),
        );
        registry.register(
            "kube_requests",
            "Requests to the Kubernetes API by HTTP method and outcome; refused ones were never sent, \
             because this replica did not hold the lease",
            self.kube_requests.clone(),
        );
    }

    /// How things are.
    fn register_state(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "leader",
            "1 while this replica leads, otherwise 0",
            self.leader.clone(),
        );
        registry.register(
            "provider_ready",
            "1 while the provider is ready, otherwise 0; the namespace of a cluster-wide one is empty",
            self.provider_ready.clone(),
        );
        registry.register(
            "account_state",
            "How far the sign-up of an account has come: 0 not registered, 1 a code was sent, 2 verified",
            self.account_state.clone(),
        );
        registry.register(
            "resource_ready",
            "1 while the Secret of the resource can be relied on, otherwise 0",
            self.resource_ready.clone(),
        );
        registry.register(
            "secret_conflict",
            "1 while the resource cannot write its Secret since the name is somebody else's, otherwise 0",
            self.secret_conflict.clone(),
        );
        registry.register(
            "login_brake",
            "1 while the provider's credentials are not tried, since they were refused, otherwise 0",
            self.login_brake.clone(),
        );
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn lines(metrics: &Metrics) -> Vec<String> {
        metrics
            .encode(Timestamp::UNIX_EPOCH)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    fn has(metrics: &Metrics, line: &str) -> bool {
        lines(metrics).iter().any(|found| found == line)
    }

    fn times(expires_at: i64, refresh_at: i64, deadline: i64) -> TokenTimes {
        let at = |second| Timestamp::from_second(second).unwrap();
        TokenTimes {
            expires_at: at(expires_at),
            refresh_at: at(refresh_at),
            deadline: at(deadline),
        }
    }

    /// Every metric with a value: those without are not in the text.
    fn all() -> Metrics {
        let metrics = Metrics::new("1.2.3");
        metrics.reconcile_finished(
            "client_application",
            Outcome::TimedOut,
            Duration::from_millis(1500),
        );
        metrics.identity_call("didit", "login", "ok", Duration::from_millis(300));
        metrics.secret_written("access_token");
        metrics.watch_failed("secrets");
        metrics.event_dropped();
        metrics.set_leading(true);
        metrics.set_provider("IdentityProvider", "shop", "didit", true, false);
        metrics.set_account("shop", "ops", 1, false);
        metrics.kube_request("PATCH", KubeOutcome::Refused);
        let at = |second| Timestamp::from_second(second).unwrap();
        metrics.set_credential("AccessToken", "shop", "reports", Some(times(3600, 3000, 3300)));
        metrics.set_resource("AccessToken", "shop", "reports", true, false);
        metrics.token_refreshed("access_token", 420.0);
        metrics.budget_waited("IdentityProvider", "shop", "didit", Duration::from_millis(200));
        metrics.set_budget_queue("IdentityProvider", "shop", "didit", 3);
        metrics.set_breaker("IdentityProvider", "shop", "didit", 2);
        metrics.set_paused_until("IdentityProvider", "shop", "didit", Some(at(60)));
        metrics
    }

    #[test]
    fn every_metric_is_named_described_and_in_base_units() {
        let metrics = all();
        for line in [
            "keywright_reconcile_total{controller=\"client_application\",outcome=\"timed_out\"} 1",
            "keywright_reconcile_duration_seconds_sum{controller=\"client_application\"} 1.5",
            "keywright_reconcile_duration_seconds_bucket{le=\"2.5\",controller=\"client_application\"} 1",
            "keywright_identity_calls_total{provider_type=\"didit\",operation=\"login\",outcome=\"ok\"} 1",
            "keywright_identity_call_duration_seconds_sum{provider_type=\"didit\",operation=\"login\"} 0.3",
            "keywright_secret_writes_total{controller=\"access_token\"} 1",
            "keywright_watch_errors_total{kind=\"secrets\"} 1",
            "keywright_events_dropped_total 1",
            "keywright_leader 1",
            "keywright_provider_ready{kind=\"IdentityProvider\",namespace=\"shop\",name=\"didit\"} 1",
            "keywright_account_state{namespace=\"shop\",name=\"ops\"} 1",
            "keywright_login_brake{kind=\"IdentityProvider\",namespace=\"shop\",name=\"didit\"} 0",
            "keywright_kube_requests_total{method=\"PATCH\",outcome=\"refused\"} 1",
            "keywright_credential_expiry_timestamp_seconds{kind=\"AccessToken\",namespace=\"shop\",name=\"reports\"} 3600",
            "keywright_credential_refresh_timestamp_seconds{kind=\"AccessToken\",namespace=\"shop\",name=\"reports\"} 3000",
            "keywright_credential_deadline_timestamp_seconds{kind=\"AccessToken\",namespace=\"shop\",name=\"reports\"} 3300",
            "keywright_resource_ready{kind=\"AccessToken\",namespace=\"shop\",name=\"reports\"} 1",
            "keywright_secret_conflict{kind=\"AccessToken\",namespace=\"shop\",name=\"reports\"} 0",
            "keywright_refreshes_overdue{kind=\"AccessToken\"} 0",
            "keywright_remaining_at_refresh_seconds_sum{controller=\"access_token\"} 420.0",
            "keywright_budget_wait_seconds_sum{kind=\"IdentityProvider\",namespace=\"shop\",name=\"didit\"} 0.2",
            "keywright_budget_queue{kind=\"IdentityProvider\",namespace=\"shop\",name=\"didit\"} 3",
            "keywright_breaker_state{kind=\"IdentityProvider\",namespace=\"shop\",name=\"didit\"} 2",
            "keywright_provider_paused_until_timestamp_seconds{kind=\"IdentityProvider\",namespace=\"shop\",name=\"didit\"} 60",
            "keywright_build_info{version=\"1.2.3\"} 1",
        ] {
            assert!(
                has(&metrics, line),
                "{line}\nnot in\n{}",
                metrics.encode(Timestamp::UNIX_EPOCH).unwrap()
            );
        }
        let lines = lines(&metrics);
        let families = lines.iter().filter(|line| line.starts_with("# TYPE")).count();
        let described = lines
            .iter()
            .filter(|line| line.starts_with("# HELP keywright_"))
            .count();
        assert_eq!((families, described), (24, 24));
        assert_eq!(lines.last().unwrap(), "# EOF");
    }

    /// The names of all metrics as they are queried.
    fn names() -> BTreeSet<String> {
        let queried = |line: &String| {
            let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
            Some(match kind {
                "counter" => format!("{name}_total"),
                "info" => format!("{name}_info"),
                _ => name.to_owned(),
            })
        };
        lines(&all()).iter().filter_map(queried).collect()
    }

    #[test]
    fn the_page_about_metrics_tells_of_each_that_there_is_and_of_no_other() {
        let source = include_str!("metrics.rs").split("#[cfg(test)]").next().unwrap();
        let registered = source.matches("registry.register").count();
        assert_eq!(names().len(), registered, "one has no value in all()");

        let page = include_str!("../../docs/metrics.md");
        let is_part = |c: char| c.is_ascii_lowercase() || c == '_';
        let words = page.split(|c: char| !is_part(c));
        let told: BTreeSet<_> = words
            .filter(|word| word.starts_with("keywright_"))
            .map(str::to_owned)
            .collect();
        assert_eq!(told, names());
    }

    #[test]
    fn a_deleted_provider_leaves_no_series() {
        let metrics = Metrics::new("0");
        metrics.set_provider("ClusterIdentityProvider", "", "didit", false, true);
        metrics.set_provider("IdentityProvider", "shop", "didit", true, false);
        metrics.remove_provider("ClusterIdentityProvider", "", "didit");

        let text = metrics.encode(Timestamp::UNIX_EPOCH).unwrap();
        assert!(!text.contains("ClusterIdentityProvider"), "{text}");
        assert!(text.contains("namespace=\"shop\""), "{text}");
    }

    #[test]
    fn a_provider_that_recovers_keeps_one_series() {
        let metrics = Metrics::new("0");
        metrics.set_provider("IdentityProvider", "shop", "didit", false, true);
        metrics.set_provider("IdentityProvider", "shop", "didit", true, false);
        let series = lines(&metrics)
            .iter()
            .filter(|line| line.contains("name=\"didit\""))
            .count();
        assert_eq!(series, 2);
        let labels = "{kind=\"IdentityProvider\",namespace=\"shop\",name=\"didit\"}";
        assert!(has(&metrics, &format!("keywright_provider_ready{labels} 1")));
        assert!(has(&metrics, &format!("keywright_login_brake{labels} 0")));
    }

    #[test]
    fn what_is_overdue_follows_from_the_clock() {
        let metrics = Metrics::new("0");
        let at = |second| Timestamp::from_second(second).unwrap();
        metrics.set_credential("AccessToken", "shop", "reports", Some(times(1000, 500, 700)));
        let overdue = |metrics: &Metrics, second| {
            let text = metrics.encode(at(second)).unwrap();
            text.contains("keywright_refreshes_overdue{kind=\"AccessToken\"} 1\n")
        };
        assert!(!overdue(&metrics, 550));
        assert!(overdue(&metrics, 561));
        let labels = "{kind=\"AccessToken\",namespace=\"shop\",name=\"reports\"}";
        assert!(has(
            &metrics,
            &format!("keywright_credential_expiry_timestamp_seconds{labels} 1000")
        ));
        metrics.set_credential("AccessToken", "shop", "reports", None);
        assert!(!overdue(&metrics, 561));
        assert!(!metrics.encode(at(0)).unwrap().contains("reports"));
    }

    #[test]
    fn a_deleted_resource_leaves_no_series() {
        let metrics = Metrics::new("0");
        metrics.set_credential("AccessToken", "shop", "reports", Some(times(1000, 500, 700)));
        metrics.set_resource("AccessToken", "shop", "reports", false, true);
        let labels = "{kind=\"AccessToken\",namespace=\"shop\",name=\"reports\"}";
        assert!(has(&metrics, &format!("keywright_resource_ready{labels} 0")));
        assert!(has(&metrics, &format!("keywright_secret_conflict{labels} 1")));

        metrics.remove_resource("AccessToken", "shop", "reports");
        let text = metrics.encode(Timestamp::UNIX_EPOCH).unwrap();
        assert!(!text.contains("reports"), "{text}");
    }

    #[test]
    fn clones_count_together_and_instances_apart() {
        let metrics = Metrics::new("0");
        metrics.clone().event_dropped();
        metrics.event_dropped();
        assert!(has(&metrics, "keywright_events_dropped_total 2"));
        assert!(has(&Metrics::new("0"), "keywright_events_dropped_total 0"));
    }
}
