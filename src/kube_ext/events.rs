//! Kubernetes events about our resources.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tokio::time::timeout;

use crate::telemetry::metrics::Metrics;

/// How long publishing may hold up its caller.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes that the API server accepts in a note (`events.k8s.io/v1` Event, field `note`).
const NOTE_LIMIT: usize = 1024;

/// Publishes events, best effort: nothing that goes wrong here reaches the caller.
///
/// The same event (type, reason, action, object) within six minutes is counted up on the first one, whose
/// note stays. Publish on transitions only: each event costs a request.
#[derive(Clone)]
pub struct Events {
    recorder: Recorder,
    metrics: Metrics,
}

impl Events {
    /// `controller` is the operator's name, `instance` the name of its pod.
    #[must_use]
    pub fn new(client: Client, controller: &str, instance: &str, metrics: Metrics) -> Self {
        let reporter = Reporter {
            controller: controller.to_owned(),
            instance: Some(instance.to_owned()),
        };
        Self {
            recorder: Recorder::new(client, reporter),
            metrics,
        }
    }

    /// Tells of something that happened to `about`.
    ///
    /// `reason` and `action` are CamelCase words of at most 128 bytes; `note` is a sentence, which is cut
    /// after 1024 bytes. An event about a cluster-wide object goes to the namespace `default`.
    pub async fn publish(
        &self,
        about: &ObjectReference,
        type_: EventType,
        reason: &str,
        action: &str,
        note: &str,
    ) {
        let event = Event {
            type_,
            reason: reason.to_owned(),
            action: action.to_owned(),
            note: Some(shorten(note).to_owned()),
            secondary: None,
        };
        // The version changes with every write, and two versions of an object would be two objects to the
        // recorder: the same event would never be counted up.
        let about = ObjectReference {
            resource_version: None,
            ..about.clone()
        };
        let failure = match timeout(TIMEOUT, self.recorder.publish(&event, &about)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {TIMEOUT:?}"),
        };
        self.metrics.event_dropped();
        tracing::debug!(reason, object = about.name, failure, "event not published");
    }
}

/// The longest beginning of `note` that the API server accepts, cut between characters.
fn shorten(note: &str) -> &str {
    let ends = note
        .char_indices()
        .map(|(start, character)| start + character.len_utf8());
    let end = ends
        .take_while(|end| *end <= NOTE_LIMIT)
        .last()
        .unwrap_or_default();
    note.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::{Arc, Mutex},
    };

    use http::{Method, Request, Response};
    use kube::client::Body;
    use serde_json::{Value, json};
    use tokio::time::Instant;

    use super::*;

    #[derive(Clone, Default)]
    struct Server {
        requests: Arc<Mutex<Vec<(Method, Value)>>>,
    }

    impl Server {
        /// Answers with `status`, or never.
        fn events(&self, status: Option<u16>, metrics: &Metrics) -> Events {
            let requests = self.requests.clone();
            let service = tower::service_fn(move |request: Request<Body>| {
                let requests = requests.clone();
                async move {
                    let method = request.method().clone();
                    let body = request.into_body().collect_bytes().await.unwrap();
                    let event: Value = serde_json::from_slice(&body).unwrap();
                    requests.lock().unwrap().push((method, event.clone()));
                    let Some(status) = status else {
                        std::future::pending().await
                    };
                    let body = Body::from(event.to_string().into_bytes());
                    Ok::<_, Infallible>(Response::builder().status(status).body(body).unwrap())
                }
            });
            Events::new(
                Client::new(service, "default"),
                "keywright",
                "keywright-0",
                metrics.clone(),
            )
        }
    }

    fn about(version: &str) -> ObjectReference {
        ObjectReference {
            kind: Some("ClientApplication".into()),
            name: Some("payments".into()),
            namespace: Some("shop".into()),
            resource_version: Some(version.into()),
            ..ObjectReference::default()
        }
    }

    fn dropped(metrics: &Metrics) -> bool {
        metrics
            .encode(k8s_openapi::jiff::Timestamp::UNIX_EPOCH)
            .unwrap()
            .contains("keywright_events_dropped_total 1\n")
    }

    async fn publish(events: &Events, version: &str, note: &str) {
        events
            .publish(
                &about(version),
                EventType::Warning,
                "RefreshFailed",
                "Refresh",
                note,
            )
            .await;
    }

    #[tokio::test]
    async fn an_event_says_what_happened_to_whom() {
        let (server, metrics) = (Server::default(), Metrics::new("0"));
        publish(
            &server.events(Some(201), &metrics),
            "1",
            "the identity API is down",
        )
        .await;
        let (method, event) = server.requests.lock().unwrap()[0].clone();
        assert_eq!(method, Method::POST);
        assert_eq!(event["reason"], "RefreshFailed");
        assert_eq!(event["action"], "Refresh");
        assert_eq!(event["type"], "Warning");
        assert_eq!(event["note"], "the identity API is down");
        assert_eq!(event["reportingController"], "keywright");
        assert_eq!(event["reportingInstance"], "keywright-0");
        assert_eq!(event["regarding"]["name"], "payments");
        assert!(!dropped(&metrics));
    }

    #[tokio::test]
    async fn the_same_event_on_a_later_version_is_counted_up() {
        let (server, metrics) = (Server::default(), Metrics::new("0"));
        let events = server.events(Some(200), &metrics);
        publish(&events, "1", "down").await;
        publish(&events, "2", "down").await;
        let requests = server.requests.lock().unwrap().clone();
        assert_eq!(requests[1].0, Method::PATCH);
        assert_eq!(requests[1].1["series"]["count"], json!(2));
    }

    #[tokio::test]
    async fn a_refused_event_is_dropped_and_counted() {
        let (server, metrics) = (Server::default(), Metrics::new("0"));
        publish(&server.events(Some(403), &metrics), "1", "down").await;
        assert!(dropped(&metrics));
    }

    #[tokio::test(start_paused = true)]
    async fn an_api_server_that_hangs_holds_nobody_up() {
        let (server, metrics) = (Server::default(), Metrics::new("0"));
        let before = Instant::now();
        publish(&server.events(None, &metrics), "1", "down").await;
        assert!(before.elapsed() <= TIMEOUT + Duration::from_millis(10));
        assert!(dropped(&metrics));
    }

    #[test]
    fn notes_are_cut_between_characters() {
        assert_eq!(shorten(""), "");
        assert_eq!(shorten("short"), "short");
        let exact = "a".repeat(NOTE_LIMIT);
        assert_eq!(shorten(&exact), exact);
        assert_eq!(shorten(&"a".repeat(5000)).len(), NOTE_LIMIT);
        let straddling = format!("{}é and more", "a".repeat(NOTE_LIMIT - 1));
        assert_eq!(shorten(&straddling), "a".repeat(NOTE_LIMIT - 1));
        let fitting = format!("{}é and more", "a".repeat(NOTE_LIMIT - 2));
        assert_eq!(shorten(&fitting).len(), NOTE_LIMIT);
    }
}
