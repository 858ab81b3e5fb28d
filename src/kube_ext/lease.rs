//! Leader election on a `coordination.k8s.io/v1` Lease, with client-go's protocol.
//!
//! # Guarantees
//!
//! - **One writer.** At no instant do two replicas have [`Leadership::may_write`], whatever the delays and
//!   losses on the network, however far apart the clocks stand, and although requests may take effect long
//!   after their sender gave up on them.
//! - Every change of the Lease is a `PUT` or `POST` that fails if someone else changed it first.
//! - A holder's time runs from *before* its renewal was sent. A candidate's wait runs from *after* it has seen
//!   the holder's last renewal. Both are read from the local monotonic clock; the times in the Lease are
//!   there for people only.
//!
//! # Assumptions
//!
//! - Monotonic clocks run at the same rate, to within one percent.
//! - Nobody deletes the Lease or clears its holder by hand while it is held: that hands it over at once, and
//!   the former holder learns of it with its next renewal.
//! - A process that is frozen between asking [`Leadership::may_write`] and the request leaving the machine
//!   may write late. Nothing in Kubernetes fences such a request off.

mod contest;
mod leadership;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
mod timings;

use std::time::Duration;

use k8s_openapi::{api::coordination::v1::Lease, jiff::Timestamp};
use kube::{Api, Client, api::PostParams};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use contest::{Contest, Decision};
pub use leadership::{Leadership, Seat};
pub use timings::{InvalidTimings, Timings};

/// How often the same complaint is repeated in the log.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(30);

/// How holding the lease came to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseEnd {
    /// It was given up because of the shutdown. If the API server could not be told, the others wait for
    /// it to expire.
    Released,
    /// It could not be renewed in time, or another replica holds it. The process must end.
    Lost,
}

/// Takes part in the election.
#[derive(Debug)]
pub struct Elector {
    leases: Api<Lease>,
    /// Namespace and name, for the log.
    place: String,
    contest: Contest,
    seat: Seat,
    complaint: Option<(String, Instant)>,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("{}", said(.0))]
    Kube(#[from] kube::Error),
}

/// What the API server said, in its own words only.
fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} ({})", status.message, status.code),
        other => other.to_string(),
    }
}

/// What is done to the Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Read,
    Create,
    Write,
}

impl Verb {
    fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Create => "create",
            Self::Write => "write",
        }
    }

    /// What has to be done about a refusal that does not pass by itself.
    fn advice(self, code: Option<u16>) -> Option<&'static str> {
        match (code, self) {
            (Some(401 | 403), _) => Some(
                "the operator's service account needs the verbs get, create and update on leases.coordination.k8s.io in that \
                 namespace",
            ),
            // A Lease that is written over may be gone; what a new one lacks is its namespace.
            (Some(404), Self::Create) => Some(
                "the namespace does not exist: create the namespace, or name another with --operator-namespace",
            ),
            _ => None,
        }
    }
}

impl Failure {
    fn code(&self) -> Option<u16> {
        match self {
            Self::Kube(kube::Error::Api(status)) => Some(status.code),
            _ => None,
        }
    }
}

impl Elector {
    /// A candidate for the lease `name` in `namespace`.
    ///
    /// `replica` is how people recognize this replica, for example the name of its pod. A random part is added
    /// to it, so that a restarted replica is never mistaken for its former self. `seat` is the other half
    /// of the [`Leadership`] that the rest of the process asks.
    #[must_use]
    pub fn new(
        client: Client,
        namespace: &str,
        name: &str,
        replica: &str,
        timings: Timings,
        seat: Seat,
    ) -> Self {
        let identity = format!("{replica}_{}", Uuid::new_v4());
        Self {
            leases: Api::namespaced(client, namespace),
            place: format!("{namespace}/{name}"),
            contest: Contest::new(namespace, name, identity, timings),
            seat,
            complaint: None,
        }
    }

    /// The name under which this replica stands in the Lease.
    #[must_use]
    pub fn identity(&self) -> &str {
        self.contest.identity()
    }

    /// Waits until this replica holds the lease. Never gives up: what goes wrong is logged and tried again.
    ///
    /// May be dropped at any time; a lease that was being taken at that moment then expires by itself.
    pub async fn acquire(&mut self) {
        tracing::info!(lease = %self.place, identity = self.identity(), "waiting for the lease");
        loop {
            self.look().await;
            if self.contest.decide(Instant::now()) == Decision::Write {
                self.write().await;
            }
            if self.contest.holds() {
                tracing::info!(lease = %self.place, identity = self.identity(), "leading");
                return;
            }
            sleep_until(self.contest.next_look(Instant::now())).await;
        }
    }

    /// Keeps the lease until `shutdown`, which asks to release it, or until it is lost.
    ///
    /// Cancel `shutdown` only when this replica's work is done: from then on it may not write.
    pub async fn hold(mut self, shutdown: CancellationToken) -> LeaseEnd {
        loop {
            if shutdown.is_cancelled() {
                self.release().await;
                return LeaseEnd::Released;
            }
            match self.contest.decide(Instant::now()) {
                Decision::Write => self.renew().await,
                Decision::Wait(until) => tokio::select! {
                    () = shutdown.cancelled() => {}
                    () = sleep_until(until) => {}
                },
                Decision::StepDown => {
                    self.seat.publish(self.contest.term());
                    if let Some(holder) = self.contest.other_holder() {
                        tracing::error!(lease = %self.place, holder, "lease lost: another replica took it");
                    } else {
                        tracing::error!(lease = %self.place, "lease lost: it could not be renewed in time");
                    }
                    return LeaseEnd::Lost;
                }
            }
        }
    }

    /// Renews, once more right away if the Lease was changed by something that left us its holder.
    async fn renew(&mut self) {
        if self.write().await == Written::Conflict {
            self.look().await;
            if self.contest.may_retry(Instant::now()) {
                self.write().await;
            }
        }
    }

    /// Reads the Lease.
    async fn look(&mut self) {
        let answer = self
            .bounded(Instant::now(), self.leases.get_opt(self.contest.name()))
            .await;
        match answer {
            Ok(lease) => self.contest.observed(lease, Instant::now()),
            Err(failure) => self.complain(Verb::Read, &failure),
        }
    }

    /// Writes our claim over what was last seen: to take the lease, or to renew it.
    async fn write(&mut self) -> Written {
        // The new time starts before the request is sent: the others may see it as soon as that.
        let sent = Instant::now();
        self.contest.tried(sent);
        let claim = self.contest.claim(Timestamp::now());
        match self.put(sent, &claim).await {
            Ok(lease) => {
                self.contest.wrote(lease, sent, Instant::now());
                self.seat.publish(self.contest.term());
                self.complaint = None;
                Written::Done
            }
            Err(failure) if failure.code() == Some(409) => Written::Conflict,
            Err(failure) => {
                if failure.code() == Some(404) {
                    self.contest.observed(None, Instant::now());
                }
                let verb = match claim.metadata.resource_version {
                    Some(_) => Verb::Write,
                    None => Verb::Create,
                };
                self.complain(verb, &failure);
                Written::Failed
            }
        }
    }

    async fn put(&self, sent: Instant, lease: &Lease) -> Result<Lease, Failure> {
        let params = PostParams::default();
        if lease.metadata.resource_version.is_some() {
            self.bounded(sent, self.leases.replace(self.contest.name(), &params, lease))
                .await
        } else {
            self.bounded(sent, self.leases.create(&params, lease)).await
        }
    }

    /// Ends a request in time to try once more, and a holder's request no later than its leadership.
    async fn bounded<T>(
        &self,
        sent: Instant,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Failure> {
        let deadline = self.contest.deadline(sent);
        match timeout_at(deadline, request).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Failure::Timeout(deadline - sent)),
        }
    }

    /// Gives the lease up, so that another replica need not wait for it to expire.
    async fn release(mut self) {
        self.contest.resign();
        self.seat.publish(self.contest.term());
        for _ in 0..2 {
            let Some(lease) = self.contest.release(Timestamp::now()) else {
                return;
            };
            match self.put(Instant::now(), &lease).await {
                Ok(_) => {
                    tracing::info!(lease = %self.place, "lease released");
                    return;
                }
                Err(failure) if failure.code() == Some(409) => self.look().await,
                Err(failure) => {
                    tracing::warn!(lease = %self.place, %failure, "the lease could not be released; it expires");
                    return;
                }
            }
        }
    }

    /// Logs a failure, and the same one again only after a while.
    fn complain(&mut self, verb: Verb, failure: &Failure) {
        let now = Instant::now();
        let text = failure.to_string();
        if let Some((last, at)) = &self.complaint
            && *last == text
            && now - *at < COMPLAINT_INTERVAL
        {
            return;
        }
        let doing = verb.as_str();
        match verb.advice(failure.code()) {
            Some(advice) => tracing::error!(
                lease = %self.place,
                failure = text,
                "could not {doing} the lease, so this replica cannot lead; {advice}",
            ),
            None => tracing::warn!(lease = %self.place, failure = text, "could not {doing} the lease"),
        }
        self.complaint = Some((text, now));
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    Done,
    Conflict,
    Failed,
}
